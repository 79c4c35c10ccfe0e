"""Carets inside scalars: each character's place is checked against the file's own text."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from graphwright.graph.diagnostics import Source
from graphwright.graph.spec.yaml_nodes import YamlMapping, YamlScalar
from graphwright.graph.spec.yaml_reader import read_yaml

WORDS = st.text(alphabet="ab1é漢😀_+*()[],'\"#:\\-", min_size=1, max_size=6)
BLANKS = st.sampled_from([" ", "  ", "\n", "\n\n", " \t", "\n  ", "\t\n"])
VALUES = st.lists(st.one_of(WORDS, BLANKS), min_size=1, max_size=14).map("".join)


def scalar_of(text: str) -> YamlScalar | None:
    root, _ = read_yaml(Source("t", text))
    if not isinstance(root, YamlMapping):
        return None
    inner = root.get("é")
    value = inner.get("k") if isinstance(inner, YamlMapping) else inner
    return value if isinstance(value, YamlScalar) else None


def assert_characters_stand_where_they_are_said_to(scalar: YamlScalar) -> None:
    lines = scalar.source.lines
    for index, character in enumerate(scalar.text):
        span = scalar.at(index, index + 1)
        written = lines[span.line - 1][span.column - 1 : span.end_column - 1]
        if written != character:
            folded = character in " \n" and written.strip() == ""
            escaped = scalar.style == '"' and written.startswith("\\")
            doubled = scalar.style == "'" and written == "''" and character == "'"
            assert folded or escaped or doubled, (index, character, written)


@given(VALUES, st.sampled_from(["'", '"', "|", ">", ""]), st.sampled_from([12, 30, 200]))
def test_every_style_maps_each_character(value, style, width):
    text = yaml.dump(
        {"é": {"k": value}},
        default_style=style or None,
        width=width,
        allow_unicode=True,
        Dumper=yaml.SafeDumper,
    )
    scalar = scalar_of(text)
    if scalar is None or scalar.text != value:
        return  # PyYAML's emitter is not exact for every text
    assert_characters_stand_where_they_are_said_to(scalar)


@given(
    st.lists(WORDS, min_size=2, max_size=6),
    st.lists(st.sampled_from([" ", "\n    ", "\n\n    ", "\n     "]), min_size=5, max_size=5),
)
def test_hand_folded_plain_scalars(words, gaps):
    body = words[0] + "".join(gap + word for gap, word in zip(gaps, words[1:], strict=False))
    scalar = scalar_of(f"é:\n  k: {body}\n")
    if scalar is not None and not scalar.style:
        assert_characters_stand_where_they_are_said_to(scalar)


@pytest.mark.parametrize(
    ("text", "part", "place"),
    [
        ("é: abc + def\n", "def", (1, 10, 1, 13)),
        ("é: abc +\n   def + g\n", "def", (2, 4, 2, 7)),
        ("é: 'it''s d'\n", "d", (1, 11, 1, 12)),
        ('é: "\\u00e9\\t d"\n', "d", (1, 14, 1, 15)),
        ('é: "a \\\n   d"\n', "d", (2, 4, 2, 5)),
        ("é: |\n   a\n   漢 d\n", "d", (3, 6, 3, 7)),
        ("é: |2\n    a\n    d\n", "d", (3, 5, 3, 6)),
        ("é: >\n   a\n   b\n\n   d\n", "d", (5, 4, 5, 5)),
        ("é: >-\n   a\n     more\n   d\n", "d", (4, 4, 4, 5)),
        ("é: |\n\n   a\n   d", "d", (4, 4, 4, 5)),
    ],
)
def test_a_part_of_a_scalar(text, part, place):
    scalar = scalar_of(text)
    start = scalar.text.rindex(part)
    span = scalar.at(start, start + len(part))
    assert (span.line, span.column, span.end_line, span.end_column) == place


def test_escapes_are_as_wide_as_they_are_written():
    quoted = scalar_of('é: "\\u00e9\\n"\n')
    assert quoted.at(0, 1)[1:] == (1, 5, 1, 11)
    assert quoted.at(0, 2)[1:] == (1, 5, 1, 13)
    assert scalar_of("é: 'a''b'\n").at(0, 2)[1:] == (1, 5, 1, 8)


def test_windows_line_ends_do_not_shift_lines():
    scalar = scalar_of("é: abc +\r\n   def\r\n")
    assert scalar.at(6, 9)[1:] == (2, 4, 2, 7)


def test_a_long_folded_scalar_is_mapped_in_linear_time():
    """Counts the characters looked at: the mapping is made once for all spans of a scalar."""
    body = "\n".join("    a + b +" for _ in range(500))
    scalar = scalar_of(f"é: x +\n{body}\n    c\n")
    scalar.at(0, 1)
    positions = scalar._positions
    for index in range(len(scalar.text)):
        scalar.at(index, index + 1)
    assert scalar._positions is positions
