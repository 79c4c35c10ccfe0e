"""The tokens of the IR's text form, shared by dimensions, types and programs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..diagnostics.diagnostic import SpecError, fail
from ..diagnostics.span import Source, Span

if TYPE_CHECKING:
    from .dimensions import Dimension

NAME = r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*"
PLAIN_NAME = re.compile(NAME)
UNKNOWN = "_"
"""Stands for the size of an axis that nothing tells; a size of that name is quoted."""

_TOKEN = re.compile(
    rf"""
    (?P<space>[ \t\r\n]+|\#[^\n]*)
  | (?P<string>"(?:[^"\\\n]|\\.)*")
  | (?P<bits>0x[0-9a-fA-F]+)
  | (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
  | (?P<label>%[A-Za-z0-9_.]+)
  | (?P<body>@[0-9]+)
  | (?P<name>{NAME})
  | (?P<symbol>\.\.\.|\.\.|//|==|!=|<=|>=|[-+*/()\[\]{{}},:=<>?])
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is one of string bits number label body name symbol end."""

    kind: str
    text: str
    start: int


class TokenReader:
    """Reads tokens of a text one after the other, one token ahead. `sizes` is what names in
    dimensions stand for."""

    def __init__(self, source: Source, sizes: Mapping[str, Dimension] | None = None) -> None:
        self.source = source
        self.sizes: dict[str, Dimension] = dict(sizes or {})
        self._position = 0
        self.token = self._read()

    def _read(self) -> Token:
        text = self.source.text
        while self._position < len(text):
            match = _TOKEN.match(text, self._position)
            if match is None:
                bad = Token("symbol", text[self._position], self._position)
                raise fail("G1401", f"unexpected character {bad.text!r}", self.span(bad))
            start, self._position = self._position, match.end()
            if match.lastgroup != "space":
                return Token(match.lastgroup or "", match.group(), start)
        return Token("end", "", len(text))

    def span(self, token: Token | None = None) -> Span:
        """The place of a token, else of the next one."""
        found = token or self.token
        text = self.source.text
        line = text.count("\n", 0, found.start) + 1
        column = found.start - (text.rfind("\n", 0, found.start) + 1) + 1
        return Span(self.source, line, column, line, column + max(1, len(found.text)))

    def error(self, message: str, token: Token | None = None, code: str = "G1401") -> SpecError:
        return fail(code, message, self.span(token))

    def at(self, *texts: str) -> bool:
        """Whether the next token is a symbol or name spelt like one of `texts`."""
        return self.token.kind in ("symbol", "name") and self.token.text in texts

    def next(self) -> Token:
        """The next token, consumed."""
        token = self.token
        if token.kind != "end":
            self.token = self._read()
        return token

    def peek(self) -> Token:
        """The token after the next one; neither is consumed."""
        position = self._position
        ahead = self._read()
        self._position = position
        return ahead

    def take(self, text: str) -> bool:
        """Whether the next token is `text`; it is consumed where it is."""
        if not self.at(text):
            return False
        self.next()
        return True

    def expect(self, text: str) -> Token:
        if not self.at(text):
            raise self.error(f"expected '{text}', found {self.describe()}")
        return self.next()

    def expect_kind(self, kind: str, what: str) -> Token:
        if self.token.kind != kind:
            raise self.error(f"expected {what}, found {self.describe()}")
        return self.next()

    def describe(self) -> str:
        return "the end of the text" if self.token.kind == "end" else f"'{self.token.text}'"

    def integer(self) -> int:
        """An integer with an optional sign."""
        sign = -1 if self.take("-") else 1
        token = self.expect_kind("number", "an integer")
        if not token.text.isdigit() or len(token.text) > MAX_DIGITS:
            raise self.error(f"expected an integer, found '{token.text}'", token)
        return sign * int(token.text)

    def string(self) -> str:
        """A JSON string."""
        token = self.expect_kind("string", "a string in double quotes")
        try:
            return str(json.loads(token.text))
        except ValueError as error:
            raise self.error(f"not a JSON string: {token.text}", token) from error

    def name(self, what: str) -> str:
        """A plain name, or any name as a string."""
        if self.token.kind == "string":
            return self.string()
        return self.expect_kind("name", what).text


MAX_DIGITS = 1000


def quoted(text: str) -> str:
    """The JSON string of `text`."""
    return json.dumps(text)


def name_text(name: str, reserved: frozenset[str] = frozenset()) -> str:
    """The name as it is where `TokenReader.name` reads it back, else quoted."""
    return name if PLAIN_NAME.fullmatch(name) and name not in reserved else quoted(name)
