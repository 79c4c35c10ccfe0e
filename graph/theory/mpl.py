"""MPL, the relational notation of the paper "Generative Logic": parser and printer.

    expr = { "!" } core ;                     core = atom | conj | impl ;
    atom = "(" name "[" [ arg { "," arg } ] "]" ")" ;
    conj = "(" "&" expr expr ")" ;            impl = "(" ">" "[" [ var { "," var } ] "]" expr expr ")" ;

`(>[x,y]A B)` is "for all x, y: A implies B", `(in3[x,y,z,+])` is "x + y = z". Blanks may stand between
tokens; a negation in brackets of its own, `(!(…))`, is read as the negation. Printing writes none of
either, so the text of a printed formula reads back as the same formula.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ..diagnostics import Note, Span, SpecError, fail
from ..spec.tokens import Located

MAX_CHARACTERS = 100_000
MAX_DEPTH = 200

_TOKEN = re.compile(r"[ \t\r\n]*(?:(?P<word>[A-Za-z0-9_+*]+)|(?P<sign>[()\[\],!&>=])|(?P<end>\Z)|(?P<bad>.))")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*\Z")


@dataclass(frozen=True, slots=True)
class MplAtom:
    """`(name[argument, …])`; the name `=` is equality. Spans don't take part in comparison."""

    name: str
    arguments: tuple[str, ...]
    span: Span | None = field(default=None, compare=False, repr=False)
    argument_spans: tuple[Span, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class MplNot:
    """`!operand`."""

    operand: MplFormula
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class MplAnd:
    """`(&left right)`."""

    left: MplFormula
    right: MplFormula
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class MplImplies:
    """`(>[variable, …]premise conclusion)`: for all values of the variables."""

    variables: tuple[str, ...]
    premise: MplFormula
    conclusion: MplFormula
    span: Span | None = field(default=None, compare=False, repr=False)
    variable_spans: tuple[Span, ...] = field(default=(), compare=False, repr=False)


MplFormula = MplAtom | MplNot | MplAnd | MplImplies


def print_mpl(formula: MplFormula) -> str:
    """The formula as MPL text, without blanks."""
    if isinstance(formula, MplAtom):
        return f"({formula.name}[{','.join(formula.arguments)}])"
    if isinstance(formula, MplNot):
        return f"!{print_mpl(formula.operand)}"
    if isinstance(formula, MplAnd):
        return f"(&{print_mpl(formula.left)}{print_mpl(formula.right)})"
    head = ",".join(formula.variables)
    return f"(>[{head}]{print_mpl(formula.premise)}{print_mpl(formula.conclusion)})"


def parse_mpl(located: Located) -> MplFormula:
    """The formula in a text. Raises SpecError: G1610 (malformed), G1611 (too long or too deep)."""
    return _Parser(located).whole()


class _Parser:
    """Recursive descent over the tokens; depth is checked, so that nothing overflows."""

    def __init__(self, located: Located) -> None:
        self.located = located
        text = located.text
        if len(text) > MAX_CHARACTERS:
            message = f"an MPL formula of {len(text)} characters; at most {MAX_CHARACTERS} are allowed"
            raise fail("G1611", message, located.at(0, len(text)))
        self.tokens: list[tuple[str, int, int]] = []
        for found in _TOKEN.finditer(text):
            kind = found.lastgroup or "end"
            start, end = found.span(kind)
            if kind == "bad":
                raise self._bad_character(start)
            self.tokens.append((text[start:end] if kind != "end" else "", start, end))
            if kind == "end":
                break
        self.place = 0

    def _bad_character(self, start: int) -> SpecError:
        character = self.located.text[start]
        hints = {"∧": "(&A B)", "→": "(>[x]A B)", "¬": "!A", "∀": "(>[x]A B)", "{": "(", "}": ")", "~": "!A"}
        hint = f"write '{hints[character]}'" if character in hints else "names are ASCII letters and digits"
        message = f"the character '{character}' is not allowed in MPL"
        return fail("G1610", message, self.located.at(start, start + 1), hint=hint)

    def whole(self) -> MplFormula:
        formula = self.formula(0)
        text, start, _ = self.tokens[self.place]
        if text:
            hint = "this ')' closes nothing" if text == ")" else "join two formulas with (&A B) or (>[]A B)"
            end = len(self.located.text.rstrip()) if text != ")" else start + 1
            raise fail("G1610", "text after the end of the formula", self.located.at(start, end), hint=hint)
        return formula

    def formula(self, depth: int) -> MplFormula:
        if depth > MAX_DEPTH:
            start = self.tokens[self.place][1]
            message = f"MPL nested deeper than {MAX_DEPTH} levels"
            raise fail("G1611", message, self.located.at(start, start + 1))
        start = self.tokens[self.place][1]
        if self._accept("!"):
            return MplNot(self.formula(depth + 1), self._since(start))
        self._expect("(", "a formula begins with '(' or '!'")
        opening = start
        if self._peek() == "!":
            inner = self.formula(depth + 1)
            self._close(opening)
            return inner
        if self._accept("&"):
            left, right = self.formula(depth + 1), self._second("&", opening, depth)
            self._close(opening)
            return MplAnd(left, right, self._since(start))
        if self._accept(">"):
            return self._implication(opening, depth)
        return self._atom(opening)

    def _implication(self, opening: int, depth: int) -> MplFormula:
        variables = self._list("the variables of '>' stand in '[…]', which may be empty: '(>[]A B)'")
        names = tuple(text for text, _, _ in variables)
        spans = tuple(self.located.at(start, end) for _, start, end in variables)
        for place, name in enumerate(names):
            if name in names[:place]:
                note = Note("it is bound here first", spans[names.index(name)])
                raise fail("G1610", f"'{name}' is bound twice", spans[place], notes=(note,))
        premise = self.formula(depth + 1)
        conclusion = self._second(">", opening, depth)
        self._close(opening)
        return MplImplies(names, premise, conclusion, self._since(opening), spans)

    def _second(self, sign: str, opening: int, depth: int) -> MplFormula:
        if self._peek() in (")", ""):
            found = "'&' joins two formulas" if sign == "&" else "'>' needs a premise and a conclusion"
            raise self._wrong(found, hint="write '(&A B)'" if sign == "&" else "write '(>[x]A B)'")
        return self.formula(depth + 1)

    def _atom(self, opening: int) -> MplAtom:
        text, _start, _end = self.tokens[self.place]
        if not (_NAME.match(text) or text == "="):
            raise self._wrong("the name of a predicate is missing", hint="write '(name[x,y])' or '(=[x,y])'")
        self.place += 1
        arguments = self._list(f"the arguments of '{text}' stand in '[…]'")
        self._close(opening)
        spans = tuple(self.located.at(s, e) for _, s, e in arguments)
        return MplAtom(text, tuple(t for t, _, _ in arguments), self._since(opening), spans)

    def _list(self, hint: str) -> list[tuple[str, int, int]]:
        opening = self.tokens[self.place][1]
        self._expect("[", hint)
        found: list[tuple[str, int, int]] = []
        if self._accept("]"):
            return found
        while True:
            token = self.tokens[self.place]
            if not token[0] or token[0] in "()[],!&>=":
                raise self._wrong("a name is missing", hint="separate names by one ','")
            found.append(token)
            self.place += 1
            if self._accept("]"):
                return found
            if self._peek() != ",":
                raise self._unclosed("[", "]", opening)
            self.place += 1

    # --- tokens ---

    def _peek(self) -> str:
        return self.tokens[self.place][0]

    def _accept(self, text: str) -> bool:
        if self._peek() != text:
            return False
        self.place += 1
        return True

    def _expect(self, text: str, hint: str) -> None:
        if not self._accept(text):
            raise self._wrong(f"expected '{text}'", hint=hint)

    def _close(self, opening: int) -> None:
        if not self._accept(")"):
            raise self._unclosed("(", ")", opening)

    def _unclosed(self, opened: str, closing: str, opening: int) -> SpecError:
        note = Note(f"this '{opened}' is open", self.located.at(opening, opening + 1))
        error = self._wrong(f"expected '{closing}'", hint=None)
        return SpecError([error.diagnostics[0].with_notes(note)])

    def _wrong(self, message: str, hint: str | None) -> SpecError:
        text, start, end = self.tokens[self.place]
        found = f"'{text}'" if text else "the end"
        if not text:  # at the end point to the last character, which the reader sees
            start, end = max(start - 1, 0), max(start, 1)
        return fail("G1610", f"{message}, and here is {found}", self.located.at(start, end), hint=hint)

    def _since(self, start: int) -> Span:
        return self.located.at(start, self.tokens[self.place - 1][2])
