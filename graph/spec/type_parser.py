"""Types, domains, declarations, sizes, signatures and one-line heads (R1-R4, R23, R24)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from ..diagnostics import Span, did_you_mean, fail
from .documents import AttributeDeclaration, Declaration, Label, SizeDeclaration, SlotDeclaration
from .expression_parser import ARITHMETIC, ExpressionParser
from .expressions import (
    Binary,
    Boolean,
    Call,
    DomainExpression,
    Ellipsis,
    Expression,
    KindDomain,
    ListOf,
    Member,
    Name,
    Nothing,
    Number,
    RangeDomain,
    SlotSignature,
    Subscript,
    Text,
    TypeExpression,
    Unary,
)
from .names import DTYPE_ALIASES, DTYPE_NAMES, check_name
from .static_rules import children
from .tokens import END, NAME, Located

ATTRIBUTE_KINDS = ("int", "float", "bool", "str", "dtype", "list", "any")
_CONSTANT_NAMES = frozenset(("inf", "nan", "pi"))


@dataclass(frozen=True, slots=True)
class Head:
    """`name(inputs, attribute=default)` of a one-line function."""

    name: Label
    inputs: tuple[Label, ...]
    attributes: tuple[AttributeDeclaration, ...]


def parse_type(text: Located) -> TypeExpression:
    """A whole text as a type: `float32[B, 2 * n]`, `bool`, `like(x)`. Raises SpecError (G02xx)."""
    parser = TypeParser(text)
    found = parser.type()
    parser.expect_end()
    return found


def parse_declaration(name: Label, text: Located) -> Declaration:
    """`type in domain = default` (R2). Raises SpecError (G02xx)."""
    return TypeParser(text).declaration(name)


def parse_attribute(name: Label, text: Located) -> AttributeDeclaration:
    """`literal`, `type = literal` or `type` (required). Raises SpecError (G02xx)."""
    return TypeParser(text).attribute(name)


def parse_size(name: Label, text: Located) -> SizeDeclaration:
    """`expression`, `low..high` or `low..`. Raises SpecError (G02xx)."""
    return TypeParser(text).size(name)


def parse_slot(name: Label, text: Located) -> SlotDeclaration:
    """`(types) -> types = default` (R23). Raises SpecError (G02xx)."""
    return SlotDeclaration(name, TypeParser(text).signature())


def parse_head(text: Located) -> Head:
    """`name(inputs, attribute=default)` (R24). Raises SpecError (G02xx)."""
    return TypeParser(text).head()


def parse_node(text: Located) -> tuple[TypeExpression | None, Expression]:
    """A node's value: `expression` or `type = expression`. Raises SpecError (G02xx)."""
    return TypeParser(text).node()


