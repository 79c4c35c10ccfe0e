"""HiPPO identities, discretisation and kernels against SciPy, SymPy-free exact arithmetic and sums."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import scipy.linalg
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.graph.build.prelude.hippo import lagt, legs, legs_diagonal, legt, lmu
from graphwright.passes.diagonalization.diagonal import (
    bilinear,
    diagonal_form,
    diagonal_kernel,
    normal_form,
    zero_order_hold,
)
from graphwright.passes.diagonalization.system import System, discretise, exponential, kernel

ORDERS = (1, 2, 5, 16)


@pytest.mark.parametrize("n", ORDERS)
def test_hippo_matrices_have_their_dissipation(n: int) -> None:
    a, b = legs(n)
    np.testing.assert_allclose(a + a.T, -np.eye(n) - np.outer(b, b), atol=1e-12)
    np.testing.assert_allclose(np.sort(scipy.linalg.eigvals(a).real), -np.arange(n, 0, -1.0), atol=1e-6)
    a, b = lagt(n)
    np.testing.assert_allclose(a + a.T, -np.outer(b, b), atol=1e-12)
    a, _ = legt(n)
    assert np.linalg.matrix_rank(a + a.T) <= 2


@pytest.mark.parametrize(("a", "b"), [legs(8), lagt(8)])
def test_the_input_function_is_a_blaschke_product(a: np.ndarray, b: np.ndarray) -> None:
    """1 - Bᵀ (s - A)⁻¹ B: exact rational arithmetic at an integer point against the product over poles."""
    s = 3
    n = len(b)
    rows = [
        [
            Fraction(s if i == j else 0) - Fraction(a[i, j] * (b[j] / b[i])).limit_denominator(10**6)
            for j in range(n)
        ]
        for i in range(n)
    ]  # in coordinates where B is all ones
    square = [Fraction(round(x * x)) for x in b]
    x = _solve(rows, [Fraction(1)] * n)
    found = 1 - sum(w * v for w, v in zip(square, x, strict=True))
    if np.allclose(np.diag(a), -np.arange(1, n + 1)):
        wanted = _product(Fraction(s - k, s + k + 1) for k in range(n))
    else:
        wanted = Fraction(2 * s - 1, 2 * s + 1) ** n
    assert found == wanted


def _solve(rows: list[list[Fraction]], right: list[Fraction]) -> list[Fraction]:
    rows = [[*r, x] for r, x in zip(rows, right, strict=True)]
    for i in range(len(rows)):
        rows[i] = [v / rows[i][i] for v in rows[i]]
        for j in range(len(rows)):
            if j != i:
                rows[j] = [v - rows[j][i] * w for v, w in zip(rows[j], rows[i], strict=True)]
    return [r[-1] for r in rows]


def _product(factors: object) -> Fraction:
    result = Fraction(1)
    for f in factors:  # type: ignore[attr-defined]
        result *= f
    return result


@pytest.mark.parametrize("n", [4, 16, 64])
@pytest.mark.parametrize("tau", [0.5, 0.1, 1e-3])
def test_the_closed_form_divides_the_transfer_function(n: int, tau: float) -> None:
    """G_tau = G / (1 + theta pi) for every readout; S4D is tau = 1/2."""
    a, b = legs(n)
    poles, entering, vectors = legs_diagonal(n, tau)
    theta = tau / (1 - tau)
    for w in (0.0, 0.3, 7.0, 3.0 * n):
        s = 1j * w
        x = np.linalg.solve(s * np.eye(n) - a, b.astype(complex))
        pi = np.prod([(s - k) / (s + k + 1) for k in range(n)])
        # 2 Re acts on signals: at s both a pole and its conjugate answer
        found = vectors @ (entering / (s - poles)) + vectors.conj() @ (entering.conj() / (s - poles.conj()))
        np.testing.assert_allclose(found, x / (1 + theta * pi), rtol=1e-7, atol=1e-8)


def test_lmu_delays() -> None:
    """The Legendre memory of a low sinusoid, read at the window's end, is the input a window ago."""
    n, dt = 10, 1e-3
    a, b = lmu(n)
    read = np.array([sum((-1.0) ** (i + j) * _choose(i, j) for j in range(i + 1)) for i in range(n)])
    system = discretise(System(a, b[:, None], read[None], False), dt, "zoh")
    t = np.arange(4000) * dt
    u = np.sin(2.0 * t)
    y = np.convolve(kernel(system, len(u))[:, 0, 0], u)[: len(u)]
    np.testing.assert_allclose(y[2500:], np.sin(2.0 * (t[2500:] - 1.0)), atol=5e-3)


