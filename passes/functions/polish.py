"""Minimax constants of one program, in 64-bit significands: least squares reweighted by Lawson's rule."""

from __future__ import annotations

from typing import Any

import numpy as np

from .batch import Batch
from .fitting import Problem, fit, residuals
from .straight_line import StraightLine
from .target import Target

Array = np.ndarray[Any, Any]
_ROUNDS = 15
_CHECK_NODES = 512


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
    weights = np.ones_like(x)
    for _ in range(_ROUNDS):
        with np.errstate(all="ignore"):
            size = np.abs(residuals(batch, batch.values(x, found), Problem(x, y, base)))[0, 0]
            weights = weights * (size / np.max(size)) ** 0.5 + np.longdouble(1e-9)
            weights /= np.mean(weights)
            found = fit(batch, found, Problem(x, y, base * weights), 4).constants
        error = largest_error(batch, found, target)
        if error < least:
            best, least = found, error
    return best[0, 0], least


def largest_error(batch: Batch, constants: Array, target: Target) -> float:
    """The largest error of the first program's first constants over many nodes."""
    x, y = target.samples(_CHECK_NODES)
    with np.errstate(all="ignore"):
        values = batch.result(batch.values(x, constants.astype(np.longdouble)))[0, 0]
        error = np.max(np.abs(values - y) / target.scale(y))
    return float(error) if np.isfinite(error) else float("inf")
