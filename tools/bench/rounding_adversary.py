"""Inputs whose roundings add up: what a layer's float32 arithmetic really can do to its output.

Errors reach the output linearly, so an input is chosen step by step: of many float32 numbers within 2 % of a
wanted one (their last bits differ, and so do all roundings that follow) the one whose roundings push the output
farthest. The wanted ones are inputs that bring the states to their largest sizes. Sums of more than two terms are
in the worse of a few orders. Every rounding is float32's own; exact values are those of float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...passes.diagonalization.chunk_roundings import held_powers
from ...passes.diagonalization.correlated import worst_known
from ...passes.diagonalization.diagonal import Diagonal
from ...passes.diagonalization.realisation import Realisation
from ...passes.diagonalization.roundings import rounded_sizes
from ...passes.diagonalization.system import Array

SPREAD = 0.02
TRIED, FINAL, CHOSEN = 64, 3, 8192
"""Numbers to choose from at a step to compare inputs, how many inputs are best, and the numbers for those."""


@dataclass(frozen=True, eq=False)
class Layer:
    """One input, one output, in real coordinates; `gains`[t, S] are c Aᵗ."""

    system: Realisation
    gains: Array

    @classmethod
    def of(cls, form: Diagonal, length: int) -> Layer:
        system = Realisation.of(form)
        return cls(system, np.concatenate(list(system.seen(length + 1)))[:, 0])

    @property
    def poles(self) -> Array:
        assert self.system.poles is not None
        return self.system.poles

    def reached(self, length: int) -> Array:
        return np.concatenate(list(self.system.reached(self.system.b, length)))[:, :, 0]


def wanted_inputs(layer: Layer, length: int) -> list[Array]:
    """Signs: that bring all states to their largest, that bring the output there, of every slow pole, constant."""
    m = len(layer.poles)
    _, known = worst_known(rounded_sizes(layer.system, length)[0])
    kernel = layer.reached(length) @ layer.system.c[0]
    slow = layer.poles[
        np.argsort(-np.abs(layer.gains[0, :m]) / np.maximum(1 - np.abs(layer.poles), 1e-3))[:3]
    ]
    t = np.arange(length)[::-1]
    waves = [np.cos(np.angle(p) * t) for p in slow]
    return [np.where(x >= 0, 1.0, -1.0) for x in (known, kernel[::-1], np.ones(length), *waves)]


def worst_by_steps(form: Diagonal, length: int) -> tuple[float, Array]:
    """The largest error found of the output after `length` steps, and its input."""
    layer = Layer.of(form, length)
    inputs = sorted(wanted_inputs(layer, length), key=lambda u: -by_steps(layer, u, TRIED)[0])
    return max((by_steps(layer, u, CHOSEN) for u in inputs[:FINAL]), key=lambda found: found[0])


def by_steps(layer: Layer, wanted: Array, choices: int) -> tuple[float, Array]:
    """The same of a run step by step."""
    draws, m = np.random.default_rng(0), len(layer.poles)
    re, im, b = (x.astype(np.float32) for x in (layer.poles.real, layer.poles.imag, layer.system.b[:, 0]))
    x, error, chosen = np.zeros(2 * m, np.float32), 0.0, []
    for t, sign in enumerate(wanted):
        u = _candidates(sign, choices, draws)
        moved = np.concatenate([re * x[:m] - im * x[m:], im * x[:m] + re * x[m:]])
        new = moved + b * u[:, None]
        exact = _moved(layer.poles, x) + layer.system.b[:, 0] * u[:, None].astype(np.float64)
        made = (new - exact) @ layer.gains[len(wanted) - 1 - t]
        if t + 1 == len(wanted):
            made = made + _read(layer.system.c[0], new, np.zeros(1, np.float32))
        at = int(np.argmax(made))
        error, x = error + float(made[at]), new[at]
        chosen.append(u[at])
    return error, np.array(chosen)


def _candidates(wanted: float, count: int, draws: np.random.Generator) -> Array:
    return np.asarray(wanted * (1 - SPREAD * draws.random(count)), np.float32)


def _moved(poles: Array, x: Array) -> Array:
    """A x in float64."""
    m = len(poles)
    z = poles * (x[:m].astype(np.float64) + 1j * x[m:].astype(np.float64))
    return np.concatenate([z.real, z.imag])


def _read(row: Array, x: Array, rest: Array) -> Array:
    """The largest errors of x[k, S] · row + rest[k] over three orders: of the states, from the largest term on, and
    positive terms first."""
    terms = row.astype(np.float32) * x
    exact = x.astype(np.float64) @ row + rest
    worst = np.full(len(x), -np.inf)
    for order in (np.arange(len(row)), np.argsort(-np.abs(terms[0])), np.argsort(-terms[0])):
        total = np.zeros(len(x), np.float32)
        for j in order:
            total = total + terms[:, j]
        worst = np.maximum(worst, (total + rest).astype(np.float64) - exact)
    return worst


def worst_in_chunks(form: Diagonal, length: int, chunk: int) -> tuple[float, Array]:
    """The same of a run in chunks, the output at any place in the last one; sums from the newest input back or
    from the oldest on."""
    layer = Layer.of(form, length + chunk)
    trials = sorted(
        _trials(layer, length, chunk), key=lambda trial: -in_chunks(layer, chunk, TRIED // 4, *trial)[0]
    )
    return max(
        (in_chunks(layer, chunk, CHOSEN, *trial) for trial in trials[:FINAL]), key=lambda found: found[0]
    )


def _trials(layer: Layer, length: int, chunk: int) -> Iterator[tuple[Array, int, bool]]:
    for wanted in wanted_inputs(layer, length):
        for place in sorted({0, 1, 3, chunk // 2, chunk - 1}):
            yield wanted, place, True
        yield wanted, chunk - 1, False


def in_chunks(
    layer: Layer, chunk: int, choices: int, wanted: Array, place: int, newest_first: bool
) -> tuple[float, Array]:
    """The error at one output of a run whose inputs are chosen to err towards it, and those inputs."""
    draws, count = np.random.default_rng(0), len(wanted) // chunk
    end, held = layer.reached(chunk), held_powers(layer.poles, chunk, "float32")
    jump, out = layer.poles**chunk, moved_row(layer.gains[place + 1], held)
    local = (end @ layer.system.c[0])[:, None]
    x, error, chosen = np.zeros(2 * len(jump), np.float32), 0.0, np.zeros(len(wanted), np.float32)
    for k in range(count):
        last = k == count - 1
        table, top = (local, place) if last else (end, chunk - 1)
        gain = np.ones(1) if last else layer.gains[place + 1 + (count - 2 - k) * chunk]
        total = np.zeros(table.shape[1], np.float32)
        for s in range(top, -1, -1) if newest_first else range(top + 1):
            u = _candidates(wanted[k * chunk + s], choices, draws)
            new = total + table[top - s].astype(np.float32) * u[:, None]
            made = (new - (total.astype(np.float64) + table[top - s] * u[:, None].astype(np.float64))) @ gain
            at = int(np.argmax(made))
            error, total, chosen[k * chunk + s] = error + made[at], new[at], u[at]
        if not last:
            new = _moved32(held, x) + total
            error += float((new - (_moved(jump, x) + total)) @ gain)
            x = new
    # what comes before is read from states that are moved on
    moved = _moved32(held, x)
    error += float(out @ (moved - _moved(held, x))) + float(_read(out, moved[None], total)[0])
    return error, chosen[: (count - 1) * chunk + place + 1]


def moved_row(row: Array, held: Array) -> Array:
    """What reads the same from states times `held`."""
    m = len(held)
    table = (row[:m] - 1j * row[m:]) / held
    return np.concatenate([table.real, -table.imag])


def _moved32(poles: Array, x: Array) -> Array:
    m, re, im = len(poles), poles.real.astype(np.float32), poles.imag.astype(np.float32)
    return np.concatenate([re * x[:m] - im * x[m:], im * x[:m] + re * x[m:]])