class TypeParser(ExpressionParser):
    """The small languages around expressions, on the same tokens."""

    # --- types ---

    def type(self) -> TypeExpression:
        start, place = self.starts[self.index], self.here
        if self.kinds[self.index] != NAME:
            self._no_type()
        dtype = self.texts[self.index]
        self.index += 1
        if dtype == "like":
            return self._like(start, place)
        if dtype not in DTYPE_NAMES:
            self._unknown_dtype(dtype, place)
        if self.texts[self.index] == "(":
            raise fail("G0220", "dimensions stand in square brackets", self.here, hint=f"write '{dtype}[…]'")
        dims: tuple[Expression, ...] = ()
        if self.texts[self.index] == "[":
            dims = self._dims()
        return TypeExpression(self.span_from(start), dtype, place, dims)

    def _no_type(self) -> NoReturn:
        text = self.texts[self.index]
        if self.kinds[self.index] == END:
            raise fail("G0220", "a type is missing", self.here, hint="write 'float32[B, 3]'")
        raise fail(
            "G0220",
            f"expected a type, found '{text}'",
            self.here,
            hint="a type is 'float32[B, 3]' or 'like(x)'",
        )

    def _unknown_dtype(self, dtype: str, place: Span) -> NoReturn:
        alias = DTYPE_ALIASES.get(dtype.lower())
        hint = f"did you mean '{alias}'?" if alias else did_you_mean(dtype, DTYPE_NAMES)
        raise fail(
            "G0221", f"'{dtype}' is no dtype", place, hint=hint or "a declaration is 'name: type = default'"
        )

    def _like(self, start: int, place: Span) -> TypeExpression:
        self.expect("(", "after 'like'")
        opening = self.index - 1
        name, _ = self.name("the name of a value")
        self._close(opening)
        return TypeExpression(self.span_from(start), "", place, (), name)

    def _dims(self) -> tuple[Expression, ...]:
        opening = self.index
        self.index += 1
        dims: list[Expression] = []
        while self.texts[self.index] != "]":
            dims.append(self._dim())
            if not self.accept(","):
                break
        self._close(opening)
        runs = [dim for dim in dims if isinstance(dim, Ellipsis)]
        if len(runs) > 1:
            raise fail("G0220", "a type has at most one '...'", runs[1].span)
        return tuple(dims)

    def _dim(self) -> Expression:
        if self.texts[self.index] == "...":
            place = self.here
            self.index += 1
            return Ellipsis(place)
        found = self.expression()
        check_dimension(found)
        return found

    # --- domains ---

    def domain(self) -> DomainExpression | None:
        start = self.starts[self.index]
        if self.accept("in"):
            low = self.operation(ARITHMETIC)
            self.expect("..", "between the ends of the domain: 'in low..high'")
            high = self.operation(ARITHMETIC)
            return RangeDomain(self.span_from(start), low, high)
        if self.accept("~"):
            kind, _ = self.name("a kind of domain: '~ normal'")
            arguments = self._domain_arguments() if self.texts[self.index] == "(" else ()
            return KindDomain(self.span_from(start), kind, arguments)
        return None

    def _domain_arguments(self) -> tuple[Expression, ...]:
        opening = self.index
        self.index += 1
        arguments: list[Expression] = []
        while self.texts[self.index] != ")":
            if self.texts[self.index + 1] == "=":
                raise fail("G0222", "a domain takes its arguments by position", self.here)
            arguments.append(self.expression())
            if not self.accept(","):
                break
        self._close(opening)
        return tuple(arguments)

    # --- declarations ---

    def declaration(self, name: Label) -> Declaration:
        found_type = self.type()
        domain = self.domain()
        default: Expression | None = None
        if self.accept("="):
            self._no_late_domain()
            default = self.expression()
            self.check_limits(default)
        self._end_of_declaration("name: type = default")
        if isinstance(default, Nothing):
            return Declaration(name, found_type, None, domain, True)
        return Declaration(name, found_type, default, domain)

    def _no_late_domain(self) -> None:
        depth = 0
        for index in range(self.index, len(self.texts)):
            text = self.texts[index]
            depth += (text in ("(", "[")) - (text in (")", "]"))
            if text == "in" and depth == 0:
                self.index = index
                self._end_of_declaration("name: type in low..high = default")

    def _end_of_declaration(self, form: str) -> None:
        if self.kinds[self.index] == END:
            return
        if self.texts[self.index] in ("in", "~"):
            raise fail("G0222", "a domain stands between the type and '='", self.here, hint=f"write '{form}'")
        if self.texts[self.index] in (")", "]", "=", ":="):
            raise self.unexpected(None)
        raise fail(
            "G0220",
            f"unexpected '{self.texts[self.index]}' after the type",
            self.here,
            hint=f"write '{form}'",
        )

    def node(self) -> tuple[TypeExpression | None, Expression]:
        declared = self.type_before_equals() if "=" in self.texts else None
        found = self.expression()
        self.expect_end()
        self.check_limits(found)
        return declared, found

    def type_before_equals(self) -> TypeExpression | None:
        """The type of `type = …`, read up to and with the `=`; None where there is no such `=`."""
        if not self._has_top_level_equals():
            return None
        found = self.type()
        if not self.accept("="):
            self._end_of_declaration("name: type = expression")
        return found

    def _has_top_level_equals(self) -> bool:
        depth = 0
        for text in self.texts:
            if text in ("(", "["):
                depth += 1
            elif text in (")", "]"):
                depth -= 1
            elif text == "=" and depth == 0:
                return True
        return False

    # --- attributes ---

    def attribute(self, name: Label) -> AttributeDeclaration:
        if self._has_top_level_equals():
            kind = self._attribute_kind()
            self.expect("=", "between an attribute's type and its default")
            return AttributeDeclaration(name, kind, self._default(kind))
        if len(self.texts) == 2 and self.texts[0] in ATTRIBUTE_KINDS:
            return AttributeDeclaration(name, self.texts[0], None)
        if len(self.texts) == 2 and self.kinds[0] == NAME:
            self._bare_word(name)
        default = self._default(None)
        return AttributeDeclaration(name, attribute_kind(default), default)

    def _attribute_kind(self) -> str:
        kind, place = self.name("an attribute's type")
        if kind not in ATTRIBUTE_KINDS:
            known = ", ".join(ATTRIBUTE_KINDS)
            hint = did_you_mean(kind, ATTRIBUTE_KINDS) or f"an attribute is one of {known}"
            raise fail("G0226", f"'{kind}' is no type of an attribute", place, hint=hint)
        return kind

    def _bare_word(self, name: Label) -> None:
        text = self.texts[0]
        if text in _CONSTANT_NAMES or text in ("true", "True", "false", "False", "null", "None"):
            return
        hint = f"a text is '{name.text}: str = \"{text}\"', a required attribute '{name.text}: int'"
        if text in DTYPE_NAMES:
            hint = f"a dtype is '{name.text}: dtype = {text}', a required number '{name.text}: float'"
        raise fail("G0226", f"'{text}' is neither a literal nor an attribute's type", self.here, hint=hint)

    def _default(self, kind: str | None) -> Expression:
        found = self.expression()
        self.expect_end()
        self.check_limits(found)
        check_literal(found, kind)
        return found

    # --- sizes, slots, heads ---

    def size(self, name: Label) -> SizeDeclaration:
        first = self.expression()
        if self.accept(".."):
            high = None if self.kinds[self.index] == END else self.expression()
            self.expect_end()
            return SizeDeclaration(name, None, first, high)
        self.expect_end()
        self.check_limits(first)
        if isinstance(first, Text | ListOf | Boolean | Nothing) or (
            isinstance(first, Number) and isinstance(first.value, float)
        ):
            raise fail("G0223", "a size is an integer", first.span, hint="floats and texts are attributes")
        return SizeDeclaration(name, first)

    def signature(self) -> SlotSignature:
        start = self.starts[self.index]
        if self.texts[self.index] != "(":
            hint = "write '(float32[B, D]) -> float32[B]'"
            raise fail("G0225", "a slot's type begins with its inputs in brackets", self.here, hint=hint)
        inputs = self._types_in_brackets()
        if not self.accept("->"):
            raise fail("G0225", "expected '->' and the result's type", self.here)
        if self.texts[self.index] == "(":
            outputs = self._types_in_brackets()
        else:
            outputs = self._types_to_the_end()
        default = self.expression() if self.accept("=") else None
        self.expect_end()
        if not outputs:
            raise fail("G0225", "a slot has at least one result", self.span_from(start))
        if default is not None and not isinstance(default, Name | Member | Call):
            raise fail("G0225", "a slot's default names a function", default.span, hint="write '= Gelu'")
        return SlotSignature(self.span_from(start), inputs, outputs, default)

    def _types_in_brackets(self) -> tuple[TypeExpression, ...]:
        opening = self.index
        self.index += 1
        found: list[TypeExpression] = []
        while self.texts[self.index] != ")":
            if self.texts[self.index + 1] == ":":
                hint = "leave the names out: '(float32[B]) -> float32[B]'"
                raise fail("G0225", "a slot's inputs are positional and have no names", self.here, hint=hint)
            found.append(self.type())
            if not self.accept(","):
                break
        self._close(opening)
        return tuple(found)

    def _types_to_the_end(self) -> tuple[TypeExpression, ...]:
        found = [self.type()]
        while self.accept(","):
            found.append(self.type())
        return tuple(found)

    def head(self) -> Head:
        name, place = self.name("the function's name")
        opening = self.index
        if not self.accept("("):
            self._bad_head()
        inputs: list[Label] = []
        attributes: list[AttributeDeclaration] = []
        while self.texts[self.index] != ")":
            self._head_argument(inputs, attributes)
            if not self.accept(","):
                break
        if self.texts[self.index] == ":":
            self._bad_head()
        self._close(opening)
        if self.kinds[self.index] != END:
            self._bad_head()
        return Head(Label(name, place), tuple(inputs), tuple(attributes))

    def _head_argument(self, inputs: list[Label], attributes: list[AttributeDeclaration]) -> None:
        if self.kinds[self.index] != NAME:
            self._bad_head()
        label = Label(self.texts[self.index], self.here)
        check_name(label.text, label.span, "an argument")
        self.index += 1
        for other in (*inputs, *(a.name for a in attributes)):
            if other.text == label.text:
                raise fail("G0224", f"the argument '{label.text}' is given twice", label.span)
        if self.accept("="):
            default = self.expression()
            check_literal(default, None)
            attributes.append(AttributeDeclaration(label, attribute_kind(default), default))
        elif attributes:
            hint = "inputs come first, then attributes with their defaults"
            raise fail("G0224", f"the input '{label.text}' after an attribute", label.span, hint=hint)
        else:
            inputs.append(label)

    def _bad_head(self) -> NoReturn:
        text = self.texts[self.index]
        hint = "write 'name(inputs, attribute=default): …'; typed inputs need the long form with 'inputs:'"
        if self.kinds[self.index] == END:
            raise fail("G0224", "the function's head ends too early", self.here, hint=hint)
        raise fail("G0224", f"'{text}' does not belong into a function's head", self.here, hint=hint)


