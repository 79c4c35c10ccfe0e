"""Short ways to make expressions that come from no text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...diagnostics import Source, Span
from .. import expressions as ex
from ..documents import Label

NOWHERE = Span(Source("", ""), 1, 1, 1, 1)


def label(text: str) -> Label:
    return Label(text, NOWHERE)


def name(text: str) -> ex.Expression:
    """A name, or a dotted path."""
    first, *rest = text.split(".")
    found: ex.Expression = ex.Name(NOWHERE, first)
    for part in rest:
        found = ex.Member(NOWHERE, found, part, NOWHERE)
    return found


def member(base: ex.Expression, part: str) -> ex.Expression:
    return ex.Member(NOWHERE, base, part, NOWHERE)


def number(value: int | float) -> ex.Expression:
    """A literal; negative ones as `-x`, the least int64 as a difference that fits."""
    if isinstance(value, int):
        if value < -(2**63) + 1:
            return binary("-", number(value + 1), number(1))
        return ex.Number(NOWHERE, value) if value >= 0 else ex.Unary(NOWHERE, "-", number(-value))
    if value != value:
        return ex.Name(NOWHERE, "nan")
    if value in (float("inf"), float("-inf")):
        infinite = ex.Name(NOWHERE, "inf")
        return infinite if value > 0 else ex.Unary(NOWHERE, "-", infinite)
    if value < 0 or str(value).startswith("-"):
        return ex.Unary(NOWHERE, "-", ex.Number(NOWHERE, -value))
    return ex.Number(NOWHERE, value)


def text(value: str) -> ex.Expression:
    return ex.Text(NOWHERE, value)


def boolean(value: bool) -> ex.Expression:
    return ex.Boolean(NOWHERE, value)


NOTHING: ex.Expression = ex.Nothing(NOWHERE)


def listed(items: Iterable[ex.Expression]) -> ex.Expression:
    return ex.ListOf(NOWHERE, tuple(items))


def integers(values: Iterable[int]) -> ex.Expression:
    return listed(number(int(v)) for v in values)


def binary(operator: str, left: ex.Expression, right: ex.Expression) -> ex.Expression:
    return ex.Binary(NOWHERE, operator, left, right, NOWHERE)


def unary(operator: str, operand: ex.Expression) -> ex.Expression:
    return ex.Unary(NOWHERE, operator, operand)


def comparison(operator: str, left: ex.Expression, right: ex.Expression) -> ex.Expression:
    return ex.Comparison(NOWHERE, (operator,), (left, right))


def logical(word: str, operands: Iterable[ex.Expression]) -> ex.Expression:
    return ex.Logical(NOWHERE, word, tuple(operands))


def call(
    function: str | ex.Expression,
    arguments: Iterable[ex.Expression],
    keywords: Mapping[str, ex.Expression] | None = None,
) -> ex.Expression:
    called = ex.Name(NOWHERE, function) if isinstance(function, str) else function
    named = tuple(ex.Keyword(k, v, NOWHERE) for k, v in (keywords or {}).items())
    return ex.Call(NOWHERE, called, tuple(arguments), named)


def subscript(base: ex.Expression, items: Iterable[ex.Expression]) -> ex.Expression:
    return ex.Subscript(NOWHERE, base, tuple(items))


def slice_of(start: int | None, stop: int | None, step: int | None = None) -> ex.Expression:
    parts = (None if p is None else number(p) for p in (start, stop, step))
    return ex.Slice(NOWHERE, *parts)
