"""Comparison, against torch.testing."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch.testing._comparison import default_tolerances

from graphwright.backends.runtime.comparison import allclose, tolerances, ulp_distances


def torch_agrees(a: Any, b: Any) -> bool:
    """In float64 (torch rounds the tolerance itself to the tensors' dtype), at its own tolerances."""
    rtol, atol = default_tolerances(torch.from_numpy(a).dtype)
    wide = [torch.from_numpy(v.astype(np.float64) if v.dtype.kind == "f" else v) for v in (a, b)]
    try:
        torch.testing.assert_close(*wide, rtol=rtol, atol=atol)
    except AssertionError:
        return False
    return True


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["float16", "float32", "float64", "int64", "bool"]),
    st.integers(-9, 0),
    st.data(),
)
def test_agrees_with_torch_testing(name: str, exponent: int, data: st.DataObject) -> None:
    expected = data.draw(hnp.arrays(name, 5))
    noise = data.draw(hnp.arrays(np.float64, 5, elements=st.sampled_from([0.0, 1.0, -1.0, 3.0])))
    with np.errstate(all="ignore"):
        actual = (expected * (1 + noise * 10.0**exponent)).astype(name)
    assert allclose(actual, expected).ok == torch_agrees(actual, expected)


def test_default_tolerances_are_torchs() -> None:
    for name in ("float16", "float32", "float64", "complex64", "complex128", "int32", "bool", "uint8"):
        assert tolerances(name) == default_tolerances(getattr(torch, name))
    assert tolerances(ml_dtypes.bfloat16) == default_tolerances(torch.bfloat16)
    assert tolerances("float16", "float64") == default_tolerances(torch.float16, torch.float64)


def test_nan_and_infinity() -> None:
    nan, inf = float("nan"), float("inf")
    assert allclose([inf, -inf, 1.0], [inf, -inf, 1.0])
    for a, b in [(inf, -inf), (inf, 1.0), (1.0, inf), (nan, 1.0), (1.0, nan), (nan, nan), (nan, inf)]:
        assert not allclose([a], [b])
    assert allclose([nan], [nan], equal_nan=True)
    assert not allclose([nan], [1.0], equal_nan=True)


def test_the_worst_index_is_the_one_furthest_over() -> None:
    expected = np.array([[1.0, 1000.0], [0.0, 1.0]])
    actual = expected + np.array([[1e-9, 2e-5], [3e-6, 2e-7]])
    found = allclose(actual, expected)
    assert not found
    assert found.worst == (1, 0)
    assert found.mismatches == 1
    assert found.max_abs == pytest.approx(2e-5)
    assert "at [1, 0]" in str(found)
    assert "1 of 4" in str(found)


def test_shapes_are_compared_after_broadcasting() -> None:
    assert allclose(np.zeros((3, 2)), 0)
    assert not allclose(np.zeros((3, 2)), 0, broadcast=False)
    found = allclose(np.zeros((3, 2)), np.zeros(3))
    assert not found
    assert "[3, 2] and [3]" in str(found)
    assert allclose(np.zeros((0, 2)), np.zeros((0, 2)))


def test_large_integers_are_not_rounded() -> None:
    a = np.array([2**62, 0], np.int64)
    found = allclose(a, a + np.array([1, 0]))
    assert not found
    assert found.max_abs == 1
    assert found.worst == (0,)


def test_strings_and_bools() -> None:
    assert allclose(np.array(["a", "b"], object), np.array(["a", "b"], object))
    assert not allclose(np.array(["a", "b"], object), np.array(["a", "c"], object))
    assert not allclose(np.array([True, False]), np.array([True, True]))


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(-40, 40))
def test_ulp_counts_steps_of_nextafter(start: float, steps: int) -> None:
    value = np.float32(start)
    moved = value
    with np.errstate(over="ignore"):
        for _ in range(abs(steps)):
            moved = np.nextafter(moved, np.float32(np.inf if steps > 0 else -np.inf))
    if np.isfinite(moved):
        assert ulp_distances(np.array([value]), np.array([moved]))[0] == abs(steps)


def test_ulp_of_zeros_nan_and_far_numbers() -> None:
    far = np.iinfo(np.int64).max
    a = np.array([0.0, np.nan, np.nan, -np.finfo(np.float64).max])
    b = np.array([-0.0, np.nan, 1.0, np.finfo(np.float64).max])
    assert ulp_distances(a, b).tolist() == [0, 0, far, far]
    bf = ml_dtypes.bfloat16
    assert ulp_distances(np.array([1], bf), np.array([1.0078125], bf)).tolist() == [1]
