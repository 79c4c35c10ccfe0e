"""Every structure of so many operations, once: the exhaustive mode's supply."""

from __future__ import annotations

from collections.abc import Iterator

from .straight_line import ADD, DIV, MUL, SUB, Instruction, StraightLine, canonical, structure_key

_C = -1
"""Any constant."""


def structures(operations: int) -> Iterator[StraightLine]:
    """All programs of just so many operations that no shorter one or none given before can stand for, constants being
    free: no v + v (v times 2), no sum with a constant of a sum with one, no product likewise, instructions in one
    order."""
    seen: set[int] = set()
    for rows in _extended([], operations):
        made = canonical(_numbered(rows))
        if made is None or made[0].operations != operations:
            continue
        key = structure_key(made[0])
        if key not in seen:
            seen.add(key)
            yield made[0]


def _extended(rows: list[Instruction], left: int) -> Iterator[list[Instruction]]:
    if not left:
        yield rows
        return
    last = len(rows)
    for row in _candidates(rows):
        if rows and row < rows[-1] and last not in row[1:]:
            continue  # the two do not depend on each other: only one order of them
        more = [*rows, row]
        if _unread(more) <= left:
            yield from _extended(more, left - 1)


def _unread(rows: list[Instruction]) -> int:
    """Results that nothing reads; an instruction can lessen them by one."""
    read = {o for _, a, b in rows for o in (a, b)}
    return sum(i not in read for i in range(1, len(rows) + 1))


def _candidates(rows: list[Instruction]) -> Iterator[Instruction]:
    values = range(len(rows) + 1)
    for v in values:
        inner = rows[v - 1] if v else (ADD, 0, 0)
        shifted = inner in ((ADD, inner[1], _C), (SUB, _C, inner[2]))
        scaled = inner in ((MUL, inner[1], _C), (DIV, _C, inner[2]))
        if not shifted:
            yield ADD, v, _C
            yield SUB, _C, v
        if not scaled:
            yield MUL, v, _C
            yield DIV, _C, v
        yield MUL, v, v
        for w in values:
            if w < v:
                yield ADD, v, w
                yield MUL, v, w
            if w != v:
                yield SUB, v, w
                yield DIV, v, w


def _numbered(rows: list[Instruction]) -> list[Instruction]:
    """Constants of their own for every place."""
    count = 0
    made = []
    for operation, a, b in rows:
        operands = []
        for operand in (a, b):
            if operand < 0:
                count += 1
                operand = -count
            operands.append(operand)
        made.append((operation, operands[0], operands[1]))
    return made
