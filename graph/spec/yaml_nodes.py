"""The node tree of a YAML text: scalars as written, sequences, mappings, each with its place.

Values stay text: what a scalar means (an expression, a name, a number) is the reader's decision,
since YAML's own guesses (`no`, `010`, `2006.00010`) are traps.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..diagnostics.span import Source, Span
from .scalar_positions import CharacterPositions, character_positions


@dataclass(slots=True, eq=False)
class YamlNode:
    """A node from (line, column) up to (end_line, end_column), all from 1.

    `tag` is an explicit core tag's short name (`str`, `int`, …) or None. `flow` is true inside
    or at a flow collection (`{…}`, `[…]`). `weight` counts the characters of the expanded node.
    """

    source: Source
    line: int
    column: int
    end_line: int
    end_column: int
    tag: str | None
    flow: bool
    weight: int

    @property
    def span(self) -> Span:
        """At least one column wide, also where nothing was written."""
        end = self.end_column
        if self.end_line == self.line and end == self.column:
            end += 1
        return Span(self.source, self.line, self.column, self.end_line, end)


@dataclass(slots=True, eq=False)
class YamlScalar(YamlNode):
    """`text` is the value after unquoting and folding; `style` is one of `''`, `'`, `"`, `|`, `>`."""

    text: str = ""
    style: str = ""
    _offset: int | None = None  # columns before the text's first character, on one line
    _positions: CharacterPositions | None = field(default=None, repr=False)

    @property
    def is_empty(self) -> bool:
        """Nothing was written: `key:` or the `c` of `{a: b, c}`."""
        return not self.text and not self.style and self.tag is None

    def at(self, start: int, end: int) -> Span:
        """The place of `text[start:end]`; at least one column wide."""
        if self._offset is not None:
            column = self.column + self._offset
            return Span(self.source, self.line, column + start, self.line, column + max(end, start + 1))
        if self._positions is None:
            self._locate()
            return self.at(start, end)
        return Span(self.source, *self._positions.range(start, end))

    def _locate(self) -> None:
        if self.line == self.end_line and self.end_column - self.column == len(self.text) + self._quotes:
            self._offset = self._quotes // 2
            return
        self._positions = character_positions(
            self.source.lines,
            (self.line, self.column),
            (self.end_line, self.end_column),
            self.style,
            self.text,
        )

    @property
    def _quotes(self) -> int:
        return 2 if self.style in ("'", '"') else 0


@dataclass(slots=True, eq=False)
class YamlSequence(YamlNode):
    items: list[YamlNode] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class YamlMapping(YamlNode):
    """`entries` in the order written; a key that came twice is kept once (the first)."""

    entries: list[tuple[YamlScalar, YamlNode]] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)  # key text -> index in entries

    def get(self, key: str) -> YamlNode | None:
        place = self.places.get(key)
        return None if place is None else self.entries[place][1]

    def key(self, key: str) -> YamlScalar | None:
        place = self.places.get(key)
        return None if place is None else self.entries[place][0]
