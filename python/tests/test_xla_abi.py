"""The C structs of XLA's interface, as the installed JAX has them, against those of src/xla/abi.rs."""

import pathlib
import re
import shutil
import subprocess

import pytest

jax = pytest.importorskip("jax")

SOURCE = pathlib.Path(__file__).parents[1] / "src" / "xla" / "abi.rs"
# Struct and member in Rust, struct and member in C.
MEMBERS = {
    "Extension": ("XLA_FFI_Extension_Base", {"kind": "type", "next": "next"}),
    "ApiVersion": (
        "XLA_FFI_Api_Version",
        {"major": "major_version", "minor": "minor_version"},
    ),
    "Metadata": ("XLA_FFI_Metadata", {"api_version": "api_version", "traits": "traits"}),
    "MetadataExtension": ("XLA_FFI_Metadata_Extension", {"metadata": "metadata"}),
    "ErrorArguments": ("XLA_FFI_Error_Create_Args", {"message": "message", "code": "errc"}),
    "Api": (
        "XLA_FFI_Api",
        {"api_version": "api_version", "error_create": "XLA_FFI_Error_Create"},
    ),
    "Buffer": (
        "XLA_FFI_Buffer",
        {"dtype": "dtype", "data": "data", "rank": "rank", "dims": "dims"},
    ),
    "Values": ("XLA_FFI_Args", {"size": "size", "types": "types", "values": "args"}),
    "ByteSpan": ("XLA_FFI_ByteSpan", {"start": "ptr", "len": "len"}),
    "Scalar": ("XLA_FFI_Scalar", {"dtype": "dtype", "value": "value"}),
    "Attributes": (
        "XLA_FFI_Attrs",
        {"size": "size", "types": "types", "names": "names", "values": "attrs"},
    ),
    "CallFrame": (
        "XLA_FFI_CallFrame",
        {
            "api": "api",
            "stage": "stage",
            "operands": "args",
            "results": "rets",
            "attributes": "attrs",
        },
    ),
}
NUMBERS = {
    "PRED": "XLA_FFI_DataType_PRED",
    "S32": "XLA_FFI_DataType_S32",
    "S64": "XLA_FFI_DataType_S64",
    "F32": "XLA_FFI_DataType_F32",
    "F64": "XLA_FFI_DataType_F64",
    "BUFFER": "XLA_FFI_ArgType_BUFFER",
    "SCALAR": "XLA_FFI_AttrType_SCALAR",
    "METADATA": "XLA_FFI_Extension_Metadata",
    "INVALID_ARGUMENT": "XLA_FFI_Error_Code_INVALID_ARGUMENT",
}
SIZES = {"usize": 8, "c_uint": 4, "c_int": 4, "u32": 4, "i64": 8}


def rust_offsets():
    """The place of every member, by the rules of `repr(C)` on 64 bits."""
    places, sizes = {}, {}
    for name, body in re.findall(r"pub struct (\w+) \{(.*?)\n\}", SOURCE.read_text(), re.S):
        offset, widest = 0, 1
        for member, kind in re.findall(r"pub (\w+): (.*),$", body, re.M):
            size, align = sizes.get(kind, (SIZES.get(kind, 8), SIZES.get(kind, 8)))
            offset = -(-offset // align) * align
            places[name, member] = offset
            offset, widest = offset + size, max(widest, align)
        sizes[name] = (-(-offset // widest) * widest, widest)
    return places


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_offsets(tmp_path):
    lines, expected = [], []
    places = rust_offsets()
    for rust, (struct, members) in MEMBERS.items():
        for ours, theirs in members.items():
            lines.append(f'printf("%zu\\n", offsetof({struct}, {theirs}));')
            expected.append(places[rust, ours])
    for ours, theirs in NUMBERS.items():
        lines.append(f'printf("%zu\\n", (size_t){theirs});')
        expected.append(int(re.search(rf"const {ours}: c_uint = (\d+);", SOURCE.read_text())[1]))
    program = (
        "#include <stddef.h>\n#include <stdio.h>\n#include <stdint.h>\n#include <stdbool.h>\n"
        '#include "xla/ffi/api/c_api.h"\n'
        "int main(void) {\n" + "\n".join(lines) + "\nreturn 0;\n}\n"
    )
    (tmp_path / "offsets.c").write_text(program)
    build = ["cc", "-I", jax.ffi.include_dir(), "offsets.c", "-o", "offsets"]
    subprocess.run(build, cwd=tmp_path, check=True)
    found = subprocess.run(["./offsets"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [int(line) for line in found.stdout.split()] == expected