def _choose(i: int, j: int) -> float:
    """binom(i, j) binom(i + j, j) (-1)^i-signed terms of the shifted Legendre polynomial at its end."""
    from math import comb

    return float(comb(i, j) * comb(i + j, j)) * (-1.0) ** i * (-1.0) ** i


@pytest.mark.parametrize("method", ["zoh", "bilinear"])
def test_discretisation_is_scipys(method: str) -> None:
    a, b = legs(6)
    c = np.ones((1, 6))
    found = discretise(System(a, b[:, None], c, False), 0.1, method)
    wanted = scipy.signal.cont2discrete((a, b[:, None], c, np.zeros((1, 1))), 0.1, method)
    np.testing.assert_allclose(found.a, wanted[0], rtol=1e-10, atol=1e-12)
    if method == "zoh":  # Tustin's B of SciPy belongs to another state
        np.testing.assert_allclose(found.b, wanted[1], rtol=1e-10, atol=1e-12)
    form = diagonal_form(System(a - np.diag(np.arange(6.0)), b[:, None], c, False))
    assert form is not None
    moved = zero_order_hold(form, 0.1) if method == "zoh" else bilinear(form, 0.1)
    exact = kernel(discretise(System(a - np.diag(np.arange(6.0)), b[:, None], c, False), 0.1, method), 40)
    np.testing.assert_allclose(diagonal_kernel(moved, 40), exact, rtol=1e-6, atol=1e-9)


@given(st.integers(0, 10**6), st.integers(1, 12), st.floats(1e-3, 30.0))
@settings(max_examples=40, deadline=None)
def test_the_exponential_is_scipys(seed: int, n: int, size: float) -> None:
    a = np.random.default_rng(seed).standard_normal((n, n)) * size / np.sqrt(n)
    wanted = scipy.linalg.expm(a)
    np.testing.assert_allclose(exponential(a), wanted, rtol=1e-8, atol=1e-10 * np.abs(wanted).max())


@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 3), st.integers(1, 3), st.integers(1, 30))
@settings(max_examples=40, deadline=None)
def test_kernels_are_the_recurrence(seed: int, n: int, inputs: int, outputs: int, length: int) -> None:
    draw = np.random.default_rng(seed).standard_normal
    a = draw((n, n)) * 0.9 / np.sqrt(n)
    system = System(a, draw((n, inputs)), draw((outputs, n)))
    x, wanted = system.b, []
    for _ in range(length):
        wanted.append(system.c @ x)
        x = a @ x
    np.testing.assert_allclose(kernel(system, length), np.array(wanted), rtol=1e-9, atol=1e-9)
    form = diagonal_form(system)
    if form is not None and form.condition < 1e6:
        np.testing.assert_allclose(diagonal_kernel(form, length), np.array(wanted), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(
    "a",
    [
        np.zeros((3, 3)),
        np.eye(4) * 0.5,
        np.roll(np.eye(6), 1, axis=0) * 0.9,
        np.diag([0.1, 0.1, 0.5]),
        np.array([[0.3, -0.4], [0.4, 0.3]]),
        np.kron(np.eye(2), np.array([[0.3, -0.4], [0.4, 0.3]])),
    ],
)
def test_normal_matrices_have_unitary_forms(a: np.ndarray) -> None:
    """Repeated eigenvalues too; where a repeated pair can't be told apart the form is refused."""
    draw = np.random.default_rng(0).standard_normal
    system = System(a, draw((len(a), 1)), draw((1, len(a))))
    form = normal_form(system)
    if form is None:
        assert len(np.unique(np.round(np.linalg.eigvals(a), 9))) < len(a)
        return
    assert form.condition == 1.0
    np.testing.assert_allclose(diagonal_kernel(form, 12), kernel(system, 12), atol=1e-12)
