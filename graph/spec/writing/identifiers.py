"""Names of imported values as names of a spec: kept where they are valid, else made readable."""

from __future__ import annotations

import keyword
import re

from ...ir.numbering import Numbered
from ..names import DTYPE_NAMES, RESERVED

_WORD = re.compile(r"[^A-Za-z0-9]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_VALID = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_GENERATED = re.compile(
    r"(?:.*/)?(?:onnx::\w+|val_\d+|_?\d+|[A-Z]\w*_output_\d+|[A-Z]\w*?(?:_\d+)?|node_\w+|output|input|t\d*|tmp\w*)\Z"
)
_REFUSED = frozenset(RESERVED) | frozenset(DTYPE_NAMES) | frozenset(keyword.kwlist) | {"_", "inf", "nan"}
LONGEST = 48


def is_generated(text: str) -> bool:
    """Whether a name was made up by an exporter (`val_72`, `/block/Add_output_0`, `onnx::MatMul_3`)
    and says no more than its operator does."""
    return _GENERATED.match(text) is not None


_NUMBERED = re.compile(r"(?:.*/)?(?:onnx::\w+|val_\d+|_?\d+|t\d*|tmp_?\d*|output|input|getitem(?:_\d+)?)\Z")


def is_number(text: str) -> bool:
    """Whether a made-up name says nothing at all, not even the operator."""
    return not text or _NUMBERED.match(text) is not None


def readable(text: str) -> str:
    """A valid name that keeps as much of the text as can be."""
    if _VALID.match(text) and "__" not in text and text not in _REFUSED and len(text) <= LONGEST:
        return text
    plain = re.sub(r"_output_0\Z", "", text.removeprefix("onnx::"))
    parts = [p for p in _WORD.split(plain) if p]
    while len(parts) > 1 and len("_".join(parts)) > LONGEST:
        del parts[0]
    found = re.sub("__+", "_", "_".join(parts))[-LONGEST:].lstrip("_") or "value"
    if found[0].isdigit():
        found = f"v{found}"
    if "/" in text:
        found = snake(found)
    return f"{found}_" if found in _REFUSED else found


def snake(text: str) -> str:
    """`layer_normalization` for `LayerNormalization`."""
    return _HUMP.sub("_", text.replace("MatMul", "Matmul")).lower()


class Names(Numbered):
    """The names of a block: made readable, each once."""

    def take(self, wanted: str) -> str:
        """The name made readable, or with the first free number."""
        return super().take(readable(wanted))


def document_name(text: str) -> str:
    """A name for a document: words joined by hyphens."""
    parts = [p for p in _WORD.split(text) if p]
    found = "-".join(parts)[:64].strip("-") or "model"
    return found if found[0].isalpha() else f"model-{found}"
