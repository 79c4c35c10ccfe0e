"""Draws: the generator's known answers, the distributions, and what can't be drawn."""

from __future__ import annotations

from math import sqrt

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from graphwright.backends.runtime.noise import fill, integers, normal_numbers, uniform_numbers
from graphwright.backends.runtime.normal_quantile import normal_quantile
from graphwright.backends.runtime.philox import philox, stream
from graphwright.graph.diagnostics import SpecError
from graphwright.graph.ir import Value, leaf
from graphwright.graph.types import TensorType, dtype, symbol

# Random123's kat_vectors for philox4x32 with 10 rounds: counter, key, answer.
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def draw_leaf(kind: str, type_name: str, dims: tuple[object, ...], name: str = "eps", **more: int) -> Value:
    bits = more.pop("bits", 24)
    return leaf("Draw", name, TensorType(dtype(type_name), dims), kind=kind, bits=bits, **more)  # type: ignore[arg-type]  # dims of tests


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_philox_known_answers(
    counter: tuple[int, ...], key: tuple[int, int], answer: tuple[int, ...]
) -> None:
    block = philox(np.array(counter, np.uint64)[:, None], key)
    assert tuple(int(w) for w in block[:, 0]) == answer


def test_a_word_does_not_depend_on_what_else_is_drawn() -> None:
    whole = stream(7, "a").words(0, 70_000)
    for start, count in [(0, 1), (3, 9), (32_765, 33_000), (69_999, 1)]:
        assert np.array_equal(stream(7, "a").words(start, count), whole[start : start + count])


def test_streams_differ_by_seed_name_and_step() -> None:
    streams = [stream(0, "a"), stream(1, "a"), stream(0, "b"), stream(0, "a", 0), stream(0, "a", 1)]
    words = [s.words(0, 64) for s in streams]
    pairs = [(i, j) for i in range(5) for j in range(i)]
    assert not any(np.array_equal(words[i], words[j]) for i, j in pairs)
    assert all((words[i] == words[j]).sum() <= 1 for i, j in pairs)


@pytest.mark.parametrize(
    ("type_name", "bits", "unit"),
    [("float32", 24, 24), ("float32", 53, 24), ("float64", 53, 53), ("float16", 24, 11), ("bfloat16", 24, 8)],
)
def test_uniform_draws_are_odd_multiples_inside_the_open_interval(
    type_name: str, bits: int, unit: int
) -> None:
    drawn = fill(draw_leaf("uniform", type_name, (50_000,), bits=bits), 0, {})
    assert drawn.dtype == dtype(type_name).numpy
    scaled = drawn.astype(np.float64) * 2.0**unit
    assert np.array_equal(scaled % 2, np.ones(50_000))
    assert drawn.astype(np.float64).min() > 0
    assert drawn.astype(np.float64).max() < 1


def test_uniform_bits_come_from_the_top_of_the_words() -> None:
    words = stream(3, "eps").words(0, 1000)
    drawn = fill(draw_leaf("uniform", "float32", (1000,)), 3, {}).astype(np.float64)
    assert np.array_equal(np.floor(drawn * 2.0**23), words >> np.uint32(9))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_distributions_by_kolmogorov_smirnov(seed: int) -> None:
    uniform = fill(draw_leaf("uniform", "float64", (20_000,), bits=53), seed, {})
    normal = fill(draw_leaf("normal", "float64", (20_000,)), seed, {})
    assert stats.kstest(uniform, "uniform").pvalue > 1e-3
    assert stats.kstest(normal, "norm").pvalue > 1e-3


def test_neighbouring_draws_are_uncorrelated() -> None:
    normal = normal_numbers(stream(5, "x"), 100_000)
    for lag in (1, 2, 4, 64):
        assert abs(np.mean(normal[lag:] * normal[:-lag])) < 4 / sqrt(100_000)


def test_randint_is_uniform_over_its_range() -> None:
    drawn = fill(draw_leaf("randint", "int32", (60_000,), low=-3, high=4), 0, {})
    counts = np.bincount(drawn + 3, minlength=7)
    assert len(counts) == 7
    assert stats.chisquare(counts).pvalue > 1e-3


