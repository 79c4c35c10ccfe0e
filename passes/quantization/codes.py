"""Quantized arrays as values of a graph: codes and scales as weights, decoded by one node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...graph.ir import Value, apply, constant
from ...graph.types.dtypes import DTYPES, FLOAT32, DType
from ...graph.types.grids import Grid
from ..rewriting.constants import folded_constant
from .observers import Observer, observed_grid, range_scale
from .rounding import QuantizedArray
from .scheme import QuantScheme

Array = np.ndarray[Any, Any]


@dataclass
class Store:
    """Constants that a pass makes: small ones in their node, large ones in `arrays`."""

    arrays: dict[str, Array] = field(default_factory=dict)

    def put(self, array: Array, like: str) -> Value:
        value, made = folded_constant(np.asarray(array), like)
        self.arrays.update(made)
        return value


def carrier(found: Grid) -> DType:
    """The dtype that stores the codes of a grid: 4 or 8 bits; integers as themselves."""
    if not found.integer:
        return DTYPES["uint4" if found.bits <= 4 else "uint8"]
    if found.levels[0] >= 0:
        return DTYPES["uint4" if found.bits <= 4 else "uint8"]
    return DTYPES["int4" if found.bits <= 4 else "int8"]


def weight_value(array: QuantizedArray, name: str, store: Store) -> Value:
    """The float tensor that the codes stand for: DequantizeLinear of integers, Dequantize of the codes
    of any other grid."""
    scale = _scale_value(array, name, store)
    layout: dict[str, Any] = {"axis": array.layout.axis or 0, "block_size": array.layout.block or 0}
    dtype = carrier(array.grid)
    if not array.grid.integer:
        codes = store.put(array.codes.astype(dtype.numpy), f"{name}_codes")
        return apply("Dequantize", codes, scale, domain="graphwright", levels=array.grid.levels, **layout)
    low = int(array.grid.levels[0])
    codes = store.put((array.codes.astype(np.int16) + low).astype(dtype.numpy), f"{name}_codes")
    zero = None
    if array.zero is not None:
        zero = store.put(array.zero.astype(np.int16).astype(dtype.numpy), f"{name}_zero")
    return apply("DequantizeLinear", codes, scale, zero, **layout)


def _scale_value(array: QuantizedArray, name: str, store: Store) -> Value:
    """The scales in float32, stored as the scheme says (`PINNED["stored scales"]`)."""
    if array.scale_grid is None or array.scale_codes is None:
        return as_float32(store.put(array.scale, f"{name}_scale"))
    outer = constant(np.float32(array.tensor_scale))
    if array.scale_grid.name == "e4m3_scale":
        levels = np.asarray(array.scale_grid.levels, np.float32)[array.scale_codes]
        held = as_float32(store.put(levels.astype(DTYPES["float8e4m3fn"].numpy), f"{name}_scale"))
        return held if array.tensor_scale == 1 else apply("Mul", held, outer)
    codes = store.put(array.scale_codes.astype(np.uint8), f"{name}_scale")
    return apply("Dequantize", codes, outer, domain="graphwright", levels=array.scale_grid.levels)


def as_float32(value: Value) -> Value:
    """The value in float32, which a runtime computes once where it is stored."""
    return value if value.tensor.dtype is FLOAT32 else apply("Cast", value, to=FLOAT32.code)


# --- activations ------------------------------------------------------------------------------------


def static_activation(x: Value, scheme: QuantScheme, seen: Observer) -> Value:
    """x quantized and dequantized with a scale fixed by what was observed; a power or a format that is to be
    searched is the one with the least squared error on that. Integers with a zero point take all their codes;
    where the range starts at 0 the zero point is the least code, so that a Relu before it is absorbed."""
    found, (low, high) = observed_grid(scheme, seen)
    scale, zero = range_scale(low, high, found, scheme.zero, scheme)
    return fixed_activation(x, scale, found, zero)


def fixed_activation(x: Value, scale: float, found: Grid, zero: int | None = None) -> Value:
    """x quantized and dequantized with one scale (and zero point)."""
    number = constant(np.float32(scale))
    if not found.integer:
        levels = {"levels": found.levels}
        codes = apply("Quantize", x, number, domain="graphwright", **levels)
        return apply("Dequantize", codes, number, domain="graphwright", **levels)
    if found.bits < 8:
        return _narrow_integers(x, number, zero, found)
    # Unsigned: the runtime's product of signed codes with weights has no fast kernel.
    point = constant(np.asarray((zero or 0) + (128 if found.levels[0] < 0 else 0), np.uint8))
    return apply("DequantizeLinear", apply("QuantizeLinear", x, number, point), number, point)


def _narrow_integers(x: Value, scale: Value, zero: int | None, found: Grid) -> Value:
    """Integers of fewer than 8 bits in uint8, counted from their least one: the codes are clipped to their
    range. A range that starts at 0 has the zero point 0, so that a Relu before it is absorbed."""
    low = int(found.levels[0])
    point = constant(np.asarray((zero or 0) - low, np.uint8))
    codes = apply("QuantizeLinear", x, scale, point)
    least, most = (constant(np.asarray(v, np.uint8)) for v in (0, int(found.levels[-1]) - low))
    return apply("DequantizeLinear", apply("Clip", codes, least, most), scale, point)
