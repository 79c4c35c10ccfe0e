"""Expression text to tokens, with the limits of rule R35 checked before anything is parsed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from ..diagnostics import Source, Span, SpecError, fail

MAX_CHARACTERS = 10_000
MAX_DEPTH = 64
MAX_DIGITS = 20

NAME, NUMBER, STRING, SYMBOL, END = "name", "number", "string", "symbol", "end"

_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
    (?P<name>[A-Za-z_][A-Za-z_0-9]*)
  | (?P<number>0[xXbBoO][0-9A-Fa-f_]+
      | (?:[0-9][0-9_]*)?\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?
      | [0-9][0-9_]*\.(?!\.)(?:[eE][-+]?[0-9]+)?
      | [0-9][0-9_]*(?:[eE][-+]?[0-9]+)?)
  | (?P<symbol>\*\*|//|<<|>>|<=|>=|==|!=|->|:=|\.\.\.|\.\.|[-+*/%@&|^~<>()\[\],.:=])
  | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
  | (?P<end>\Z)
  | (?P<bad>.)
)""",
    re.VERBOSE | re.DOTALL,
)

# What people type or paste, and what it is here.
_REPLACEMENTS = {
    "−": "-", "–": "-", "×": "*", "·": "*", "⋅": "*", "÷": "/", "≤": "<=", "≥": ">=", "≠": "!=",
    "∧": "and", "∨": "or", "¬": "not", "…": "...", "π": "pi", "∞": "inf", "√": "sqrt(…)", "Σ": "sum(…)",
    "∑": "sum(…)", "“": '"', "”": '"', "‘": "'", "’": "'", "²": "** 2", "³": "** 3", "→": "->", "½": "0.5",
    "\xa0": "a blank", "!": "not", "?": "a if c else b",
}  # fmt: skip


class Located(Protocol):
    """A text whose characters have places in a file: a YAML scalar, or a plain text."""

    @property
    def text(self) -> str: ...

    def at(self, start: int, end: int) -> Span:
        """The place of `text[start:end]`."""


@dataclass(frozen=True)
class PlainText:
    """A text that is no part of a YAML file (a command-line option, a test)."""

    source: Source

    @property
    def text(self) -> str:
        return self.source.text

    def at(self, start: int, end: int) -> Span:
        line, column = self._position(start)
        end_line, end_column = self._position(max(end, start + 1))
        return Span(self.source, line, column, end_line, end_column)

    def _position(self, offset: int) -> tuple[int, int]:
        before = self.text[:offset]
        past = max(0, offset - len(self.text))
        return before.count("\n") + 1, len(before) - before.rfind("\n") + past


class Tokens:
    """The tokens of a text as four columns; the last token is the end."""

    __slots__ = ("ends", "kinds", "located", "starts", "texts")

    def __init__(self, located: Located) -> None:
        text = located.text
        self.located = located
        if len(text) > MAX_CHARACTERS:
            raise fail(
                "G0201",
                f"an expression of {len(text)} characters; at most {MAX_CHARACTERS} are allowed",
                located.at(0, len(text)),
                hint="split it into several nodes; long constant tables belong into a file",
            )
        self.kinds: list[str] = []
        self.texts: list[str] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        for found in _TOKEN.finditer(text):
            kind = found.lastgroup or END
            start, end = found.span(kind)
            self.kinds.append(kind)
            self.texts.append(text[start:end])
            self.starts.append(start)
            self.ends.append(end)
            if kind == "bad":
                raise self._bad_character(start)
            if kind == END:
                break

    def _bad_character(self, start: int) -> SpecError:
        text, character = self.located.text, self.located.text[start]
        if character == "#":
            return fail(
                "G0205",
                "a comment inside an expression",
                self.located.at(start, len(text.rstrip())),
                hint="put the comment on a line of its own, outside the value; or quote a '#' as text",
            )
        if character in "'\"":
            return fail(
                "G0203", f"the text opened by {character} is not closed", self.located.at(start, start + 1)
            )
        if character in "{}":
            return fail(
                "G0204",
                "dictionaries and sets are not part of the language",
                self.located.at(start, start + 1),
            )
        word = _word_around(text, start)
        if word is not None:
            return fail(
                "G0205",
                f"'{text[word[0] : word[1]]}' is no name: names are ASCII letters, digits and '_'",
                self.located.at(*word),
                hint=ascii_hint(text[word[0] : word[1]]),
            )
        wanted = _REPLACEMENTS.get(character)
        hint = None if wanted is None else f"write '{wanted}'" if wanted != "a blank" else "write a blank"
        return fail(
            "G0205",
            f"the character '{character}' is not allowed here",
            self.located.at(start, start + 1),
            hint=hint,
        )


def _word_around(text: str, start: int) -> tuple[int, int] | None:
    """The identifier around a non-ASCII letter, which Python might have folded into another."""
    if not text[start].isidentifier() or text[start] in _REPLACEMENTS:
        return None
    begin, end = start, start + 1
    while begin > 0 and (text[begin - 1].isalnum() or text[begin - 1] == "_"):
        begin -= 1
    while end < len(text) and (text[end].isalnum() or text[end] == "_"):
        end += 1
    return begin, end


_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta",
    "θ": "theta", "κ": "kappa", "λ": "lam", "μ": "mu", "µ": "mu", "ν": "nu", "ξ": "xi", "ρ": "rho",
    "σ": "sigma", "τ": "tau", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega", "Δ": "Delta",
    "Γ": "Gamma", "Λ": "Lambda", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega", "Θ": "Theta",
}  # fmt: skip


def ascii_hint(word: str) -> str | None:
    """The word with Greek letters spelt out, where that makes it ASCII."""
    spelt = "".join(_GREEK.get(character, character) for character in word)
    return f"write '{spelt}'" if spelt.isascii() else None
