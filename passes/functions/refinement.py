"""The last polish, in multiple precision: what 64 bits hide of programs with sixteen digits and more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .polish import alternation
from .straight_line import StraightLine
from .target import Target

if TYPE_CHECKING:
    from mpmath import mpf

Array = np.ndarray[Any, Any]
_BITS = 240
_NODES = 400
_EXCHANGES = 8
_NEWTON_STEPS = 5
_SQUARES_STEPS = 12
_PARTS = (1.0, 0.3, 0.05)
_LEVEL = 1.0002


def refine(program: StraightLine, constants: Sequence[Any], target: Target) -> tuple[list[mpf], float]:
    """Constants in 240 bits with the smallest maximum found from these, and that maximum over 400 nodes."""
    import mpmath

    with mpmath.workprec(_BITS):
        best = [_exact(c) for c in constants]
        x, y, scale = _samples(target)
        best = _squares(program, best, target) if best else best
        residual = _residual(program, best, x, y, scale)
        least = max(abs(residual))
        for _ in range(_EXCHANGES if best else 0):
            before = least
            for part in _PARTS:
                tried = _exchange(program, best, x, y, scale, residual, part)
                if tried is None:
                    break
                moved = _residual(program, tried, x, y, scale)
                if max(abs(moved)) < least:
                    best, residual, least = tried, moved, max(abs(moved))
                    break
            if before < _LEVEL * least:
                break
        return best, float(least)


def _exact(value: Any) -> mpf:
    """A float, a long double, a text or an mpf in full."""
    import mpmath

    if isinstance(value, np.longdouble):
        high = float(value)
        return mpmath.mpf(high) + mpmath.mpf(float(value - np.longdouble(high)))
    return mpmath.mpf(value)


@lru_cache(maxsize=8)
def _samples(target: Target) -> tuple[Array, Array, Array]:
    return target.precise_samples(_NODES)


def _residual(program: StraightLine, constants: Sequence[mpf], x: Array, y: Array, scale: Array) -> Array:
    import mpmath

    try:
        found: Array = (program.evaluate(x, constants) - y) / scale
    except ZeroDivisionError:
        return np.array([mpmath.inf] * len(x))
    return found


def _slopes(
    program: StraightLine, constants: Sequence[mpf], x: Array, y: Array, scale: Array, now: Array
) -> Iterator[Array]:
    """The residual's derivative by each constant: differences over half of the bits."""
    import mpmath

    for k, constant in enumerate(constants):
        step = mpmath.ldexp(abs(constant) or mpmath.mpf(1), -_BITS // 2)
        moved = [*constants[:k], constant + step, *constants[k + 1 :]]
        yield (_residual(program, moved, x, y, scale) - now) / step


def _squares(program: StraightLine, constants: list[mpf], target: Target) -> list[mpf]:
    """Gauss-Newton steps from there; the best of them. The normal equations do: half of the bits are many."""
    import mpmath

    x, y, scale = target.precise_samples(4 * len(constants) + 8)
    best, least = constants, None
    for _ in range(_SQUARES_STEPS):
        now = _residual(program, constants, x, y, scale)
        error = max(abs(now))
        if least is None or error < least:
            best, least = constants, error
        columns = np.stack(list(_slopes(program, constants, x, y, scale, now)), axis=1)
        try:
            solved = mpmath.lu_solve(
                mpmath.matrix((columns.T @ columns).tolist()), mpmath.matrix((-columns.T @ now).tolist())
            )
        except (ZeroDivisionError, ValueError, TypeError):  # singular, or no numbers
            break
        constants = [c + s for c, s in zip(constants, solved, strict=True)]
    return best


def _exchange(
    program: StraightLine,
    constants: Sequence[mpf],
    x: Array,
    y: Array,
    scale: Array,
    residual: Array,
    part: float,
) -> list[mpf] | None:
    """As `polish` does it: the error at its extrema `part` of the way to level, by Newton's method."""
    import mpmath

    count = len(constants)
    points = alternation((residual / max(abs(residual))).astype(np.float64), count + 1)
    if len(points) < count + 1:
        return None
    x, y, scale = x[points], y[points], scale[points]
    wanted = (1 - mpmath.mpf(part)) * residual[points]
    tried = list(constants)
    for _ in range(_NEWTON_STEPS):
        now = _residual(program, tried, x, y, scale)
        matrix = mpmath.matrix(count + 1, count + 1)
        for k, slopes in enumerate(_slopes(program, tried, x, y, scale, now)):
            for i, slope in enumerate(slopes):
                matrix[i, k] = slope
        for i in range(count + 1):
            matrix[i, count] = mpmath.mpf(part) * (-1) ** (i + 1)
        try:
            solved = mpmath.lu_solve(matrix, mpmath.matrix(list(wanted - now)))
        except (ZeroDivisionError, ValueError, TypeError):  # singular, or no numbers
            return None
        tried = [c + s for c, s in zip(tried, solved, strict=False)]
    return tried
