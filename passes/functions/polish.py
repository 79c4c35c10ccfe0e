"""Minimax constants of one program, in 64-bit significands: least squares, reweighted by Lawson's rule, then
exchange steps that level the extrema of the error (Remez's algorithm with Newton steps for constants that
enter nonlinearly)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from .batch import Batch, Tape
from .fitting import Problem, fit, residuals
from .straight_line import StraightLine
from .target import Target

Array = np.ndarray[Any, Any]
_LAWSON_ROUNDS = 15
_EXCHANGES = 12
_PARTS = (1.0, 0.5, 0.2, 0.05)
_NEWTON_STEPS = 6
_CHECK_NODES = 512
_LEVEL = 1.001
_ALIKE = 1.25
_SETTLING_NODES = 32


def polish(
    program: StraightLine, constants: Array, target: Target, nodes: int = 64, steps: int = 40
) -> tuple[Array, float]:
    """The constants (long doubles) with the smallest maximum found, and that maximum over many nodes."""
    batch = Batch((program,))
    x, y = target.samples(nodes)
    base = 1 / target.scale(y)
    start = np.array(constants, np.longdouble).reshape(1, 1, -1)
    found = fit(batch, start, Problem(x, y, base), steps, accelerate=True).constants
    best, least = found, largest_error(batch, found, target)
    squares = _levelled(batch, best, least, target)
    weights = np.ones_like(x)
    for _ in range(_LAWSON_ROUNDS):
        with np.errstate(all="ignore"):
            size = np.abs(residuals(batch, found, Problem(x, y, base)))[0, 0]
            weights = weights * (size / np.max(size)) ** 0.5 + np.longdouble(1e-9)
            weights /= np.mean(weights)
            found = fit(batch, found, Problem(x, y, base * weights), 4).constants
        error = largest_error(batch, found, target)
        if error < least:
            best, least = found, error
    return min(squares, _levelled(batch, best, least, target), key=lambda levelled: levelled[1])


def _levelled(batch: Batch, constants: Array, least: float, target: Target) -> tuple[Array, float]:
    x, y = target.samples(_CHECK_NODES)
    problem = Problem(x, y, 1 / target.scale(y))
    for _ in range(_EXCHANGES):
        before = least
        for part in _PARTS:
            with np.errstate(all="ignore"):
                tried = _exchange(batch, constants, problem, part)
            if tried is None:
                break
            error = largest_error(batch, tried, target)
            if error < least:
                constants, least = tried, error
                break
        if before < _LEVEL * least:
            break
    return constants[0, 0], least


def _exchange(batch: Batch, constants: Array, problem: Problem, part: float) -> Array | None:
    """Constants with which the error at its present extrema is `part` of the way to being level and alternating, by
    Newton's method (the way there goes uphill in curved valleys). None where it has too few extrema."""
    tape = Tape(batch, 1, problem.x, problem.weights)
    residual = ((tape.evaluate(constants) - problem.y) * problem.weights)[0, 0]
    count = constants.shape[-1]
    points = alternation(residual, count + 1)
    if len(points) < count + 1:
        return None
    x, y, weights = problem.x[points], problem.y[points], problem.weights[points]
    tape = Tape(batch, 1, x, weights)
    wanted = (1 - part) * residual[points]
    signs = np.where(np.arange(count + 1) % 2 == 0, 1, -1).astype(residual.dtype)
    for _ in range(_NEWTON_STEPS):
        residual = ((tape.evaluate(constants) - y) * weights)[0, 0]
        matrix = np.concatenate([tape.jacobian()[:, 0, 0].T, -part * signs[:, None]], axis=1)
        solved = _solve(matrix, wanted - residual)
        if not np.all(np.isfinite(solved)):
            return None
        constants = constants + solved[:count].reshape(1, 1, -1)
    return constants


