"""Bounds of a program's error over its domain: in real arithmetic, and as float64 executes it.

The domain is cut into cells (`cells`). On each the difference of program and function is a Taylor polynomial
with a proven remainder (`real_arithmetic`), to which the executed bound adds the roundings (`rounding`). Cells
whose bound is far above what was found at points are cut again, until the bound is within a part of the
largest error that was proven to occur, or cutting no longer helps.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ....graph.diagnostics import fail
from ..constants import LARGEST
from ..evaluation import evaluate
from ..program import FunctionProgram
from .cells import first_cells, halves
from .patterns import position, value_at
from .pieces import unit_of
from .real_arithmetic import both, quotient
from .reference import MONOTONE, Arithmetic, arithmetic, enclosure, tail
from .rounding import Analysis, analyse
from .sensitivities import reached
from .shortcuts import one_result

Array = np.ndarray[Any, Any]
Decisions = Mapping[str, float]
_TIGHT = 1.004
_MOST_CELLS = 120_000
_AT_ONCE = 4_000
_MOST_REAL_CELLS = 6_000
_CUTS = 200
_NEAR = 1.03
_GAIN = 0.98
_SOON, _IDLE = 2, 8
_PROBED = 50
_FEW = 4
_FINE_BITS = 2400
_WIDER = 1 + 2.0**-40


@dataclass(frozen=True)
class Bound:
    """The error is at most `bound`; at `worst` an error of at least `found` was seen. `cells` were looked at."""

    bound: float
    found: float
    worst: float
    cells: int


@dataclass(order=True)
class _Cell:
    priority: float
    low: float
    high: float
    found: float
    at: float


# --- real arithmetic --------------------------------------------------------------------------------------


def bound_real(program: FunctionProgram, kind: str = "") -> Bound:
    """The largest error of the program's exact constants in real arithmetic. Raises SpecError (G1524) for a
    program that rounds or chooses: it has no one meaning there."""
    made_of = {step.operation for step in program.steps}
    if not made_of <= {"add", "sub", "mul", "div", "neg", "fma"} or program.error == "ulp":
        message = f"'{program.name}' has no error in real arithmetic"
        raise fail("G1524", message, hint="only + - * / and an absolute or relative error have one")
    a = arithmetic(kind)
    fraction = quotient(program)
    low, high = program.domain
    pieces = np.linspace(low, high, 33).tolist()
    waiting = [_real_cell(a, program, fraction, p, q) for p, q in itertools.pairwise(pieces)]
    heapq.heapify(waiting)
    found, at, cells = 0.0, low, len(waiting)
    for cell in waiting:
        if cell.found > found:
            found, at = cell.found, cell.at
    while -waiting[0].priority > _TIGHT * found and cells < _MOST_REAL_CELLS:
        cell = heapq.heappop(waiting)
        middle = (cell.low + cell.high) / 2
        for p, q in ((cell.low, middle), (middle, cell.high)):
            part = _real_cell(a, program, fraction, p, q)
            heapq.heappush(waiting, part)
            if part.found > found:
                found, at = part.found, part.at
            cells += 1
    return Bound(-waiting[0].priority, found, at, cells)


def _real_cell(
    a: Arithmetic,
    program: FunctionProgram,
    fraction: tuple[list[Fraction], list[Fraction]] | None,
    low: float,
    high: float,
) -> _Cell:
    """A cell with a bound of its error, negated for the heap, and the error at its centre."""
    zero = next((z for z in (0.0, 1.0) if low <= z <= high and _is_zero(a, program.function, z)), None)
    center = (low + high) / 2 if zero is None else zero
    radius = max(high - center, center - low)
    try:
        found = both(a, program, {}, center, radius, low, high, fraction)
    except (ZeroDivisionError, ValueError):  # a ball that holds a pole
        return _Cell(-math.inf, low, high, 0.0, center)
    shift = 0
    if program.error == "relative" and zero is not None:
        shift = 1  # f has a simple zero: both are divided by t
        if a.magnitude(found.program[0]) > 0:
            return _Cell(-math.inf, low, high, 0.0, center)
    with a.working(_FINE_BITS, 1):
        difference = [p - f for p, f in zip(found.program, found.function, strict=True)][shift:]
    sizes = [a.magnitude(c) for c in difference]
    error = _on_unit(a, difference, sizes)
    known = a.smallest(difference[0])
    if program.error == "relative":
        function = found.function[shift:]
        spread = sum(map(a.magnitude, function[1:]))
        least = max(0.0, a.smallest(function[0]) - spread * _WIDER)
        error = error / least if least else math.inf
        known /= a.magnitude(function[0])
        if error < math.inf and known:
            error = min(error, _relative_on_unit(a, difference, function))
    return _Cell(-error * _WIDER if error == error else -math.inf, low, high, known / _WIDER, center)


def _on_unit(a: Arithmetic, coefficients: list[Any], sizes: list[float]) -> float:
    """A bound of |c_0 + c_1 t + …| for |t| <= 1: of the first three with their signs, the rest by size."""
    largest = 0.0
    first, second, third = (a.ends(ball) for ball in coefficients[:3])
    for sign in (-1, 1):
        top = max(sign * first[0], sign * first[1])
        linear = max(abs(second[0]), abs(second[1]))
        curve = max(sign * third[0], sign * third[1])
        peak = max(curve, 0.0) + linear
        if curve < 0 and linear < -2 * curve:
            peak = linear * (linear / (-4 * curve))
        largest = max(largest, top + peak)
    return (largest + sum(sizes[3:])) * _WIDER


def _relative_on_unit(a: Arithmetic, difference: list[Any], function: list[Any]) -> float:
    """A bound of |difference / function| for |t| <= 1 by the quotient's own coefficients."""
    last = len(difference) - 1
    quotient: list[Any] = []
    for i in range(last):
        known = difference[i]
        for j in range(i):
            known = known - quotient[j] * function[i - j]
        quotient.append(known / function[0])
    least = a.smallest(function[0]) - sum(map(a.magnitude, function[1:])) * _WIDER
    if least <= 0:
        return math.inf
    # difference - quotient * function = t^last (…)
    sizes = [a.magnitude(q) for q in quotient]
    others = [a.magnitude(f) for f in function]
    remainder = a.magnitude(difference[last]) + sum(
        q * f for i, q in enumerate(sizes) for j, f in enumerate(others) if i + j >= last
    )
    return _on_unit(a, quotient, sizes) + remainder / least * _WIDER


