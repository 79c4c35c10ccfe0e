"""The fifteen recurrences that diagonalisation is tried on: well posed, defective, nilpotent, clustered."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...graph.build.prelude.hippo import lagt, legs, legt
from ...passes.diagonalization.system import Array, System

Case = tuple[System, float, str]
"""A system, its step, and how it becomes discrete."""


def recurrences(n: int = 64, seed: int = 0) -> Mapping[str, Case]:
    """By name; B and C normal where the recurrence has none of its own."""
    draws = np.random.default_rng(seed)

    def discrete(a: Array, b: Array | None = None) -> Case:
        entering = draws.standard_normal((len(a), 1)) if b is None else b
        return System(a, entering, draws.standard_normal((1, len(a)))), 1.0, "none"

    def hippo(matrices: tuple[Array, Array], dt: float) -> Case:
        a, b = matrices
        return System(a, b[:, None], draws.standard_normal((1, n)), False), dt, "zoh"

    shift, first = np.eye(n, k=-1), np.eye(n)[:, :1]
    return {
        "HiPPO-LegS": hippo(legs(n), 0.01),
        "HiPPO-LegT": hippo(legt(n), 0.01),
        "HiPPO-LagT": hippo(lagt(n), 0.1),
        "gamma filter": discrete(0.9 * np.eye(n) + 0.1 * shift, first),
        "delay line": discrete(shift, first),
        "DAG diffusion": discrete(_dag(n, draws)),
        "convection-diffusion": discrete(0.4 * np.eye(n) + 0.5 * shift + 0.05 * shift.T),
        "triangular RNN": discrete(_triangular(n, draws)),
        "companion AR(16)": discrete(_companion(_clustered()), np.eye(16)[:, :1]),
        "Butterworth(12)": discrete(_companion(_butterworth(12, 0.3)), np.eye(12)[:, :1]),
        "Grcar": discrete(0.3 * (np.eye(n) - shift + sum(np.eye(n, k=k) for k in (1, 2, 3)))),
        "digraph walk": discrete(0.95 * _walk(n, draws)),
        "Ginibre RNN": discrete(0.95 * draws.standard_normal((n, n)) / np.sqrt(n) / 1.1),
        "orthogonal RNN": discrete(0.99 * np.linalg.qr(draws.standard_normal((n, n)))[0]),
        "Hankel DMD": discrete(_companion(_modes(16))),
    }


def _dag(n: int, draws: np.random.Generator) -> Array:
    w = np.tril(draws.random((n, n)) < 0.1, -1).astype(np.float64)
    return np.asarray(0.5 * np.eye(n) + 0.5 * w / np.maximum(w.sum(1, keepdims=True), 1))


def _triangular(n: int, draws: np.random.Generator) -> Array:
    below = np.tril(draws.standard_normal((n, n)) * 0.6 / np.sqrt(n), -1)
    return np.asarray(below + np.diag(draws.uniform(-0.9, 0.9, n)))


def _walk(n: int, draws: np.random.Generator) -> Array:
    w = (draws.random((n, n)) < 0.1) + 1e-3
    return np.asarray(w / w.sum(1, keepdims=True))


def _companion(denominator: Array) -> Array:
    n = len(denominator) - 1
    a = np.eye(n, k=-1)
    a[0] = -denominator[1:] / denominator[0]
    return a


def _clustered() -> Array:
    """Eight pairs of poles at radius 0.9 within 0.14 rad."""
    upper = 0.9 * np.exp(1j * (0.3 + 0.02 * np.arange(8)))
    return np.real(np.poly(np.concatenate([upper, upper.conj()])))


def _butterworth(order: int, cutoff: float) -> Array:
    """The denominator of the digital low-pass filter, cutoff as a share of the Nyquist frequency."""
    warped = 2 * np.tan(np.pi * cutoff / 2)
    angles = np.pi * (2 * np.arange(order) + order + 1) / (2 * order)
    poles = warped * np.exp(1j * angles)
    return np.real(np.poly((2 + poles) / (2 - poles)))


def _modes(count: int) -> Array:
    """Damped oscillations spread over the circle, as a delay embedding sees them."""
    upper = 0.97 * np.exp(1j * np.pi * (np.arange(count) + 0.5) / count)
    return np.real(np.poly(np.concatenate([upper, upper.conj()])))
