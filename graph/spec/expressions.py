"""The records of a parsed expression (rules R7-R25): plain data with exact spans.

`graph.spec.expression_parser` makes them from text, `graph.build` gives them meaning, and
`graph.spec.printing` writes them back.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..diagnostics.span import Span


@dataclass(frozen=True, slots=True)
class Expression:
    """The base of all; `span` covers the expression's own text."""

    span: Span


@dataclass(frozen=True, slots=True)
class Number(Expression):
    value: int | float


@dataclass(frozen=True, slots=True)
class Text(Expression):
    value: str


@dataclass(frozen=True, slots=True)
class Boolean(Expression):
    value: bool


@dataclass(frozen=True, slots=True)
class Nothing(Expression):
    """`None` or `null`."""


@dataclass(frozen=True, slots=True)
class Ellipsis(Expression):
    """`...` in a subscript."""


@dataclass(frozen=True, slots=True)
class Name(Expression):
    name: str


@dataclass(frozen=True, slots=True)
class Member(Expression):
    """`base.name`: a result, an inner node, a parameter, `.shape`, `.T`, a function of a prefix."""

    base: Expression
    name: str
    name_span: Span


@dataclass(frozen=True, slots=True)
class ListOf(Expression):
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Unary(Expression):
    """`operator` is one of `- + ~ not`."""

    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary(Expression):
    """`operator` is one of `+ - * / // % ** @ & | ^ << >>`."""

    operator: str
    left: Expression
    right: Expression
    operator_span: Span


@dataclass(frozen=True, slots=True)
class Comparison(Expression):
    """`operands[0] operators[0] operands[1] …`; operators from `== != < <= > >= is, is not`."""

    operators: tuple[str, ...]
    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Logical(Expression):
    """`and` or `or` of two or more operands."""

    operator: str
    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Choice(Expression):
    """`then if condition else otherwise`, decided at compile time (R10)."""

    condition: Expression
    then: Expression
    otherwise: Expression


@dataclass(frozen=True, slots=True)
class Keyword:
    name: str
    value: Expression
    span: Span  # of the keyword's name


@dataclass(frozen=True, slots=True)
class Call(Expression):
    """`function` is a Name or a Member (a prefix of `use:`)."""

    function: Expression
    arguments: tuple[Expression, ...]
    keywords: tuple[Keyword, ...]


@dataclass(frozen=True, slots=True)
class Slice(Expression):
    start: Expression | None
    stop: Expression | None
    step: Expression | None


@dataclass(frozen=True, slots=True)
class Subscript(Expression):
    """`base[items]`; items are expressions, slices, `...` or `None`."""

    base: Expression
    items: tuple[Expression, ...]


# --- types (rules R3, R4, R23) ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TypeExpression:
    """`dtype[dims]`, `like(x)` or a bare `dtype` (a scalar).

    `dtype` is a dtype's name, or `float`, `int`, `any` in functions. `dims` holds expressions;
    `Ellipsis` stands for any run of dimensions and `Name('_')` for one unnamed.
    """

    span: Span
    dtype: str
    dtype_span: Span
    dims: tuple[Expression, ...]
    like: str | None = None  # the value whose type is copied; then dtype is "" and dims empty


@dataclass(frozen=True, slots=True)
class RangeDomain:
    """`in low..high`, both ends included."""

    span: Span
    low: Expression
    high: Expression


@dataclass(frozen=True, slots=True)
class KindDomain:
    """`~ kind` or `~ kind(arguments)`: normal, prefix, permutation, simplex, spd, onehot, unit, …"""

    span: Span
    kind: str
    arguments: tuple[Expression, ...] = ()


DomainExpression = RangeDomain | KindDomain


@dataclass(frozen=True, slots=True)
class SlotSignature:
    """`(types) -> types = default`; `default` names a function."""

    span: Span
    inputs: tuple[TypeExpression, ...]
    outputs: tuple[TypeExpression, ...]
    default: Expression | None = None
