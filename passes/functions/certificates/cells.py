"""The first cells of a domain: cut where a program decides, and finely enough for bounds to be tight."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ..constants import LARGEST, Constant
from ..program import INPUT, FunctionProgram, Step
from .patterns import position, value_at
from .reference import POLES_AT_ZERO

Cell = tuple[float, float]
_PARTS = 8
_BINADE_PARTS = 4
_BESIDE = 1024
_MOST_INTEGERS = 20_000
_FINE = 2.0**-12
_ZEROS = {"log": 1.0, "log2": 1.0}


def first_cells(program: FunctionProgram) -> tuple[list[Cell], list[float]]:
    """Intervals of floats that cover the domain with the points, each evaluated by itself: zeros, ends of
    comparisons, one. Infinite ends are left to the special values."""
    limit = LARGEST[program.dtype]
    low, high = max(program.domain[0], -limit), min(program.domain[1], limit)
    if program.function in POLES_AT_ZERO:
        low = max(low, 5e-324)
    ends = {low, high}
    points = {low, high}
    for value in _compared(program):
        points.update(v for v in (value, -value) if low <= v <= high)
    points.update(v for v in (0.0, _ZEROS.get(program.function, 0.0)) if low <= v <= high)
    points.update(v for v in _binades(low, high) if low <= v <= high)
    ends |= points
    edges, decided = _decision_edges(program, low, high)
    ends.update(v for v in edges if low < v < high)
    ends.update(v for v in _result_binades(program.function, low, high) if low < v < high)
    zero = _ZEROS.get(program.function)
    if zero is not None:
        ends.update(v for k in range(1, 53) for v in (zero - 2.0**-k, zero + 2.0**-k) if low < v < high)
    ordered = sorted(ends)
    cells: list[Cell] = []
    for a, b in zip(ordered[:-1], ordered[1:], strict=True):
        start = _next(a, 1) if a in points else a
        stop = _next(b, -1) if b in points else b
        if start <= stop:
            cells.extend(_parts(start, stop, _parts_of(start, stop, decided)))
    return cells, sorted(points)


def halves(cells: Iterable[Cell]) -> list[Cell]:
    """Each cell in two: at the middle, or where its ends are far apart at the middle of the floats."""
    found: list[Cell] = []
    for low, high in cells:
        if low == high:
            continue
        place = position(low + (high - low) / 2, "float64")
        if low < 0 < high or not _near(low, high):
            place = (position(low, "float64") + position(high, "float64")) // 2
        middle = value_at(min(max(place, position(low, "float64")), position(high, "float64") - 1), "float64")
        found += [(low, middle), (_next(middle, 1), high)]
    return found


def _near(low: float, high: float) -> bool:
    least, most = sorted((abs(low), abs(high)))
    return most <= 4 * least


def _next(value: float, step: int) -> float:
    return value_at(position(value, "float64") + step, "float64")


def _parts_of(low: float, high: float, decided: bool) -> int:
    least, most = sorted((abs(low), abs(high)))
    if most < _FINE or position(high, "float64") - position(low, "float64") < 1000:
        return 1
    return _PARTS if decided and most > 2 * least else _BINADE_PARTS


def _parts(low: float, high: float, count: int) -> list[Cell]:
    step = (high / count) - (low / count)
    ends = [low, *(low + step * i for i in range(1, count)), high]
    cells = []
    for i in range(count):
        start = ends[i] if i == 0 else _next(ends[i], 1)
        if start <= ends[i + 1]:
            cells.append((start, ends[i + 1]))
    return cells


def _binades(low: float, high: float) -> Iterable[float]:
    for k in range(-1074, 1024):
        yield math.ldexp(1.0, k)
        yield -math.ldexp(1.0, k)


def _result_binades(function: str, low: float, high: float) -> Iterable[float]:
    """Floats to both sides of where e^x is a power of two: its unit in the last place changes there."""
    if function == "exp":
        for k in range(-1075, 1025):
            edge = k * math.log(2)
            if low < edge < high and k:
                yield from (_next(edge, -1), _next(edge, 1))


def _compared(program: FunctionProgram) -> list[float]:
    """Constants that something is compared with."""
    compared = ("lt", "le", "gt", "ge", "eq", "ne", "min", "max")
    return [
        value
        for step in program.steps
        if step.operation in compared
        for operand in step.operands
        if isinstance(operand, Constant) and math.isfinite(value := operand.rounded("float64"))
    ]


def _decision_edges(program: FunctionProgram, low: float, high: float) -> tuple[list[float], bool]:
    """Where an integer decided from x changes, a few floats to either side; and whether there is such."""
    by_name = {step.name: step for step in program.steps}
    edges: list[float] = []
    decided = False
    compared = _compared(program)
    if compared:  # beyond the outermost comparison an integer is mostly of no use
        low, high = max(low, min(0.0, *compared)), min(high, max(0.0, *compared))
    for step in program.steps:
        if step.operation in ("round", "floor"):
            found = _integer_edges(step, by_name, low, high)
            decided = decided or bool(found)
            edges.extend(found)
        elif step.operation in ("exponent", "significand") and step.operands[0] == INPUT:
            scale = step.operands[1]
            assert isinstance(scale, Constant)
            for k in range(-1074, 1025):
                edge = scale.rounded("float64") * 2.0**k if k < 1024 else math.inf
                if 0 < edge < math.inf:
                    edges += [edge, _next(edge, -1)]
    return edges, decided


def _integer_edges(step: Step, by_name: dict[str, Step], low: float, high: float) -> list[float]:
    """For round(x c) and floor(x c), also of |x|: the x with x c halfway, or an integer."""
    source = by_name.get(str(step.operands[0]))
    if source is None or source.operation != "mul":
        return []
    scale = next((o for o in source.operands if isinstance(o, Constant)), None)
    inner = next((o for o in source.operands if isinstance(o, str)), "")
    absolute = inner in by_name and by_name[inner].operation == "abs" and by_name[inner].operands[0] == INPUT
    if scale is None or not (inner == INPUT or absolute):
        return []
    c = scale.rounded("float64")
    shift = 0.5 if step.operation == "round" else 0.0
    reach = max(abs(low), abs(high)) if absolute else 0.0
    ends = sorted((low * c, high * c)) if not absolute else [-abs(reach * c), abs(reach * c)]
    start, stop = (min(max(end, -_MOST_INTEGERS), _MOST_INTEGERS) for end in ends)
    edges = []
    for k in range(math.floor(start) - 1, math.ceil(stop) + 2):
        edge = (k + shift) / c
        if edge:
            edges += [_next(edge, -_BESIDE), _next(edge, _BESIDE)]
    return edges