def _is_zero(a: Arithmetic, function: str, x: float) -> bool:
    zeros = {0.0: ("sin", "tanh", "erf", "gelu", "silu"), 1.0: ("log", "log2")}
    return function in zeros[x]


# --- as executed ------------------------------------------------------------------------------------------


def bound_executed(
    program: FunctionProgram, kind: str = "", progress: Callable[[float], None] | None = None
) -> Bound:
    """The largest error of a float64 program as executed, whether its `fma` are rounded once or twice.
    Raises SpecError (G1522) for another dtype, and where a cell stays undecided (G1525)."""
    if any(step.dtype not in ("float64", "bool") for step in program.steps) or program.dtype != "float64":
        message = f"'{program.name}' is not all float64: balls bound float64 arithmetic only"
        raise fail("G1522", message, hint="certify it by exhaustion")
    a = arithmetic(kind)
    cells, points = first_cells(program)
    found, at = _at_points(a, program, points)
    rows = _rows(a, program, [_Cut(low, high) for low, high in cells])
    count = len(rows)
    for _ in range(_CUTS):
        found, at = max((found, at), _seen(a, program, rows))
        if progress is not None:
            progress(max(row.bound for row in rows))
        rows.sort(key=lambda row: -row.bound)
        places = _to_be_cut(rows, _NEAR * found)
        if not places or count > _MOST_CELLS:
            break
        made = _rows(a, program, _halved([rows[i] for i in places]))
        count += len(made)
        left = set(range(len(rows))).difference(places)
        rows = [rows[i] for i in left] + made
    bound = max(found, *(row.bound for row in rows))
    if not math.isfinite(bound):
        message = f"'{program.name}' has no finite error near x = {at!r}"
        raise fail("G1525", message, hint="is the domain one that the program covers?")
    return Bound(bound, found, at, count)


def _to_be_cut(rows: list[_Row], enough: float) -> list[int]:
    """Places of the rows that may still be made better, the largest bounds first: those where the last cuts gained;
    else the first few, until one of them gained nothing for long, which sets the bound."""
    floor = max([enough, *(row.bound for row in rows if row.idle >= _IDLE)])
    above = list(itertools.takewhile(lambda i: rows[i].bound > floor, range(len(rows))))
    above = [i for i in above if _floats(rows[i]) > _FEW]
    quick = [i for i in above if rows[i].idle < _SOON]
    return quick[:_AT_ONCE] or above[:_PROBED]


@dataclass(frozen=True)
class _Cut:
    """A cell to be bounded, the bound of the cell that it was cut from, and how many cuts in a row gained little."""

    low: float
    high: float
    parent: float = math.inf
    idle: int = 0


@dataclass(frozen=True)
class _Row(_Cut):
    bound: float = math.inf


def _row(cut: _Cut, bound: float) -> _Row:
    """What holds for a cell holds for its parts."""
    idle = cut.idle + 1 if bound >= _GAIN * cut.parent else 0
    return _Row(cut.low, cut.high, cut.parent, idle, min(bound, cut.parent))


