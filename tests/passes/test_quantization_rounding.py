"""Rounding and scales: properties that hold for every grid, layout and scale format."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.graph.types.grids import grid
from graphwright.passes.quantization.layout import Layout
from graphwright.passes.quantization.rounding import (
    QuantizedArray,
    nearest,
    quantize_array,
    round_array,
    sqnr,
    stochastic,
)

GRIDS = (
    "int2",
    "int4",
    "int8",
    "nf4",
    "e2m1",
    "e1m2",
    "e4m3",
    "e3m2",
    "binary",
    "ternary",
    "power(int4, 0.5)",
)
LAYOUTS = (Layout(), Layout(0), Layout(1), Layout(1, 16), Layout(0, 7))
SCALES = (("float32", False), ("float16", False), ("e8m0", False), ("e4m3", True), ("ue5m3", False))


def _normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_t(5, size=shape).astype(np.float32)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", GRIDS)
def test_quantizing_what_was_dequantized_gives_the_same_codes(name: str, layout: Layout) -> None:
    for scale, tensor_scale in SCALES:
        found = quantize_array(_normal(0, 20, 33), grid(name), layout, scale=scale, tensor_scale=tensor_scale)
        assert found.scale.shape == layout.scale_shape((20, 33))
        assert np.array_equal(round_array(found.dequantize(), found).codes, found.codes)


@pytest.mark.parametrize("name", GRIDS)
@given(seed=st.integers(0, 2**16), exponent=st.integers(-20, 20))
@settings(max_examples=15, deadline=None)
def test_scaling_by_a_power_of_two_changes_no_code(name: str, seed: int, exponent: int) -> None:
    array = _normal(seed, 6, 20)
    for scale in ("float32", "e8m0"):
        one = quantize_array(array, grid(name), Layout(1, 8), scale=scale)
        other = quantize_array(array * np.float32(2.0**exponent), grid(name), Layout(1, 8), scale=scale)
        assert np.array_equal(one.codes, other.codes)
        assert np.array_equal(one.dequantize() * np.float32(2.0**exponent), other.dequantize())


@pytest.mark.parametrize("name", [n for n in GRIDS if n != "binary"])
@given(seed=st.integers(0, 2**16))
@settings(max_examples=10, deadline=None)
def test_the_error_is_at_most_half_a_step_inside_the_range(name: str, seed: int) -> None:
    array, found = _normal(seed, 5, 24), grid(name)
    result = quantize_array(array, found, Layout(0))
    ratio = array / result.scale[:, None]
    levels = np.asarray(found.levels)
    steps = np.diff(levels)
    position = np.clip(np.searchsorted(levels, ratio, side="right") - 1, 0, len(steps) - 1)
    error = np.abs(levels[result.codes] - ratio)
    assert (error <= steps[position] / 2 * (1 + 1e-5) + 1e-6).all()


@pytest.mark.parametrize("name", GRIDS)
def test_rounding_is_monotone(name: str) -> None:
    x = np.sort(_normal(3, 500) * grid(name).largest)
    assert (np.diff(nearest(x, np.float32(1), grid(name)).astype(int)) >= 0).all()


@pytest.mark.parametrize("name", ["int4", "e2m1", "nf4", "power(int4, 0.5)"])
def test_zero_stays_zero(name: str) -> None:
    array = _normal(4, 4, 32)
    array[:, ::3] = 0
    array[2] = 0
    assert (quantize_array(array, grid(name), Layout(0)).dequantize()[array == 0] == 0).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_mse_clip_is_never_worse_and_more_bits_never_are(layout: Layout) -> None:
    array, last = _normal(5, 24, 40), -np.inf
    for name in ("int2", "int3", "int4", "int5", "int6", "int8"):
        plain = sqnr(array, quantize_array(array, grid(name), layout).dequantize())
        clipped = sqnr(array, quantize_array(array, grid(name), layout, clip="mse").dequantize())
        assert clipped >= plain - 1e-9
        assert clipped >= last
        last = clipped


def test_the_mse_scale_is_near_the_best_of_a_dense_search() -> None:
    array = _normal(6, 1, 400)
    found = quantize_array(array, grid("int4"), Layout(), clip="mse").dequantize()
    best = min(
        float(np.sum((np.clip(np.rint(array / s), -7, 7) * s - array) ** 2))
        for s in np.linspace(0.02, 1, 4000) * np.abs(array).max() / 7
    )
    assert np.sum((found - array) ** 2) <= best * 1.01


def test_the_mxfp4_scale_is_the_ocp_rule() -> None:
    array = _normal(7, 8, 64)
    found = quantize_array(array, grid("e2m1"), Layout(1, 32), scale="e8m0")
    absmax = np.abs(array.reshape(8, 2, 32)).max(axis=-1)
    assert np.array_equal(found.scale, 2.0 ** (np.floor(np.log2(absmax)) - 2))
    assert found.bits == 4.25


def test_the_nvfp4_scale_is_an_e4m3_number_times_the_tensors() -> None:
    array = _normal(8, 8, 64)
    found = quantize_array(array, grid("e2m1"), Layout(1, 16), scale="e4m3", tensor_scale=True)
    whole = np.float32(np.abs(array).max() / (448 * 6))
    assert np.isclose(found.tensor_scale, whole)
    absmax = np.abs(array.reshape(8, 4, 16)).max(axis=-1)
    wanted = (absmax / 6 / whole).astype(ml_dtypes.float8_e4m3fn).astype(np.float32) * whole
    assert np.allclose(found.scale, wanted, rtol=1e-6)


def test_stochastic_rounding_is_unbiased() -> None:
    x = np.full((200_000,), 0.3, np.float32)
    codes = stochastic(x, np.float32(1), grid("e2m1"), np.random.default_rng(0))
    values = np.asarray(grid("e2m1").levels)[codes]
    assert set(values.tolist()) == {0.0, 0.5}
    assert abs(values.mean() - 0.3) < 4 * 0.25 / np.sqrt(len(x))


def test_a_zero_point_puts_zero_on_a_code() -> None:
    array = np.abs(_normal(9, 4, 30)) + 1
    found = quantize_array(array, grid("int4"), Layout(0), zero=True)
    assert found.zero is not None
    restored = round_array(np.zeros_like(array), found)
    assert (restored.dequantize() == 0).all()
    assert sqnr(array, found.dequantize()) > sqnr(
        array, quantize_array(array, grid("int4"), Layout(0)).dequantize()
    )


def test_edge_groups() -> None:
    zeros = quantize_array(np.zeros((3, 8), np.float32), grid("int4"), Layout(0), clip="mse")
    assert (zeros.scale == 1).all()
    assert (zeros.dequantize() == 0).all()
    tiny = quantize_array(
        _normal(1, 2, 32) * np.float32(1e-30), grid("e2m1"), Layout(1, 16), scale="e4m3", tensor_scale=True
    )
    assert np.isfinite(tiny.dequantize()).all()
    whole = quantize_array(_normal(2, 3, 5), grid("int4"), Layout(1, 64))
    assert whole.scale.shape == (3, 1)  # a block larger than the axis is the axis


def test_what_can_not_be_quantized() -> None:
    with pytest.raises(ValueError, match="NaN or infinite"):
        quantize_array(np.float32([[1, np.inf]]), grid("int4"), Layout())
    with pytest.raises(ValueError, match="no zero point"):
        quantize_array(np.ones((2, 2), np.float32), grid("nf4"), Layout(), zero=True)


def test_bits_count_scales_and_zero_points() -> None:
    found: QuantizedArray = quantize_array(
        _normal(1, 64, 64), grid("int4"), Layout(1, 32), scale="float16", zero=True
    )
    assert found.bits == 4 + (16 + 4) / 32
