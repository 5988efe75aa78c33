"""Compartments that ngc-learn does not have, and what they need of ngcsimlib's private names.

A virtual compartment has no key of its own in the global state. It is read from other compartments,
and setting it sets those.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

try:
    from ngcsimlib._src.global_state.manager import global_state_manager
    from ngcsimlib._src.operations.BaseOp import BaseOp
    from ngcsimlib._src.parser.utils import _bind
    from ngcsimlib.compartment import Compartment
except ImportError as error:
    raise ImportError(
        "hopfield_kernels.ngclearn needs ngcsimlib 3.1, which ngclearn 3.2 installs: "
        f"pip install 'ngclearn>=3.2.1,<4' ({error})"
    ) from error

__all__ = [
    "OWNED",
    "Owned",
    "Read",
    "Virtual",
    "bind",
    "call",
    "global_state",
    "key",
    "set_global_state",
]

bind = _bind
#: The keys of owned compartments.
OWNED: set[str] = set()


def global_state() -> dict[str, Any]:
    """A copy of the global state."""
    state: dict[str, Any] = global_state_manager.state
    return state


def set_global_state(changed: dict[str, Any]) -> None:
    """Changes some keys of the global state."""
    global_state_manager.set_state(changed)


def key(compartment: Any, context: str) -> ast.expr:
    """The expression for the value of a compartment in compiled code, wired or not."""
    expression: ast.expr = compartment._to_ast(ast.Name(id="_", ctx=ast.Load()), context)
    return expression


def call(module: str, function: str, arguments: list[ast.expr]) -> ast.expr:
    """A call of a module's function, which needs no name where it is compiled."""
    loaded = ast.Call(
        func=ast.Name(id="__import__", ctx=ast.Load()),
        args=[ast.Constant(module)],
        keywords=[
            ast.keyword("fromlist", ast.List(elts=[ast.Constant(function)], ctx=ast.Load()))
        ],
    )
    return ast.Call(
        func=ast.Attribute(loaded, function, ctx=ast.Load()), args=arguments, keywords=[]
    )


class Owned(Compartment):  # type: ignore[misc]
    """A compartment whose array nobody else holds, so that a process may give it away.

    Reading it copies the array.
    """

    def _setup(self, compName: str, path: str) -> None:
        super()._setup(compName, path)
        OWNED.add(self.root)

    def _get_value(self) -> Any:
        return jnp.array(super()._get_value())


class Read(BaseOp, dict[str, Any]):  # type: ignore[misc]
    """What stands for a virtual compartment where it is wired.

    As a dictionary it is what a saved context holds of it.
    """

    def __init__(self, *compartments: Any) -> None:
        super().__init__(*compartments)
        self.update(modulePath=f"{__name__}.Read", compartments=[of.root for of in compartments])

    def get(self, *_: Any) -> Any:
        return self._get_value()

    def _get_value(self) -> Any:
        return self._comps[0]._get_value()

    def to_json(self) -> dict[str, Any]:
        return dict(self)


class Virtual(Compartment):  # type: ignore[misc]
    """A compartment that is computed from others.

    Parameters
    ----------
    read : its value.
    write : sets the others.
    code : the expression for it in compiled code, given the name of the state.
    """

    def __init__(
        self,
        read: Callable[[], Any],
        write: Callable[[Any], None],
        code: Callable[[str], ast.expr],
        **options: Any,
    ) -> None:
        super().__init__(None, **options)
        self._read, self._write, self._code = read, write, code

    def _setup(self, compName: str, path: str) -> None:
        self.name, self._root_target = compName, f"{path}:{compName}"
        self._target = self._root_target
        global_state_manager.add_compartment(self)

    @property
    def target(self) -> Any:
        """An operation that reads it, as no key does."""
        return Read(self)

    @target.setter
    def target(self, value: Any) -> None:
        raise ValueError(
            f"{self.name}: expected no cable into this compartment of the synapse, got {value}"
        )

    @property
    def targeted(self) -> bool:
        """No cable ends here."""
        return False

    def get_needed_keys(self) -> set[str]:
        """None of its own."""
        return set()

    def set(self, value: Any) -> None:
        """Sets the compartments that it is computed from."""
        self._write(value)

    def get(self) -> Any:
        """Computes it."""
        return self._read()

    def _get_value(self) -> Any:
        return self._read()

    def _to_ast(self, node: Any, ctx: str) -> ast.expr:
        if isinstance(node.ctx, ast.Store):
            raise RuntimeError(f"{self.name}: expected to be read by compiled methods, got set")
        return self._code(ctx)
