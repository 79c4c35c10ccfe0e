"""Every input of a domain, against Taylor polynomials with proven remainders.

The inputs are taken in runs of consecutive floats within one binade. On a run the function is a polynomial
of low degree in float64 up to a proven error: Taylor's coefficients and remainder are balls
(`reference.expand`), the rounding of Horner's rule is bounded beside them. A run whose reference is not known
to 2^-16 units in the last place is cut into sixteen. What is known of the reference is added to each error, so
the largest is a bound.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ....backends.runtime.cache import write_atomically
from ....graph.diagnostics import fail
from ..constants import LARGEST, LEAST_EXPONENT, PRECISION
from ..evaluation import Run, evaluate
from ..program import FunctionProgram
from .patterns import mantissa_bits, position, value_at, values
from .reference import IDENTITY_FAR, POLES_AT_ZERO, Arithmetic, arithmetic, enclosure, expand, tail
from .shortcuts import SYMMETRIC, one_result, symmetry

Array = np.ndarray[Any, Any]
_RUN = 2**16
_CUT = 16
_TERMS = 9
_KNOWN = 2.0**-16
_U = 2.0**-53
_BEYOND = 2.0**200


@dataclass(frozen=True)
class Exhaustion:
    """The largest error over `inputs` inputs, where it is, and whether they are all of the domain."""

    bound: float
    worst: float
    inputs: int
    complete: bool


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


def exhaust(
    program: FunctionProgram,
    *,
    stride: int = 1,
    journal: Path | None = None,
    progress: Callable[[float], None] | None = None,
    kind: str = "",
) -> Exhaustion:
    """The largest error of the program over its domain, each `fma` rounded once and, where that differs,
    also as graphs compute it. Every `stride`-th run of 65,536 inputs; with a journal, a run that was stopped
    goes on. Raises SpecError (G1522) for a float64 program."""
    if program.dtype == "float64":
        raise fail("G1522", f"'{program.name}' takes float64, which has too many numbers to try them all")
    a = arithmetic(kind)
    runs = list(_runs(program))[::stride]
    state = _begin(program, journal, stride, len(runs))
    for index in range(state["next"], len(runs)):
        start, stop = runs[index]
        error, at = _largest(a, program, start, stop)
        if not error <= state["bound"]:
            state["bound"], state["worst"] = error, at
        state["inputs"] += stop - start
        state["next"] = index + 1
        if index % 256 == 255:
            _save(journal, state)
            if progress is not None:
                progress((index + 1) / len(runs))
    _save(journal, state)
    return Exhaustion(state["bound"], state["worst"], state["inputs"], stride == 1)


def _runs(program: FunctionProgram) -> Iterator[tuple[int, int]]:
    """Runs of finite inputs, each within one binade."""
    dtype, (low, high) = program.dtype, program.domain
    limit = LARGEST[dtype]
    first, last = position(max(low, -limit), dtype), position(min(high, limit), dtype)
    if program.function in POLES_AT_ZERO:
        first = max(first, 1)
    if low == -high and SYMMETRIC.get(program.function) == symmetry(program):
        first = 0
    size = min(_RUN, 2 ** mantissa_bits(dtype))
    start = first
    while start <= last:
        stop = min((start // size + 1) * size, last + 1)
        if start < 0 < stop:
            stop = 0
        yield start, stop
        start = stop


def _begin(program: FunctionProgram, journal: Path | None, stride: int, runs: int) -> dict[str, Any]:
    new = {"program": program.meaning(), "stride": stride, "next": 0, "bound": 0.0, "worst": 0.0, "inputs": 0}
    new["worst"] = max(program.domain[0], -LARGEST[program.dtype])
    if journal is None or not journal.exists():
        return new
    try:
        found = json.loads(journal.read_text(encoding="utf-8"))
        known = (found["program"], found["stride"]) == (new["program"], stride) and found["next"] <= runs
    except (OSError, ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise fail(
            "G1523", f"'{journal}' is a journal of another certification", hint="remove it, or name another"
        )
    return {key: found[key] for key in new}


def _save(journal: Path | None, state: Mapping[str, Any]) -> None:
    if journal is not None:
        write_atomically(journal, json.dumps(state).encode("utf-8"))


def _largest(a: Arithmetic, program: FunctionProgram, start: int, stop: int) -> tuple[float, float]:
    """The largest error on a run, and where."""
    same = _same_result(a, program, start, stop)
    if same is not None:
        return same
    x = values(start, stop, program.dtype)
    run = Run(program, x, fused=False)
    y, wide = run.result().astype(np.float64), x.astype(np.float64)
    largest, worst = -1.0, 0.0
    for i, j, polynomial in _pieces(a, program, start, stop):
        given = [(wide[i:j], y[i:j])]
        if run.doubtful is not None and np.any(run.doubtful[i:j]):
            some = np.broadcast_to(run.doubtful[i:j], (j - i,))
            given.append((wide[i:j][some], evaluate(program, x[i:j][some]).astype(np.float64)))
        for inputs, results in given:
            error, place = _worst(program, polynomial, inputs, results)
            if not error <= largest:
                largest, worst = error, float(inputs[place])
    return largest, worst


def _same_result(
    a: Arithmetic, program: FunctionProgram, start: int, stop: int
) -> tuple[float, float] | None:
    """The error on a run where neither the program nor the function moves: one number each."""
    low, high = value_at(start, program.dtype), value_at(stop - 1, program.dtype)
    if program.error == "relative" or tail(program.function, low, high) is not None:
        return None
    ends = a.ends(enclosure(a, program.function, low, high))
    least = 0.0 if ends[0] <= 0 <= ends[1] else min(map(abs, ends))
    unit = 1.0 if program.error == "absolute" else unit_of(least, program.result_dtype)
    if not ends[1] - ends[0] <= _KNOWN * unit_of(least, program.result_dtype):
        return None
    y = one_result(program, low, high)
    return None if y is None else (max(abs(y - end) for end in ends) * (1 + 2.0**-50) / unit, low)


def _pieces(
    a: Arithmetic, program: FunctionProgram, start: int, stop: int
) -> Iterator[tuple[int, int, Polynomial]]:
    """Parts of a run, from its start, on which a polynomial is accurate enough."""
    waiting = [(start, stop)]
    while waiting:
        first, end = waiting.pop()
        polynomial = _polynomial(a, program, value_at(first, program.dtype), value_at(end - 1, program.dtype))
        unit = unit_of(polynomial.least, program.result_dtype) if program.error == "ulp" else polynomial.least
        if program.error == "absolute":
            unit = 1.0
        wanted = _KNOWN * (unit if program.error == "ulp" else unit * 2.0 ** -PRECISION[program.result_dtype])
        if polynomial.slack <= wanted or end - first == 1:
            yield first - start, end - start, polynomial
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
    least = a.smallest(enclosure(a, program.function, low, high))
    if least > _BEYOND:  # of every dtype that can be tried
        return Polynomial(low, 1.0, (_BEYOND if a.ends(values_at)[0] > 0 else -_BEYOND,), 0.0, _BEYOND)
    if low == high:
        value = enclosure(a, program.function, low, low)
        return Polynomial(low, 1.0, (a.middle(value),), a.magnitude(value) * _U * (1 + 2.0**-40), least)
    radius = math.ldexp(1.0, math.frexp(high - low)[1])
    try:
        balls = expand(a, program.function, center, radius, low, high, _TERMS)
    except (ValueError, ZeroDivisionError):  # so wide that a ball holds a pole
        return Polynomial(center, radius, (0.0,), math.inf, least)
    parts = [a.magnitude(ball) for ball in balls]
    least = max(least, min(ends) - sum(parts[1:]) * (1 + 2.0**-40))
    small = 2.0**-10 * _KNOWN * unit_of(least, program.result_dtype)
    degree = next((d for d in range(_TERMS) if sum(parts[d + 1 :]) <= small), _TERMS - 1)
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


def _worst(program: FunctionProgram, polynomial: Polynomial, x: Array, y: Array) -> tuple[float, int]:
    """A bound of the largest error in the program's metric, and where it is."""
    with np.errstate(all="ignore"):
        exact = polynomial.at(x)
        scale = _one_scale(program, exact, polynomial.slack)
        if scale is None:
            error = _errors(program, polynomial.slack, exact, y)
            place = int(np.argmax(error))
            found = float(error[place])
        else:
            error = np.subtract(y, exact, out=exact)
            np.abs(error, out=error)
            place = int(np.argmax(error))
            found = (float(error[place]) + polynomial.slack) / scale
    return (math.inf if math.isnan(found) else found), place


