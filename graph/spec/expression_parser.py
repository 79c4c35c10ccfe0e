"""Expression text to records (rules R7-R25, R35).

The grammar is that part of Python's expression grammar which the language has, read by operator
precedence. It is our own parser, not `ast`: positions count characters, messages name the
language's own constructs and do not change with the Python version, and ranges, types and
signatures share its tokens. The tests compare it with `ast` on generated expressions.
"""

from __future__ import annotations

import ast
import keyword
import math
from collections.abc import Callable
from typing import NoReturn

from ..diagnostics import Note, Source, Span, SpecError, fail
from .expressions import (
    Binary,
    Boolean,
    Call,
    Choice,
    Comparison,
    Ellipsis,
    Expression,
    Keyword,
    ListOf,
    Logical,
    Member,
    Name,
    Nothing,
    Number,
    Slice,
    Subscript,
    Text,
    Unary,
)
from .static_rules import check_binary, check_comparison, check_depth, check_unary
from .tokens import END, MAX_DEPTH, MAX_DIGITS, NAME, NUMBER, STRING, SYMBOL, Located, PlainText, Tokens
from .yaml_nodes import YamlScalar

OR, AND, NOT, COMPARISON, ARITHMETIC = 1, 2, 3, 4, 5
_LEVELS = {
    "or": OR, "and": AND,
    "==": COMPARISON, "!=": COMPARISON, "<": COMPARISON, "<=": COMPARISON, ">": COMPARISON, ">=": COMPARISON,
    "is": COMPARISON, "in": COMPARISON, "not": COMPARISON,
    "|": 5, "^": 6, "&": 7, "<<": 8, ">>": 8, "+": 9, "-": 9, "*": 10, "/": 10, "//": 10, "%": 10, "@": 10,
}  # fmt: skip
_CONSTANTS = {"True": True, "true": True, "False": False, "false": False}
_NOTHING = frozenset(("None", "null"))
_CLOSING = {"(": ")", "[": "]"}
_KEYWORDS = frozenset(keyword.kwlist) - {"None", "True", "False"}
_FOREIGN = {
    "lambda": "'lambda' is not part of the language; write a function under 'functions:'",
    "for": "comprehensions are not part of the language; use array operations, 'repeat' or 'scan'",
    "await": "'await' is not part of the language",
    "yield": "'yield' is not part of the language",
    "import": "'import' is not part of the language; name libraries under 'use:'",
}
_STRING_PREFIXES = {
    "f": "f-strings",
    "b": "bytes",
    "r": "raw strings",
    "u": "prefixed strings",
    "t": "t-strings",
}


def parse_expression(text: Located | str) -> Expression:
    """The expression that a whole text is. Raises SpecError (G02xx) with exact places."""
    located = PlainText(Source("<expression>", text)) if isinstance(text, str) else text
    parser = ExpressionParser(located)
    found = parser.expression()
    parser.expect_end()
    parser.check_limits(found)
    return found


