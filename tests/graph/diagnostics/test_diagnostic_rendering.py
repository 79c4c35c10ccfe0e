"""Diagnostics as people and tools see them."""

from __future__ import annotations

import json
import unicodedata

import jsonschema
from hypothesis import given
from hypothesis import strategies as st

from graphwright.graph.diagnostics import Diagnostic, Diagnostics, Note, Severity, Source, Span
from graphwright.graph.diagnostics.rendering import ordered, records, render_json, render_text, summary


def at(text: str, part: str, path: str = "a.yaml") -> Span:
    """The place of `part` in a text, counted with Python's own functions."""
    source = Source(path, text)
    offset = text.index(part)
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    return Span(source, line, column, line, column + len(part))


def test_an_error_with_hint_and_note():
    text = "nodes:\n  y: x * widht\n"
    span = at(text, "widht")
    item = Diagnostic(
        "G0301",
        "unknown name 'widht'",
        span,
        "did you mean 'width'?",
        (Note("declared here", at(text, "y")),),
    )
    assert render_text([item]) == (
        "a.yaml:2:10: error[G0301]: unknown name 'widht'\n"
        "    2 |   y: x * widht\n"
        "      |          ^~~~~\n"
        "  hint: did you mean 'width'?\n"
        "  a.yaml:2:3: note: declared here\n"
        "    2 |   y: x * widht\n"
        "      |   ^"
    )


def caret_columns(text: str) -> tuple[int, int]:
    """The first terminal column of the carets, and how many."""
    line = text.split("\n")[2]
    return line.index("^"), line.count("^") + line.count("~")


def width(text: str) -> int:
    return sum(
        2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text
    )


def test_wide_and_combining_characters_and_tabs_before_the_caret():
    for before, columns in (("漢字 ", 5), ("e\u0301 ", 2), ("\t", 4), ("é ", 2), ("😀", 2)):
        text = before + "bad"
        start, count = caret_columns(render_text([Diagnostic("G0001", "m", at(text, "bad"))]))
        assert (start - len("      | "), count) == (columns, 3)


@given(st.text(alphabet="aé漢\u0301😀 ", max_size=30), st.text(alphabet="xy漢", min_size=1, max_size=5))
def test_carets_stand_under_the_text(before, part):
    text = before + "«" + part
    rendered = render_text([Diagnostic("G0001", "m", at(text, "«" + part))])
    start, count = caret_columns(rendered)
    assert start - len("      | ") == width(before)
    assert count == width("«" + part)


def test_a_span_over_several_lines_is_marked_to_the_end_of_its_first():
    source = Source("a", "f(x,\n  y)\n")
    rendered = render_text([Diagnostic("G0001", "m", Span(source, 1, 2, 2, 5))])
    assert rendered.endswith("    1 | f(x,\n      |  ^~~")


def test_the_end_of_a_line_and_of_the_file_can_be_marked():
    source = Source("a", "abc")
    assert render_text([Diagnostic("G0001", "m", Span(source, 1, 4, 1, 5))]).endswith(
        "    1 | abc\n      |    ^"
    )
    assert render_text([Diagnostic("G0001", "m", Span(source, 9, 1, 9, 2))]) == "a:9:1: error[G0001]: m"


def test_a_long_line_is_cut_around_the_caret():
    text = "a" * 5000 + "bad" + "c" * 5000
    lines = render_text([Diagnostic("G0001", "m", at(text, "bad"))]).split("\n")
    assert len(lines[1]) < 130
    assert lines[1].index("bad") == lines[2].index("^")
    assert lines[1][8] == "…"
    assert lines[1][-1] == "…"


def test_control_characters_do_not_reach_the_terminal():
    text = "\x1b[31mred\u202e bad"
    rendered = render_text([Diagnostic("G0001", "m \x1b[2J", at(text, "bad"), "\x07", path_note(text))])
    assert not any((ord(c) < 32 and c != "\n") or c == "\u202e" for c in rendered)
    lines = rendered.split("\n")
    assert lines[1].index("bad") == lines[2].index("^")


def path_note(text: str) -> tuple[Note, ...]:
    return (Note("n\x1b", at(text, "bad", "\x1b[1mpath")),)


def test_colour_only_where_asked():
    item = Diagnostic("G0001", "m", at("abc", "b"), "h")
    assert "\x1b" not in render_text([item])
    assert render_text([item], colour=True).count("\x1b[0m") == 3


def test_order_is_file_line_column_with_errors_first():
    text = "aa\nbb\n"
    items = [
        Diagnostic("G0401", "late", at(text, "bb")),
        Diagnostic("G0402", "warned", at(text, "aa"), severity=Severity.WARNING),
        Diagnostic("G0301", "same place", at(text, "aa")),
        Diagnostic("G0201", "root", at(text, "aa")),
        Diagnostic("G0001", "other file", at(text, "aa", "b.yaml")),
        Diagnostic("G0014", "no place"),
    ]
    assert [d.message for d in ordered(items)] == [
        "root",
        "same place",
        "warned",
        "late",
        "other file",
        "no place",
    ]
    assert summary(items) == "5 errors, 1 warning"
    assert summary([]) == "no errors"


def test_at_most_twenty_are_shown_and_the_rest_counted():
    source = Source("a", "x\n" * 50)
    items = [Diagnostic("G0301", f"m{i}", Span(source, i + 1, 1, i + 1, 2)) for i in range(30)]
    rendered = render_text(items)
    assert rendered.count("error[G0301]") == 20
    assert rendered.endswith("… and 10 more (10 errors)")


RECORD = {
    "type": "object",
    "required": ["code", "severity", "message", "hint", "span", "notes"],
    "additionalProperties": False,
    "properties": {
        "code": {"pattern": "^G[0-9]{4}$"},
        "severity": {"enum": ["error", "warning"]},
        "message": {"type": "string"},
        "hint": {"type": ["string", "null"]},
        "span": {"anyOf": [{"type": "null"}, {"$ref": "#/definitions/span"}]},
        "notes": {"type": "array", "items": {"required": ["message", "span"]}},
    },
    "definitions": {
        "span": {
            "required": ["path", "line", "column", "end_line", "end_column"],
            "properties": {"line": {"type": "integer", "minimum": 1}, "path": {"type": "string"}},
        }
    },
}


def test_json_records():
    items = [
        Diagnostic("G0301", "m", at("aé\nbc", "c"), "h", (Note("n"),)),
        Diagnostic("G0014", "no place", severity=Severity.WARNING),
    ]
    for record in records(items):
        jsonschema.validate(record, RECORD)
    parsed = json.loads(render_json(items))
    assert parsed["version"] == 1
    assert parsed["diagnostics"] == records(items)
    assert parsed["diagnostics"][0]["span"] == {
        "path": "a.yaml", "line": 2, "column": 2, "end_line": 2, "end_column": 3,
    }  # fmt: skip


def test_the_collector_keeps_each_diagnostic_once_and_in_order():
    source = Source("a", "x")
    found = Diagnostics()
    for message in ("b", "a", "b"):
        found.error("G0301", message, Span(source, 1, 1, 1, 2))
    found.warning("G0301", "b", Span(source, 1, 1, 1, 2))
    assert [(d.message, d.severity.value) for d in found.items] == [
        ("b", "error"),
        ("a", "error"),
        ("b", "warning"),
    ]
    assert len(found.errors) == 2


def test_lines_are_split_where_yaml_splits_them():
    source = Source("a", "one\r\ntwo\rthree\u2028still\x0bthree\nfour")
    assert [source.line(n) for n in range(6)] == ["", "one", "two", "three\u2028still\x0bthree", "four", ""]
