"""Minimax coefficients of polynomials as numbers of a dtype, by Remez's exchange in 160 bits: the coefficient of the
lowest power is rounded first, and the others are fitted again to what is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import mpmath

from .constants import round_fraction

Real = Callable[[Any], Any]
_BITS = 160
_GRID = 400
_SMALL_GRID = 120
_ROUNDS = 30
_LEVEL = 1.001


def polynomial(
    target: Real,
    powers: Sequence[int],
    low: float,
    high: float,
    dtype: str,
    *,
    weight: Real | None = None,
    fixed: Mapping[int, Any] | None = None,
    grid: int = _GRID,
) -> list[float]:
    """Coefficients c of those powers with max |weight (target - sum of c_i x^powers_i)| small, numbers of the dtype;
    `fixed` ones are given. Without a weight the error is relative. `low` may be 0 where target and weight have
    but limits: the interval begins beside it."""
    with mpmath.workprec(_BITS):
        start = mpmath.mpf(low) if low else mpmath.mpf(high) * mpmath.mpf(2) ** -12
        x = _grid(start, mpmath.mpf(high), grid)
        values = [target(v) for v in x]
        weights = [abs(weight(v) if weight else 1 / y) for v, y in zip(x, values, strict=True)]
        given = {power: mpmath.mpf(c) for power, c in (fixed or {}).items()}
        for power, c in given.items():
            values = [v - c * u**power for v, u in zip(values, x, strict=True)]
        free = [power for power in powers if power not in given]
        counts = [w * abs(u) ** min(free) for w, u in zip(weights, x, strict=True)]
        limit = max(counts) / 1000  # where the error hardly counts no extremum can be
        kept = [i for i, c in enumerate(counts) if c > limit]
        x, values, weights = ([row[i] for i in kept] for row in (x, values, weights))
        fit = _Fit(x, values, weights, dtype)
        first = fit.coefficients(free)
        rounded = dict(zip(free, (nearest(c, dtype) for c in first), strict=True))
        # rounding to float64 is beside the error: no need to fit again
        found = rounded if dtype == "float64" else min(rounded, fit.one_by_one(free, first), key=fit.error)
        return [found[power] if power in found else nearest(given[power], dtype) for power in powers]


@dataclass
class _Fit:
    """Values to be met on a grid."""

    x: Sequence[Any]
    values: Sequence[Any]
    weights: Sequence[Any]
    dtype: str

    def coefficients(self, powers: Sequence[int]) -> list[Any]:
        return _remez(self.x, self.values, self.weights, powers)

    def without(self, power: int, c: float) -> _Fit:
        values = [v - mpmath.mpf(c) * u**power for v, u in zip(self.values, self.x, strict=True)]
        return replace(self, values=values)

    def error(self, found: Mapping[int, float]) -> Any:
        rest = self
        for power, c in found.items():
            rest = rest.without(power, c)
        return max(abs(w * v) for w, v in zip(rest.weights, rest.values, strict=True))

    def one_by_one(self, powers: Sequence[int], first: Sequence[Any]) -> dict[int, float]:
        """The lowest power rounded, the others fitted again to what is left, and so on."""
        done: dict[int, float] = {}
        rest, found = self, first
        for i, power in enumerate(powers):
            done[power] = nearest(found[0], self.dtype)
            rest = rest.without(power, done[power])
            if i + 1 < len(powers):
                found = rest.coefficients(powers[i + 1 :])
        return done


def _grid(low: Any, high: Any, count: int) -> list[Any]:
    """Chebyshev's extrema, in order."""
    middle, half = (low + high) / 2, (high - low) / 2
    return [middle - half * mpmath.cos(mpmath.pi * i / (count - 1)) for i in range(count)]


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
    x: Sequence[Any], values: Sequence[Any], weights: Sequence[Any], powers: Sequence[int]
) -> list[Any]:
    """The coefficients whose weighted error alternates between equal extrema on the grid: of the rounds those with
    the least maximum."""
    count = len(powers) + 1
    rows = [[w * u**p for p in powers] for u, w in zip(x, weights, strict=True)]
    right = [w * v for v, w in zip(values, weights, strict=True)]
    places = [round(i * (len(x) - 1) / (count - 1)) for i in range(count)]
    best: list[Any] = []
    least = mpmath.inf
    for _ in range(_ROUNDS):
        matrix = mpmath.matrix([[*rows[place], (-1) ** i] for i, place in enumerate(places)])
        solved = mpmath.lu_solve(matrix, mpmath.matrix([right[place] for place in places]))
        found = [solved[i] for i in range(count - 1)]
        errors = [r - mpmath.fdot(row, found) for row, r in zip(rows, right, strict=True)]
        largest = max(map(abs, errors))
        if largest < least:
            best, least = found, largest
        places = _extrema(errors, count)
        if len(places) < count or largest <= _LEVEL * abs(solved[count - 1]):
            break
    return best


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


def segments(
    target: Real,
    cells: Sequence[tuple[float, float, float]],
    degree: int,
    dtype: str,
    fixed: Mapping[int, float] | None = None,
) -> list[tuple[float, ...]]:
    """For each power the coefficients of one polynomial a cell (centre, low, high), near the target, relatively, in
    terms of x - centre, after the first: what the constant terms lost to rounding. `fixed` coefficients are those of
    the first cell, which begins at its centre."""
    tables: list[list[float]] = [[] for _ in range(degree + 2)]
    for number, (center, low, high) in enumerate(cells):
        moved = _moved(target, center)
        with mpmath.workprec(_BITS):
            if number == 0:
                given = {0: moved(mpmath.mpf(0)), **(fixed or {})}
                found = polynomial(
                    moved, range(degree + 1), 0.0, high - center, dtype, fixed=given, grid=_SMALL_GRID
                )
                first = given[0]
            else:  # lower terms are small beside the constant, so that their rounding is
                x = _grid(mpmath.mpf(low - center), mpmath.mpf(high - center), _SMALL_GRID)
                values = [moved(v) for v in x]
                exactly = _Fit(x, values, [1 / abs(v) for v in values], dtype).coefficients(range(degree + 1))
                found, first = [nearest(c, dtype) for c in exactly], exactly[0]
            lost = nearest(first - found[0], dtype)
        for table, coefficient in zip(tables, [lost, *found], strict=True):
            table.append(coefficient)
    return [tuple(table) for table in tables]


def _moved(function: Real, center: float) -> Real:
    return lambda t: function(mpmath.mpf(center) + t)
