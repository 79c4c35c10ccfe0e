"""Bounds of roundings against brute force: every input of a short arithmetic, every sign, any order of sums."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.backends.torch_fx.lowerings.state_space import lti_ssm
from graphwright.passes.diagonalization.chunk_roundings import chunk_roundings, emitted_roundings
from graphwright.passes.diagonalization.correlated import Weighted, largest_sum, worst_known
from graphwright.passes.diagonalization.diagonal import Diagonal, powers
from graphwright.passes.diagonalization.realisation import Realisation
from graphwright.passes.diagonalization.roundings import step_roundings
from graphwright.passes.diagonalization.summation import ARITHMETIC, Arithmetic, power_below
from graphwright.passes.diagonalization.system import System
from graphwright.tools.bench.rounding_adversary import Layer, by_steps, wanted_inputs, worst_in_chunks

Array = np.ndarray[Any, Any]
BITS = 6
"""Of the short arithmetic: a unit roundoff of 2⁻⁶."""


def short(x: Fraction) -> Fraction:
    """Rounded to nearest, ties to even, with BITS binary digits."""
    if x == 0:
        return x
    exponent = 0
    while abs(x) >= Fraction(2) ** (exponent + 1):
        exponent += 1
    while abs(x) < Fraction(2) ** exponent:
        exponent -= 1
    step = Fraction(2) ** (exponent + 1 - BITS)
    return round(x / step) * step


@pytest.fixture
def short_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(ARITHMETIC, dict)
    monkeypatch.setitem(ARITHMETIC, "short", Arithmetic(2.0**-BITS, 0.0))


def run_short(form: Diagonal, inputs: Sequence[Fraction], *, fused: bool) -> tuple[Fraction, Fraction]:
    """The last output of one pole and what it is exactly: every product and sum rounded, or a product fused."""

    def both(a: Fraction, x: Fraction, b: Fraction, y: Fraction) -> Fraction:
        return short(a * x + (b * y if fused else short(b * y)) if fused else short(a * x) + short(b * y))

    (re, im), (b1, b2), (c1, c2) = (
        (Fraction(float(z.real)), Fraction(float(z.imag)))
        for z in (form.poles[0], form.b[0, 0], 2 * form.c[0, 0])
    )
    x, y = (Fraction(0), Fraction(0)), (Fraction(0), Fraction(0))
    for u in inputs:
        moved = both(re, x[0], -im, x[1]), both(im, x[0], re, x[1])
        x = short(moved[0] + short(b1 * u)), short(moved[1] + short(b2 * u))
        y = re * y[0] - im * y[1] + b1 * u, im * y[0] + re * y[1] + b2 * u
    return both(c1, x[0], -c2, x[1]), c1 * y[0] - c2 * y[1]


def one_pole(pole: complex, b: complex, c: complex) -> Diagonal:
    one = np.ones((1, 1), complex)
    return Diagonal(np.array([pole]), np.array([[b]]), np.array([[c]]), 1.0, one, one)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(
    ("pole", "b", "c"),
    [(0.75 + 0.625j, 1.0, 0.5), (0.875 + 0j, 1.25, 0.5), (0.6875 - 0.4375j, 0.75 + 0.625j, 0.6875 - 0.3125j)],
)
def test_every_input_of_a_short_arithmetic(
    short_arithmetic: None, pole: complex, b: complex, c: complex, fused: bool
) -> None:
    """No two inputs of six digits between 1/2 and 1 exceed the bound, and some come near it."""
    numbers = [Fraction(k, 2**BITS) for k in range(2 ** (BITS - 1), 2**BITS + 1)]
    form = one_pole(pole, b, c)
    bounds = [Fraction(float(step_roundings(Realisation.of(form), n, "short")[0])) for n in (1, 2)]
    worst = Fraction(0)
    for inputs in product(numbers, [*numbers, *(-n for n in numbers)]):
        for length, bound in enumerate(bounds, 1):
            got, exact = run_short(form, inputs[:length], fused=fused)
            worst = max(worst, abs(got - exact))
            assert abs(got - exact) <= bound
    assert worst >= bounds[1] / 4


terms = st.lists(st.integers(-200, 200), min_size=1, max_size=9)


@given(terms, st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_tree_of_sums_stays_below_its_bound(numbers: list[int], random: Any, sizes_known: bool) -> None:
    """In the short arithmetic, where every sum rounds: sums of any two parts that are left, until one is."""
    parts = [short(Fraction(n, 64)) for n in numbers]
    exact, computed = sum(parts), list(parts)
    while len(computed) > 1:
        first = computed.pop(random.randrange(len(computed)))
        second = computed.pop(random.randrange(len(computed)))
        computed.append(short(first + second))
    sizes = np.array([abs(float(p)) for p in parts])
    result = abs(float(exact)) if sizes_known else float(sizes.sum())
    bound = Arithmetic(2.0**-BITS, 0.0).sums(sizes, np.array(result))
    assert abs(float(computed[0] - exact)) <= bound


def test_sums_that_round_at_every_step_come_near_their_bound() -> None:
    """1 and then halves of its last digit's half, in order: each is lost whole."""
    arithmetic = Arithmetic(2.0**-24, 2.0**-126)
    sizes = np.concatenate([[1.0], np.full(50, 2.0**-24)])
    bound = float(arithmetic.sums(sizes, np.array(sizes.sum())))
    assert 50 * 2.0**-24 <= bound <= 51 * 2.0**-24 * 1.001
    assert float(arithmetic.sums(np.array([1.0, 1e-12]), np.array(1.0))) <= 1.001e-12