def check_dimension(found: Expression) -> None:
    """Raises SpecError (G0220) for what can never be a dimension."""
    if isinstance(found, Number) and isinstance(found.value, float):
        raise fail("G0220", "a dimension is an integer", found.span)
    if isinstance(found, Number) and found.value > 2**63 - 1:
        raise fail("G0220", "a dimension fits 63 bits", found.span)
    if isinstance(found, Unary) and isinstance(found.operand, Number):
        raise fail("G0220", "a dimension is not negative", found.span, hint="'_' stands for any size")
    if isinstance(found, Text | ListOf | Boolean | Nothing):
        raise fail("G0220", "a dimension is a name, a number or arithmetic on them", found.span)


def check_literal(found: Expression, kind: str | None) -> None:
    """An attribute's default: constants only, of the declared kind. Raises SpecError (G0226)."""
    _check_constant(found)
    if kind is None or kind == "any" or isinstance(found, Nothing):
        return
    actual = attribute_kind(found)
    if kind == "dtype":
        fits = isinstance(found, Name)
    else:
        fits = actual in (kind, "any") or (kind == "float" and actual == "int")
    if not fits or (kind == "str" and not isinstance(found, Text)):
        hint = 'a text is quoted: str = "same"' if kind == "str" else None
        raise fail("G0226", f"the default is not of the type '{kind}'", found.span, hint=hint)