def _halved(cuts: Sequence[_Cut]) -> list[_Cut]:
    return [
        _Cut(low, high, cut.bound if isinstance(cut, _Row) else cut.parent, cut.idle)
        for cut in cuts
        for low, high in halves([(cut.low, cut.high)])
    ]


def _at_points(a: Arithmetic, program: FunctionProgram, points: list[float]) -> tuple[float, float]:
    """The largest error at single inputs, computed."""
    worst, at = 0.0, points[0] if points else 0.0
    for x in points:
        y = float(evaluate(program, np.array([x]), fused=False)[0])
        error = _error_of(a, program, x, y)
        if not error <= worst:
            worst, at = error, x
    return worst, at


def _error_of(a: Arithmetic, program: FunctionProgram, x: float, y: float) -> float:
    far = tail(program.function, x, x)
    if far is not None and far[0] < LARGEST["float64"]:
        return _constant_bound(program, y, far)
    exact = enclosure(a, program.function, x, x)
    least = a.smallest(exact)
    low, _high = a.ends(exact)
    if math.isinf(y):
        top = LARGEST[program.result_dtype]
        return 0.0 if least >= top and (y > 0) == (low > 0) else math.inf
    if math.isnan(y):
        return math.inf
    with a.working(_FINE_BITS, 1):
        difference = a.ball(y) - exact
        if program.error == "ulp":
            return (
                a.magnitude(difference * a.ball(1 / Fraction(unit_of(least, program.result_dtype)))) * _WIDER
            )
    return _scaled(program, a.magnitude(difference), least)


def _scaled(program: FunctionProgram, error: float, least: float) -> float:
    """An error in the program's metric, where the function is at least so large."""
    if program.error == "absolute" or error == 0:
        return error
    scale = unit_of(least, program.result_dtype) if program.error == "ulp" else least
    return error / scale if scale else math.inf


def _rows(a: Arithmetic, program: FunctionProgram, cuts: list[_Cut]) -> list[_Row]:
    """The cells with their bounds; those that are undecided are cut until they are not."""
    rows: list[_Row] = []
    while cuts:
        few = [cut for cut in cuts if _floats(cut) <= _FEW]
        rows.extend(_row(c, _at_points(a, program, _all_floats(c))[0]) for c in few)
        cuts = [cut for cut in cuts if _floats(cut) > _FEW]
        if not cuts:
            break
        low, high = (np.array([getattr(cut, end) for cut in cuts]) for end in ("low", "high"))
        analysis = analyse(program, low, high)
        bounds = _bounds(a, program, analysis)
        again = {int(o) for o, b in zip(analysis.origin, bounds, strict=True) if b == math.inf}
        for origin, bound in zip(analysis.origin.tolist(), bounds, strict=True):
            cut = cuts[origin]
            if origin not in again:
                rows.append(_row(cut, bound))
        cuts = _halved([cuts[i] for i in sorted(again)])
        if len(cuts) + len(rows) > _MOST_CELLS:
            x = cuts[0].low if cuts else rows[-1].low
            message = f"'{program.name}' is not bounded near x = {x!r}"
            raise fail("G1525", message, hint="is the domain one that the program covers?")
    return rows


def _floats(cut: _Cut) -> int:
    """How many floats there are in a cell."""
    return position(cut.high, "float64") - position(cut.low, "float64") + 1


def _all_floats(cut: _Cut) -> list[float]:
    start = position(cut.low, "float64")
    return [value_at(start + i, "float64") for i in range(_floats(cut))]


def _bounds(a: Arithmetic, program: FunctionProgram, analysis: Analysis) -> list[float]:
    """A bound of the error on each cell, in the program's metric."""
    part, scale = reached(program, analysis)
    result, names = analysis.result, list(analysis.decisions)
    decided = zip(*(analysis.decisions[name].tolist() for name in names), strict=True)
    rows: list[Decisions] = [dict(zip(names, row, strict=True)) for row in decided]
    ends = zip(analysis.low.tolist(), analysis.high.tolist(), strict=True)
    fine = [None] * len(part) if result.fine is None else result.fine.tolist()
    arrays = (result.low, result.high, result.error, part, scale)
    roundings = itertools.starmap(_Executed, zip(*(v.tolist() for v in arrays), fine, strict=True))
    return [
        _bound_of(a, program, decisions, cell, executed)
        for decisions, cell, executed in zip(rows or [{}] * len(part), ends, roundings, strict=True)
    ]


