"""How tight each certificate is: what it allows over the worst error found, on systems where it applies."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ...graph.build.prelude.hippo import lagt, legs
from ...passes.diagonalization.candidates import Draws, dissipation, lossless
from ...passes.diagonalization.certificates import (
    UNIT,
    absolute_gain,
    diagonal_tail,
    error_system,
    real_system,
    response_gain,
    rounding_growth,
    tail_gain,
    worst_input,
)
from ...passes.diagonalization.choice import Outcome, Wanted, diagonalise
from ...passes.diagonalization.diagonal import diagonal_kernel
from ...passes.diagonalization.system import Array, System, kernel, resolvent
from ...passes.diagonalization.truncation import balanced_truncation
from .goals import Goal, show
from .recurrences import recurrences

COMMAND = "python -m graphwright.tools.bench state_space_certificates"
Ratios = Callable[[], Iterator[float]]


def report() -> None:
    """A line a certificate."""
    print(f"command: {COMMAND}")
    show(goals())


def goals() -> Iterator[Goal]:
    """Every certificate over the error that it bounds."""
    kinds: tuple[tuple[str, Ratios, float], ...] = (
        ("T1 over the error of its worst input", length_gain, 1.5),
        ("T2 over the gain of 20000 steps", lasting_gain, 10),
        ("energy gain over the peak of a grid of frequencies", energy, 10),
        ("closed form, rank one, over the sup error", rank_one, 2.1),
        ("closed form, dissipative, over the sup error", resolvents, 10),
        ("closed form, lossless, over the sup error", embedding, 10),
        ("Hankel bound over the sup error of truncation", hankel, 10),
        ("roundings allowed over those of inputs that hold the state", roundings, 10),
    )
    for name, ratios, limit in kinds:
        found = list(ratios())
        text = f"{max(found):.3g} at worst of {len(found)} (median {np.median(found):.3g}, least {min(found):.3g})"
        holds = min(found) >= 1 - 1e-6 and max(found) <= limit
        yield Goal("G6", f"{name} <= {limit:g}", text, holds, "2.0" if "rank" in name else "")


def _outcomes(n: int = 24) -> Iterator[Outcome]:
    for name, (system, dt, method) in recurrences(n).items():
        if name in ("companion AR(16)", "Butterworth(12)"):
            continue
        found = diagonalise(system, Wanted(length=256), dt, method)
        if found.form is not None:
            yield found


def length_gain() -> Iterator[float]:
    for found in _outcomes():
        assert found.form is not None and found.discrete is not None and found.certificate is not None
        moved = kernel(found.discrete, 256) - diagonal_kernel(found.form, 256)
        reached = np.abs(np.einsum("loi,li->o", moved[::-1], worst_input(moved))).max()
        yield float(found.certificate.gain / reached)


def lasting_gain() -> Iterator[float]:
    for found in _outcomes():
        assert found.form is not None and found.discrete is not None and found.certificate is not None
        if np.isfinite(found.certificate.tail):
            moved = kernel(found.discrete, 20000) - diagonal_kernel(found.form, 20000)
            yield (found.certificate.gain + found.certificate.tail) / absolute_gain(moved)


def energy() -> Iterator[float]:
    """Against the gain at 1001 frequencies and at the poles' own."""
    for found in _outcomes(12):
        assert found.form is not None and found.discrete is not None
        moved = kernel(found.discrete, 4096) - diagonal_kernel(found.form, 4096)
        rest = tail_gain(found.discrete, 4096) + diagonal_tail(found.form, 4096)
        if np.isfinite(rest) and rest <= 0.1 * absolute_gain(moved):
            points = _circle(real_system(found.form).a)
            powers = points[:, None] ** -np.arange(4096)
            grid = np.tensordot(powers, moved, 1)
            yield response_gain(moved, rest) / float(np.linalg.norm(grid, 2, axis=(1, 2)).max())


def _circle(a: Array) -> Array:
    angles = np.concatenate([np.linspace(0, np.pi, 1001), np.abs(np.angle(np.linalg.eigvals(a)))])
    return np.asarray(np.exp(1j * angles))


def _sup(system: System, points: Array) -> float:
    x = resolvent(system, points)
    return float(max(np.linalg.norm(system.c @ column, 2) for column in x))


def _axis(*matrices: Array) -> Array:
    poles = np.concatenate([np.linalg.eigvals(a) for a in matrices])
    near = [np.abs(poles.imag), np.abs(poles.imag) + np.abs(poles.real)]
    return np.asarray(1j * np.concatenate([np.geomspace(1e-2, 1e4, 400), *near]))