def _one_scale(program: FunctionProgram, exact: Array, slack: float) -> float | None:
    """What every error is divided by, where that is one number."""
    if program.error == "absolute":
        return 1.0
    low, high = float(np.min(exact)), float(np.max(exact))
    if program.error == "relative" or low < 0 < high:
        return None
    least, most = sorted((abs(low), abs(high)))
    if most + slack >= LARGEST[program.result_dtype]:
        return None
    units = [unit_of(max(v, 0.0), program.result_dtype) for v in (least - slack, most)]
    return units[0] if units[0] == units[1] else None


def _errors(program: FunctionProgram, slack: float, exact: Array, y: Array) -> Array:
    """Bounds of the error at each input. What overflows may be infinite."""
    size = np.maximum(np.abs(exact) - slack, 0.0)
    error = np.abs(y - exact) + slack
    largest = LARGEST[program.result_dtype]
    if np.max(size) >= largest:
        half = unit_of(largest, program.result_dtype) / 2
        over = (size >= largest + half) & (y == np.copysign(np.inf, exact))
        error = np.where(over, 0.0, error)
    if program.error == "absolute":
        return np.asarray(error)
    if program.error == "relative":
        return np.where(error == 0, 0.0, error / size)
    found: Array = error / units(np.minimum(size, largest), program.result_dtype)
    return found
