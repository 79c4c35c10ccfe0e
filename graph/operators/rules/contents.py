"""Symbolic contents of small integer tensors, and rules that compute with them.

A content is a tuple in row-major order whose elements are numbers, dimensions, or None where
one is unknown. Rules go through object arrays, so that NumPy's own indexing and broadcasting
say which element goes where.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...types.dimensions import Dimension, lower_bound, product
from ...types.dtypes import DType
from ...types.types import TensorType, Type
from ..operator import Call, Known, KnownRule

LIMIT = 64
"""Contents of more elements are not tracked."""

Objects = np.ndarray[Any, np.dtype[np.object_]]
ElementRule = Callable[..., Dimension | None]


def as_array(known: Known, dims: Sequence[int]) -> Objects:
    """The content as an object array of that shape."""
    array = np.empty(len(known), dtype=object)
    array[:] = known
    return array.reshape(tuple(dims))


def operand_array(call: Call, index: int) -> Objects | None:
    """The operand's content in its shape; None where it is absent or unknown."""
    operand = call.inputs[index] if index < len(call.inputs) else None
    if operand is None or operand.known is None or not isinstance(operand.type, TensorType):
        return None
    if not operand.type.is_static:
        return None
    return as_array(operand.known, [d for d in operand.type.shape if isinstance(d, int)])


def from_array(array: Objects) -> Known | None:
    """The content of an object array; None where it is larger than LIMIT or holds nothing known."""
    array = np.asarray(array, dtype=object)  # NumPy hands out the bare element of a 0-d result
    if array.size > LIMIT:
        return None
    found = tuple(array.ravel().tolist())
    return found if not found or any(k is not None for k in found) else None


def small_integer(result: Type) -> bool:
    """Whether a result's content is tracked: an integer or bool tensor of at most LIMIT elements."""
    if not isinstance(result, TensorType) or not (result.dtype.is_integer or result.dtype.kind == "bool"):
        return False
    size = result.size if result.dims is not None else None
    return isinstance(size, int) and size <= LIMIT


def in_range(value: Dimension | None, dtype: DType) -> Dimension | None:
    """The value where the dtype can hold it, None where it would wrap around (a dimension is
    taken to fit, unless it may be negative and the dtype is unsigned)."""
    if value is None:
        return None
    if dtype.kind == "bool":
        return value
    low = -(2 ** (dtype.bits - 1)) if dtype.kind == "int" else 0
    if not isinstance(value, int):
        return value if dtype.kind == "int" or lower_bound(value) >= 0 else None
    return value if low <= value < low + 2**dtype.bits else None


def elementwise(rule: ElementRule, operands: int | None = None) -> KnownRule:
    """The known rule of an elementwise operator: `rule` on the elements of all (or the first
    `operands`) operands, broadcast."""

    def known(call: Call, types: Sequence[Type]) -> Sequence[Known | None]:
        if not any(v is not None and v.known is not None for v in call.inputs):
            return (None,)
        return (_elementwise(call, types[0], rule, operands),)

    return known


def _elementwise(call: Call, result: Type, rule: ElementRule, operands: int | None) -> Known | None:
    if not small_integer(result) or not isinstance(result, TensorType):
        return None
    columns = [_spread(call, index, result) for index in range(operands or len(call.inputs))]
    found = [in_range(rule(call, *elements), result.dtype) for elements in zip(*columns, strict=True)]
    return tuple(found) if not found or any(f is not None for f in found) else None


def _spread(call: Call, index: int, result: TensorType) -> Sequence[Dimension | None]:
    """The operand's content, broadcast to the result's shape."""
    operand = call.inputs[index]
    known = operand.known if operand is not None else None
    size = product(static_dims(result))
    assert isinstance(size, int)
    if known is None:
        return (None,) * size
    assert operand is not None
    assert isinstance(operand.type, TensorType)
    if operand.type.dims == result.dims:
        return known
    if len(known) == 1:
        return known * size
    array = as_array(known, static_dims(operand.type))
    spread: list[Dimension | None] = np.broadcast_to(array, static_dims(result)).ravel().tolist()
    return spread


def strict(function: Callable[..., Dimension | None]) -> ElementRule:
    """`function` of elements that are all known."""

    def rule(call: Call, *elements: Dimension | None) -> Dimension | None:
        return None if None in elements else function(*elements)

    return rule


def moved(arrange: Callable[[Call, Objects, TensorType], Objects | None]) -> KnownRule:
    """The known rule of an operator that only moves the elements of its first operand."""

    def known(call: Call, types: Sequence[Type]) -> Sequence[Known | None]:
        first = call.inputs[0]
        if first is None or first.known is None or not small_integer(types[0]):
            return (None,) * len(types)
        array, result = operand_array(call, 0), types[0]
        assert isinstance(result, TensorType)
        found = arrange(call, array, result) if array is not None else None
        return (from_array(found) if found is not None else None,)

    return known


def static_dims(found: TensorType) -> tuple[int, ...]:
    """The dimensions, all of which must be numbers."""
    return tuple(d for d in found.shape if isinstance(d, int))
