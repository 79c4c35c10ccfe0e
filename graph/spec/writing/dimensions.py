"""Dimensions and types as expressions of a spec."""

from __future__ import annotations

from collections.abc import Mapping

from ...diagnostics import fail
from ...types.dimensions import Compound, Dimension, Symbol
from ...types.tokens import UNKNOWN
from ...types.types import Axis, OptionalType, SequenceType, TensorType, Type
from .. import expressions as ex
from .syntax import NOWHERE, binary, call, name, number

SizeNames = Mapping[str, str]
"""What a spec calls the sizes of a program; a size that is not here can't be written."""


def writable(dimension: Dimension, sizes: SizeNames) -> bool:
    """Whether every size in it has a name in the spec."""
    return isinstance(dimension, int) or all(s in sizes for s in dimension.symbols)


def dimension(value: Dimension, sizes: SizeNames) -> ex.Expression:
    """A dimension as arithmetic on named sizes: positive terms first, the constant last."""
    if isinstance(value, int):
        return number(value)
    ordered = sorted(value.terms, key=lambda term: (not term[0], term[1] < 0))
    total: ex.Expression | None = None
    for monomial, coefficient in ordered:
        factors = [_atom(atom, sizes) for atom, power in monomial for _ in range(power)]
        size = abs(coefficient)
        product = number(size) if size != 1 or not factors else None
        for factor in factors:
            product = factor if product is None else binary("*", product, factor)
        assert product is not None
        if total is None:
            total = product if coefficient > 0 else _negative(product)
        else:
            total = binary("+" if coefficient > 0 else "-", total, product)
    assert total is not None
    return total


def _negative(product: ex.Expression) -> ex.Expression:
    return ex.Unary(NOWHERE, "-", product)


def _atom(atom: Symbol | Compound, sizes: SizeNames) -> ex.Expression:
    if isinstance(atom, Symbol):
        return name(sizes[atom.name])
    left, right = dimension(atom.left, sizes), dimension(atom.right, sizes)
    if atom.operator == "//":
        return binary("//", left, right)
    return call({"min": "minimum", "max": "maximum"}[atom.operator], [left, right])


def type_expression(type_: Type, sizes: SizeNames, where: str, *, loose: bool = False) -> ex.TypeExpression:
    """The type as a declaration states it. With `loose`, a dimension that is unknown or can't be written
    becomes `_` and an unknown rank `...`, as a function's input may have.

    Raises SpecError G1220 for a type that a spec can't declare.
    """
    if isinstance(type_, SequenceType | OptionalType) or not isinstance(type_, TensorType):
        raise fail("G1220", f"'{where}' has the type {type_}, which a spec can't declare")
    dims: tuple[ex.Expression, ...]
    if type_.axes is None:
        if not loose:
            raise fail("G1220", f"the rank of '{where}' is unknown, and a spec must declare it")
        dims = (ex.Ellipsis(NOWHERE),)
    else:
        dims = tuple(_declared(a, sizes, where, loose) for a in type_.axes)
    return ex.TypeExpression(NOWHERE, type_.dtype.name, NOWHERE, dims)


def _declared(value: Axis, sizes: SizeNames, where: str, loose: bool) -> ex.Expression:
    if value is not None and writable(value, sizes):
        return dimension(value, sizes)
    if loose:
        return ex.Name(NOWHERE, UNKNOWN)
    if value is None:
        raise fail("G1220", f"'{where}' has a size that only a run tells, and a spec must declare it")
    raise fail("G1220", f"'{where}' has the dimension {value}, which depends on no input")