def test_randint_rejects_the_words_that_would_bias_a_large_range() -> None:
    """With a span of 3/4 of 2**64 a remainder favours the lower third two to one."""
    span = 3 * 2**62
    drawn = integers(0, "k", None, 30_000, span)
    assert int(drawn.max()) < span
    thirds = np.bincount((drawn // np.uint64(2**62)).astype(int), minlength=3)
    assert stats.chisquare(thirds).pvalue > 1e-3


def test_randint_reaches_both_ends_of_64_bits() -> None:
    low, high = -(2**63), 2**63 - 1
    drawn = fill(draw_leaf("randint", "int64", (1000,), low=low, high=high), 0, {})
    assert drawn.min() < -(2**62)
    assert drawn.max() > 2**62


def test_permutations_are_uniform() -> None:
    drawn = fill(draw_leaf("permutation", "int64", (6000, 3)), 0, {})
    assert np.array_equal(np.sort(drawn, axis=-1), np.broadcast_to(np.arange(3), (6000, 3)))
    counts = np.unique(drawn @ np.array([9, 3, 1]), return_counts=True)[1]
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > 1e-3


def test_symbolic_sizes_and_prefixes() -> None:
    """A longer draw starts with the shorter one: a stream is read from its start."""
    n = symbol("n")
    long = fill(draw_leaf("normal", "float32", (2 * n,)), 0, {"n": 8})
    short = fill(draw_leaf("normal", "float32", (n,)), 0, {"n": 8})
    assert long.shape == (16,)
    assert np.array_equal(long[:8], short)


# --- the normal quantile --------------------------------------------------------------------------


def odd_multiple(k: int) -> float:
    return (k | 1) * 2.0**-53


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**53 - 1) | st.integers(0, 52).flatmap(lambda b: st.integers(0, 2**b)))
def test_normal_quantile_inverts_the_distribution_function(k: int) -> None:
    """Against 40-digit arithmetic: Newton's method on mpmath's ncdf, to 3 ulp."""
    p = odd_multiple(k)
    mine = float(normal_quantile(np.array([p]))[0])
    with mpmath.workdps(40):
        x = mpmath.mpf(mine)
        x -= (mpmath.ncdf(x) - mpmath.mpf(p)) / mpmath.npdf(x)
        error = abs(float(x - mpmath.mpf(mine)))
    assert error <= 3 * float(np.spacing(abs(mine)))


def test_normal_quantile_against_scipy() -> None:
    p = uniform_numbers(stream(0, "p"), 100_000, 53)
    np.testing.assert_allclose(normal_quantile(p), special.ndtri(p), rtol=1e-13, atol=1e-16)


def test_normal_quantile_is_odd_and_its_ends_are_finite() -> None:
    p = np.concatenate([uniform_numbers(stream(1, "p"), 10_000, 53), [2.0**-53, 0.5 - 2.0**-53]])
    assert np.array_equal(normal_quantile(1 - p), -normal_quantile(p))
    assert normal_quantile(np.array([2.0**-53]))[0] == pytest.approx(-8.209536151601387)


# --- what can't be drawn --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (draw_leaf("uniform", "int64", (3,)), "G0750"),
        (draw_leaf("randint", "float32", (3,), low=0, high=2), "G0750"),
        (draw_leaf("permutation", "int64", ()), "G0750"),
        (draw_leaf("gamma", "float32", (3,)), "G0750"),
        (draw_leaf("randint", "int64", (3,), low=5, high=5), "G0751"),
        (draw_leaf("randint", "uint8", (3,), low=0, high=257), "G0751"),
        (draw_leaf("permutation", "int8", (1000,)), "G0751"),
        (draw_leaf("normal", "float32", (symbol("n"),)), "G1333"),
        (draw_leaf("normal", "float32", (10**9, 10**9)), "G1338"),
        (draw_leaf("normal", "float32", (symbol("m") - 5,)), "G1338"),
    ],
)
def test_impossible_draws_are_diagnostics(value: Value, code: str) -> None:
    with pytest.raises(SpecError) as caught:
        fill(value, 0, {"m": 1})
    assert [d.code for d in caught.value.diagnostics] == [code]
