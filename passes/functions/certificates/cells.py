"""The first cells of a domain: cut where a program decides and where the unit of its result changes.

Where that is, is found by halving: an analysis of the roundings (`rounding`) tells which cells hold such a place, and
those are cut until they are narrow.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..constants import LARGEST, Constant
from ..program import FunctionProgram
from .patterns import position, value_at
from .reference import POLES_AT_ZERO
from .rounding import Analysis, analyse
from .shortcuts import SYMMETRIC, symmetry

Array = np.ndarray[Any, Any]
Cell = tuple[float, float]
_NARROW = 2.0**-32
_FEW = 64
_LEVELS = 80
_IN_VAIN = 2
_MOST_CELLS = 400_000
_ZEROS = {"log": 1.0, "log2": 1.0}


def first_cells(program: FunctionProgram) -> tuple[list[Cell], list[float]]:
    """Intervals of floats that cover the domain with the points, each evaluated by itself: zeros, ends of
    comparisons, powers of two. Infinite ends are left to the special values."""
    limit = LARGEST[program.dtype]
    low, high = max(program.domain[0], -limit), min(program.domain[1], limit)
    if program.function in POLES_AT_ZERO:
        low = max(low, 5e-324)
    if low == -high and SYMMETRIC.get(program.function) == symmetry(program):
        low = 0.0
    points = {low, high}
    for value in _compared(program):
        points.update(v for v in (value, -value) if low <= v <= high)
    points.update(v for v in (0.0, _ZEROS.get(program.function, 0.0)) if low <= v <= high)
    points.update(v for v in _binades() if low <= v <= high)
    ends = set(points)
    zero = _ZEROS.get(program.function)
    if zero is not None:
        ends.update(v for k in range(1, 53) for v in (zero - 2.0**-k, zero + 2.0**-k) if low < v < high)
    cells: list[Cell] = []
    for a, b in itertools.pairwise(sorted(ends)):
        start = _next(a, 1) if a in points else a
        stop = _next(b, -1) if b in points else b
        if start <= stop:
            cells.append((start, stop))
    return decided(program, cells), sorted(points)


# --- where something changes ------------------------------------------------------------------------------


def decided(program: FunctionProgram, cells: list[Cell]) -> list[Cell]:
    """The cells cut so that in each the program decides one way, and its result has one unit in the last place
    where errors are counted in those; each place where that changes has a narrow cell of its own."""
    low, high = (np.array(ends) for ends in zip(*cells, strict=True))
    found: list[_Leaves] = []
    made, given, in_vain = 0, np.arange(len(low)), np.zeros(len(low), int)
    for _ in range(_LEVELS):
        analysis = analyse(program, low, high)
        changes = _changes(program, analysis, len(low))
        made += len(low)
        if len(found):  # both halves have one change: it is not at a place
            pairs = changes.reshape(-1, 2)
            in_vain = np.where(np.repeat(np.all(pairs == 1, axis=1), 2), in_vain + 1, 0)
        cut = (changes > 1) | ((changes == 1) & (in_vain < _IN_VAIN))
        cut &= _is_wide(low, high) & (made < _MOST_CELLS)
        found.append(_leaves(analysis, ~cut, changes > 0, given))
        if not np.any(cut):
            break
        halved = halves(zip(low[cut].tolist(), high[cut].tolist(), strict=True))
        low, high = (np.array(ends) for ends in zip(*halved, strict=True))
        given, in_vain = np.repeat(given[cut], 2), np.repeat(in_vain[cut], 2)
    return list(_joined(found))


@dataclass(frozen=True)
class _Leaves:
    """Cells that are not cut again, with what they decide (a row of numbers each); one in which something changes
    stays `alone`."""

    low: Array
    high: Array
    alone: Array
    key: Array


def _changes(program: FunctionProgram, analysis: Analysis, count: int) -> Array:
    """Of each given cell, whether it decides in more than one way or has results of more than one unit: 0 where it
    does not, 1 where there are two, 2 where there may be more."""
    found = np.minimum(np.bincount(analysis.origin, minlength=count) - 1, 1)
    several = np.zeros(len(analysis.low), int)
    for values in analysis.decisions.values():
        several[np.isnan(values)] = 2
    if program.error == "ulp":
        least, most = analysis.result.least * (1 + _NARROW), analysis.result.size * (1 - _NARROW)
        units = [np.maximum(np.frexp(size)[1], -1021) for size in (least, most)]
        between = np.where((least > 0) & np.isfinite(most), units[1] - units[0], 0)
        several = np.maximum(several, 2 * (between > 0))
    np.maximum.at(found, analysis.origin, several)
    return np.asarray(found)


def _is_wide(low: Array, high: Array) -> Array:
    size = np.maximum(np.abs(low), np.abs(high))
    return np.asarray((high - low > _NARROW * size) & (high - low > _FEW * 2.0**-1074))


def _leaves(analysis: Analysis, kept: Array, changes: Array, given: Array) -> _Leaves:
    first = np.unique(analysis.origin, return_index=True)[1]
    rows = [given, *(values[first] for values in analysis.decisions.values())]
    key = np.stack([np.nan_to_num(row.astype(float), nan=-1e9) for row in rows], axis=1)
    return _Leaves(analysis.low[first][kept], analysis.high[first][kept], changes[kept], key[kept])


def _joined(found: list[_Leaves]) -> Iterator[Cell]:
    """The leaves in order; neighbours that decide the same are one."""
    low, high, alone, key = (
        np.concatenate([getattr(leaves, name) for leaves in found])
        for name in ("low", "high", "alone", "key")
    )
    order = np.argsort(low, kind="stable")
    low, high, alone, key = low[order], high[order], alone[order], key[order]
    joins = np.all(key[1:] == key[:-1], axis=1) & ~alone[1:] & ~alone[:-1]
    starts = np.flatnonzero(np.concatenate([[True], ~joins]))
    stops = np.append(starts[1:], len(low)) - 1
    yield from zip(low[starts].tolist(), high[stops].tolist(), strict=True)


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


def _binades() -> Iterable[float]:
    for k in range(-1074, 1024):
        yield math.ldexp(1.0, k)
        yield -math.ldexp(1.0, k)


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
