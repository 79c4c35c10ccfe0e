"""Constant arrays as expressions: written out where they are small, by a generator where they are
uniform, else from the file of weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...types.dtypes import BOOL, FLOAT32, FLOAT64, INT64, DType, from_numpy
from .. import expressions as ex
from .syntax import boolean, call, integers, listed, number, text, unary

Array = np.ndarray[Any, Any]

LARGEST_INLINE = 16
"""The most elements of a constant that is written out."""

LARGEST_INLINE_FLOATS = 4
LARGEST_INLINE_STRINGS = 65536  # a weights' file holds no strings


def shortest(value: Any, dtype: DType) -> float:
    """The float64 number of fewest digits that rounds to `value` in its dtype."""
    wide = float(value)
    if dtype is FLOAT64 or not math.isfinite(wide):
        return wide
    for digits in range(1, 18):
        candidate = float(f"{wide:.{digits}g}")
        if np.asarray(candidate).astype(dtype.numpy) == np.asarray(value):
            return candidate
    return wide


def is_inline(array: Array) -> bool:
    """Whether the array is written in the spec itself."""
    found = from_numpy(array.dtype)
    if found.kind == "string":
        return array.size <= LARGEST_INLINE_STRINGS
    if found.name not in _CONVERTIBLE:
        return False
    if found.kind in ("int", "uint") and array.size:
        if int(array.max()) >= 2**63:
            return False
    most = LARGEST_INLINE_FLOATS if found.is_float else LARGEST_INLINE
    return 0 < array.size <= most or (array.size > 0 and is_uniform(array))


_CONVERTIBLE = frozenset(
    "float32 float64 float16 bfloat16 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool".split()
)


_PIECE = 1 << 16


def is_uniform(array: Array) -> bool:
    """Whether all elements are the same, bit for bit."""
    flat = np.asarray(array).reshape(-1)
    if flat.dtype == object or not flat.size or flat[0].tobytes() != flat[-1].tobytes():
        return False
    first = np.frombuffer(flat[0].tobytes(), np.uint8)
    for start in range(0, flat.size, _PIECE):  # a large one in pieces, so that it is never copied whole
        piece = np.ascontiguousarray(flat[start : start + _PIECE])
        if not (piece.view(np.uint8).reshape(piece.size, -1) == first).all():
            return False
    return True


def scalar(value: Any, dtype: DType) -> ex.Expression:
    """One element as a literal."""
    if dtype.kind == "string":
        return text(str(value))
    if dtype is BOOL:
        return boolean(bool(value))
    if dtype.is_float:
        return number(shortest(value, dtype))
    return number(int(value))


def weak_literal(array: Array) -> ex.Expression:
    """The elements, without their dtype: a number, or nested lists."""
    found = from_numpy(array.dtype)
    if array.ndim == 0:
        return scalar(array[()], found)
    return listed(weak_literal(np.asarray(row)) for row in array)


def generated(array: Array) -> ex.Expression | None:
    """`zeros(2, 64)`, `ones(…)` or `full(…, fill=x)` of a larger uniform array, else None."""
    if array.size <= LARGEST_INLINE_FLOATS or not is_uniform(array):
        return None
    found = from_numpy(array.dtype)
    first = array.reshape(-1)[0]
    shape = [number(int(d)) for d in array.shape]
    if first == 0 and not math.copysign(1.0, float(first)) < 0:
        return call("zeros", shape)
    if first == 1:
        return call("ones", shape)
    return call("full", shape, {"fill": scalar(first, found)})


def typed(array: Array) -> ex.Expression:
    """An expression of exactly this dtype and shape."""
    found = from_numpy(array.dtype)
    filled = generated(array)
    return call(found.name, [filled if filled is not None else _literal(array)])


def _literal(array: Array) -> ex.Expression:
    if array.size == 0:
        return call("zeros", [number(int(d)) for d in array.shape])
    return weak_literal(array)


def as_operand(array: Array, bound: DType | None) -> ex.Expression:
    """An operand of an operator whose other operands of the same type variable have the dtype
    `bound` (None: there are none): a weak literal where that rounds to the same array."""
    found = from_numpy(array.dtype)
    if found is BOOL and array.size > LARGEST_INLINE_FLOATS:
        return typed(array)
    if found is bound or (bound is None and found in (INT64, FLOAT32, BOOL)):
        filled = generated(array)
        return filled if filled is not None else _literal(array)
    return typed(array)


def as_side(array: Array, bound: DType | None) -> ex.Expression:
    """As `as_operand`, for a side of `+ - * …`, where a list must be called `array`."""
    found = as_operand(array, bound)
    return call("array", [found]) if isinstance(found, ex.ListOf) else found


__all__ = ["as_operand", "as_side", "integers", "is_inline", "shortest", "typed", "unary"]
