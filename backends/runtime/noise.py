"""Random draws, made on the host so that every backend sees the same bits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...graph.diagnostics import fail
from ...graph.ir import Value, topological
from ...graph.types import DType
from .allocation import concrete_shape
from .normal_quantile import normal_quantile
from .philox import Stream, stream

Array = np.ndarray[Any, Any]

_PRECISIONS = {
    "float64": 53,
    "float32": 24,
    "float16": 11,
    "bfloat16": 8,
    "float8e4m3fn": 4,
    "float8e4m3fnuz": 4,
    "float8e5m2": 3,
    "float8e5m2fnuz": 3,
}
_CHUNK = 1 << 14


def fill(draw_leaf: Value, seed: int, sizes: Mapping[str, int], step: int | None = None) -> Array:
    """The array of a Draw leaf. Its stream is keyed by seed, the leaf's name and `step`.

    Element i of a uniform takes word i (24 bits) or words 2i, 2i+1 (more); of a normal, an integer
    or a sort key, words 2i, 2i+1. Raises SpecError: a kind, dtype or range that can't be drawn
    (G0750, G0751), unbound or absurd sizes (G1333, G1338).
    """
    node = draw_leaf.node
    name, kind = node.attribute("name"), node.attribute("kind")
    if kind not in _KINDS:
        raise fail("G0750", f"draw '{name}' has the unknown kind '{kind}'")
    shape = concrete_shape(name, draw_leaf.tensor, sizes)
    return _KINDS[kind](draw_leaf, shape, seed, step)


def fill_all(
    outputs: Sequence[Value], seed: int, sizes: Mapping[str, int], step: int | None = None
) -> dict[Value, Array]:
    """Every Draw leaf that `outputs` need, filled."""
    leaves = [n.outputs[0] for n in topological(outputs) if n.outputs and n.outputs[0].role == "Draw"]
    return {leaf: fill(leaf, seed, sizes, step) for leaf in leaves}


def _float_dtype(leaf: Value) -> DType:
    dtype = leaf.tensor.dtype
    if dtype.name not in _PRECISIONS:
        name, kind = leaf.node.attribute("name"), leaf.node.attribute("kind")
        raise fail("G0750", f"draw '{name}': {kind} numbers are floating-point, not {dtype.name}")
    return dtype


def _uniform(leaf: Value, shape: tuple[int, ...], seed: int, step: int | None) -> Array:
    """Odd multiples of 2**-bits: strictly inside (0, 1), and exact in the leaf's dtype."""
    dtype = _float_dtype(leaf)
    bits = min(leaf.node.attribute("bits"), _PRECISIONS[dtype.name])
    source = stream(seed, leaf.node.attribute("name"), step)
    return uniform_numbers(source, math.prod(shape), bits).astype(dtype.numpy).reshape(shape)


def uniform_numbers(source: Stream, count: int, bits: int) -> Array:
    """Odd multiples of 2**-bits, float64[count]."""
    if bits <= 24:
        top: Array = source.words(0, count) >> np.uint32(32 - bits)
        return (top | np.uint32(1)) * 2.0**-bits
    wide = source.wide_words(0, count) >> np.uint64(64 - bits)
    numbers: Array = (wide | np.uint64(1)).astype(np.float64) * 2.0**-bits
    return numbers


def _normal(leaf: Value, shape: tuple[int, ...], seed: int, step: int | None) -> Array:
    dtype = _float_dtype(leaf)
    source = stream(seed, leaf.node.attribute("name"), step)
    return normal_numbers(source, math.prod(shape), dtype.numpy).reshape(shape)


def normal_numbers(source: Stream, count: int, dtype: Any = np.float64) -> Array:
    """Standard normal numbers: float64, then rounded to `dtype`."""
    uniform = uniform_numbers(source, count, 53)
    found = np.empty(count, dtype)
    for at in range(0, count, _CHUNK):
        found[at : at + _CHUNK] = normal_quantile(uniform[at : at + _CHUNK])
    return found


def _randint(leaf: Value, shape: tuple[int, ...], seed: int, step: int | None) -> Array:
    name, dtype = leaf.node.attribute("name"), leaf.tensor.dtype
    low, high = leaf.node.attribute("low", 0), leaf.node.attribute("high")
    if not dtype.is_integer:
        raise fail("G0750", f"draw '{name}': randint gives integers, not {dtype.name}")
    if high is None or high <= low:
        raise fail("G0751", f"draw '{name}': randint({low}, {high}) has no integer to draw from")
    least, most = integer_range(dtype)
    if low < least or high - 1 > most:
        raise fail("G0751", f"draw '{name}': randint({low}, {high}) does not fit {dtype.name}")
    numbers = integers(seed, name, step, math.prod(shape), high - low)
    return (numbers + np.uint64(low % 2**64)).astype(np.int64).astype(dtype.numpy).reshape(shape)


def integer_range(dtype: DType) -> tuple[int, int]:
    """The least and the greatest value of an integer dtype."""
    if dtype.kind == "uint":
        return 0, 2**dtype.bits - 1
    return -(2 ** (dtype.bits - 1)), 2 ** (dtype.bits - 1) - 1


def integers(seed: int, name: str, step: int | None, count: int, span: int) -> Array:
    """Integers in [0, span), uint64[count]. 64-bit words above the largest multiple of `span` are
    drawn again (from stream "name#1", "name#2", …), so no remainder is favoured."""
    limit = 2**64 - 2**64 % span
    words = stream(seed, name, step).wide_words(0, count)
    attempt = 0
    while limit < 2**64:
        rejected = np.flatnonzero(words >= np.uint64(limit))
        if not len(rejected):
            break
        attempt += 1
        words[rejected] = stream(seed, f"{name}#{attempt}", step).wide_words(0, count)[rejected]
    remainders: Array = words % np.uint64(span)
    return remainders


def _permutation(leaf: Value, shape: tuple[int, ...], seed: int, step: int | None) -> Array:
    """Independent permutations of 0 … n-1 along the last axis."""
    name, dtype = leaf.node.attribute("name"), leaf.tensor.dtype
    if not dtype.is_integer or not shape:
        raise fail("G0750", f"draw '{name}': a permutation is a vector of integers, not {leaf.type}")
    if shape[-1] - 1 > integer_range(dtype)[1]:
        raise fail("G0751", f"draw '{name}': a permutation of {shape[-1]} does not fit {dtype.name}")
    return permutations(stream(seed, name, step), shape).astype(dtype.numpy)


def permutations(source: Stream, shape: tuple[int, ...]) -> Array:
    """Permutations along the last axis, int64[shape]: the order of random 64-bit keys."""
    keys = source.wide_words(0, math.prod(shape)).reshape(shape)
    return np.argsort(keys, axis=-1, kind="stable").astype(np.int64)


_KINDS: Mapping[str, Callable[[Value, tuple[int, ...], int, int | None], Array]] = {
    "uniform": _uniform,
    "normal": _normal,
    "randint": _randint,
    "permutation": _permutation,
}
