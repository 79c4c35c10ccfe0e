"""Ladders: programs of rungs w <- w + c / w, the form behind the best short programs known (each rung is two operations
and one constant; coth and tanh are such ladders). A prior on structure, as seeds beside the textbook forms.

A ladder stands between a variable u (x, x², x + c, x + c / x, x - c / x), an end (c / w, c / (w + c), w, c w; or one of
them plus c) and a wrapper (none, times x, times u, plus c, squared). All of a size are raced from random constants.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from numpy.random import Generator

from .archive import Archive, Entry
from .batch import Batch
from .cost import Cost, OperationCount
from .fitting import Problem, fit
from .polish import settled
from .race import Race, Stage, starting_points
from .straight_line import ADD, DIV, MUL, SUB, Instruction, StraightLine, canonical
from .target import Target

_STAGES = (
    Stage(96, 30, 24, False, float("inf"), float("inf"), 16, 1.0),
    Stage(192, 60, 32, True, 1e3, 1e3, 1, 0.12),
)
_TOGETHER, _NODES, _STARTS, _STEPS = 8, 32, 16, 60
_BEGINNINGS = ("x", "x * x", "x + c", "x + c / x", "x - c / x")
_ENDS = ("w", "c w", "c / w", "c / (w + c)", "c / (w + c) + c")
_WRAPPERS = ("v", "v * x", "v * u", "v + c", "v * x + c", "v * u + c", "v * v", "v * x * v * x")
_MOST_RUNGS = 5


def ladders(target: Target, most: float, seed: int, cost: Cost | None = None) -> list[Entry]:
    """The ladders that cost at most so much with the best constants found, the better ones of each cost."""
    cost = cost or OperationCount()
    children = {p: (None,) * p.constants for p in sorted(family(), key=_order) if cost.of(p) <= most}
    archive = Archive()
    rng = np.random.default_rng(seed)
    for entry in Race(target, cost, archive, _STAGES).run(list(children.items()), rng):
        archive.add(entry)
    pairs = [(p, e) for e in archive.entries() if (p := _in_x_less_c(e.program)) and cost.of(p) <= most]
    for first in range(0, len(pairs), _TOGETHER):
        for entry in _centred(pairs[first : first + _TOGETHER], target, cost, rng):
            archive.add(entry)
    return list(archive.entries())


def _centred(
    pairs: Sequence[tuple[StraightLine, Entry]], target: Target, cost: Cost, rng: Generator
) -> Iterator[Entry]:
    """Ladders in x - m, m the middle of the domain, from the same in x. What is odd about the middle has errors as
    small as on half of the domain; but its constants are hard to find from nothing, so that they are first fitted with
    m as it is."""
    x, y = target.samples(_NODES)
    middle = (target.low + target.high) / 2
    problem = Problem((x - middle).astype(float), y.astype(float), (1 / target.scale(y)).astype(float))
    known = [base for _, base in pairs]
    batch = Batch(tuple(base.program for base in known))
    inherited = [tuple(map(float, base.constants)) for base in known]
    starts = starting_points(batch, inherited, known, _STARTS, rng)
    fits = fit(batch, starts, problem, _STEPS, accelerate=True)
    for j, (program, base) in enumerate(pairs):
        best = fits.constants[j, np.argmin(fits.largest[j]), : base.program.constants]
        constants, error = settled(program, [-middle, *best.tolist()], target, precise=True)
        if np.isfinite(error):
            yield Entry(program, constants, error, cost.of(program))


def _order(program: StraightLine) -> tuple[object, ...]:
    return program.constants, program.operations, program.instructions


def family() -> set[StraightLine]:
    """Every ladder of at most five rungs."""
    found = set()
    for beginning, rungs, end, wrapper in product(_BEGINNINGS, range(_MOST_RUNGS + 1), _ENDS, _WRAPPERS):
        made = canonical(list(_written(beginning, rungs, end, wrapper)))
        if made is not None and made[0].constants:
            found.add(made[0])
    return found


def _in_x_less_c(program: StraightLine) -> StraightLine | None:
    """The program of x + c, its first constant. None where that is one of x already, or x is read by a sum with a
    constant."""
    rows = [(ADD, 0, -1)]
    for operation, a, b in program.instructions:
        a, b = (o + 1 if o >= 0 else o - 1 for o in (a, b))
        rows.append((operation, a, b))
    made = canonical(rows)
    return made[0] if made is not None and made[1] == tuple(range(-1, -program.constants - 2, -1)) else None


class _Rows:
    def __init__(self) -> None:
        self.rows: list[Instruction] = []
        self._constants = 0

    def constant(self) -> int:
        self._constants += 1
        return -self._constants

    def put(self, operation: int, a: int, b: int) -> int:
        self.rows.append((operation, a, b))
        return len(self.rows)


def _written(beginning: str, rungs: int, end: str, wrapper: str) -> Iterator[Instruction]:
    rows = _Rows()
    u = w = _begun(rows, beginning)
    for _ in range(rungs):
        w = rows.put(ADD, w, rows.put(DIV, rows.constant(), w))
    v = w
    if end == "c w":
        v = rows.put(MUL, w, rows.constant())
    elif end != "w":
        below = w if end == "c / w" else rows.put(ADD, w, rows.constant())
        v = rows.put(DIV, rows.constant(), below)
        if end.endswith("+ c"):
            v = rows.put(ADD, v, rows.constant())
    if "* x" in wrapper or "* u" in wrapper:
        v = rows.put(MUL, v, 0 if "* x" in wrapper else u)
    if wrapper.endswith("+ c"):
        v = rows.put(ADD, v, rows.constant())
    if "* v" in wrapper:
        v = rows.put(MUL, v, v)
    yield from rows.rows


def _begun(rows: _Rows, beginning: str) -> int:
    if beginning == "x":
        return 0
    if beginning == "x * x":
        return rows.put(MUL, 0, 0)
    if beginning == "x + c":
        return rows.put(ADD, 0, rows.constant())
    over = rows.put(DIV, rows.constant(), 0)
    return rows.put(ADD if "+" in beginning else SUB, 0, over)