def test_powers_of_two_below() -> None:
    found = power_below(np.array([0.0, 1.0, 1.999, 2.0, 0.75, 1e-300, np.inf]))
    assert found[:5].tolist() == [0.0, 1.0, 1.0, 2.0, 0.5]
    assert 0.5e-300 < found[5] <= 1e-300
    assert np.isinf(found[6])


def weighted(seed: int, poles: int, length: int) -> Weighted:
    draws = np.random.default_rng(seed)
    z = draws.uniform(0.3, 0.99, poles) * np.exp(1j * draws.uniform(0, np.pi, poles))
    b = draws.standard_normal(poles) + 1j * draws.standard_normal(poles)
    weights, turned = draws.uniform(0, 1, (2, length, 2 * poles))
    return Weighted(z, b, weights, turned)


def as_matrix(given: Weighted) -> Array:
    """[t, quantity, s], by the definition."""
    length, found = given.length, []
    for t in range(length):
        z = np.stack([given.poles ** (t - s) * given.b if s <= t else 0 * given.b for s in range(length)])
        after = z * given.poles
        quantities = np.concatenate([z.real, z.imag, after.real, after.imag], axis=1).T
        found.append(quantities * given.all_weights()[t][:, None])
    return np.stack(found)


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_one_input_for_all_states_against_every_sign(seed: int, poles: int, length: int) -> None:
    """A convex sum is largest at a corner: all 2ᴸ of them. The bound is above it, by no more than 1.79 and a little."""
    made = weighted(seed, poles, length)
    matrix = as_matrix(made).reshape(-1, length)
    corners = np.array(list(product([-1.0, 1.0], repeat=length)))
    largest = float(np.abs(corners @ matrix.T).sum(axis=1).max())
    bound = largest_sum(made, 1e9)
    assert largest * (1 - 1e-9) <= bound <= 2 * largest
    assert worst_known(made)[0] <= largest * (1 + 1e-9)


def test_the_gram_matrix_is_that_of_the_definition() -> None:
    made = weighted(3, 3, 7)
    scale = np.random.default_rng(0).uniform(0.5, 2, 12)
    matrix = as_matrix(made)
    p = made.all_weights() * scale
    wanted = np.einsum("tqs,tqr->sr", matrix / p[:, :, None], matrix)
    np.testing.assert_allclose(made.gram(scale), wanted, rtol=1e-10, atol=1e-12)