def rank_one() -> Iterator[float]:
    """θ / (1 - θ) against sup ‖x_τ - x‖ / ‖x‖."""
    for make, n in ((legs, 16), (legs, 48), (lagt, 16)):
        a, b = make(n)
        for tau in (1e-1, 1e-2, 1e-3):
            near = System(a + tau * np.outer(b, b), (1 - tau) * b[:, None], np.eye(n), False)
            points = _axis(a, near.a)
            exact = resolvent(System(a, b[:, None], np.eye(n), False), points)[:, :, 0]
            moved = resolvent(near, points)[:, :, 0] - exact
            worst = (np.linalg.norm(moved, axis=1) / np.linalg.norm(exact, axis=1)).max()
            theta = tau / (1 - tau)
            yield theta / (1 - theta) / float(worst)


def resolvents() -> Iterator[float]:
    """τ / (c (1 - 2 τ)) against the resolvents, of HiPPO-LegS and of random dissipative matrices."""
    draws = np.random.default_rng(0)
    for a in (legs(16)[0], legs(32)[0]):
        yield from _resolvents(a)
    for n in (4, 8):
        skew = draws.standard_normal((n, n))
        p = draws.standard_normal((n, 1)) * 4
        yield from _resolvents(skew - skew.T - 0.5 * np.eye(n) - p @ p.T / 2)


def _resolvents(a: Array) -> Iterator[float]:
    n = len(a)
    found = dissipation(System(a, np.eye(n), np.eye(n), False))
    assert found is not None
    for tau in (1e-1, 1e-2):
        near = a + tau * found.p @ found.p.T
        points = _axis(a, near)
        one = np.eye(n)
        worst = max(
            np.linalg.norm(np.linalg.inv(s * one - near) - np.linalg.inv(s * one - a), 2) for s in points
        )
        yield tau / (found.c * (1 - 2 * tau)) / float(worst)


def embedding() -> Iterator[float]:
    """k / (1 - k) against the sup of the relative error of the transfer function."""
    for name in ("Ginibre RNN", "delay line", "HiPPO-LegT"):
        system, dt, method = recurrences(16)[name]
        found = diagonalise(system, Wanted(length=64), dt, method).discrete
        assert found is not None
        points = np.exp(1j * np.linspace(0, np.pi, 1000))
        exact = (found.c @ resolvent(found, points))[:, 0, 0]
        for candidate in lossless(found, Draws()):
            if candidate.bound is None or not 1e-4 <= abs(candidate.parameter) <= 1e-2:
                continue
            form = candidate.form
            poles, weights = form.poles, form.c[0] * form.b[:, 0]
            near = np.array(
                [np.sum(weights / (z - poles) + weights.conj() / (z - poles.conj())) for z in points]
            )
            yield candidate.bound / float(np.abs(near / exact - 1).max())


def hankel() -> Iterator[float]:
    for name in ("Ginibre RNN", "gamma filter", "digraph walk", "triangular RNN"):
        system, _, _ = recurrences(16)[name]
        for order in (4, 8, 12):
            small = balanced_truncation(system, 0.0, order)
            if small is None or small.bound <= 1e-9 * small.hankel[0]:
                continue
            error = error_system(system, small.system)
            yield small.bound / _sup(error, _circle(error.a))


def roundings() -> Iterator[float]:
    """The certificate's term for float32 arithmetic against runs step by step in complex64: constant inputs,
    the worst of T1, and sinusoids at the slowest poles."""
    for found in _outcomes(12):
        assert found.form is not None and found.certificate is not None
        form, t = found.form, np.arange(256)
        slow = form.poles[np.argsort(-np.abs(form.poles))[:3]]
        whole = diagonal_kernel(form, 256)
        inputs = [np.ones(256), worst_input(whole)[:, 0], *(np.sign(np.cos(np.angle(p) * t)) for p in slow)]
        worst = max(_run_error(found, np.repeat(u[:, None], form.b.shape[1], axis=1)) for u in inputs)
        allowed = certified_roundings(found)
        yield allowed / worst if worst > 0 else 1.0


def certified_roundings(found: Outcome) -> float:
    """What the certificate allows to a run step by step."""
    assert found.form is not None
    return UNIT["float32"] * rounding_growth(found.form, 256)


def _run_error(found: Outcome, u: Array) -> float:
    assert found.form is not None
    poles, b, c = (x.astype(np.complex64) for x in (found.form.poles, found.form.b, found.form.c))
    x, y = np.zeros(len(poles), np.complex64), np.zeros(len(poles), np.complex128)
    worst = 0.0
    for row in u:
        x = poles * x + b @ row.astype(np.complex64)
        y = poles.astype(np.complex128) * y + b.astype(np.complex128) @ row
        exact = 2 * (c.astype(np.complex128) @ y).real
        worst = max(worst, float(np.abs(np.float32(2) * (c @ x).real - exact).max()))
    return worst
