"""Casts to and from the narrow dtypes, on every number that they can hold or be rounded to:
`ml_dtypes` is the oracle."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from graphwright.backends.torch_fx import TorchEvaluator
from graphwright.graph.ir import apply, leaf
from graphwright.graph.types import DTYPES, TensorType

Array = np.ndarray[Any, Any]

FLOATS = {
    "float8e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "float8e5m2": ml_dtypes.float8_e5m2,
    "float8e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "float8e8m0": ml_dtypes.float8_e8m0fnu,
    "float4e2m1": ml_dtypes.float4_e2m1fn,
    "float6e2m3": ml_dtypes.float6_e2m3fn,
    "float6e3m2": ml_dtypes.float6_e3m2fn,
}
BITS = {"float4e2m1": 4, "float6e2m3": 6, "float6e3m2": 6}
INTEGERS = {
    "int4": ml_dtypes.int4,
    "uint4": ml_dtypes.uint4,
    "int2": ml_dtypes.int2,
    "uint2": ml_dtypes.uint2,
}
SATURATES = {"float8e4m3fn": 448.0, "float8e4m3fnuz": 240.0, "float8e5m2": 57344.0, "float8e5m2fnuz": 57344.0}


def cast(array: Array, to: str, **attributes: Any) -> Array:
    source = next(d for d in DTYPES.values() if d.numpy == array.dtype)
    x = leaf("Input", "x", TensorType(source, array.shape))
    value = apply("Cast", x, to=DTYPES[to].code, **attributes)
    (found,) = TorchEvaluator().evaluate([value], {x: array})
    assert found.dtype == DTYPES[to].numpy
    return np.asarray(found)


def codes(name: str) -> Array:
    """Every number of the dtype."""
    return np.arange(2 ** BITS.get(name, 8), dtype=np.uint8).view(FLOATS[name])


def halves() -> Array:
    """Every float16, in float32: all ties of the dtypes of 8 bits and less are among them, but
    for the smallest and largest of float8e5m2fnuz and float8e8m0."""
    return np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)


def neighbours() -> Array:
    """Every exponent of float32 with fractions around each tie of a 3-bit fraction."""
    exponents = np.arange(256, dtype=np.uint32)[:, None] << 23
    fractions = (np.arange(16, dtype=np.uint32) << 19)[:, None] + np.array([-1, 0, 1], np.int64)
    bits = (
        exponents[:, :, None] + (fractions.reshape(-1)[None, :, None] & 0x7FFFFF).astype(np.uint32)
    ).ravel()
    signed = np.concatenate([bits, bits | 0x80000000]).astype(np.uint32)
    return signed.view(np.float32)


def same(found: Array, expected: Array) -> None:
    wide, wanted = found.astype(np.float64), expected.astype(np.float64)
    nan = np.isnan(wanted)
    np.testing.assert_array_equal(np.isnan(wide), nan)
    np.testing.assert_array_equal(wide[~nan], wanted[~nan])
    np.testing.assert_array_equal(np.signbit(wide[~nan]), np.signbit(wanted[~nan]))


@pytest.mark.parametrize("name", sorted(FLOATS))
@pytest.mark.parametrize("to", ["float32", "float64", "float16", "bfloat16"])
def test_widening_is_exact(name: str, to: str) -> None:
    given = codes(name)
    with np.errstate(all="ignore"):
        same(cast(given, to), given.astype(np.float32).astype(DTYPES[to].numpy))


@pytest.mark.parametrize("name", sorted(FLOATS.keys() - {"float8e8m0"}))
@pytest.mark.parametrize("values", [halves, neighbours], ids=["halves", "neighbours"])
def test_narrowing_rounds_to_nearest_even(name: str, values: Any) -> None:
    given = values()
    given = given[np.isfinite(given)]
    largest = float(ml_dtypes.finfo(FLOATS[name]).max)
    with np.errstate(all="ignore"):
        expected = np.clip(given, -largest, largest).astype(FLOATS[name])
    same(cast(given, name), expected)


@pytest.mark.parametrize("name", sorted(SATURATES))
def test_without_saturation_what_is_too_large_is_not_finite(name: str) -> None:
    given = np.concatenate([halves(), neighbours()])
    with np.errstate(all="ignore"):
        same(cast(given, name, saturate=0), given.astype(FLOATS[name]))


def test_exponents_round_as_the_standard_says() -> None:
    """float8e8m0 of finite positive numbers: up to the next power of two, or the nearest one."""
    given = neighbours()
    given = given[np.isfinite(given) & (given >= 2.0**-126) & (given < 2.0**127)]
    exponent = np.log2(given.astype(np.float64))
    same(cast(given, "float8e8m0"), np.exp2(np.ceil(exponent)))
    same(cast(given, "float8e8m0", round_mode="down"), np.exp2(np.floor(exponent)))


@pytest.mark.parametrize("name", sorted(INTEGERS))
@pytest.mark.parametrize("source", ["int8", "uint8", "int32", "float32"])
def test_narrow_integers_keep_their_low_bits(name: str, source: str) -> None:
    info = ml_dtypes.iinfo(INTEGERS[name])
    given = np.arange(int(info.min), int(info.max) + 1)
    given = given[given >= 0] if source == "uint8" else given
    array = given.astype(DTYPES[source].numpy)
    np.testing.assert_array_equal(cast(array, name).astype(np.int64), given)
    np.testing.assert_array_equal(cast(cast(array, name), source), array)
    if source in ("int8", "int32"):
        every = np.arange(-128, 128).astype(DTYPES[source].numpy)
        wrapped = (every.astype(np.int64) - int(info.min)) % 2**info.bits + int(info.min)
        np.testing.assert_array_equal(cast(every, name).astype(np.int64), wrapped)