def layer(seed: int, poles: int) -> Diagonal:
    draws = np.random.default_rng(seed)
    z = draws.uniform(0.5, 0.99, poles) * np.exp(1j * draws.uniform(0, np.pi, poles))
    b, c = draws.standard_normal((2, poles)) + 1j * draws.standard_normal((2, poles))

    def held(x: Array) -> Array:
        return np.asarray(x.real.astype(np.float32) + 1j * x.imag.astype(np.float32).astype(np.float64))

    return Diagonal(held(z), held(b)[:, None], held(c)[None], 1.0, held(c)[None], held(b)[:, None])


@pytest.mark.parametrize("seed", range(3))
def test_an_adversary_comes_within_ten_times(seed: int) -> None:
    form = layer(seed, 6)
    system, made = Realisation.of(form), Layer.of(form, 96)
    plain, sharp = (float(step_roundings(system, 96, "float32", sharp=s)[0]) for s in (False, True))
    found = max(by_steps(made, u, 512)[0] for u in wanted_inputs(made, 96)[:2])
    assert found <= sharp <= plain
    assert sharp <= 10 * found
    if not seed:
        in_chunks = worst_in_chunks(form, 96, 32)[0]
        bound = float(chunk_roundings(system, 96, 32, "float32", sharp=True)[0])
        assert in_chunks <= bound <= 10 * in_chunks


def exact_run(a: Array, b: Array, c: Array, d: Array, start: Array, u: Array) -> Array:
    """[batch, O, L] in float64."""
    x, found = start.astype(np.float64), []
    for t in range(u.shape[2]):
        x = x @ a.T + u[:, :, t] @ b.T
        found.append(x @ c.T + u[:, :, t] @ d.T)
    return np.stack(found, axis=2)


@given(st.integers(0, 10**6), st.integers(1, 10), st.integers(1, 70), st.sampled_from([1, 8, 16]))
@settings(max_examples=30, deadline=None)
def test_full_matrices_with_states_and_throughput(seed: int, n: int, length: int, chunk: int) -> None:
    """torch's own runs of a dense layer in float32, from an initial state, with D: in steps and in chunks."""
    draws = np.random.default_rng(seed)
    a = draws.standard_normal((n, n))
    a = a * draws.uniform(0.5, 0.99) / max(float(np.abs(np.linalg.eigvals(a)).max()), 1e-6)
    parts = [a, draws.standard_normal((n, 2)), draws.standard_normal((2, n)), draws.standard_normal((2, 2))]
    held = [x.astype(np.float32) for x in parts]
    u = draws.choice([-1.0, 1.0, 0.37], (3, 2, length)).astype(np.float32)
    start = draws.choice([-1.0, 0.9], (3, n)).astype(np.float32)
    a, b, c, d = (x.astype(np.float64) for x in held)
    wanted = exact_run(a, b, c, d, start, u.astype(np.float64))
    system = Realisation(b, c, None, a, np.eye(n), d)
    emitted = emitted_roundings(system, length, "float32", chunk)
    given_ = [torch.from_numpy(x) for x in (u, *(m[None] for m in held))]
    for mode, bound in (("step", emitted.step), ("chunk", emitted.own or emitted.step)):
        found = lti_ssm(*given_, initial=torch.from_numpy(start[:, None]), mode=mode, chunk=chunk)[0]
        assert np.abs(found.numpy() - wanted).max() <= bound


def test_what_grows_beyond_its_roundings_has_no_bound() -> None:
    """Roundings that a system enlarges beyond all sizes: infinite, not a number that is too small."""
    a = np.array([[1.5, 1e6], [0.0, 1.5]])
    system = Realisation.of(System(a, np.ones((2, 1)), np.ones((1, 2))))
    assert np.isinf(step_roundings(system, 100, "float32")[0])


def test_numbers_of_one_pole_by_hand() -> None:
    """x = x / 2 + u, y = x: products by 1/2 and 1 are exact, so one sum a step rounds, by u ufp(2) at most."""
    form = one_pole(0.5, 1.0, 0.5)
    bound = float(step_roundings(Realisation.of(form), 3, "float32")[0])
    # |x| ≤ 1, 3/2, 7/4: the first step rounds nothing, the others 2⁻²⁴ each, halved once a step
    assert bound == pytest.approx((1 + 0.5) * 2.0**-24, rel=1e-5)
    assert powers(form.poles, 2)[1, 0] == 0.5
