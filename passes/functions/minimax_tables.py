"""Coefficients of polynomials for programs in float32: Lawson's reweighted least squares, the
coefficients rounded one after the other and the rest fitted again.

Each is fitted in long doubles to values that mpmath gives. Lawson (1961): weights multiplied by the error's
size tend to the weights for which least squares is minimax.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
_ROUNDS = 60


def exact_values(function: Callable[[Any], Any], x: Array) -> Array:
    """The function, an mpmath one, at float64 numbers, as long doubles."""
    import mpmath

    with mpmath.workdps(40):
        found = [function(mpmath.mpf(float(v))) for v in x]
        return np.array([np.longdouble(mpmath.nstr(y, 30)) for y in found])


def chebyshev(low: float, high: float, count: int = 400) -> Array:
    """Chebyshev's nodes of the interval, in order."""
    nodes = np.cos(np.pi * (np.arange(count) + 0.5) / count)
    return np.asarray((low + high) / 2 - (high - low) / 2 * nodes)


def polynomial(
    function: Callable[[Any], Any],
    domain: tuple[float, float],
    powers: Sequence[int],
    fixed: Mapping[int, float] | None = None,
    count: int = 400,
) -> dict[int, float]:
    """Power -> coefficient, float32 numbers, for a small relative error of the sum of c x^power; `fixed` ones
    are given. Coefficients of lower powers are rounded first."""
    x = chebyshev(*domain, count).astype(np.longdouble)
    y = exact_values(function, x)
    done = {p: np.longdouble(c) for p, c in (fixed or {}).items()}
    scale = np.max(np.abs(x))
    todo = [p for p in powers if p not in done]
    while todo:
        columns = np.stack([(x / scale) ** p for p in todo], axis=1)
        rest = y - sum((c * x**p for p, c in done.items()), np.zeros_like(x))
        first = _lawson(columns, rest, 1 / np.abs(y))[0] / scale ** todo[0]
        done[todo.pop(0)] = np.longdouble(np.float32(first))
    return {p: float(c) for p, c in sorted(done.items())}


def _lawson(columns: Array, right: Array, weight: Array) -> Array:
    emphasis = np.ones(len(right))
    best, least = None, np.inf
    for _ in range(_ROUNDS):
        scaled = np.sqrt(emphasis) * weight
        found = _solved(columns, right, scaled, 2)
        error = np.abs((columns @ found - right) * weight).astype(np.float64)
        largest = float(error.max())
        if largest < least:
            best, least = found, largest
        emphasis = emphasis * (error / max(largest, 1e-300) + 1e-9)
        emphasis /= emphasis.mean()
    assert best is not None
    return best


def _moved(function: Callable[[Any], Any], center: Any) -> Callable[[Any], Any]:
    return lambda t: function(center + t)


def _solved(columns: Array, right: Array, weight: Array, times: int) -> Array:
    """Weighted least squares in long doubles: each time for what float64 left the time before."""
    q, r = np.linalg.qr((columns * weight[:, None]).astype(np.float64))
    found = np.zeros(columns.shape[1], np.longdouble)
    for _ in range(times):
        residual = ((right - columns @ found) * weight).astype(np.float64)
        found = found + np.linalg.solve(r, q.T @ residual)
    return found


def segments(
    function: Callable[[Any], Any], width: float, degree: int, count: int
) -> list[tuple[float, ...]]:
    """For each power the coefficients of `count` polynomials: the i-th near the function at i width + t for
    |t| <= width / 2, the first one for t >= 0 alone."""
    import mpmath

    columns: list[list[float]] = [[] for _ in range(degree + 1)]
    half = width / 2 * 1.0001
    for i in range(count):
        center = mpmath.mpf(i) * mpmath.mpf(width)
        low = -half if i else 0.0
        found = polynomial(_moved(function, center), (low, half), range(degree + 1), count=100)
        for power, column in enumerate(columns):
            column.append(found[power])
    return [tuple(c) for c in columns]
