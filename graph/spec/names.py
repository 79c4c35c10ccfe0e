"""Which words may name something (rule R5)."""

from __future__ import annotations

import keyword
import re

from ..diagnostics import Span, SpecError, fail
from ..types.dtypes import DTYPES
from .tokens import ascii_hint

RESERVED = frozenset(("training", "true", "false", "none", "inf", "nan", "pi", "self", "after"))
GENERIC_DTYPES = ("float", "int", "any")
DTYPE_NAMES: tuple[str, ...] = (*DTYPES, *GENERIC_DTYPES)
DTYPE_ALIASES = {
    "double": "float64", "half": "float16", "long": "int64", "short": "int16", "byte": "uint8",
    "str": "string", "f16": "float16", "f32": "float32", "f64": "float64", "bf16": "bfloat16",
    "i8": "int8", "i32": "int32", "i64": "int64", "boolean": "bool", "complex": "complex64",
    "float8": "float8e4m3fn",
}  # fmt: skip

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z_0-9]*\Z")
_DOCUMENT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(-[A-Za-z0-9_]+)*\Z")
_DTYPE_WORDS = frozenset(DTYPES) | {"float", "int"}  # `any` is also a function, and may be a value
_REFUSED = RESERVED | _DTYPE_WORDS | frozenset(keyword.kwlist)


def check_name(text: str, span: Span, what: str) -> None:
    """Raises SpecError (G0107, G0108) where `text` may not name a value or function."""
    if _IDENTIFIER.match(text) and text not in _REFUSED and "__" not in text:
        return
    raise _bad_name(text, span, what)


def check_path(text: str, span: Span, what: str) -> None:
    """A dotted path such as `h.0.att.kernel`. Raises SpecError (G0107)."""
    parts = text.split(".")
    if all(_IDENTIFIER.match(part) or (place and part.isdigit()) for place, part in enumerate(parts)):
        return
    hint = "a path is a prefix and needs no '*'" if "*" in text else None
    if "/" in text:
        hint = f"write '{text.replace('/', '.')}'"
    raise fail("G0107", f"'{text}' is no {what}: write names joined by dots", span, hint=hint)


def check_document_name(text: str, span: Span) -> None:
    """Raises SpecError (G0107) unless the name is letters, digits, `_` and single hyphens."""
    if not _DOCUMENT_NAME.match(text) or "__" in text.replace("-", "_"):
        hint = "letters, digits, '_' and '-', beginning with a letter: 'hl-gauss'"
        raise fail("G0107", f"'{text}' is no name of a document", span, hint=hint)


def is_identifier(text: str) -> bool:
    return _IDENTIFIER.match(text) is not None


def _bad_name(text: str, span: Span, what: str) -> SpecError:
    if not _IDENTIFIER.match(text):
        hint = "names are ASCII letters, digits and '_', and do not begin with a digit"
        if not text.isascii():
            hint = ascii_hint(text) or hint
        elif "-" in text and _IDENTIFIER.match(text.replace("-", "_")):
            hint = f"write '{text.replace('-', '_')}'"
        return fail("G0107", f"'{text}' cannot name {what}", span, hint=hint)
    if "__" in text:
        return fail("G0107", f"'{text}' cannot name {what}: '__' is kept for the compiler", span)
    if text in _DTYPE_WORDS:
        return fail("G0108", f"'{text}' is a dtype and cannot name {what}", span)
    if text in RESERVED:
        return fail("G0108", f"'{text}' has a meaning of its own and cannot name {what}", span)
    return fail("G0108", f"'{text}' is a reserved word and cannot name {what}", span, hint=f"write '{text}_'")
