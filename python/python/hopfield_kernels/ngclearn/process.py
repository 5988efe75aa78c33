"""Processes that copy only what has changed."""

from __future__ import annotations

import ast
import sys
from typing import Any

import jax
import ngclearn

from .virtual import OWNED, Virtual, bind, global_state, key, set_global_state

__all__ = ["JointProcess", "MethodProcess"]

#: References to an array of the global state that nobody else holds: that of the state, of its
#: copy, of a local variable, and of the call that counts them.
_REFERENCES = 4


class _Thrifty:
    """A process whose compiled step returns what it has changed, and changes in place what it can.

    A compiled step of ngc-learn's processes takes and returns the whole global state, all of which
    is copied. This one returns the keys that its methods set. Arrays that compartments mark as
    `owned` are given to it, to be changed where they are, unless somebody else holds them: a copy
    of the global state, for example, such as `run` returns.
    """

    run: Any
    _source: Any
    _watch_list: list[Any]

    def compile(self) -> None:
        """Compiles the methods, with the compartments that are watched."""
        super().compile()  # type: ignore[misc]
        compiled = self.run.compiled
        virtual = {of.root: of.of for of in self._watch_list if isinstance(of, _StandIn)}
        if virtual:
            self._watch_list = [getattr(of, "of", of) for of in self._watch_list]
            compiled = self._with_virtual(compiled, virtual)
        self._source = getattr(compiled, "source_fn", None)
        modules = [compiled.ast, *compiled.auxiliary_ast.values()]
        nodes = [node for module in modules for node in ast.walk(module)]
        used = {of.value for of in nodes if isinstance(of, ast.Constant)}
        #: The keys of the state that the step may use, and those of them that it may give away.
        self._keys = [of for of in global_state() if of in used]
        self._owned = [of for of in self._keys if of in OWNED & _assigned(nodes)]
        self._step = jax.jit(self._changes, donate_argnums=0)

    def _parse(self) -> Any:
        parsed = super()._parse()  # type: ignore[misc]
        self._watch_list = [
            _StandIn(of) if isinstance(of, Virtual) else of for of in self._watch_list
        ]
        return parsed

    def _with_virtual(self, compiled: Any, virtual: dict[str, Virtual]) -> Any:
        """The compiled method, whose watched virtual compartments are read as what they are."""
        last = compiled.ast.body[0].body[-1].value.elts[1]
        last.elts = [_read(element, virtual) for element in last.elts]
        ast.fix_missing_locations(compiled.ast)
        again = {"namespace": compiled.namespace, "auxiliary_ast": compiled.auxiliary_ast}
        bind(self, self.run._method, compiled.ast, **again)
        if self._use_jit:  # type: ignore[attr-defined]
            self.run.compiled = type(compiled).wrap(self.run.compiled)
        return self.run.compiled

    def _changes(self, owned: Any, state: Any, arguments: Any) -> Any:
        before = {**state, **owned}
        after, watched = self._source(dict(before), arguments)
        kept = {of: after.pop(of) for of in owned}
        changed = {of: value for of, value in after.items() if value is not before.get(of)}
        return kept, changed, watched

    def run(  # type: ignore[no-redef]
        self,
        state: dict[str, Any] | None = None,
        keywords: Any = None,
        update: bool = True,
        row_seed: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Runs the process, as that of ngc-learn does: the final state, and what is watched."""
        if getattr(self, "_source", None) is None:
            run = super().run  # type: ignore[misc]
            return run(state, keywords, update, row_seed, **kwargs)
        if keywords is None:
            keywords = self.pack_keywords(row_seed=row_seed, **kwargs)  # type: ignore[attr-defined]
        whole = global_state() if state is None else dict(state)
        owned = self._given_away(whole) if update and state is None else {}
        needed = {of: whole[of] for of in self._keys if of in whole and of not in owned}
        kept, changed, watched = self._step(owned, needed, keywords)
        changed.update(kept)
        if update:
            set_global_state(changed)
        whole.update(changed)
        return whole, watched

    def _given_away(self, whole: dict[str, Any]) -> dict[str, Any]:
        """The arrays of owned compartments that nobody else holds."""
        owned = {}
        for of in self._owned:
            value = whole.get(of)
            if value is not None and sys.getrefcount(value) <= _REFERENCES:
                owned[of] = value
        return owned


class _StandIn:
    """A compartment whose key is its root."""

    def __init__(self, of: Any) -> None:
        self.of, self.target, self.root = of, of.root, of.root


def _read(element: ast.expr, virtual: dict[str, Virtual]) -> ast.expr:
    if not isinstance(element, ast.Subscript) or not isinstance(element.slice, ast.Constant):
        return element
    of = virtual.get(str(element.slice.value))
    return element if of is None else key(of, "ctx")


def _assigned(nodes: list[ast.AST]) -> set[str]:
    """The keys of the state that are set."""
    subscripts = [of for of in nodes if isinstance(of, ast.Subscript)]
    stored = [of.slice for of in subscripts if isinstance(of.ctx, ast.Store)]
    return {str(of.value) for of in stored if isinstance(of, ast.Constant)}


class MethodProcess(_Thrifty, ngclearn.MethodProcess):  # type: ignore[misc]
    """ngc-learn's `MethodProcess`, whose runs copy only what has changed."""


class JointProcess(_Thrifty, ngclearn.JointProcess):  # type: ignore[misc]
    """ngc-learn's `JointProcess`, whose runs copy only what has changed."""
