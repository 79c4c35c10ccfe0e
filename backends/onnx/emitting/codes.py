"""Quantize, Dequantize and FakeQuantize in the standard's operators."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....graph.ir import Node, Value, apply, constant
from ....graph.types.dtypes import INT32, INT64
from ....graph.types.grids import thresholds_of
from ....graph.types.types import TensorType


def quantize_codes(node: Node) -> Sequence[Value] | None:
    """A binary search of the thresholds: from the highest bit down, a bit is set where x / scale
    reaches the threshold of the code with it."""
    x, scale = node.inputs
    assert x is not None and scale is not None
    if x.tensor.dims is None:
        return None
    levels = tuple(node.attribute("levels"))
    ratio = apply("Div", x, _spread(scale, x, node))
    rounds = (len(levels) - 1).bit_length()
    table = [*thresholds_of(levels), *[float("inf")] * (2**rounds - len(levels))]
    code: Value | None = None
    for bit in reversed(range(rounds)):
        step = constant(np.int32(2**bit))
        place = _threshold(table, code, bit, x)
        reached = apply("Cast", apply("GreaterOrEqual", ratio, place), to=INT32.code)
        found = apply("Mul", reached, step)
        code = found if code is None else apply("Add", code, found)
    assert code is not None
    last = apply("Min", code, constant(np.int32(len(levels) - 1)))  # +inf reaches the padding too
    return (apply("Cast", last, to=node.outputs[0].tensor.dtype.code),)


def _threshold(table: Sequence[float], code: Value | None, bit: int, x: Value) -> Value:
    """The threshold of `code` with the bit set, from the table of its round."""
    dtype = x.tensor.dtype.numpy
    if code is None:
        return constant(np.asarray(table[2**bit - 1], dtype))
    index = apply("Div", code, constant(np.int32(2 ** (bit + 1))))
    return apply("Gather", _table(table[2**bit - 1 :: 2 ** (bit + 1)], dtype), index)


def _table(numbers: Sequence[float], dtype: np.dtype[np.generic]) -> Value:
    """A table of up to 256 numbers, in constants of 64."""
    parts = [constant(np.asarray(numbers[i : i + 64], dtype)) for i in range(0, len(numbers), 64)]
    return parts[0] if len(parts) == 1 else apply("Concat", *parts, axis=0)


def dequantize_codes(node: Node) -> Sequence[Value] | None:
    """The levels gathered at the codes, times the scale."""
    codes, scale = node.inputs
    assert codes is not None and scale is not None
    if codes.tensor.dims is None:
        return None
    table = _table(tuple(node.attribute("levels")), scale.tensor.dtype.numpy)
    values = apply("Gather", table, apply("Cast", codes, to=INT32.code))
    return (apply("Mul", values, _spread(scale, codes, node)),)


def fake_quantize(node: Node) -> Sequence[Value] | None:
    """Dequantize(Quantize(x, |scale|), |scale|), or the sign of the sine."""
    x, scale = node.inputs
    assert x is not None and scale is not None
    if x.tensor.dims is None:
        return None
    dtype = x.tensor.dtype.numpy
    whole = apply("Max", apply("Abs", scale), constant(np.asarray(2.0**-40, dtype)))
    if node.attribute("surrogate") == "sine":
        wave = apply("Sin", apply("Mul", x, constant(np.asarray(node.attribute("parameter"), dtype))))
        if not node.attribute("soft"):
            one, zero = constant(np.asarray(1, dtype)), constant(np.asarray(0, dtype))
            wave = apply("Where", apply("Less", wave, zero), apply("Neg", one), one)
        return (apply("Mul", wave, _spread(whole, x, node)),)
    layout = {n: node.attribute(n) for n in ("levels", "axis", "block_size")}
    codes = apply("Quantize", x, whole, domain="graphwright", **layout)
    return (apply("Dequantize", codes, whole, domain="graphwright", **layout),)


def _spread(scale: Value, x: Value, node: Node) -> Value:
    """The scale in a shape that broadcasts with x."""
    rank, block = x.tensor.rank, node.attribute("block_size")
    dims = scale.tensor.shape
    if dims in ((), (1,)) and not (block and dims):
        return apply("Reshape", scale, constant(np.array([], np.int64))) if dims else scale
    axis = node.attribute("axis") % rank
    if not block:
        shape = np.ones(rank, np.int64)
        shape[axis] = -1
        return scale if axis == rank - 1 else apply("Reshape", scale, constant(shape))
    length = apply("Squeeze", apply("Shape", x, start=axis, end=axis + 1), constant(np.array([0])))
    place = apply("Range", constant(np.int64(0)), length, constant(np.int64(1)))
    index = apply("Div", place, constant(np.int64(block)))
    assert isinstance(index.type, TensorType) and index.tensor.dtype is INT64
    return apply("Gather", scale, index, axis=axis)
