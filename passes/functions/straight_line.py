"""Straight-line programs over one variable: the form that the search changes and measures.

A program is a list of instructions (operation, a, b). An operand is 0 for x, i for the result of
instruction i (from 1), and negative for a constant: -1 is the first. Each constant is used once. The last
instruction is the result. The cost is the number of instructions: what does not depend on x is folded.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

ADD, SUB, MUL, DIV = range(4)
SYMBOLS = "+-*/"
COMMUTATIVE = (ADD, MUL)
_ARITHMETIC: tuple[Callable[[Any, Any], Any], ...] = (
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
)

Instruction = tuple[int, int, int]
Number = TypeVar("Number")


@dataclass(frozen=True, slots=True)
class StraightLine:
    """A program without its constants' values; `constants` counts them."""

    instructions: tuple[Instruction, ...]

    @property
    def operations(self) -> int:
        return len(self.instructions)

    @property
    def constants(self) -> int:
        return sum((a < 0) + (b < 0) for _, a, b in self.instructions)

    def evaluate(self, x: Number, constants: Sequence[Number]) -> Number:
        """The result at x, in whatever arithmetic x and the constants have."""
        values: list[Number] = [x]
        for operation, a, b in self.instructions:
            left = constants[-a - 1] if a < 0 else values[a]
            right = constants[-b - 1] if b < 0 else values[b]
            values.append(_ARITHMETIC[operation](left, right))
        return values[-1]

    def text(self, constants: Sequence[object] | None = None) -> str:
        """`t1 = x + c0; …`, one assignment an instruction."""

        def name(operand: int) -> str:
            if operand < 0:
                return f"c{-operand - 1}" if constants is None else str(constants[-operand - 1])
            return "x" if operand == 0 else f"t{operand}"

        return "; ".join(
            f"t{i} = {name(a)} {SYMBOLS[operation]} {name(b)}"
            for i, (operation, a, b) in enumerate(self.instructions, 1)
        )


def canonical(instructions: Sequence[Instruction]) -> tuple[StraightLine, tuple[int, ...]] | None:
    """The program without dead instructions, constants folded, `v - c` as `v + c`, `v / c` as `v * c`,
    instructions renumbered; and for each constant the operand that it was. None for a program that does
    not depend on x, or holds `u - u` or `u / u`."""
    folded = _fold(instructions)
    if folded is None:
        return None
    rows, root = folded
    return _renumbered(rows, root)


def _fold(instructions: Sequence[Instruction]) -> tuple[list[Instruction], int] | None:
    """Instructions with results of constants alone replaced by a constant. Operands of the rows are
    as given, results by their number."""
    meaning: list[int] = [0]  # of result i: an operand (itself, or the constant that it is)
    rows: list[Instruction] = [(0, 0, 0)]
    for i, (operation, a, b) in enumerate(instructions, 1):
        a, b = (meaning[o] if o >= 0 else o for o in (a, b))
        if a < 0 and b < 0:
            meaning.append(a)
            rows.append((operation, a, b))
            continue
        if a == b and operation in (SUB, DIV):
            return None
        if b < 0 and operation in (SUB, DIV):
            operation = ADD if operation == SUB else MUL
        if operation in COMMUTATIVE and a < b:
            a, b = b, a
        merged = _merged(rows, operation, a, b)
        meaning.append(i)
        rows.append(merged)
    return (rows, meaning[-1]) if meaning[-1] > 0 else None


def _merged(rows: Sequence[Instruction], operation: int, a: int, b: int) -> Instruction:
    """(v + c) + d is v + c, (v c) d is v c: one constant less."""
    if b < 0 and a > 0:
        inner, u, v = rows[a]
        if inner == operation and v < 0:
            return operation, u, v
    return operation, a, b


def _renumbered(rows: list[Instruction], root: int) -> tuple[StraightLine, tuple[int, ...]]:
    used = {root}
    for i in range(root, 0, -1):
        if i in used:
            used.update(o for o in rows[i][1:] if o > 0)
    place = {0: 0}
    made: list[Instruction] = []
    constants: list[int] = []
    for i in sorted(used):
        operation, a, b = rows[i]
        operands = []
        for operand in (a, b):
            if operand < 0:
                constants.append(operand)
                operands.append(-len(constants))
            else:
                operands.append(place[operand])
        made.append((operation, operands[0], operands[1]))
        place[i] = len(made)
    return StraightLine(tuple(made)), tuple(constants)


def structure_key(program: StraightLine) -> int:
    """Equal for programs that differ in the order of commuting operands and instructions alone.
    Constants are anonymous."""
    keys: list[int] = [1]
    for operation, a, b in program.instructions:
        left, right = (2 if o < 0 else keys[o] for o in (a, b))
        if operation in COMMUTATIVE and left > right:
            left, right = right, left
        keys.append(hash((operation, left, right, a == b)))
    shared = sorted(keys[1:])
    return hash((keys[-1], tuple(shared)))
