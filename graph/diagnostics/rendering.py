"""Diagnostics for people (text with carets) and for tools (JSON records)."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .diagnostic import Diagnostic, Note, Severity
from .span import Span

LIMIT = 20  # diagnostics shown; the rest are counted
_WIDTH = 110  # columns of a source line shown
_TAB = 4
_SCHEMA_VERSION = 1


def ordered(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """By file (in the order first met), line and column; what has no place comes first.

    At one place errors come before warnings, and lower codes (reading, then the document, then
    names, then types) before the higher ones that they cause.
    """
    items = list(diagnostics)
    files: dict[str, int] = {}
    for item in items:
        files.setdefault(_path(item), len(files))

    def key(item: Diagnostic) -> tuple[int, int, int, bool, str]:
        span = item.span
        line, column = (span.line, span.column) if span is not None else (0, 0)
        warning = item.severity is Severity.WARNING
        return files[_path(item)], line, column, warning, item.code

    return sorted(items, key=key)


def _path(item: Diagnostic) -> str:
    return item.span.source.path if item.span is not None else ""


def render_text(diagnostics: Iterable[Diagnostic], *, limit: int = LIMIT, colour: bool = False) -> str:
    """All diagnostics in order as text for a terminal, at most `limit`, with a count of the rest.

    Ends without a line break; empty where there are none.
    """
    items = ordered(diagnostics)
    painter = _Painter(colour)
    parts = [_rendered(item, painter) for item in items[:limit]]
    if len(items) > limit:
        parts.append(f"… and {len(items) - limit} more ({_counted(items[limit:])})")
    return "\n\n".join(parts)


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning`."""
    return _counted(list(diagnostics))


def render_json(diagnostics: Iterable[Diagnostic]) -> str:
    """One JSON object: `{"version": 1, "diagnostics": [record, …]}`, all of them, in order."""
    return json.dumps({"version": _SCHEMA_VERSION, "diagnostics": records(diagnostics)}, ensure_ascii=False)


def records(diagnostics: Iterable[Diagnostic]) -> list[dict[str, object]]:
    """One dictionary per diagnostic: code, severity, message, hint, span, notes.

    A span is null or path, line, column, end_line, end_column (from 1, the end not included).
    """
    return [
        {
            "code": item.code,
            "severity": item.severity.value,
            "message": item.message,
            "hint": item.hint,
            "span": _span_record(item.span),
            "notes": [{"message": note.message, "span": _span_record(note.span)} for note in item.notes],
        }
        for item in ordered(diagnostics)
    ]


def _span_record(span: Span | None) -> dict[str, object] | None:
    if span is None:
        return None
    return {
        "path": span.source.path,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def _counted(items: Sequence[Diagnostic]) -> str:
    errors = sum(item.severity is Severity.ERROR for item in items)
    counts = ((errors, "error"), (len(items) - errors, "warning"))
    parts = [f"{count} {word}{'s' if count != 1 else ''}" for count, word in counts if count]
    return ", ".join(parts) or "no errors"


# --- one diagnostic -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Painter:
    colour: bool

    def paint(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self.colour else text


_STYLES = {Severity.ERROR: "1;31", Severity.WARNING: "1;33"}


def _rendered(item: Diagnostic, painter: _Painter) -> str:
    style = _STYLES[item.severity]
    head = f"{item.severity.value}[{item.code}]"
    place = f"{_printable(str(item.span))}: " if item.span is not None else ""
    lines = [f"{place}{painter.paint(head, style)}: {_printable(item.message)}"]
    lines.extend(_excerpt(item.span, painter, style))
    if item.hint is not None:
        lines.append(f"  {painter.paint('hint', '1;36')}: {_printable(item.hint)}")
    for note in item.notes:
        lines.extend(_rendered_note(note, painter))
    return "\n".join(lines)


def _rendered_note(note: Note, painter: _Painter) -> list[str]:
    place = f"{_printable(str(note.span))}: " if note.span is not None else ""
    head = f"  {place}{painter.paint('note', '1;34')}: {_printable(note.message)}"
    return [head, *_excerpt(note.span, painter, "1;34")]


def _excerpt(span: Span | None, painter: _Painter, style: str) -> list[str]:
    """The source line with its number, and carets under the span's part of it."""
    if span is None:
        return []
    text = span.source.line(span.line)
    if not text and span.line > len(span.source.lines):
        return []
    start = min(span.column - 1, len(text))
    stop = span.end_column - 1 if span.end_line == span.line else len(text.rstrip())
    stop = max(min(stop, max(len(text), start + 1)), start + 1)
    text, start, stop = _window(text, start, stop)
    number = f"{span.line:>5}"
    before = "".join(map(_shown, text[:start]))
    marked = "".join(map(_shown, text[start:stop]))
    carets = "^" + "~" * (max(_columns(marked), 1) - 1)
    return [
        f"{number} | {''.join(map(_shown, text))}".rstrip(),
        f"{' ' * len(number)} | {' ' * _columns(before)}{painter.paint(carets, style)}",
    ]


def _window(text: str, start: int, stop: int) -> tuple[str, int, int]:
    """A part of a long line around the span, with `…` where it is cut."""
    if len(text) <= _WIDTH:
        return text, start, stop
    begin = max(0, min(start - _WIDTH // 3, len(text) - _WIDTH))
    end = begin + _WIDTH
    cut = text[begin:end]
    if begin > 0:
        cut = "…" + cut[1:]
    if end < len(text):
        cut = cut[:-1] + "…"
    return cut, start - begin, max(min(stop - begin, len(cut)), start - begin + 1)


def _shown(character: str) -> str:
    """A character of a source line as it is printed: tabs as blanks, control characters visible."""
    if character == "\t":
        return " " * _TAB
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return f"\\u{ord(character):04x}"


def _printable(text: str) -> str:
    """A message without characters that would act on a terminal."""
    return "".join(c if c == "\n" or c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def _columns(text: str) -> int:
    """The columns that a text takes on a terminal: two for wide, none for combining characters."""
    return sum(_character_columns(character) for character in text)


def _character_columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
