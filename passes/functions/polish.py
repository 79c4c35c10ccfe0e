"""Minimax constants of one program, in 64-bit significands: least squares, reweighted by Lawson's rule, then
exchange steps that level the extrema of the error (Remez's algorithm with Newton steps for constants that
enter nonlinearly)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .batch import Batch, Tape
from .fitting import Problem, fit, residuals
from .straight_line import StraightLine
from .target import Target

Array = np.ndarray[Any, Any]
_LAWSON_ROUNDS = 15
_EXCHANGES = 12
_CHECK_NODES = 512
_LEVEL = 1.001
_SETTLING_NODES, _SETTLING_STEPS = 32, 24


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
        with np.errstate(all="ignore"):
            step = _exchange(batch, constants, problem)
        if step is None:
            break
        for shrink in (1.0, 0.5, 0.25, 0.1, 0.03):
            tried = constants + np.longdouble(shrink) * step
            error = largest_error(batch, tried, target)
            if error < least:
                break
        else:
            break
        gain = least / error
        constants, least = tried, error
        if gain < _LEVEL:
            break
    return constants[0, 0], least


def _exchange(batch: Batch, constants: Array, problem: Problem) -> Array | None:
    """The step after which, to first order, the error is level and alternates at its present extrema.
    None where it has too few of them."""
    tape = Tape(batch, 1, problem.x, problem.weights)
    residual = ((tape.evaluate(constants) - problem.y) * problem.weights)[0, 0]
    count = constants.shape[-1]
    points = _alternation(residual, count + 1)
    if len(points) < count + 1:
        return None
    rows = tape.jacobian()[:, 0, 0, points].T
    signs = np.where(np.arange(count + 1) % 2 == 0, 1, -1).astype(residual.dtype)
    matrix = np.concatenate([rows, -signs[:, None]], axis=1)
    solved = _solve(matrix, -residual[points])
    return solved[:count].reshape(1, 1, -1) if np.all(np.isfinite(solved)) else None


def _alternation(residual: Array, count: int) -> Array:
    """The extrema of runs of one sign, at most `count`: the smaller end is dropped while there are more."""
    change = np.flatnonzero(np.diff(np.signbit(residual)))
    runs = np.split(np.arange(len(residual)), change + 1)
    points = [int(run[np.argmax(np.abs(residual[run]))]) for run in runs]
    while len(points) > count:
        points.pop(0 if abs(residual[points[0]]) < abs(residual[points[-1]]) else -1)
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
    program: StraightLine, constants: Array, target: Target, precise: bool
) -> tuple[tuple[float | np.longdouble, ...], float]:
    """Constants for an archive with their largest error over many nodes: as they are, or (`precise`) by least
    squares in long doubles from there."""
    batch = Batch((program,))
    given = np.array(constants, np.longdouble).reshape(1, 1, -1)
    error = largest_error(batch, given, target)
    if not precise:
        return tuple(float(c) for c in constants), error
    x, y = target.samples(_SETTLING_NODES)
    fitted = fit(batch, given, Problem(x, y, 1 / target.scale(y)), _SETTLING_STEPS, accelerate=True)
    better = largest_error(batch, fitted.constants, target)
    if better < error:
        given, error = fitted.constants, better
    return tuple(given[0, 0]), error


def largest_error(batch: Batch, constants: Array, target: Target) -> float:
    """The largest error of the first program's first constants over many nodes."""
    x, y = target.samples(_CHECK_NODES)
    with np.errstate(all="ignore"):
        values = Tape(batch, 1, x, x).evaluate(constants.astype(np.longdouble))[0, 0]
        error = np.max(np.abs(values - y) / target.scale(y))
    return float(error) if np.isfinite(error) else float("inf")
