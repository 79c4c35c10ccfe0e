"""Candidates and certificates: closed forms, truncation, blocks, against SciPy and brute force."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.graph.build.prelude.hippo import lagt, legs, legt
from graphwright.passes.diagonalization.candidates import (
    Draws,
    completion,
    dissipation,
    dissipative,
    gramian_of,
    input_normal,
    lossless,
)
from graphwright.passes.diagonalization.certificates import (
    absolute_gain,
    certify,
    diagonal_tail,
    energy_gain,
    error_system,
    real_system,
    tail_gain,
    with_tail,
    worst_input,
)
from graphwright.passes.diagonalization.choice import Wanted, diagonalise
from graphwright.passes.diagonalization.diagonal import diagonal_form, diagonal_kernel, rounded
from graphwright.passes.diagonalization.fallbacks import block_form, low_rank_form
from graphwright.passes.diagonalization.optimized import conditioning, optimized_perturbation
from graphwright.passes.diagonalization.system import System, discretise, kernel
from graphwright.passes.diagonalization.truncation import balanced_truncation

Array = np.ndarray[Any, Any]


def stable(seed: int, n: int, inputs: int = 1, outputs: int = 1, radius: float = 0.95) -> System:
    draw = np.random.default_rng(seed).standard_normal
    a = draw((n, n))
    a = a * radius / max(np.abs(np.linalg.eigvals(a)).max(), 1e-9)
    return System(a, draw((n, inputs)), draw((outputs, n)))


def hippo(make: Any, n: int, seed: int = 0) -> System:
    a, b = make(n)
    return System(a, b[:, None], np.random.default_rng(seed).standard_normal((1, n)), False)


def test_eigenvectors_of_legs_grow_as_derived() -> None:
    """κ of HiPPO-LegS, exactly: the slope of log10 κ tends to log10(3 + 2√2) = 0.766."""
    mpmath.mp.dps = 60
    logs = []
    for n in (8, 16):
        a, _ = legs(n)
        # similar to the integer matrix with B all ones; eigenvectors from exact rational solves
        matrix = mpmath.matrix(n, n)
        for i in range(n):
            for j in range(n):
                matrix[i, j] = (
                    mpmath.mpf(-(i + 1))
                    if i == j
                    else (-mpmath.sqrt((2 * i + 1) * (2 * j + 1)) if i > j else mpmath.mpf(0))
                )
        vectors = mpmath.matrix(n, n)
        for k in range(n):
            column = [mpmath.mpf(0)] * n
            column[k] = mpmath.mpf(1)
            for i in range(k + 1, n):
                total = sum(matrix[i, j] * column[j] for j in range(k, i))
                column[i] = total / (matrix[k, k] - matrix[i, i])
            size = mpmath.sqrt(sum(c * c for c in column))
            for i in range(n):
                vectors[i, k] = column[i] / size
        logs.append(mpmath.log10(mpmath.mnorm(vectors, "f") * mpmath.mnorm(vectors**-1, "f")))
        assert np.isclose(float(mpmath.mnorm(mpmath.matrix(a.tolist()) - matrix, 1)), 0, atol=1e-12)
    assert float(logs[1]) == pytest.approx(np.log10(8.9e10), abs=0.01)
    assert (logs[1] - logs[0]) / 8 == pytest.approx(0.766, abs=0.02)


@pytest.mark.parametrize(("make", "n"), [(legs, 16), (legs, 64), (lagt, 16)])
def test_rank_one_errors_keep_their_bound(make: Any, n: int) -> None:
    """sup over frequency of ‖x_tau - x‖ / ‖x‖ is at most theta / (1 - theta), κ at most 1.4 (1 - tau) / tau."""
    system = hippo(make, n)
    for found in dissipative(system, Draws()):
        if not 1e-4 <= found.parameter <= 0.1:
            continue
        assert found.kind == "rank-one"
        assert found.bound is not None
        assert found.form.condition <= 1.4 * (1 - found.parameter) / found.parameter or make is lagt
        poles = found.form.poles
        for w in np.concatenate([np.geomspace(0.01, 1e3, 40), np.abs(poles.imag)]):
            exact = np.linalg.solve(1j * w * np.eye(n) - system.a, system.b.astype(complex))
            near = np.linalg.solve(
                1j * w * np.eye(n) - system.a - found.parameter * system.b @ system.b.T,
                system.b * (1 - found.parameter) + 0j,
            )
            assert np.linalg.norm(near - exact) <= found.bound * np.linalg.norm(exact) * (1 + 1e-6)


def test_dissipation_of_any_dissipative_matrix() -> None:
    a = np.random.default_rng(3).standard_normal((6, 6))
    a = a - np.eye(6) * (np.linalg.eigvalsh(a + a.T)[-1] / 2 + 0.3)
    found = dissipation(System(a, np.ones((6, 1)), np.ones((1, 6)), False))
    assert found is not None
    np.testing.assert_allclose(a + a.T, -found.c * np.eye(6) - found.p @ found.p.T, atol=1e-10)
    assert found.c == pytest.approx(0.6)
    assert dissipation(System(np.eye(2), np.ones((2, 1)), np.ones((1, 2)), False)) is None
    tau = 0.1
    near = a + tau * found.p @ found.p.T
    for w in np.linspace(0, 10, 30):
        move = np.linalg.inv(1j * w * np.eye(6) - near) - np.linalg.inv(1j * w * np.eye(6) - a)
        assert np.linalg.norm(move, 2) <= tau / (found.c * (1 - 2 * tau)) + 1e-12


@pytest.mark.parametrize(("n", "inputs"), [(1, 1), (5, 1), (6, 2), (8, 3)])
def test_lossless_embedding_for_any_number_of_inputs(n: int, inputs: int) -> None:
    """The all-pass completion is unitary on the circle, and its feedback moves every transfer function
    by at most k / (1 - k) of the input: also for several inputs."""
    system = stable(n, n, inputs, 2)
    coordinates = input_normal(system)
    assert coordinates is not None
    gramian = gramian_of(system.a, system.b)
    np.testing.assert_allclose(gramian, scipy.linalg.solve_discrete_lyapunov(system.a, system.b @ system.b.T))
    inner = system.with_state(*coordinates)
    out, through = completion(inner.a, inner.b)
    points = np.exp(1j * np.linspace(0, np.pi, 9))
    for z in points:
        b = through + out @ np.linalg.solve(z * np.eye(n) - inner.a, inner.b.astype(complex))
        np.testing.assert_allclose(b.conj().T @ b, np.eye(inputs), atol=1e-9)
    for found in lossless(system, Draws()):
        if abs(found.parameter) < 1e-5:
            continue
        for z in points:
            exact = system.c @ np.linalg.solve(z * np.eye(n) - system.a, system.b.astype(complex))
            poles, form = found.form.poles, found.form
            near = form.c @ (form.b / (z - poles)[:, None])
            near = near + form.c.conj() @ (form.b.conj() / (z - poles.conj())[:, None])
            assert found.bound is not None
            assert np.linalg.norm(near - exact, 2) <= found.bound * np.linalg.norm(exact, 2) * 1.001 + 1e-7


def test_gradient_of_conditioning_is_the_difference_quotient() -> None:
    draw = np.random.default_rng(1).standard_normal
    a, direction = draw((6, 6)), draw((6, 6))
    _, gradient = conditioning(a)
    h = 1e-6
    quotient = (conditioning(a + h * direction)[0] - conditioning(a - h * direction)[0]) / (2 * h)
    assert np.sum(gradient * direction) == pytest.approx(quotient, rel=1e-5)


def test_optimised_perturbations_beat_random_ones() -> None:
    a, _ = legs(12)
    e = optimized_perturbation(a, 0.1, 60, 0)
    assert np.linalg.norm(e, 2) == pytest.approx(0.1)
    condition = np.linalg.cond(np.linalg.eig(a + e)[1])
    draws = np.random.default_rng(5)
    random = []
    for _ in range(5):
        m = draws.standard_normal(a.shape)
        random.append(np.linalg.cond(np.linalg.eig(a + 0.1 * m / np.linalg.norm(m, 2))[1]))
    assert condition < min(random)


@given(st.integers(0, 10**6), st.integers(2, 10))
@settings(max_examples=25, deadline=None)
def test_truncation_keeps_its_hankel_bound(seed: int, n: int) -> None:
    system = stable(seed, n)
    small = balanced_truncation(system, 0.0, order=max(1, n // 2))
    assert small is not None
    if small.system.is_stable:
        error = error_system(system, small.system)
        for z in np.exp(1j * np.linspace(0, np.pi, 25)):
            gain = abs(z * (error.c @ np.linalg.solve(z * np.eye(error.order) - error.a, error.b))[0, 0])
            assert gain <= small.bound * (1 + 1e-6) + 1e-9 * small.hankel[0]


@given(st.integers(0, 10**6), st.integers(2, 10))
@settings(max_examples=25, deadline=None)
def test_blocks_are_blocks(seed: int, n: int) -> None:
    a = np.random.default_rng(seed).standard_normal((n, n))
    found = block_form(a, condition=50.0)
    assert found.condition <= 50.0 * (1 + 1e-9)
    assert sum(found.sizes) == n
    split = found.inverse @ a @ found.transform
    at = 0
    for size in found.sizes:
        split[at : at + size, at : at + size] = 0
        at += size
    assert np.abs(split).max() < 1e-8 * max(1.0, np.abs(a).max())


@pytest.mark.parametrize(
    "system", [hippo(legs, 12), hippo(legt, 12), hippo(lagt, 12), stable(1, 9), stable(2, 4)]
)
def test_low_rank_forms_are_exact(system: System) -> None:
    found = low_rank_form(system)
    assert found is not None
    assert found.form.condition == 1.0
    x = np.random.default_rng(0).standard_normal(system.order)
    z = found.form.entering @ x
    moved = found.form.poles * z - found.p @ (2 * (found.q.conj().T @ z).real)
    np.testing.assert_allclose(2 * (found.form.vectors @ moved).real, system.a @ x, rtol=1e-7, atol=1e-9)


@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 2), st.integers(1, 2), st.integers(1, 80))
@settings(max_examples=60, deadline=None)
def test_certificates_hold_and_are_reached(seed: int, n: int, inputs: int, outputs: int, length: int) -> None:
    """No input of size 1 moves an output by more than T1, and the worst one moves it by T1 / 1.5."""
    system = stable(seed, n, inputs, outputs)
    form = diagonal_form(system)
    if form is None or not np.isfinite(form.condition):
        return
    held = rounded(form, np.float32)
    found = certify(system, held, length, "float32")
    difference = kernel(system, length) - diagonal_kernel(held, length)
    draws = np.random.default_rng(seed)
    for u in (draws.uniform(-1, 1, (length, inputs)), worst_input(difference)):
        y = [sum(difference[t - s] @ u[s] for s in range(t + 1)) for t in range(length)]
        assert np.abs(y).max() <= found.gain * (1 + 1e-12)
    assert found.gain <= 1.5 * np.abs(y).max() + 1e-12
    far = kernel(system, 4000) - diagonal_kernel(held, 4000) if held.is_stable else None
    if far is not None:
        ever, lasting = with_tail(found, system, held), absolute_gain(far)
        assert lasting <= ever.gain + ever.tail + 1e-12
        assert ever.gain + ever.tail <= 1.5 * lasting + 1e-12


@given(st.integers(0, 10**6), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_tails_bound_what_comes_later(seed: int, n: int) -> None:
    system = stable(seed, n, 1, 2, 0.8)
    rest = absolute_gain(kernel(system, 400)[20:])
    assert rest <= tail_gain(system, 20) * (1 + 1e-9)
    form = diagonal_form(system)
    if form is not None and np.isfinite(form.condition):
        assert rest <= diagonal_tail(form, 20) * (1 + 1e-6) + 1e-12


@given(st.integers(0, 10**6), st.integers(1, 7))
@settings(max_examples=20, deadline=None)
def test_energy_gains_are_the_peak(seed: int, n: int) -> None:
    system = stable(seed, n, 2, 2, 0.9)
    grid = []
    for z in np.exp(1j * np.linspace(0, np.pi, 400)):
        grid.append(np.linalg.norm(system.c @ np.linalg.solve(z * np.eye(n) - system.a, system.b), 2))
    assert max(grid) * (1 - 1e-9) <= energy_gain(system) <= max(grid) * 1.05


def test_the_error_of_a_closed_form_in_energy() -> None:
    system = hippo(legs, 12)
    (found,) = (c for c in dissipative(system, Draws()) if c.parameter == 1e-2)
    gain = energy_gain(error_system(system, real_system(found.form)))
    norm = energy_gain(system)
    assert found.bound is not None
    assert gain <= found.bound * norm


def _jordan(n: int, value: float) -> Array:
    return np.eye(n) * value + np.eye(n, k=-1) * 0.1


BAD = {
    "unstable": (np.eye(3) * 1.1, "unstable"),
    "on the circle": (np.eye(2), "unstable"),
    "NaN": (np.full((2, 2), np.nan), "NaN"),
    "infinite": (np.full((2, 2), np.inf), "NaN or infinities"),
}


@pytest.mark.parametrize("name", BAD)
def test_hopeless_systems_are_declined_with_the_reason(name: str) -> None:
    a, reason = BAD[name]
    n = len(a)
    found = diagonalise(System(a, np.ones((n, 1)), np.ones((1, n))), Wanted())
    assert found.form is None
    assert reason in found.reason


@pytest.mark.parametrize("length", [1, 100])
@pytest.mark.parametrize(
    "a",
    [
        np.array([[0.5]]),
        np.array([[0.0]]),
        np.zeros((3, 3)),
        _jordan(8, 0.9),
        np.eye(12, k=-1),
        np.eye(3) * 0.5,
        np.array([[0.5, 1e9], [0.0, 0.5 + 1e-9]]),
    ],
    ids=["order 1", "zero", "zeros", "defective", "nilpotent", "repeated", "kappa beyond 1/u"],
)
def test_ill_posed_systems_get_a_certificate_or_a_reason(a: Array, length: int) -> None:
    n = len(a)
    system = System(a, np.ones((n, 1)), np.ones((1, n)))
    found = diagonalise(system, Wanted(length=length))
    if found.form is None:
        assert found.reason
        return
    assert found.certificate is not None
    error = absolute_gain(kernel(system, length) - diagonal_kernel(found.form, length))
    assert np.isfinite(error)
    assert error <= found.certificate.gain


def test_multi_input_systems_of_hippo_are_dissipative() -> None:
    a, _ = legs(16)
    draw = np.random.default_rng(0).standard_normal
    system = System(a, draw((16, 4)), draw((3, 16)), False)
    found = diagonalise(system, Wanted(length=256), 0.01, "zoh")
    assert found.certificate is not None
    exact = kernel(discretise(system, 0.01, "zoh"), 256)
    assert found.form is not None
    assert absolute_gain(exact - diagonal_kernel(found.form, 256)) <= 1e-3 * absolute_gain(exact)
