"""Delay regression from a HiPPO state, clean and with a sinusoid at S4D's spikes: goal G12, with plots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from ...graph.build.prelude.hippo import legs
from .goals import Goal, show
from .plots import curves

COMMAND = "python -m graphwright.tools.bench delay"
Array = np.ndarray[Any, Any]
ORDER, STEP, LENGTH, DELAY = 64, 0.01, 1000, 50
TAUS = {
    "HiPPO (tau 1e-5)": 1e-5,
    "S4D-LegS": 0.5,
    "PTD tau .1": 0.1,
    "PTD tau .01": 1e-2,
    "PTD tau .001": 1e-3,
}


@dataclass(frozen=True)
class Errors:
    clean: float
    white: float
    spikes: float
    swapped: float


def report() -> None:
    """The table, the goal, and the plot of the transfer functions."""
    print(f"command: {COMMAND}")
    show(goals())


def goals() -> Iterator[Goal]:
    """The errors of each start, and G12."""
    start = process_time()
    found = measured()
    taken = process_time() - start
    for name, e in found.items():
        text = (
            f"{e.clean:.4f}, white noise {e.white:.4f}, at spikes {e.spikes:.4f}, for HiPPO {e.swapped:.4f}"
        )
        yield Goal("", f"{name}: error", text)
    best, s4d = found["PTD tau .001"], found["S4D-LegS"]
    met = best.clean <= 1e-3 and best.clean <= s4d.clean / 50 and best.swapped <= 1.5e-3 and taken < 10
    text = f"{best.clean:.2g}, {s4d.clean / best.clean:.0f}x, {best.swapped:.2g}, {taken:.1f} s"
    yield Goal("G12", "clean <= 1e-3 and S4D/50, swapped <= 1.5e-3, < 10 s", text, met, "8e-4, 118x, 1.2e-3")
    points = _frequencies()
    series = {n: gains(t, points) for n, t in TAUS.items() if n != "PTD tau .01"}
    curves(Path("state_space_transfer.png"), "‖x(iω)‖ of LegS, n = 64", "ω", "gain", points, series)


def measured() -> dict[str, Errors]:
    """The errors of every system on 24 held-out signals, each with a readout trained on 48."""
    draws = np.random.default_rng(0)
    train, test = signals(draws, 48), signals(draws, 24)
    spikes = spike_frequencies()
    t = np.arange(LENGTH) * STEP
    rms = np.sqrt(np.mean(test**2))
    white = test + 0.1 * rms * draws.standard_normal(test.shape)
    noisy = [test + 0.1 * rms * np.sqrt(2) * np.sin(w * t + draws.uniform(0, 6.28)) for w in spikes]
    exact_read = readout(states(1e-5, train), train)
    found = {}
    for name, tau in TAUS.items():
        read = readout(states(tau, train), train)
        clean = states(tau, test)
        found[name] = Errors(
            error(clean, read, test),
            error(states(tau, white), read, test),
            max(error(states(tau, n), read, test) for n in noisy),
            error(clean, exact_read, test),
        )
    return found


def signals(draws: np.random.Generator, count: int) -> Array:
    """Sums of twelve sinusoids below 15 rad/s: [count, LENGTH]."""
    t = np.arange(LENGTH) * STEP
    w, phase = draws.uniform(0.3, 15, (count, 12, 1)), draws.uniform(0, 2 * np.pi, (count, 12, 1))
    return np.asarray(np.sin(w * t + phase).sum(axis=1) / np.sqrt(6))


def _system(tau: float) -> tuple[Array, Array, Array]:
    a, b = legs(ORDER)
    poles, vectors = np.linalg.eig(a + tau * np.outer(b, b))
    return poles, np.linalg.solve(vectors, b * (1 - tau) + 0j), vectors


def states(tau: float, u: Array) -> Array:
    """The memory's states in HiPPO's coordinates, by zero-order hold: [signals, LENGTH, ORDER]."""
    poles, entering, vectors = _system(tau)
    jump = np.exp(poles * STEP)
    fed = np.expm1(poles * STEP) / poles * entering
    x, found = np.zeros((len(u), ORDER), complex), []
    for column in u.T:
        x = jump * x + fed * column[:, None]
        found.append(x)
    return np.asarray((np.stack(found, axis=1) @ vectors.T).real)


def readout(x: Array, u: Array) -> Array:
    """Ridge regression of u(t - 0.5) on the state."""
    rows, wanted = x[:, DELAY + 100 :].reshape(-1, ORDER), u[:, 100:-DELAY].reshape(-1)
    return np.asarray(np.linalg.solve(rows.T @ rows + 1e-6 * len(rows) * np.eye(ORDER), rows.T @ wanted))


def error(x: Array, read: Array, u: Array) -> float:
    """The root of the mean squared error over the signal's own."""
    wanted = u[:, 100:-DELAY]
    return float(np.sqrt(np.mean((x[:, DELAY + 100 :] @ read - wanted) ** 2) / np.mean(wanted**2)))


def spike_frequencies() -> Array:
    """S4D-LegS's poles between 50 and 300 rad/s, near n² / ((2 k + 1) π)."""
    poles = _system(0.5)[0]
    return np.sort(poles.imag[(poles.imag > 50) & (poles.imag < 300)])


def _frequencies() -> Array:
    """From 0.1 to 3000, close at S4D's poles: the spikes there are one rad/s wide."""
    poles = _system(0.5)[0].imag
    near = poles[poles > 0][:, None] + np.linspace(-2, 2, 33)
    return np.union1d(np.geomspace(0.1, 3000, 2000), near[near > 0.1])


def gains(tau: float, points: Array) -> Array:
    """‖x(iω)‖ at frequencies."""
    poles, entering, vectors = _system(tau)
    return np.array([np.linalg.norm(vectors @ (entering / (1j * w - poles))) for w in points])