@dataclass(frozen=True)
class _Executed:
    """The result in a cell: ends of its exact values, how far the computed ones are from them (going forward), at
    most `part` 2^scale (going back from the result), and `fine` units of 2^-1074 where that is known."""

    low: float
    high: float
    error: float
    part: float
    scale: int
    fine: float | None

    def rounding(self, shift: int) -> float:
        """The error, divided by 2^shift."""
        back = math.ldexp(self.part, self.scale - shift) if math.isfinite(self.part) else math.inf
        return min(math.ldexp(self.error, -shift), back * _WIDER)

    def units(self) -> float:
        """The error in units of 2^-1074: infinite where it is only known as a float."""
        back = math.ldexp(self.part, self.scale + 1074) if math.isfinite(self.part) else math.inf
        return min(math.inf if self.fine is None else self.fine, back * _WIDER)


def _bound_of(
    a: Arithmetic, program: FunctionProgram, decisions: Decisions, cell: tuple[float, float], run: _Executed
) -> float:
    """A bound of the error on one cell, in the program's metric."""
    low, high = cell
    far = tail(program.function, low, high)
    if far is not None and (y := one_result(program, low, high)) is not None:
        return _constant_bound(program, y, far)
    if far is not None or not all(map(math.isfinite, (run.low, run.high, run.error))):
        return _far_bound(a, program, cell, (run.low, run.high, run.error))
    center = low + (high - low) / 2
    radius = max(high - center, center - low)
    try:
        found = both(a, program, decisions, center, radius, low, high)
    except (ZeroDivisionError, ValueError):  # a ball that holds a pole
        return math.inf
    shift = max(math.frexp(a.magnitude(found.function[0]))[1], -1021)
    with a.working(_FINE_BITS, 1):
        scale = a.ball(Fraction(2) ** -shift)  # so that sizes near the least float are not rounded up to it
        function = [f * scale for f in found.function]
        difference = [p * scale - f for p, f in zip(found.program, function, strict=True)]
    method = _on_unit(a, difference, [a.magnitude(c) for c in difference])
    spread = sum(map(a.magnitude, function[1:]))
    least = max(0.0, a.smallest(function[0]) - spread * _WIDER)
    if program.function in MONOTONE and math.frexp(least)[1] < 1:  # its least is at an end
        ends = (math.ldexp(a.smallest(enclosure(a, program.function, x, x)), -shift) for x in cell)
        least = max(least, min(ends))
    error = (method + run.rounding(shift)) * _WIDER
    if program.error == "absolute":
        bound = math.ldexp(error, shift)
    elif program.error == "relative":
        bound = error / least if least else math.inf
    else:
        least_unit = math.ldexp(1.0, -1074 - shift) if shift <= -50 else 0.0
        unit = max(unit_of(least, "float64") if least else 5e-324, least_unit)
        bound = error / unit
        if shift <= -1021 and unit == least_unit:
            bound = min(bound, (method / unit + run.units()) * _WIDER)
    return math.inf if math.isnan(bound) else bound


def _constant_bound(program: FunctionProgram, y: float, far: tuple[Fraction, Fraction]) -> float:
    """Where the program has one result and the function's tail is known."""
    if math.isnan(y):
        return math.inf
    if math.isinf(y):
        return 0.0 if far[0] > Fraction(LARGEST["float64"]) and y > 0 else math.inf
    error = max(abs(Fraction(y) - end) for end in far)
    least = min(map(abs, far))
    if program.error == "ulp":
        error /= Fraction(unit_of(float(least), program.result_dtype))
    elif program.error == "relative" and error:
        error = error / least if least else Fraction(2) ** 1023
    return float(error) * _WIDER


def _far_bound(
    a: Arithmetic, program: FunctionProgram, cell: tuple[float, float], result: tuple[float, float, float]
) -> float:
    """Where the function is as good as constant, or overflows and so does the program."""
    exact = enclosure(a, program.function, *cell)
    low, high = a.ends(exact)
    if result[0] == result[1] and math.isinf(result[0]):
        least = min(abs(low), abs(high))
        same_side = (low > 0) == (result[0] > 0)
        return 0.0 if least >= LARGEST[program.result_dtype] and same_side else math.inf
    error = max(high - result[0], result[1] - low) + result[2]
    if math.isnan(error):
        return math.inf
    return _scaled(program, error * _WIDER, a.smallest(exact))


def _seen(a: Arithmetic, program: FunctionProgram, rows: list[_Row]) -> tuple[float, float]:
    """The largest error at sampled inputs of the cells with the largest bounds."""
    rows = sorted(rows, key=lambda row: -row.bound)[:500]
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(r.low, r.high, 4) for r in rows if math.isfinite(r.high - r.low)])
    y = evaluate(program, x, fused=False)
    errors = [_error_of(a, program, *pair) for pair in zip(x.tolist(), y.tolist(), strict=True)]
    worst = int(np.argmax(errors))
    return errors[worst], float(x[worst])
