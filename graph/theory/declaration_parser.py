"""Declarations of a theory: the types of symbols, and the constructors of a sort."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..diagnostics import Note, Span, SpecError, fail
from ..spec.documents import Label
from ..spec.tokens import Located
from .notation import SIGNS, WORDS

_TOKEN = re.compile(
    r"[ \t\r\n]*(?:(?P<name>[A-Za-z_][A-Za-z_0-9]*'*|[0-9]+)|(?P<sign>->|[(),|=])|(?P<end>\Z)|(?P<bad>.))",
    re.DOTALL,
)
_SYMBOL = re.compile(r"(?:[A-Za-z_][A-Za-z_0-9]*|[0-9]+)\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z_0-9]*'*\Z")


@dataclass(frozen=True, slots=True)
class FunctionType:
    """`(inputs) -> output`, or `output` alone; `definition` is what stands after `=`."""

    inputs: tuple[Label, ...]
    output: Label
    definition: Located | None


@dataclass(frozen=True, slots=True)
class RelationType:
    """`(places)`; `outputs` are the positions after the arrow."""

    places: tuple[Label, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Constructor:
    name: Label
    inputs: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class Tail:
    """The part of a text from `offset` on, its places kept."""

    whole: Located
    offset: int

    @property
    def text(self) -> str:
        return self.whole.text[self.offset :]

    def at(self, start: int, end: int) -> Span:
        return self.whole.at(self.offset + start, self.offset + end)


def check_symbol(label: Label, what: str) -> None:
    """Raises SpecError G1608 where a text may not name a function or relation."""
    if (_SYMBOL.match(label.text) and label.text not in WORDS) or label.text in SIGNS:
        return
    if label.text in WORDS:
        message, hint = f"'{label.text}' is a word of the notation", f"write '{label.text}_'"
    else:
        message = f"'{label.text}' cannot name {what}"
        hint = f"letters, digits and '_', or one of {' '.join(sorted(SIGNS))}"
    raise fail("G1608", message, label.span, hint=hint)


def check_variable(label: Label) -> None:
    """Raises SpecError G1608 where a text may not name a variable or a sort."""
    if not _VARIABLE.match(label.text) or label.text in WORDS:
        hint = "a name begins with a letter, and is no word of the notation"
        raise fail("G1608", f"'{label.text}' cannot be a name here", label.span, hint=hint)


def parse_function_type(located: Located) -> FunctionType:
    """`(Nat, Nat) -> Nat`, `Nat`, `Nat = s(0)`. Raises SpecError G1608."""
    parser = _Parser(located)
    inputs: tuple[Label, ...] = ()
    if parser.accept("("):
        inputs = parser.names(")")
        parser.expect("->", "write '(Nat, Nat) -> Nat'")
    output = parser.name("a sort", "write '(Nat, Nat) -> Nat', or 'Nat' for a constant")
    definition = None
    if parser.accept("="):
        definition = Tail(located, parser.tokens[parser.place - 1][3])
    else:
        parser.end()
    return FunctionType(inputs, output, definition)


def parse_relation_type(located: Located) -> RelationType:
    """`(Nat, Nat)`, `(Nat, Nat -> Nat)`, `()`. Raises SpecError G1608."""
    parser = _Parser(located)
    parser.expect("(", "write '(Nat, Nat)'")
    places: list[Label] = []
    arrow: int | None = None
    while not parser.accept(")"):
        if places and arrow is None and parser.accept("->"):
            arrow = len(places)
        elif places and arrow != len(places):
            parser.expect(",", "sorts are separated by ','")
        places.append(parser.name("a sort", "write '(Nat, Nat)', outputs after an arrow: '(Nat -> Nat)'"))
    parser.end()
    outputs = () if arrow is None else tuple(range(arrow, len(places)))
    return RelationType(tuple(places), outputs)


def parse_constructors(located: Located) -> tuple[Constructor, ...]:
    """`0 | s(Nat)`. Raises SpecError: G1608; G1607 for a name that comes twice."""
    parser = _Parser(located)
    found: list[Constructor] = []
    while True:
        name = parser.name("a constructor", "write '0 | s(Nat)'")
        check_symbol(name, "a constructor")
        inputs = parser.names(")") if parser.accept("(") else ()
        for other in found:
            if other.name.text == name.text:
                note = Note("it stands here first", other.name.span)
                raise fail("G1607", f"the constructor '{name.text}' comes twice", name.span, notes=(note,))
        found.append(Constructor(name, inputs))
        if not parser.accept("|"):
            break
    parser.end()
    return tuple(found)


def parse_names(located: Located) -> tuple[Label, ...]:
    """`x, y, z`. Raises SpecError G1608."""
    parser = _Parser(located)
    found = [parser.name("a name", "write 'x, y, z'")]
    while parser.accept(","):
        found.append(parser.name("a name", "write 'x, y, z'"))
    parser.end()
    for label in found:
        check_variable(label)
    return tuple(found)


class _Parser:
    def __init__(self, located: Located) -> None:
        self.located = located
        self.place = 0
        self.tokens: list[tuple[str, str, int, int]] = []
        for found in _TOKEN.finditer(located.text):
            kind = found.lastgroup or "end"
            start, end = found.span(kind)
            self.tokens.append((kind, found.group(kind), start, end))
            if kind == "sign" and found.group(kind) == "=":
                break  # what follows is a term, read by others
            if kind == "end":
                break
        self.tokens.append(("end", "", len(located.text), len(located.text)))

    def accept(self, text: str) -> bool:
        if self.tokens[self.place][1] != text:
            return False
        self.place += 1
        return True

    def expect(self, text: str, hint: str) -> None:
        if not self.accept(text):
            raise self._wrong(f"expected '{text}'", hint)

    def name(self, what: str, hint: str) -> Label:
        kind, text, start, end = self.tokens[self.place]
        if kind != "name":
            raise self._wrong(f"{what} is missing", hint)
        self.place += 1
        return Label(text, self.located.at(start, end))

    def names(self, closing: str) -> tuple[Label, ...]:
        """Names up to the closing bracket; at least one."""
        found = [self.name("a sort", "write the sorts of the arguments: '(Nat, Nat)'")]
        while not self.accept(closing):
            self.expect(",", "sorts are separated by ','")
            found.append(self.name("a sort", "write the sorts of the arguments: '(Nat, Nat)'"))
        return tuple(found)

    def end(self) -> None:
        if self.tokens[self.place][0] != "end":
            raise self._wrong("the declaration ends before this", "nothing may follow")

    def _wrong(self, message: str, hint: str) -> SpecError:
        _, text, start, end = self.tokens[self.place]
        found = f"'{text}'" if text else "the end"
        if not text:
            start, end = max(start - 1, 0), max(start, 1)
        return fail("G1608", f"{message}, and here is {found}", self.located.at(start, end), hint=hint)
