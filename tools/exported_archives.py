"""What may be inside a `.pt2` file, looked at before torch opens it.

torch.export.load unpickles some entries without limits, loads compiled libraries, evaluates the text
of symbolic sizes and of guards as Python, and takes any function of torch for an operator. A model
file is untrusted, so an archive with anything but tensors, plain arithmetic and operators is refused.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..graph.diagnostics import SpecError, fail

LARGEST_CONTENT = 2**36
"""The most bytes that a file may unpack to."""

DENSEST = 1000
"""The most times its own size that a file may unpack to."""

LARGEST_JSON = 2**29

_ENTRY = re.compile(
    r"[^/]+/(?:data/(?:weights/(?:weight_\d+|[^/]+_config\.json)|constants/(?:tensor_\d+|[^/]+_config\.json)"
    r"|sample_inputs/[^/]+\.pt)|models/[^/]+\.json|archive_format|archive_version|byteorder|version"
    r"|\.data/[^/]+|extra/[^/]+)\Z"
)
_TARGET = re.compile(
    r"torch\.ops\.(?:aten|prim|prims|higher_order|quantized_decomposed|torchvision)\.\w+(?:\.\w+)?\Z"
    r"|torch\.sym_\w+\Z|_operator\.(?:add|sub|mul|floordiv|truediv|mod|neg|pos|pow|eq|ne|lt|le|gt|ge|getitem"
    r"|and_|or_|not_|abs|lshift|rshift)\Z|math\.(?:ceil|floor|trunc|sqrt)\Z"
)
_SYMBOLIC = re.compile(
    r"(?:[(),=+\-*/% <>]|\d++(?:\.\d++)?+|'[a-z]++\d++'|[a-z]++\d++\b|(?:Symbol|Integer|Float|Rational|Add|Mul|Pow|Min"
    r"|Max|Mod|PythonMod|FloorDiv|CleanDiv|CeilDiv|ModularIndexing|FloorToInt|CeilToInt|TruncToInt|RoundToInt"
    r"|IntTrueDiv|FloatTrueDiv|PowByNatural|FloatPow|ToFloat|Identity|Where|Piecewise|ExprCondPair|Eq|Ne|Lt|Le|Gt"
    r"|Ge|Equality|Unequality|StrictLessThan|LessThan|StrictGreaterThan|GreaterThan|And|Or|Not|Abs|floor|ceiling"
    r"|positive|negative|nonnegative|integer|real|True|False|true|false|evaluate|oo|int_oo)\b)*+\Z"
)
_GUARD = re.compile(
    r"(?:[()\[\],=+\-*/% <>!]|\d++(?:\.\d++)?+|'[\w.]*+'|\"[\w.]*+\"|\.(?:size|stride|shape|storage_offset)\b"
    r"|(?:L|len|min|max|and|or|not|is|None|True|False|math\.floor|math\.ceil)\b|[a-z]++\d++\b)*+\Z"
)


def check_archive(path: Path) -> None:
    """Raises SpecError G1224 for a file that is no saved program, would unpack to too much, or holds
    what could run code."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_directory(path, archive)
            for entry in archive.infolist():
                if entry.filename.endswith(".json"):
                    _check_json(path, entry, archive)
    except OSError as error:
        raise refused(path, error.strerror or "it can't be read") from None
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RecursionError, RuntimeError) as error:
        raise refused(path, "it is no saved torch.export program, or is damaged") from error


def refused(path: Path, reason: str, hint: str | None = None) -> SpecError:
    return fail("G1224", f"'{path.name}' can't be imported: {reason}", hint=hint)


def _check_directory(path: Path, archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    unpacked, packed = sum(e.file_size for e in entries), max(1, path.stat().st_size)
    if unpacked > LARGEST_CONTENT or unpacked > DENSEST * packed:
        raise refused(path, f"{packed:,} bytes would unpack to {unpacked:,}")
    if not any("/models/" in e.filename for e in entries):
        raise refused(path, "it holds no torch.export program")
    for entry in entries:
        if not _ENTRY.match(entry.filename) or ".." in entry.filename:
            raise refused(path, f"its entry '{entry.filename}' is neither a graph nor a tensor")


def _check_json(path: Path, entry: zipfile.ZipInfo, archive: zipfile.ZipFile) -> None:
    if entry.file_size > LARGEST_JSON:
        raise refused(path, f"its entry '{entry.filename}' has {entry.file_size:,} bytes")
    for key, value in _fields(json.loads(archive.read(entry))):
        if key == "use_pickle" and value:
            raise refused(
                path, "it stores a tensor as a pickle, which could run code", "save it with a newer torch"
            )
        if key == "target" and not (isinstance(value, str) and _TARGET.match(value)):
            if not isinstance(value, str) or value.startswith(("torch", "_operator", "math", "#")):
                raise refused(path, f"it calls {str(value)[:80]!r}, which is no operator")
        if key == "expr_str" and not (isinstance(value, str) and _SYMBOLIC.match(value)):
            raise refused(path, f"a size of it is {str(value)[:80]!r}, which is no arithmetic")
        if key == "guards_code":
            for guard in value if isinstance(value, list) else [value]:
                if guard is not None and not (isinstance(guard, str) and _GUARD.match(guard)):
                    raise refused(
                        path, f"a guard of it is {str(guard)[:80]!r}, which is no comparison of sizes"
                    )


def _fields(found: Any) -> Iterator[tuple[str, Any]]:
    """Every (key, value) of every mapping inside."""
    stack = [found]
    while stack:
        current = stack.pop()
        if isinstance(current, dict):
            yield from current.items()
            stack.extend(current.values())
        elif isinstance(current, list):
            stack.extend(current)