class ExpressionParser:
    """Reads expressions from the tokens of one text; `type_parser` continues on the same tokens."""

    def __init__(self, located: Located) -> None:
        tokens = Tokens(located)
        self.located = located
        self.kinds, self.texts, self.starts, self.ends = (
            tokens.kinds,
            tokens.texts,
            tokens.starts,
            tokens.ends,
        )
        self.index = 0
        self.depth = 0
        self.span: Callable[[int, int], Span] = located.at
        if isinstance(located, YamlScalar) and not located.style and located.line == located.end_line:
            self.span = _one_line_span(located.source, located.line, located.column)

    # --- tokens ---

    @property
    def here(self) -> Span:
        """The place of the token that comes next (at the end: just behind the text)."""
        return self.span(self.starts[self.index], max(self.ends[self.index], self.starts[self.index] + 1))

    def accept(self, symbol: str) -> bool:
        if self.texts[self.index] == symbol:
            self.index += 1
            return True
        return False

    def expect(self, symbol: str, what: str) -> None:
        if not self.accept(symbol):
            raise self.unexpected(f"expected '{symbol}' {what}")

    def expect_end(self) -> None:
        if self.kinds[self.index] != END:
            raise self.unexpected(None)

    def name(self, what: str) -> tuple[str, Span]:
        """The name that comes next; `what` says what it names, for the message."""
        if self.kinds[self.index] != NAME:
            raise self.unexpected(f"expected {what}")
        text, span = self.texts[self.index], self.here
        self.index += 1
        return text, span

    def span_from(self, start: int) -> Span:
        """From character `start` to the end of the token read last."""
        return self.span(start, self.ends[self.index - 1])

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise fail(
                "G0201",
                f"nested deeper than {MAX_DEPTH} levels",
                self.here,
                hint="split the expression into several nodes",
            )

    def check_limits(self, expression: Expression) -> None:
        """Long chains (`a + b + …`) nest as deep as they are long."""
        if len(self.kinds) > MAX_DEPTH:
            check_depth(expression)

    # --- expressions, loosest first ---

    def expression(self) -> Expression:
        """`then if condition else otherwise`, or anything tighter."""
        self._deeper()
        start = self.starts[self.index]
        found = self.operation(OR)
        if self.texts[self.index] == "if":
            self.index += 1
            condition = self.operation(OR)
            if self.texts[self.index] != "else":
                raise self.unexpected("expected 'else': a choice is 'a if c else b'")
            self.index += 1
            otherwise = self.expression()
            found = Choice(self.span_from(start), condition, found, otherwise)
        self.depth -= 1
        return found

    def operation(self, minimum: int) -> Expression:
        """Operators that bind at least as tightly as `minimum`."""
        start = self.starts[self.index]
        left = self._not(minimum) if self.texts[self.index] == "not" else self._unary()
        while True:
            operator = self.texts[self.index]
            level = _LEVELS.get(operator, 0)
            if level < minimum or level == 0:
                return left
            if level == COMPARISON:
                if operator == "not" and self.texts[self.index + 1] != "in":
                    return left
                left = self._comparison(left, start)
            elif level <= AND:
                left = self._logical(operator, level, left, start)
            else:
                place = self.here
                self.index += 1
                right = self.operation(level + 1)
                left = Binary(self.span_from(start), operator, left, right, place)
                check_binary(left)

    def _not(self, minimum: int) -> Expression:
        start, place = self.starts[self.index], self.here
        if minimum > NOT:
            raise fail("G0202", "'not' needs brackets here", place, hint="write '(not …)'")
        self.index += 1
        self._deeper()
        operand = self.operation(NOT)
        self.depth -= 1
        found = Unary(self.span_from(start), "not", operand)
        check_unary(found)
        return found

    def _logical(self, operator: str, level: int, left: Expression, start: int) -> Expression:
        operands = [left]
        while self.accept(operator):
            operands.append(self.operation(level + 1))
        return Logical(self.span_from(start), operator, tuple(operands))

    def _comparison(self, left: Expression, start: int) -> Expression:
        operands, operators = [left], []
        while _LEVELS.get(self.texts[self.index]) == COMPARISON:
            operator, place = self.texts[self.index], self.here
            self.index += 1
            if operator in ("in", "not"):
                self._membership(place)
            if operator == "is" and self.accept("not"):
                operator = "is not"
            operators.append(operator)
            operands.append(self.operation(ARITHMETIC))
        found = Comparison(self.span_from(start), tuple(operators), tuple(operands))
        check_comparison(found)
        return found

    def _membership(self, place: Span) -> NoReturn:
        raise fail(
            "G0204",
            "'in' is not an operator of the language",
            place,
            hint="compare with each value: any(x[:, None] == y[None, :], axis=1)",
        )

    def _unary(self) -> Expression:
        operator = self.texts[self.index]
        if operator in ("-", "+", "~"):
            start = self.starts[self.index]
            self.index += 1
            self._deeper()
            operand = self._unary()
            self.depth -= 1
            found = Unary(self.span_from(start), operator, operand)
            check_unary(found)
            return found
        return self._power()

    def _power(self) -> Expression:
        start = self.starts[self.index]
        base = self._primary()
        if self.texts[self.index] != "**":
            return base
        place = self.here
        self.index += 1
        self._deeper()
        exponent = self._unary()
        self.depth -= 1
        found = Binary(self.span_from(start), "**", base, exponent, place)
        check_binary(found)
        return found

    # --- atoms and what follows them ---

    def _primary(self) -> Expression:
        start = self.starts[self.index]
        found = self._atom()
        while True:
            symbol = self.texts[self.index]
            if symbol == ".":
                self.index += 1
                name, place = self._member_name()
                found = Member(self.span_from(start), found, name, place)
            elif symbol == "(":
                found = self._call(found, start)
            elif symbol == "[":
                found = self._subscript(found, start)
            else:
                return found

    def _member_name(self) -> tuple[str, Span]:
        text = self.texts[self.index]
        if keyword.iskeyword(text):
            raise fail("G0202", f"'{text}' is a reserved word and cannot be a name", self.here)
        return self.name("a name after '.'")

    def _atom(self) -> Expression:
        kind, text = self.kinds[self.index], self.texts[self.index]
        if kind == NAME:
            return self._name(text)
        if kind == NUMBER:
            return self._number(text)
        if kind == STRING:
            return self._text(text)
        if text == "(":
            return self._brackets()
        if text == "[":
            return self._list()
        if text in ("*", "**"):
            raise fail("G0204", "starred arguments are not part of the language", self.here)
        if text == "...":
            raise fail("G0202", "'...' stands only in a subscript or a type", self.here)
        raise self.unexpected("expected a value")

    def _name(self, text: str) -> Expression:
        place = self.here
        if text in _KEYWORDS:
            self._keyword_as_name()
        self.index += 1
        if text in _CONSTANTS:
            return Boolean(place, _CONSTANTS[text])
        if text in _NOTHING:
            return Nothing(place)
        if self.kinds[self.index] == STRING and self.starts[self.index] == self.ends[self.index - 1]:
            what = _STRING_PREFIXES.get(text[:1].lower(), "string prefixes")
            raise fail("G0204", f"{what} are not part of the language", place, hint="write a plain text")
        return Name(place, text)

    def _keyword_as_name(self) -> NoReturn:
        text, place = self.texts[self.index], self.here
        if text in _FOREIGN:
            raise fail("G0204", _FOREIGN[text], place)
        if text in ("and", "or", "if", "else", "is", "in", "not"):
            raise fail("G0202", f"a value is missing before '{text}'", place)
        raise fail("G0202", f"'{text}' is a reserved word and cannot be a name", place)

    def _number(self, text: str) -> Expression:
        place = self.here
        following = self.index + 1
        if self.kinds[following] == NAME and self.starts[following] == self.ends[self.index]:
            self._number_and_name(text, self.texts[following])
        self.index += 1
        return Number(place, self._value(text, place))

    def _number_and_name(self, number: str, name: str) -> NoReturn:
        place = self.span(self.starts[self.index], self.ends[self.index + 1])
        if name in ("j", "J"):
            hint = "complex tensors are real ones with a last axis of 2"
            raise fail("G0204", "complex numbers are not part of the language", place, hint=hint)
        raise fail(
            "G0202",
            f"'{number}{name}' is neither a number nor a name",
            place,
            hint=f"write '{number} * {name}'",
        )

    def _value(self, text: str, place: Span) -> int | float:
        digits = text.replace("_", "")
        if digits[:2].lower() in ("0x", "0b", "0o"):
            return self._integer(digits, 0, place)
        if digits.isdigit():
            if len(digits) > 1 and digits[0] == "0" and digits.strip("0"):
                hint = f"write '{digits.lstrip('0')}'; octal is '0o17'"
                raise fail("G0206", f"'{text}' has a leading zero", place, hint=hint)
            return self._integer(digits, 10, place)
        value = float(digits)
        if math.isinf(value):
            raise fail(
                "G0206",
                f"'{_shortened(text)}' is too large for float64",
                place,
                hint="write 'inf' for infinity",
            )
        return value

    def _integer(self, digits: str, base: int, place: Span) -> int:
        bound = 2**64
        if len(digits) > (MAX_DIGITS if base == 10 else 66):
            value = bound
        else:
            try:
                value = int(digits, base)
            except ValueError:
                raise fail("G0206", f"'{digits}' is no number", place) from None
        if value >= bound:
            hint = "write it as a float: 1e30"
            raise fail("G0206", f"the integer {_shortened(digits)} does not fit 64 bits", place, hint=hint)
        return value

    def _text(self, token: str) -> Expression:
        place = self.here
        if (
            len(token) == 2
            and self.kinds[self.index + 1] == STRING
            and self.ends[self.index] == self.starts[self.index + 1]
        ):
            raise fail("G0204", "triple-quoted texts are not part of the language", place)
        try:
            value = ast.literal_eval(token.replace("\n", " "))
        except (ValueError, SyntaxError):
            raise fail(
                "G0202", "a malformed escape in this text", place, hint="double a literal '\\'"
            ) from None
        self.index += 1
        if self.kinds[self.index] == STRING:
            raise fail("G0207", "two texts side by side are not joined", self.here)
        return Text(place, value)

    def _brackets(self) -> Expression:
        opening = self.index
        self.index += 1
        if self.texts[self.index] == ")":
            raise fail(
                "G0204", "empty brackets: tuples are not part of the language", self.span_to_next(opening)
            )
        found = self.expression()
        if self.texts[self.index] == ",":
            raise fail(
                "G0204", "tuples are not part of the language", self.here, hint="write a list: '[a, b]'"
            )
        if self.texts[self.index] == ":=":
            raise self.unexpected(None)
        self._close(opening)
        return found

    def _list(self) -> Expression:
        opening = self.index
        self.index += 1
        items: list[Expression] = []
        while self.texts[self.index] != "]":
            items.append(self.expression())
            if not self.accept(","):
                break
        self._close(opening)
        return ListOf(self.span_from(self.starts[opening]), tuple(items))

    def _call(self, function: Expression, start: int) -> Expression:
        if not isinstance(function, Name | Member):
            raise fail(
                "G0212",
                "only a name can be called",
                function.span,
                hint="write the name of a function or slot",
            )
        opening = self.index
        self.index += 1
        arguments: list[Expression] = []
        keywords: list[Keyword] = []
        while self.texts[self.index] != ")":
            if self.kinds[self.index] == NAME and self.texts[self.index + 1] == "=":
                keywords.append(self._keyword(keywords))
            else:
                self._positional(arguments, keywords)
            if not self.accept(","):
                break
        self._close(opening)
        return Call(self.span_from(start), function, tuple(arguments), tuple(keywords))

    def _positional(self, arguments: list[Expression], keywords: list[Keyword]) -> None:
        argument = self.expression()
        if keywords:
            note = Note("a keyword argument comes first", keywords[-1].span)
            message = "a positional argument after a keyword argument"
            raise fail("G0211", message, argument.span, hint="move it before the keywords", notes=(note,))
        arguments.append(argument)

    def _keyword(self, earlier: list[Keyword]) -> Keyword:
        name, place = self.texts[self.index], self.here
        if keyword.iskeyword(name):
            raise fail("G0202", f"'{name}' is a reserved word and cannot be a name", place)
        self.index += 2
        for other in earlier:
            if other.name == name:
                note = Note("given here first", other.span)
                raise fail("G0211", f"the argument '{name}' is given twice", place, notes=(note,))
        return Keyword(name, self.expression(), place)

    def _subscript(self, base: Expression, start: int) -> Expression:
        opening = self.index
        self.index += 1
        items: list[Expression] = []
        while self.texts[self.index] != "]":
            items.append(self._subscript_item())
            if not self.accept(","):
                break
        self._close(opening)
        span = self.span_from(start)
        if not items:
            raise fail("G0202", "an empty subscript", self.span_from(self.starts[opening]))
        return Subscript(span, base, tuple(items))

    def _subscript_item(self) -> Expression:
        if self.texts[self.index] == "...":
            place = self.here
            self.index += 1
            return Ellipsis(place)
        start = self.starts[self.index]
        first = None if self.texts[self.index] == ":" else self.expression()
        if not self.accept(":"):
            assert first is not None
            return first
        stop = None if self.texts[self.index] in (":", ",", "]") else self.expression()
        step = None
        if self.accept(":") and self.texts[self.index] not in (",", "]"):
            step = self.expression()
        return Slice(self.span_from(start), first, stop, step)

    # --- what went wrong ---

    def span_to_next(self, first: int) -> Span:
        """From token `first` to the token that comes next, both included."""
        return self.span(self.starts[first], self.ends[self.index])

    def _close(self, opening: int) -> None:
        symbol = self.texts[opening]
        if not self.accept(_CLOSING[symbol]):
            raise self._unclosed(opening)

    def _unclosed(self, opening: int) -> SpecError:
        symbol, text = self.texts[opening], self.texts[self.index]
        place = self.span(self.starts[opening], self.ends[opening])
        if self.kinds[self.index] == END:
            return fail("G0203", f"'{symbol}' is never closed", place, hint=self._flow_hint())
        if text in (")", "]"):
            note = Note(f"'{symbol}' is opened here", place)
            return fail("G0203", f"'{text}' does not close '{symbol}'", self.here, notes=(note,))
        return self.unexpected(f"expected ',' or '{_CLOSING[symbol]}'")

    def _flow_hint(self) -> str | None:
        if isinstance(self.located, YamlScalar) and self.located.flow:
            return "in '{…}' and '[…]' a comma ends a value: use block style"
        return None

    def unexpected(self, message: str | None) -> SpecError:
        """What is wrong at the next token; `message` where nothing better is known."""
        kind, text, place = self.kinds[self.index], self.texts[self.index], self.here
        if kind == END:
            opening = self._open_bracket()
            if opening is not None:
                return self._unclosed(opening)
            where = message or "the expression ends too early"
            return fail("G0202", f"{where}, but the text ends", place, hint=self._flow_hint())
        if text in (")", "]"):
            return fail("G0203", f"'{text}' was never opened", place, hint=self._flow_hint())
        if text in _FOREIGN:
            return fail("G0204", _FOREIGN[text], place)
        if text in _UNEXPECTED:
            code, meaning, hint = _UNEXPECTED[text]
            return fail(code, meaning, place, hint=hint)
        shown = _shortened(text)
        if self._follows_directly() and text.startswith("."):
            hint = f"write '[{text[1:]}]' for an iteration or an item"
            return fail("G0202", f"'{shown}' after a name", place, hint=hint)
        if message is None:
            what = "an operator or ',' is missing before" if kind != SYMBOL else "unexpected"
            return fail("G0202", f"{what} '{shown}'", place)
        return fail("G0202", f"{message}, found '{shown}'", place)

    def _open_bracket(self) -> int | None:
        """The innermost bracket that is still open at the end of the text."""
        opened: list[int] = []
        for index, text in enumerate(self.texts):
            if text in _CLOSING:
                opened.append(index)
            elif text in (")", "]") and opened:
                opened.pop()
        return opened[-1] if opened else None

    def _follows_directly(self) -> bool:
        return self.index > 0 and self.starts[self.index] == self.ends[self.index - 1]


_UNEXPECTED = {
    "=": ("G0202", "'=' does not compare", "write '==' to compare; 'name: type = value' to declare"),
    ":=": ("G0204", "':=' is not part of the language", "give the value a node of its own"),
    "..": ("G0202", "'..' stands only in a domain or a range of sizes", "a slice is 'x[a:b]'"),
    "->": ("G0202", "'->' stands only in a slot's signature", None),
    ",": (
        "G0202",
        "a ',' outside brackets",
        "write a list '[a, b]', or name the results on the left: 'a, b: …'",
    ),
    ":": ("G0202", "a ':' outside a subscript", None),
}


def _one_line_span(source: Source, line: int, column: int) -> Callable[[int, int], Span]:
    def span(start: int, end: int) -> Span:
        return Span(source, line, column + start, line, column + end)

    return span


def _shortened(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:20]}…"
