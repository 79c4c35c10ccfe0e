"""Many programs at once, at many constants: values and derivatives.

A value is a row of [start, node] numbers. Rows are ordered by what is computed together: x, the constants, then
the first instructions of all programs, the second ones, … ; within such a level the instructions of one operation
lie side by side, so that a level is two gathers and one array operation for each of + - * /. Derivatives go
backwards in the same way: each instruction leaves to each operand its share of the adjoint, and an adjoint
is the sum of the shares of a value's readers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .straight_line import ADD, DIV, MUL, SUB, StraightLine

Array = np.ndarray[Any, Any]
_SEED, _NOTHING = 0, 1
"""Rows of the shares that no instruction writes: d result / d result, and zeros."""
_OPERATIONS = (ADD, SUB, MUL, DIV)


@dataclass(frozen=True)
class Level:
    """The i-th instructions of all programs that have one. `left`, `right`: rows of the operands. `ends`: where
    the instructions of +, -, *, / end. Shares: the adjoints' rows begin at `adjoints`, what products and quotients
    give to the left at `to_left`, what all but sums give to the right at `to_right`; `readers`: for each
    value the row of the first share of its adjoint, `more`: (which values, rows) of further ones."""

    first: int
    left: Array
    right: Array
    ends: tuple[int, int, int, int]
    adjoints: int
    to_left: int
    to_right: int
    readers: Array
    more: tuple[tuple[Array, Array], ...]


@dataclass(frozen=True)
class Layout:
    """Where everything of a batch lies: rows of values, rows of shares."""

    levels: tuple[Level, ...]
    rows: int
    shares: int
    results: Array
    owners: Array
    places: Array
    derivatives: Array
    """[constant, program] -> the row of its share; zeros for constants that a program lacks."""


@dataclass(frozen=True)
class Batch:
    """Programs that are evaluated together, none of them empty. `constants`: the most of a program."""

    programs: tuple[StraightLine, ...]

    @cached_property
    def constants(self) -> int:
        return max(max(p.constants for p in self.programs), 1)

    @cached_property
    def layout(self) -> Layout:
        return _layout(self.programs, self.constants)


def _layout(programs: Sequence[StraightLine], most: int) -> Layout:
    owners = [(j, k) for j, p in enumerate(programs) for k in range(p.constants)]
    firsts = np.cumsum([1, *(p.constants for p in programs)]).tolist()
    row = 1 + len(owners)
    places: list[list[int]] = [[0] for _ in programs]
    order: list[list[tuple[int, int]]] = []
    for i in range(max((p.operations for p in programs), default=0)):
        level = sorted((p.instructions[i][0], j) for j, p in enumerate(programs) if p.operations > i)
        for _, j in level:
            places[j].append(row)
            row += 1
        order.append(level)
    shares, levels, constants = _levels(programs, order, places, firsts)
    derivatives = np.full((most, len(programs)), _NOTHING)
    for (j, k), share in constants.items():
        derivatives[k, j] = share
    return Layout(
        levels,
        row,
        shares,
        np.array([p[-1] for p in places]),
        np.array([j for j, _ in owners], int),
        np.array([k for _, k in owners], int),
        derivatives,
    )


def _levels(
    programs: Sequence[StraightLine],
    order: Sequence[Sequence[tuple[int, int]]],
    places: Sequence[Sequence[int]],
    firsts: Sequence[int],
) -> tuple[int, tuple[Level, ...], dict[tuple[int, int], int]]:
    """(rows of shares, levels, the share of each constant); from the last level to the first, for a share's
    reader comes after its value."""
    share = 2
    read: list[dict[int, list[int]]] = [{p.operations: [_SEED]} for p in programs]
    constants: dict[tuple[int, int], int] = {}
    levels: list[Level] = []
    for i in range(len(order) - 1, -1, -1):
        level = order[i]
        operations = [operation for operation, _ in level]
        ends = tuple(sum(o <= operation for o in operations) for operation in _OPERATIONS)
        to_left = share + len(level)
        to_right = to_left + len(level) - ends[SUB]
        readers, left, right = [], [], []
        more: list[list[tuple[int, int]]] = []
        for at, (operation, j) in enumerate(level):
            _, a, b = programs[j].instructions[i]
            first, *others = read[j][i + 1]
            readers.append(first)
            for depth, other in enumerate(others):
                if depth == len(more):
                    more.append([])
                more[depth].append((at, other))
            given = (
                to_left + at - ends[SUB] if operation >= MUL else share + at,
                to_right + at - ends[ADD] if operation != ADD else share + at,
            )
            for operand, source in zip((a, b), given, strict=True):
                if operand < 0:
                    constants[j, -operand - 1] = source
                elif operand:
                    read[j].setdefault(operand, []).append(source)
            left.append(firsts[j] - a - 1 if a < 0 else places[j][a])
            right.append(firsts[j] - b - 1 if b < 0 else places[j][b])
        levels.append(
            Level(
                places[level[0][1]][i + 1],
                np.array(left),
                np.array(right),
                (ends[0], ends[1], ends[2], ends[3]),
                share,
                to_left,
                to_right,
                np.array(readers),
                tuple((np.array([a for a, _ in m]), np.array([s for _, s in m])) for m in more),
            )
        )
        share = to_right + len(level) - ends[ADD]
    return share, tuple(reversed(levels)), constants


class Tape:
    """The numbers of a batch at x[node], for so many starts a program; one evaluation after the other in the same
    memory. Derivatives are multiplied by weights[node]."""

    def __init__(self, batch: Batch, starts: int, x: Array, weights: Array) -> None:
        self.layout = batch.layout
        self.shape = (starts, len(x))
        width = starts * len(x)
        self._values = np.empty((self.layout.rows, width), x.dtype)
        self._values[0] = np.tile(x, starts)
        self._shares = np.empty((self.layout.shares, width), x.dtype)
        self._shares[_SEED] = np.tile(weights, starts)
        self._shares[_NOTHING] = 0
        self._operands = [np.empty((2, len(level.left), width), x.dtype) for level in self.layout.levels]

    def evaluate(self, constants: Array) -> Array:
        """The results [program, start, node] at constants[program, start, constant]."""
        layout, values = self.layout, self._values
        given = constants[layout.owners, :, layout.places]
        values[1 : 1 + len(given)].reshape(-1, *self.shape)[...] = given[..., None]
        for level, (left, right) in zip(layout.levels, self._operands, strict=True):
            np.take(values, level.left, axis=0, out=left, mode="clip")
            np.take(values, level.right, axis=0, out=right, mode="clip")
            made = values[level.first : level.first + len(left)]
            a, s, m, d = level.ends
            if a:
                np.add(left[:a], right[:a], out=made[:a])
            if s > a:
                np.subtract(left[a:s], right[a:s], out=made[a:s])
            if m > s:
                np.multiply(left[s:m], right[s:m], out=made[s:m])
            if d > m:
                np.divide(left[m:d], right[m:d], out=made[m:d])
        return values.take(layout.results, axis=0).reshape(-1, *self.shape)

    def jacobian(self, out: Array | None = None) -> Array:
        """weight * d result / d constant at the constants last evaluated: [constant, program, start, node]."""
        layout, shares = self.layout, self._shares
        for level, operands in zip(reversed(layout.levels), reversed(self._operands), strict=True):
            count = len(level.left)
            adjoints = shares[level.adjoints : level.adjoints + count]
            np.take(shares, level.readers, axis=0, out=adjoints, mode="clip")
            for which, rows in level.more:
                adjoints[which] += shares[rows]
            self._share(level, adjoints, operands)
        shape = layout.derivatives.shape
        if out is None:
            out = np.empty((*shape, *self.shape), shares.dtype)
        np.take(shares, layout.derivatives, axis=0, out=out.reshape(*shape, -1), mode="clip")
        return out

    def _share(self, level: Level, adjoints: Array, operands: Array) -> None:
        left, right = operands
        a, s, m, d = level.ends
        to_left = self._shares[level.to_left : level.to_left + d - s]
        to_right = self._shares[level.to_right : level.to_right + d - a]
        if s > a:
            np.negative(adjoints[a:s], out=to_right[: s - a])
        if m > s:
            np.multiply(adjoints[s:m], right[s:m], out=to_left[: m - s])
            np.multiply(adjoints[s:m], left[s:m], out=to_right[s - a : m - a])
        if d > m:
            quotient, other = to_left[m - s :], to_right[m - a :]
            np.divide(adjoints[m:], right[m:], out=quotient)
            np.multiply(quotient, self._values[level.first + m : level.first + d], out=other)
            np.negative(other, out=other)
