"""What a program costs: the second objective of the search, beside its error.

A cost is a frozen dataclass with `of(program)`; it pickles, for workers. A measured time of a generated kernel
fits in the same way: an object that compiles and times, and remembers what it measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .straight_line import ADD, DIV, MUL, SUB, StraightLine


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


def _fusable(program: StraightLine) -> int:
    """Sums and differences that can take a product along that nothing else reads."""
    reads = [o for _, a, b in program.instructions for o in (a, b)]
    single = {o for o in reads if o > 0 and reads.count(o) == 1}
    products = {i for i, row in enumerate(program.instructions, 1) if row[0] == MUL} & single
    return sum(
        operation in (ADD, SUB) and (a in products or b in products)
        for operation, a, b in program.instructions
    )