def alternation(residual: Array, count: int) -> Array:
    """The extrema of runs of one sign, at most `count`: the smaller end is dropped while there are more; of ends alike
    the first (errors that mirror themselves say the same on both sides)."""
    change = np.flatnonzero(np.diff(np.signbit(residual)))
    runs = np.split(np.arange(len(residual)), change + 1)
    points = [int(run[np.argmax(np.abs(residual[run]))]) for run in runs]
    while len(points) > count:
        points.pop(0 if abs(residual[points[0]]) < _ALIKE * abs(residual[points[-1]]) else -1)
    return np.array(points, int)


def _solve(matrix: Array, right: Array) -> Array:
    """Gaussian elimination with row scaling and partial pivoting: LAPACK has no long doubles."""
    scale = np.max(np.abs(matrix[:, :-1]), axis=0)
    scale = np.append(np.where(scale > 0, scale, 1), 1).astype(matrix.dtype)
    a = np.concatenate([matrix / scale, right[:, None]], axis=1)
    size = len(a)
    for i in range(size):
        pivot = i + int(np.argmax(np.abs(a[i:, i])))
        a[[i, pivot]] = a[[pivot, i]]
        a[i + 1 :] -= np.outer(a[i + 1 :, i] / a[i, i], a[i])
    found = np.zeros(size, a.dtype)
    for i in range(size - 1, -1, -1):
        found[i] = (a[i, -1] - a[i, i + 1 : size] @ found[i + 1 :]) / a[i, i]
    solved: Array = found / scale
    return solved


def settled(
    program: StraightLine, constants: Sequence[float], target: Target, precise: bool, steps: int = 24
) -> tuple[tuple[float | np.longdouble, ...], float]:
    """Constants for an archive with their largest error over many nodes: as they are, or (`precise`) by least
    squares in long doubles from there."""
    if not precise:
        return tuple(constants), _error(program, constants, target)
    return settled_together([(program, constants)], target, steps)[0]


def settled_together(
    programs: Sequence[tuple[StraightLine, Sequence[Any]]], target: Target, steps: int = 24
) -> list[tuple[tuple[np.longdouble, ...], float]]:
    """The same in long doubles for many programs, of each the better of what was given and what was fitted."""
    batch = Batch(tuple(program for program, _ in programs))
    given = np.ones((len(programs), 1, batch.constants), np.longdouble)
    for j, (program, constants) in enumerate(programs):
        given[j, 0, : program.constants] = constants
    x, y = target.samples(_SETTLING_NODES)
    fitted = fit(batch, given, Problem(x, y, 1 / target.scale(y)), steps, accelerate=True).constants
    before, after = (largest_errors(batch, c, target) for c in (given, fitted))
    return [
        (
            tuple((fitted if after[j] < before[j] else given)[j, 0, : program.constants]),
            min(before[j], after[j]),
        )
        for j, (program, _) in enumerate(programs)
    ]


def _error(program: StraightLine, constants: Sequence[float], target: Target) -> float:
    """The largest error over many nodes in float64."""
    x, y, scale = _plain_nodes(target)
    with np.errstate(all="ignore"):
        error = float(np.max(np.abs(program.evaluate(x, constants) - y) / scale))
    return error if np.isfinite(error) else float("inf")


@lru_cache(maxsize=8)
def _plain_nodes(target: Target) -> tuple[Array, Array, Array]:
    x, y = target.samples(_CHECK_NODES)
    return x.astype(np.float64), y.astype(np.float64), target.scale(y).astype(np.float64)


def largest_error(batch: Batch, constants: Array, target: Target) -> float:
    """The largest error of the first program's first constants over many nodes."""
    return largest_errors(batch, constants, target)[0]


def largest_errors(batch: Batch, constants: Array, target: Target) -> list[float]:
    """The largest error of each program's first constants over many nodes."""
    x, y = target.samples(_CHECK_NODES)
    with np.errstate(all="ignore"):
        values = Tape(batch, 1, x, x).evaluate(constants[:, :1].astype(np.longdouble))[:, 0]
        errors = np.max(np.abs(values - y) / target.scale(y), axis=-1)
    return [float(e) if np.isfinite(e) else float("inf") for e in errors]
