"""Infix notation to syntax trees: a precedence parser over the table of `notation`."""

from __future__ import annotations

import re
from dataclasses import replace

from ..diagnostics import Note, Span, SpecError, fail
from ..spec.tokens import Located, ascii_hint
from .notation import (
    AND,
    ARROW,
    COMPARISON,
    INFIX,
    NOT,
    OR,
    PREFIX,
    PREFIX_SIGNS,
    QUANTIFIER,
    QUANTIFIERS,
    SUM,
    WORDS,
)
from .syntax import BoundName, Equal, False_, Joined, Named, Node, Not, Quantified

MAX_CHARACTERS = 10_000
MAX_DEPTH = 100

_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
    (?P<name>[A-Za-z_][A-Za-z_0-9]*'*|[0-9]+'*(?![A-Za-z_0-9]))
  | (?P<sign><->|->|=>|!=|<=|>=|\+\+|/\\|\\/|[-+*/%@&|^~<>=(),.])
  | (?P<end>\Z)
  | (?P<bad>.)
)""",
    re.VERBOSE | re.DOTALL,
)
_REPLACEMENTS = {
    "∀": "all x. …", "∃": "some x. …", "¬": "not", "∧": "and", "∨": "or", "→": "->", "⇒": "->", "↔": "<->",
    "⇔": "<->", "≠": "!=", "≤": "<=", "≥": ">=", "·": "*", "×": "*", "−": "-", "⊥": "false", "!": "not",
    "[": "(", "]": ")", "{": "(", "}": ")", ":": "all x in S. …", "⊓": "/\\", "⊔": "\\/",
}  # fmt: skip
_LOOSE = {"->": ARROW, "<->": ARROW, "or": OR, "and": AND}


def parse_infix(located: Located) -> Node:
    """The syntax tree of a formula or term. Raises SpecError: G1606 (malformed), G1611 (too long or
    too deep)."""
    return _Parser(located).whole()


class _Parser:
    def __init__(self, located: Located) -> None:
        self.located = located
        self.place = 0
        self.tokens: list[tuple[str, str, int, int]] = []  # kind, text, start, end
        text = located.text
        if len(text) > MAX_CHARACTERS:
            message = f"a formula of {len(text)} characters; at most {MAX_CHARACTERS} are allowed"
            raise fail("G1611", message, located.at(0, len(text)))
        for found in _TOKEN.finditer(text):
            kind = found.lastgroup or "end"
            start, end = found.span(kind)
            if kind == "bad":
                raise self._bad_character(start)
            self.tokens.append((kind, text[start:end] if kind != "end" else "", start, end))
            if kind == "end":
                break

    def _bad_character(self, start: int) -> SpecError:
        character = self.located.text[start]
        if character.isdigit():
            hint: str | None = "names do not begin with a digit"
        elif character in _REPLACEMENTS:
            hint = f"write '{_REPLACEMENTS[character]}'"
        else:
            hint = ascii_hint(character)
        message = f"the character '{character}' is not allowed here"
        return fail("G1606", message, self.located.at(start, start + 1), hint=hint)

    def whole(self) -> Node:
        node = self.formula(QUANTIFIER, 0)
        kind, text, start, end = self.tokens[self.place]
        if kind != "end":
            raise self._unexpected(text, start, end)
        return node

    def _unexpected(self, text: str, start: int, end: int) -> SpecError:
        if text == ")":
            hint: str | None = "this ')' closes nothing"
        elif text in ("<", "<=", ">", ">=", "=", "!="):
            hint = "comparisons do not chain: write 'a = b and b = c'"
        elif text == "(":
            hint = "an operator or a function's name is missing before '('"
        else:
            hint = "an operator is missing before it"
        return fail("G1606", f"'{text}' cannot stand here", self.located.at(start, end), hint=hint)

    # --- by precedence ---

    def formula(self, least: int, depth: int) -> Node:
        """A node of at least this precedence."""
        if depth > MAX_DEPTH:
            _, _, start, end = self.tokens[self.place]
            raise fail(
                "G1611", f"a formula nested deeper than {MAX_DEPTH} levels", self.located.at(start, end)
            )
        left = self._prefix(least, depth)
        while True:
            text = self._peek()
            if text == "=>":
                self._hint_arrow()
            if text in ("->", "<->") and least <= ARROW:
                left = self._arrow(left, text, depth)
            elif text in ("or", "and") and least <= _LOOSE[text]:
                left = self._joined(left, text, depth)
            elif text in ("=", "!=") and least <= COMPARISON:
                left = self._equation(left, depth)
            elif text in INFIX and least <= INFIX[text].precedence:
                left = self._operation(left, text, depth)
            else:
                return left
            if isinstance(left, Equal) or (isinstance(left, Named) and _is_comparison(left)):
                least = min(max(least, QUANTIFIER), COMPARISON)
                if self._peek() in ("=", "!=", "<", "<=", ">", ">="):
                    raise self._unexpected(*self.tokens[self.place][1:])

    def _hint_arrow(self) -> None:
        _, _, start, end = self.tokens[self.place]
        raise fail("G1606", "'=>' is no operator", self.located.at(start, end), hint="write '->'")

    def _arrow(self, left: Node, word: str, depth: int) -> Node:
        self.place += 1
        right = self.formula(ARROW, depth + 1)
        if word == "->" and isinstance(right, Joined) and right.word == "->" and not right.bracketed:
            parts: tuple[Node, ...] = (left, *right.parts)
        else:
            parts = (left, right)
        return Joined(left.span.to(right.span), False, word, parts)

    def _joined(self, left: Node, word: str, depth: int) -> Node:
        parts = [left]
        while self._accept(word):
            parts.append(self.formula(_LOOSE[word] + 1, depth + 1))
        return Joined(left.span.to(parts[-1].span), False, word, tuple(parts))

    def _equation(self, left: Node, depth: int) -> Node:
        _, text, start, end = self.tokens[self.place]
        self.place += 1
        right = self.formula(SUM, depth + 1)
        sign = self.located.at(start, end)
        return Equal(left.span.to(right.span), False, left, right, text == "!=", sign)

    def _operation(self, left: Node, sign: str, depth: int) -> Node:
        _, _, start, end = self.tokens[self.place]
        self.place += 1
        operator = INFIX[sign]
        least = operator.precedence if operator.side == "right" else operator.precedence + 1
        right = self.formula(least, depth + 1)
        return Named(left.span.to(right.span), False, sign, (left, right), self.located.at(start, end))

    def _prefix(self, least: int, depth: int) -> Node:
        kind, text, start, end = self.tokens[self.place]
        if text in QUANTIFIERS:
            self._loose_enough(least, QUANTIFIER, text, start, end)
            return self._quantified(depth)
        if text == "not":
            self._loose_enough(least, NOT, text, start, end)
            self.place += 1
            operand = self.formula(NOT, depth + 1)
            return Not(self._since(start), False, operand)
        if text in PREFIX_SIGNS:
            self.place += 1
            operand = self.formula(PREFIX, depth + 1)
            return Named(self._since(start), False, text, (operand,), self.located.at(start, end))
        if text == "(":
            self.place += 1
            inner = self.formula(QUANTIFIER, depth + 1)
            self._close(start)
            return replace(inner, bracketed=True)
        if kind != "name" or text in WORDS - {"false"}:
            raise self._missing(text, start, end)
        self.place += 1
        if text == "false":
            return False_(self.located.at(start, end), False)
        return self._named(text, start, end, depth)

    def _loose_enough(self, least: int, precedence: int, text: str, start: int, end: int) -> None:
        """`x + not y` and `P and all x. Q`: brackets say what is meant."""
        if least > precedence and not (precedence == QUANTIFIER and least <= NOT):
            hint = f"put brackets around '{text} …'"
            raise fail("G1606", f"'{text}' cannot stand here", self.located.at(start, end), hint=hint)

    def _missing(self, text: str, start: int, end: int) -> SpecError:
        found = f"'{text}'" if text else "the end"
        if not text:
            start, end = max(start - 1, 0), max(start, 1)
        message = f"a formula or term is missing, and here is {found}"
        return fail("G1606", message, self.located.at(start, end))

    def _named(self, name: str, start: int, end: int, depth: int) -> Named:
        head = self.located.at(start, end)
        opening = self.tokens[self.place][2]
        if not self._accept("("):
            return Named(head, False, name, (), head)
        arguments: list[Node] = []
        if self._peek() == ")":
            span = self.located.at(start, self.tokens[self.place][3])
            raise fail("G1606", f"'{name}()' has no arguments", span, hint=f"write '{name}'")
        while True:
            arguments.append(self.formula(QUANTIFIER, depth + 1))
            if not self._accept(","):
                break
        self._close(opening)
        return Named(self._since(start), False, name, tuple(arguments), head, True)

    # --- quantifiers ---

    def _quantified(self, depth: int) -> Node:
        _, word, start, _ = self.tokens[self.place]
        self.place += 1
        variables: list[BoundName] = []
        group = 0
        while True:
            variables.append(self._bound_name())
            if self._accept("in"):
                kind, sort, begin, end = self.tokens[self.place]
                if kind != "name" or sort in WORDS:
                    raise self._missing_name("a sort", "write 'all x in Nat. …'")
                self.place += 1
                span = self.located.at(begin, end)
                variables[group:] = [replace(v, sort=sort, sort_span=span) for v in variables[group:]]
                group = len(variables)
            if not self._accept(","):
                break
        if not self._accept("."):
            raise self._missing_name("'.'", f"write '{word} x, y. …'")
        body = self.formula(QUANTIFIER, depth + 1)
        return Quantified(self._since(start), False, word, tuple(variables), body)

    def _bound_name(self) -> BoundName:
        kind, text, start, end = self.tokens[self.place]
        if kind != "name" or text in WORDS or text[0].isdigit():
            raise self._missing_name("a variable", "write 'all x, y. …'")
        self.place += 1
        return BoundName(text, self.located.at(start, end), None, None)

    def _missing_name(self, what: str, hint: str) -> SpecError:
        _, text, start, end = self.tokens[self.place]
        found = f"'{text}'" if text else "the end"
        if not text:
            start, end = max(start - 1, 0), max(start, 1)
        message = f"{what} is missing, and here is {found}"
        return fail("G1606", message, self.located.at(start, end), hint=hint)

    # --- tokens ---

    def _peek(self) -> str:
        return self.tokens[self.place][1]

    def _accept(self, text: str) -> bool:
        if self._peek() != text:
            return False
        self.place += 1
        return True

    def _close(self, opening: int) -> None:
        if self._accept(")"):
            return
        note = Note("this '(' is open", self.located.at(opening, opening + 1))
        error = self._missing_name("')'", "")
        raise SpecError([replace(error.diagnostics[0], hint=None, notes=(note,))])

    def _since(self, start: int) -> Span:
        return self.located.at(start, self.tokens[self.place - 1][3])


def _is_comparison(node: Named) -> bool:
    return len(node.arguments) == 2 and node.name in INFIX and INFIX[node.name].precedence == COMPARISON
