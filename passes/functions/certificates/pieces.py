"""A function on runs of consecutive floats: polynomials in float64 with proven errors, what results are compared with.

Taylor's coefficients and remainder are balls (`reference.expand`); the rounding of Horner's rule is bounded beside
them. A run whose reference is not known to 2^-16 units in the last place is cut into sixteen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..constants import LEAST_EXPONENT, PRECISION
from ..program import FunctionProgram
from .patterns import value_at
from .reference import IDENTITY_FAR, Arithmetic, enclosure, expand, tail

Array = np.ndarray[Any, Any]
KNOWN = 2.0**-16
"""Units in the last place to which the reference is known."""
TERMS = 9
_CUT = 16
_U = 2.0**-53
_BEYOND = 2.0**200


@dataclass(frozen=True)
class Polynomial:
    """The function on a run: sum of c_i ((x - center) / radius)^i, wrong by at most `slack`; the radius is a
    power of two."""

    center: float
    radius: float
    coefficients: tuple[float, ...]
    slack: float
    least: float

    def at(self, x: Array) -> Array:
        t = (x - self.center) / self.radius
        found = np.full_like(t, self.coefficients[-1])
        for coefficient in self.coefficients[-2::-1]:
            found *= t
            found += coefficient
        return found


def pieces(
    a: Arithmetic, program: FunctionProgram, start: int, stop: int
) -> Iterator[tuple[int, int, Polynomial]]:
    """Parts of a run of places, in order, on which a polynomial is accurate enough."""
    waiting = [(start, stop)]
    while waiting:
        first, end = waiting.pop()
        polynomial = _polynomial(a, program, value_at(first, program.dtype), value_at(end - 1, program.dtype))
        unit = unit_of(polynomial.least, program.result_dtype) if program.error == "ulp" else polynomial.least
        if program.error == "absolute":
            unit = 1.0
        wanted = KNOWN * (unit if program.error == "ulp" else unit * 2.0 ** -PRECISION[program.result_dtype])
        if polynomial.slack <= wanted or end - first == 1:
            yield first, end, polynomial
            continue
        size = -(-(end - first) // _CUT)
        waiting.extend(reversed([(i, min(i + size, end)) for i in range(first, end, size)]))


def _polynomial(a: Arithmetic, program: FunctionProgram, low: float, high: float) -> Polynomial:
    """The shortest polynomial whose truncation is small beside the unit of the least value."""
    far = tail(program.function, low, high)
    if far is not None and far[0] > _BEYOND:
        return Polynomial(low, 1.0, (_BEYOND,), 0.0, _BEYOND)
    if far is not None and program.function in IDENTITY_FAR and low > 0:
        return Polynomial(low, 1.0, (low, 1.0), high * 2.0**-52, low)
    if far is not None:
        middle = _float(far[0])
        slack = max(abs(_float(far[1]) - middle), abs(middle) * _U)
        return Polynomial(low, 1.0, (middle,), slack, abs(middle))
    values_at = enclosure(a, program.function, low, low)
    ends = [a.smallest(v) for v in (values_at, enclosure(a, program.function, high, high))]
    center = low if ends[0] <= ends[1] else high
    try:
        least = a.smallest(enclosure(a, program.function, low, high))
    except (ValueError, ZeroDivisionError):  # so wide that a ball holds a pole
        return Polynomial(low, 1.0, (0.0,), math.inf, 0.0)
    if least > _BEYOND:  # of every dtype that can be tried
        return Polynomial(low, 1.0, (_BEYOND if a.ends(values_at)[0] > 0 else -_BEYOND,), 0.0, _BEYOND)
    if low == high:
        value = enclosure(a, program.function, low, low)
        return Polynomial(low, 1.0, (a.middle(value),), a.magnitude(value) * _U * (1 + 2.0**-40), least)
    radius = math.ldexp(1.0, math.frexp(high - low)[1])
    try:
        balls = expand(a, program.function, center, radius, low, high, TERMS)
    except (ValueError, ZeroDivisionError):  # so wide that a ball holds a pole
        return Polynomial(center, radius, (0.0,), math.inf, least)
    parts = [a.magnitude(ball) for ball in balls]
    least = max(least, min(ends) - sum(parts[1:]) * (1 + 2.0**-40))
    small = 2.0**-10 * KNOWN * unit_of(least, program.result_dtype)
    degree = next((d for d in range(TERMS) if sum(parts[d + 1 :]) <= small), TERMS - 1)
    rounding = (2 * degree + 3) * _U * sum(parts[: degree + 1]) * (1 + 2.0**-40)
    coefficients = tuple(a.middle(ball) for ball in balls[: degree + 1])
    return Polynomial(center, radius, coefficients, sum(parts[degree + 1 :]) + rounding, least)


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def unit_of(value: float, dtype: str) -> float:
    """The unit in the last place of a positive number, that of the subnormal numbers at least."""
    exponent = math.frexp(value)[1] - PRECISION[dtype] if value else LEAST_EXPONENT[dtype]
    return math.ldexp(1.0, max(exponent, LEAST_EXPONENT[dtype]))


def units(values: Array, dtype: str) -> Array:
    """The unit in the last place of each number, as float64."""
    exponent = np.frexp(values)[1] - PRECISION[dtype]
    return np.asarray(np.ldexp(1.0, np.maximum(exponent, LEAST_EXPONENT[dtype])))
