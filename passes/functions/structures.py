"""Every structure of so many operations, once: the exhaustive mode's supply."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .straight_line import ADD, DIV, MUL, SUB, Instruction, StraightLine, canonical, structure_key

_C = -1
"""Any constant."""
_PRODUCTS = (MUL, DIV)

Rows = list[Instruction]


def structures(
    operations: int, *, odd: bool = False, after: Sequence[Instruction] = (), constants: int = 0
) -> Iterator[StraightLine]:
    """All programs of just so many operations that no shorter one or none given before can stand for, constants being
    free: no v + v (v times 2), no sum with a constant of a sum with one, no product likewise, instructions in one
    order.

    With `odd`, those that say themselves that they are odd functions: x is odd, sums join what is of one parity,
    constants are added to even values alone, and the result is odd. With `after`, those that go on from these
    instructions by so many operations, all of these being used. `constants`: those with at least so many, beside those
    of `after`."""
    begun = _numbered(after)
    seen: set[int] = set()
    parities = _parities(begun) if odd else None
    anonymous = [(o, max(a, _C), max(b, _C)) for o, a, b in begun]
    for rows in _extended(anonymous, operations, parities, len(begun), constants):
        made = canonical(_numbered(rows))
        if made is None or made[0].operations != len(begun) + operations:
            continue
        key = structure_key(made[0])
        if key not in seen:
            seen.add(key)
            yield made[0]


def _extended(
    rows: Rows, left: int, odd: tuple[bool, ...] | None, begun: int, constants: int
) -> Iterator[Rows]:
    """`odd`: of each value whether it is odd rather than even; None where parity does not matter. `constants`: so many
    are lacking."""
    if not left:
        if odd is None or odd[-1]:
            yield rows
        return
    last = len(rows)
    for row in _candidates(rows):
        if last > begun and row < rows[-1] and last not in row[1:]:
            continue  # the two do not depend on each other: only one order of them
        parity = None if odd is None else _parity(row, odd)
        if odd is not None and parity is None:
            continue
        more, lacking = [*rows, row], constants - (_C in row[1:])
        if _unread(more) <= left and lacking < left:
            parities = None if odd is None else (*odd, bool(parity))
            yield from _extended(more, left - 1, parities, begun, lacking)


def _parity(row: Instruction, odd: Sequence[bool]) -> bool | None:
    """Whether the result is odd; None where it is neither odd nor even."""
    operation, a, b = row
    if a < 0 or b < 0:
        parity = odd[max(a, b)]
        return parity if operation in _PRODUCTS or not parity else None
    if operation in _PRODUCTS:
        return odd[a] != odd[b]
    return odd[a] if odd[a] == odd[b] else None


def _parities(rows: Rows) -> tuple[bool, ...]:
    found = [True]
    for row in rows:
        parity = _parity(row, found)
        if parity is None:
            raise ValueError("instructions to go on from are neither odd nor even")
        found.append(parity)
    return tuple(found)


def _unread(rows: Rows) -> int:
    """Results that nothing reads; an instruction can lessen them by one."""
    read = {o for _, a, b in rows for o in (a, b)}
    return sum(i not in read for i in range(1, len(rows) + 1))


def _candidates(rows: Rows) -> Iterator[Instruction]:
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


def _numbered(rows: Sequence[Instruction]) -> Rows:
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
