"""Grids against ml_dtypes, brute force and their definitions."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphwright.graph.types.grids import PINNED, Grid, codebook, full_range, grid, power

NAMES = ("int2", "int4", "int8", "uint4", "binary", "ternary", "nf4", "e2m1", "e1m2", "e2m3", "e3m2", "e4m3", "e5m2",
         "power(int4, 0.5)", "power(int3, 0.7)", "float(2, 1, 1.3)", "codebook(-2, -0.1, 0, 0.4, 5)")  # fmt: skip

FORMATS = {
    "e2m1": ml_dtypes.float4_e2m1fn,
    "e2m3": ml_dtypes.float6_e2m3fn,
    "e3m2": ml_dtypes.float6_e3m2fn,
    "e4m3": ml_dtypes.float8_e4m3fn,
    "e5m2": ml_dtypes.float8_e5m2,
}


def _codes(found: Grid, x: np.ndarray) -> np.ndarray:
    return np.searchsorted(np.asarray(found.thresholds, np.float32), x, side="right")


@pytest.mark.parametrize("name", FORMATS)
def test_a_minifloat_rounds_as_ml_dtypes_does(name: str) -> None:
    found, dtype = grid(name), FORMATS[name]
    middles = np.float32([(a + b) / 2 for a, b in zip(found.levels[:-1], found.levels[1:], strict=True)])
    x = np.random.default_rng(0).normal(size=20_000).astype(np.float32) * (found.largest / 3)
    x = np.concatenate([np.clip(x, -found.largest, found.largest), middles, np.float32(found.levels)])
    rounded = np.asarray(found.levels, np.float32)[_codes(found, x)]
    assert np.array_equal(rounded, x.astype(dtype).astype(np.float32))


@pytest.mark.parametrize("name", FORMATS)
def test_a_minifloat_has_all_finite_values_of_ml_dtypes(name: str) -> None:
    dtype = FORMATS[name]
    width = {"e2m1": 4, "e2m3": 6, "e3m2": 6}.get(name, 8)
    every = (
        np.arange(2**width, dtype=np.uint8).view(dtype)
        if width == 8
        else np.arange(2**width).astype(np.uint8)
    )
    if width != 8:
        every = np.array([np.uint8(i) for i in range(2**width)]).view(dtype)
    values = every.astype(np.float32)
    assert set(values[np.isfinite(values)].tolist()) == set(grid(name).levels)


@pytest.mark.parametrize("name", NAMES)
@given(x=st.floats(-600, 600, width=32))
def test_the_code_is_that_of_a_nearest_level(name: str, x: float) -> None:
    found = grid(name)
    code = int(_codes(found, np.float32(x)))
    distances = [abs(level - float(np.float32(x))) for level in found.levels]
    assert distances[code] == min(distances)


@pytest.mark.parametrize("name", NAMES)
def test_levels_are_their_own_nearest_and_exact_in_float32(name: str) -> None:
    found = grid(name)
    levels = np.asarray(found.levels)
    assert np.array_equal(levels, levels.astype(np.float32))
    assert np.array_equal(_codes(found, levels.astype(np.float32)), np.arange(len(levels)))
    assert 2**found.bits >= len(levels)


def test_ties_of_integers_are_halves_to_even() -> None:
    x = np.arange(-7, 7, dtype=np.float32) + np.float32(0.5)
    found = grid("int4")
    assert np.array_equal(np.asarray(found.levels)[_codes(found, x)], np.rint(x))


def test_relations_between_formats() -> None:
    assert grid("e1m2").levels == tuple(v / 4 for v in grid("int4").levels)
    assert all((2 * v).is_integer() for v in grid("e2m1").levels)
    assert np.allclose(power(4, 1.0).levels, np.asarray(grid("int4").levels) / 7)
    squares = [np.sign(c) * c * c / 49 for c in range(-7, 8)]
    assert np.allclose(power(4, 0.5).levels, squares)
    assert power(2, 0.3).levels == (-1.0, 0.0, 1.0)  # the exponent of three levels is irrelevant
    assert full_range(grid("int4")).levels[0] == -8
    assert grid("ue5m3").levels[-1] == 61440
    assert grid("ue5m3").levels[0] == 2.0**-17
    assert grid("e8m0").levels[0] == 2.0**-127
    assert {"ties", "e8m0", "ue5m3", "range", "zero scale", "division"} <= PINNED.keys()


@pytest.mark.parametrize(
    "name", ["int1", "int9", "power(int4, 9)", "codebook(1)", "codebook(1, 1)", "float(8, 3, 1)", "q4"]
)
def test_what_is_no_grid_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"grid|level|exponent|bits|codebook"):
        grid(name)


def test_a_codebook_is_finite_and_small() -> None:
    with pytest.raises(ValueError, match="finite"):
        codebook([0.0, float("inf")])
    with pytest.raises(ValueError, match="256"):
        codebook(list(range(300)))