def _check_constant(found: Expression) -> None:
    stack: list[Expression] = [found]
    while stack:
        part = stack.pop()
        if isinstance(part, Name) and part.name not in _CONSTANT_NAMES and part.name not in DTYPE_NAMES:
            hint = 'quote a text: str = "same"; a value that depends on sizes is a node'
            raise fail(
                "G0226", f"an attribute's default is a constant, '{part.name}' is none", part.span, hint=hint
            )
        if isinstance(part, Member | Subscript):
            raise fail("G0226", "an attribute's default is a constant", part.span)
        if isinstance(part, Call):
            stack.extend((*part.arguments, *(k.value for k in part.keywords)))
        else:
            stack.extend(children(part))


def attribute_kind(default: Expression) -> str:
    """The kind that a literal default gives its attribute; `any` where it says nothing."""
    if isinstance(default, Boolean):
        return "bool"
    if isinstance(default, Text):
        return "str"
    if isinstance(default, ListOf):
        return "list"
    if isinstance(default, Number):
        return "float" if isinstance(default.value, float) else "int"
    if isinstance(default, Name):
        return "dtype" if default.name in DTYPE_NAMES else "float"
    if isinstance(default, Unary) and default.operator in ("-", "+"):
        return attribute_kind(default.operand)
    if isinstance(default, Binary):
        return _arithmetic_kind(default)
    return "float" if isinstance(default, Call) else "any"


def _arithmetic_kind(default: Binary) -> str:
    kinds = {attribute_kind(default.left), attribute_kind(default.right)}
    if default.operator == "/" or "float" in kinds:
        return "float"
    return "int" if kinds == {"int"} else "any"
