"""Many programs at once, at many constants: values, residuals and derivatives.

Arrays are [slot, program, start, node]: slot 0 holds x, then the results, then the constants. Programs of
a batch are padded to one length by copies of their last result; programs are padded to one count of constants
by ones that are not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .straight_line import ADD, DIV, MUL, SUB, StraightLine

Array = np.ndarray[Any, Any]
_COPY = 4


@dataclass(frozen=True)
class Batch:
    """Programs that are evaluated together."""

    programs: tuple[StraightLine, ...]

    @cached_property
    def length(self) -> int:
        return max(p.operations for p in self.programs)

    @cached_property
    def constants(self) -> int:
        return max(max(p.constants for p in self.programs), 1)

    @cached_property
    def _steps(self) -> list[tuple[Array, Array, list[tuple[int, Array]]]]:
        """For each instruction: slots of both operands by program, and the programs of each operation."""
        first = 1 + self.length
        steps = []
        for i in range(self.length):
            rows = [p.instructions[i] if i < p.operations else (_COPY, i, i) for p in self.programs]
            a, b = (np.array([row[s] if row[s] >= 0 else first - row[s] - 1 for row in rows]) for s in (1, 2))
            groups = [
                (operation, np.array([j for j, row in enumerate(rows) if row[0] == operation]))
                for operation in (ADD, SUB, MUL, DIV, _COPY)
            ]
            steps.append((a, b, [(o, index) for o, index in groups if len(index)]))
        return steps

    def values(self, x: Array, constants: Array) -> Array:
        """Every value: x[node], constants[program, start, constant] -> [slot, program, start, node]."""
        count, starts, _ = constants.shape
        slots = np.empty((1 + self.length + self.constants, count, starts, len(x)), x.dtype)
        slots[0] = x
        slots[1 + self.length :] = np.moveaxis(constants, 2, 0)[..., None]
        for i, (a, b, groups) in enumerate(self._steps, 1):
            for operation, index in groups:
                slots[i, index] = _operate(operation, slots[a[index], index], slots[b[index], index])
        return slots

    def result(self, slots: Array) -> Array:
        found: Array = slots[self.length]
        return found

    def jacobian(self, slots: Array) -> Array:
        """d result / d constant: [constant, program, start, node], by one sweep backwards."""
        bars = np.zeros_like(slots)
        bars[self.length] = 1
        for i in range(self.length, 0, -1):
            a, b, groups = self._steps[i - 1]
            for operation, index in groups:
                _propagate(operation, slots, bars, i, index, a[index], b[index])
        found: Array = bars[1 + self.length :]
        return found


def _operate(operation: int, left: Array, right: Array) -> Array:
    if operation == ADD:
        return left + right
    if operation == SUB:
        return left - right
    if operation == MUL:
        return left * right
    return left / right if operation == DIV else left


def _propagate(operation: int, slots: Array, bars: Array, i: int, index: Array, a: Array, b: Array) -> None:
    bar = bars[i, index]
    if operation == _COPY:
        bars[a, index] += bar
    elif operation in (ADD, SUB):
        bars[a, index] += bar
        bars[b, index] += bar if operation == ADD else -bar
    elif operation == MUL:
        left, right = slots[a, index], slots[b, index]
        bars[a, index] += bar * right
        bars[b, index] += bar * left
    else:
        quotient = bar / slots[b, index]
        bars[a, index] += quotient
        bars[b, index] -= quotient * slots[i, index]
