"""What a program costs: the second objective of the search, beside its error.

A cost is a frozen dataclass with `of(program)`; it pickles, for workers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Protocol

from .straight_line import ADD, DIV, MUL, SUB, StraightLine, structure_key


class Cost(Protocol):
    """Costs are at least 0, and 0 for the empty program alone."""

    def of(self, program: StraightLine) -> float:
        """The program's cost."""


@dataclass(frozen=True)
class OperationCount:
    """Every operation that depends on x counts one."""

    def of(self, program: StraightLine) -> float:
        return float(program.operations)


@dataclass(frozen=True)
class CostTable:
    """What each operation costs on a target. With `fused`, a product that one sum alone reads costs nothing
    beside that sum: the two are one multiply-add."""

    add: float = 1.0
    multiply: float = 1.0
    divide: float = 4.5
    fused: bool = True

    def of(self, program: StraightLine) -> float:
        each = {ADD: self.add, SUB: self.add, MUL: self.multiply, DIV: self.divide}
        total = sum(each[operation] for operation, _, _ in program.instructions)
        return total - self.multiply * _fusable(program) if self.fused else total


@dataclass(frozen=True)
class KernelTime:
    """Nanoseconds an element of the program's float32 kernel, for at most so many operations: as measured, by
    structure; of what was not measured yet what its costs on a target say, times what a unit of them took. Times are
    rounded to steps of 5 %, which niches are made of."""

    operations: int
    times: Mapping[int, float] = field(default_factory=dict, compare=False)
    unit: float = field(default=0.01, compare=False)

    def of(self, program: StraightLine) -> float:
        if program.operations > self.operations:
            return math.inf
        found = self.times.get(structure_key(program))
        return _stepped(self.unit * _TABLE.of(program) if found is None else found)

    def known(self, program: StraightLine) -> bool:
        return structure_key(program) in self.times

    def with_times(self, programs: Sequence[StraightLine], nanoseconds: Sequence[float]) -> KernelTime:
        """With more of them measured."""
        new = {structure_key(p): t for p, t in zip(programs, nanoseconds, strict=True)}
        unit = median([t / _TABLE.of(p) for p, t in zip(programs, nanoseconds, strict=True)] or [self.unit])
        return replace(self, times={**self.times, **new}, unit=float(unit))


_TABLE = CostTable()
_STEP = 1.05


def _stepped(time: float) -> float:
    return float(f"{_STEP ** round(math.log(time, _STEP)):.4g}") if time > 0 else 0.0


def _fusable(program: StraightLine) -> int:
    """Sums and differences that can take a product along that nothing else reads."""
    reads = [o for _, a, b in program.instructions for o in (a, b)]
    single = {o for o in reads if o > 0 and reads.count(o) == 1}
    products = {i for i, row in enumerate(program.instructions, 1) if row[0] == MUL} & single
    return sum(
        operation in (ADD, SUB) and (a in products or b in products)
        for operation, a, b in program.instructions
    )
