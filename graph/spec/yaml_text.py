"""A spec's bytes and characters, checked before the YAML parser sees them."""

from __future__ import annotations

import re

from ..diagnostics import Source, Span, SpecError, fail

MAX_BYTES = 16 * 1024 * 1024

# Everything YAML forbids, the line breaks of YAML 1.1 that editors do not show as such, and
# characters that change the order in which a line is displayed ("Trojan source").
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)


def decode(path: str, data: bytes) -> Source:
    """The text of a file; a UTF-8 byte-order mark is dropped. Raises SpecError (G0003)."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or data[:4] in (b"\0\0\xfe\xff",):
        raise fail("G0003", "the file is UTF-16 or UTF-32, not UTF-8", _first(path), hint="save it as UTF-8")
    try:
        return Source(path, data.removeprefix(b"\xef\xbb\xbf").decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _not_utf8(path, data.removeprefix(b"\xef\xbb\xbf"), error) from None


def check_text(source: Source) -> str:
    """The text with plain line breaks, for the YAML parser. Raises SpecError (G0003, G0009)."""
    if len(source.text) > MAX_BYTES:
        raise fail("G0009", f"a spec has at most {MAX_BYTES} characters", Span(source, 1, 1, 1, 2))
    found = _FORBIDDEN.search(source.text)
    if found is not None:
        raise _forbidden(source, found.start())
    if "\r" in source.text:
        return source.text.replace("\r\n", "\n").replace("\r", "\n")
    return source.text


def _forbidden(source: Source, offset: int) -> SpecError:
    before = source.text[:offset].replace("\r\n", "\n").replace("\r", "\n")
    line, column = before.count("\n") + 1, offset_column(before)
    code = ord(source.text[offset])
    return fail(
        "G0003",
        f"the character U+{code:04X} is not allowed",
        Span(source, line, column, line, column + 1),
        hint="remove it; in a quoted text write it as an escape",
    )


def offset_column(before: str) -> int:
    """The column (from 1) of the character after the text `before`."""
    return len(before) - before.rfind("\n")


def _not_utf8(path: str, data: bytes, error: UnicodeDecodeError) -> SpecError:
    source = Source(path, data.decode("utf-8", errors="replace"))
    before = data[: error.start].decode("utf-8", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    line, column = before.count("\n") + 1, offset_column(before)
    byte = data[error.start]
    return fail(
        "G0003",
        f"the byte 0x{byte:02X} is not UTF-8",
        Span(source, line, column, line, column + 1),
        hint="save the file as UTF-8",
    )


def _first(path: str) -> Span:
    return Span(Source(path, ""), 1, 1, 1, 2)
