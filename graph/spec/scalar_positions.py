"""Where each character of a YAML scalar's value stands in the file (rule R35).

YAML gives only a scalar's start and end. Folding, quoting, escapes and block indentation move
the characters in between, so the value is produced again here, character by character, each
with its line, column and width; should the result ever differ from the value that the YAML
library gave, the whole scalar's span is used instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

Position = tuple[int, int]
_ESCAPE = re.compile(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)")
_SINGLE = re.compile(r"''|.")
_DOUBLE = re.compile(_ESCAPE.pattern + "|.")
_PLAIN = re.compile(r".")
_NAMED = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "\t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r",
    "e": "\x1b", " ": " ", '"': '"', "/": "/", "\\": "\\", "N": "\x85", "_": "\xa0",
    "L": "\u2028", "P": "\u2029",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CharacterPositions:
    """`lines`, `columns`, `widths` of each character; `end` is the scalar's end."""

    lines: list[int]
    columns: list[int]
    widths: list[int]
    end: Position

    def range(self, start: int, end: int) -> tuple[int, int, int, int]:
        """(line, column, end_line, end_column) of the characters `start` up to `end`."""
        count = len(self.lines)
        if start >= count:
            line, column = self._after_last()
            return line, column, line, column + 1
        last = max(min(end, count) - 1, start)
        stop = self.columns[last] + self.widths[last]
        if (self.lines[last], stop) <= (self.lines[start], self.columns[start]):
            stop = self.columns[start] + 1
        return self.lines[start], self.columns[start], self.lines[last], stop

    def _after_last(self) -> Position:
        if not self.lines:
            return self.end
        return self.lines[-1], self.columns[-1] + self.widths[-1]


class _Trace:
    """Collects characters with their places."""

    def __init__(self) -> None:
        self.characters: list[str] = []
        self.lines: list[int] = []
        self.columns: list[int] = []
        self.widths: list[int] = []

    def put(self, character: str, line: int, column: int, width: int) -> None:
        self.characters.append(character)
        self.lines.append(line)
        self.columns.append(column)
        self.widths.append(width)

    def put_text(self, text: str, line: int, column: int) -> None:
        for offset, character in enumerate(text):
            self.put(character, line, column + offset, 1)


def character_positions(
    lines: Sequence[str], start: Position, end: Position, style: str, value: str
) -> CharacterPositions:
    """The places of `value`'s characters, for a scalar from `start` up to `end` in `lines`."""
    trace = _Trace()
    if style in ("|", ">"):
        _trace_block(trace, lines, start, end, style, value)
    else:
        _trace_flow(trace, lines, start, end, style)
    produced = "".join(trace.characters)
    if not produced.startswith(value):
        return _whole(start, end, len(value))
    count = len(value)
    return CharacterPositions(trace.lines[:count], trace.columns[:count], trace.widths[:count], end)


def _whole(start: Position, end: Position, count: int) -> CharacterPositions:
    width = end[1] - start[1] if start[0] == end[0] else 1
    return CharacterPositions([start[0]] * count, [start[1]] * count, [width] * count, end)


# --- plain and quoted ---------------------------------------------------------------------


def _trace_flow(trace: _Trace, lines: Sequence[str], start: Position, end: Position, style: str) -> None:
    quotes = 1 if style else 0
    first, last = start[0], end[0]
    pending = 0  # line breaks since the last text
    escaped = False  # the last break was escaped: it leaves no blank
    place = start
    for number in range(first, last + 1):
        text = lines[number - 1]
        begin = start[1] - 1 + quotes if number == first else len(text) - len(text.lstrip(" \t"))
        stop = end[1] - 1 - quotes if number == last else len(text)
        part = text[begin:stop] if stop > begin else ""
        ends_escaped = number != last and style == '"' and _ends_escaped(part)
        if number != last and not ends_escaped:
            part = _strip_trailing(part, style)
        if pending and (part or number == last):
            _put_breaks(trace, pending, escaped, place)
            pending, escaped = 0, False
        if part:
            _put_part(trace, part[:-1] if ends_escaped else part, number, begin + 1, style)
        if number != last:
            if pending == 0:
                place, escaped = (number, begin + len(part) + 1), ends_escaped
            pending += 1


def _ends_escaped(part: str) -> bool:
    return (len(part) - len(part.rstrip("\\"))) % 2 == 1


def _strip_trailing(part: str, style: str) -> str:
    stripped = part.rstrip(" \t")
    if style == '"' and len(stripped) < len(part) and _ends_escaped(stripped):
        return part[: len(stripped) + 1]  # `\ ` is an escaped blank
    return stripped


def _put_breaks(trace: _Trace, count: int, escaped: bool, place: Position) -> None:
    text = "\n" * (count - 1) if count > 1 or escaped else " "
    for offset, character in enumerate(text):
        trace.put(character, place[0] + offset, place[1] if offset == 0 else 1, 1)


def _put_part(trace: _Trace, part: str, line: int, column: int, style: str) -> None:
    pattern = {"'": _SINGLE, '"': _DOUBLE}.get(style, _PLAIN)
    for found in pattern.finditer(part):
        token = found.group()
        trace.put(_decoded(token, style), line, column + found.start(), len(token))


def _decoded(token: str, style: str) -> str:
    if len(token) == 1:
        return token
    if style == "'":
        return "'"
    if token[1] in "xuU" and len(token) > 2:
        code = int(token[2:], 16)
        return chr(code) if code < 0x110000 else "\ufffd"
    return _NAMED.get(token[1], token[1])


# --- `|` and `>` --------------------------------------------------------------------------


def _trace_block(
    trace: _Trace, lines: Sequence[str], start: Position, end: Position, style: str, value: str
) -> None:
    content = range(start[0] + 1, min(end[0] if end[1] > 1 else end[0] - 1, len(lines)) + 1)
    indent = _block_indent(lines, content, value)
    breaks: list[Position] = []  # breaks of empty lines not yet written
    leading: Position | None = None  # the break that ended the last text line
    was_blank = False
    for number in content:
        text = lines[number - 1]
        if len(text) <= indent and not text.strip(" "):
            breaks.append((number, len(text) + 1))
            continue
        body = text[indent:]
        is_blank = body[:1] in (" ", "\t")
        if style == ">" and leading is not None and not was_blank and not is_blank:
            if not breaks:
                trace.put(" ", *leading, 1)
        elif leading is not None:
            trace.put("\n", *leading, 1)
        for place in breaks:
            trace.put("\n", *place, 1)
        breaks = []
        trace.put_text(body, number, indent + 1)
        leading, was_blank = (number, len(text) + 1), is_blank
    if leading is not None:
        trace.put("\n", *leading, 1)
    for place in breaks:
        trace.put("\n", *place, 1)


def _block_indent(lines: Sequence[str], content: range, value: str) -> int:
    """The columns that belong to the block, found from its first line with text.

    The value's own leading blanks there are what an explicit indicator (`|2`) left of the line's.
    """
    for number in content:
        text = lines[number - 1]
        if text.strip(" "):
            own = value.lstrip("\n")
            kept = len(own) - len(own.lstrip(" "))
            return len(text) - len(text.lstrip(" ")) - kept
    return 0
