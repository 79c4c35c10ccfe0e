"""How tight each certificate is: what it allows over the worst error found, on systems where it applies."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ...graph.build.prelude.hippo import lagt, legs
from ...passes.diagonalization.candidates import Draws, dissipation, lossless
from ...passes.diagonalization.certificates import (
    absolute_gain,
    diagonal_tail,
    error_system,
    real_system,
    response_gain,
    tail_gain,
    worst_input,
)
from ...passes.diagonalization.choice import Outcome, Wanted, diagonalise
from ...passes.diagonalization.chunk_roundings import chunk_roundings
from ...passes.diagonalization.diagonal import Diagonal, diagonal_kernel
from ...passes.diagonalization.realisation import Realisation
from ...passes.diagonalization.roundings import step_roundings
from ...passes.diagonalization.system import Array, System, kernel, resolvent
from ...passes.diagonalization.truncation import balanced_truncation
from .goals import Goal, show
from .recurrences import recurrences
from .rounding_adversary import worst_by_steps, worst_in_chunks

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
        ("roundings allowed, step by step, over the worst found", step_ratios, 10),
        ("roundings allowed, chunks of 64, over the worst found", lambda: chunk_ratios(64), 10),
        ("roundings allowed, chunks of 128, over the worst found", lambda: chunk_ratios(128), 10),
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


def step_ratios() -> Iterator[float]:
    """What the certificate allows to float32 arithmetic step by step over the worst that an adversary finds."""
    for form in _forms():
        allowed = step_roundings(Realisation.of(form), 256, "float32", sharp=True)[0]
        yield allowed / worst_by_steps(form, 256)[0]


def chunk_ratios(chunk: int) -> Iterator[float]:
    """The same in chunks whose tables are rounded once."""
    for form in _forms():
        allowed = chunk_roundings(Realisation.of(form), 256, chunk, "float32", sharp=True)[0]
        yield allowed / worst_in_chunks(form, 256, chunk)[0]


def _forms() -> Iterator[Diagonal]:
    for found in _outcomes(12):
        assert found.form is not None
        yield found.form
