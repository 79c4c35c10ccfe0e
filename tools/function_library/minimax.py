"""Minimax coefficients by Remez's exchange in 160 bits, rounded one after another to a dtype."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import mpmath

from ...passes.functions.constants import round_fraction

Real = Callable[[Any], Any]
_BITS = 160
_GRID = 400
_ROUNDS = 12


def minimax(
    target: Real, powers: Sequence[int], low: float, high: float, weight: Real, dtype: str
) -> list[float]:
    """c with max |weight (target - sum of c_i x^powers_i)| small, each a number of the dtype: the lowest
    power is rounded first and the others are fitted again. `low` may be 0 if the weight is finite there
    only in the limit: the interval begins beside it."""
    with mpmath.workprec(_BITS):
        start = mpmath.mpf(low) if low else mpmath.mpf(high) * mpmath.mpf(2) ** -12
        grid = _chebyshev(start, mpmath.mpf(high), _GRID)
        values = [target(x) for x in grid]
        weights = [weight(x) for x in grid]
        limit = max(map(abs, weights)) / 1000  # where the error hardly counts no extremum can be
        kept = [i for i, w in enumerate(weights) if abs(w) > limit]
        grid, values, weights = ([row[i] for i in kept] for row in (grid, values, weights))
        found: list[float] = []
        left = list(powers)
        while left:
            coefficients = _remez(grid, values, weights, left)
            first = _rounded(coefficients[0], dtype)
            found.append(first)
            values = [v - mpmath.mpf(first) * x ** left[0] for v, x in zip(values, grid, strict=True)]
            left = left[1:]
        return found


def _chebyshev(low: Any, high: Any, count: int) -> list[Any]:
    middle, half = (low + high) / 2, (high - low) / 2
    return [middle - half * mpmath.cos(mpmath.pi * i / (count - 1)) for i in range(count)]


def _rounded(value: Any, dtype: str) -> float:
    return nearest(value, dtype)


def nearest(value: Any, dtype: str) -> float:
    """The nearest number of the dtype to an mpmath number."""
    fraction = exact(value)
    return round_fraction(fraction, dtype) if fraction else 0.0


def exact(value: Any) -> Fraction:
    """An mpmath number as a fraction."""
    sign, mantissa, exponent, _ = mpmath.mpf(value)._mpf_
    size = Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
    return -size if sign else size


def _remez(
    grid: Sequence[Any], values: Sequence[Any], weights: Sequence[Any], powers: Sequence[int]
) -> list[Any]:
    """The coefficients whose weighted error alternates between equal extrema on the grid."""
    count = len(powers) + 1
    places = [round(i * (len(grid) - 1) / (count - 1)) for i in range(count)]
    coefficients: list[Any] = []
    for _ in range(_ROUNDS):
        rows = mpmath.matrix(count, count)
        right = mpmath.matrix(count, 1)
        for i, place in enumerate(places):
            for j, power in enumerate(powers):
                rows[i, j] = weights[place] * grid[place] ** power
            rows[i, count - 1] = (-1) ** i
            right[i] = weights[place] * values[place]
        solved = mpmath.lu_solve(rows, right)
        coefficients = [solved[i] for i in range(len(powers))]
        errors = [
            w * (v - sum(c * x**p for c, p in zip(coefficients, powers, strict=True)))
            for x, v, w in zip(grid, values, weights, strict=True)
        ]
        moved = _extrema(errors, count)
        if moved == places or len(moved) < count:
            break
        places = moved
    return coefficients


def _extrema(errors: Sequence[Any], count: int) -> list[int]:
    """The largest error of each run of one sign; the smaller end goes while there are too many."""
    runs: list[list[int]] = []
    for i, error in enumerate(errors):
        if runs and (error > 0) == (errors[runs[-1][0]] > 0):
            runs[-1].append(i)
        else:
            runs.append([i])
    places = [max(run, key=lambda i: abs(errors[i])) for run in runs]
    while len(places) > count:
        places.pop(0 if abs(errors[places[0]]) < abs(errors[places[-1]]) else -1)
    return places


def segments(target: Real, ends: Sequence[float], degree: int, dtype: str) -> list[list[float]]:
    """For each segment the coefficients of the polynomial about its middle that interpolates the target at
    Chebyshev's nodes; given as one list a power."""
    tables: list[list[float]] = [[] for _ in range(degree + 1)]
    with mpmath.workprec(_BITS):
        for low, high in zip(ends[:-1], ends[1:], strict=True):
            middle, half = (mpmath.mpf(low) + high) / 2, (mpmath.mpf(high) - low) / 2
            nodes = [half * mpmath.cos(mpmath.pi * (2 * i + 1) / (2 * degree + 2)) for i in range(degree + 1)]
            rows = mpmath.matrix([[t**p for p in range(degree + 1)] for t in nodes])
            right = mpmath.matrix([target(middle + t) for t in nodes])
            solved = mpmath.lu_solve(rows, right)
            for power in range(degree + 1):
                tables[power].append(nearest(solved[power], dtype))
    return tables
