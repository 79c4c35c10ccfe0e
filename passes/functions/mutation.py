"""Changes of a program: the moves of the search."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from .cost import Cost, OperationCount
from .straight_line import ADD, DIV, MUL, SUB, Instruction, StraightLine, canonical

FRESH = -1000
"""Constants below this are new ones, which have no value in the parent."""

EMPTY = StraightLine(())
"""The program that is x itself."""


_COUNT = OperationCount()


def mutate(
    program: StraightLine, random: Random, most: float, cost: Cost = _COUNT
) -> tuple[StraightLine, tuple[int | None, ...]] | None:
    """A child of one to four moves, and for each of its constants the parent's that it comes from
    (None: it is new). None where the moves made no program that costs at most so much."""
    rows = list(program.instructions)
    for _ in range(1 + _geometric(random)):
        move = random.choices(_MOVES, _WEIGHTS)[0]
        move(rows, random)
    found = canonical(rows)
    if found is None or cost.of(found[0]) > most:
        return None
    child, constants = found
    return child, tuple(-c - 1 if c > FRESH else None for c in constants)


def _geometric(random: Random) -> int:
    count = 0
    while count < 3 and random.random() < 0.35:
        count += 1
    return count


def _fresh(random: Random) -> int:
    return FRESH - 1 - random.getrandbits(48)


def _insert(rows: list[Instruction], random: Random) -> None:
    """A new operation on some value; one reader of it, or all, read the result instead."""
    source = random.randint(0, len(rows))
    other = _fresh(random) if random.random() < 0.6 else random.randint(0, source)
    pair = (source, other) if random.random() < 0.5 else (other, source)
    _splice(rows, source, [(random.randrange(4), *pair)], random)


def _insert_block(rows: list[Instruction], random: Random) -> None:
    """A residual block: v becomes (c ∘ v) ∘ v, such as v + c / v."""
    source = random.randint(0, len(rows))
    first = (random.randrange(4), _fresh(random), source)
    if random.random() < 0.5:
        first = (first[0], source, first[1])
    made = source + 1
    second = (
        (random.randrange(4), source, made) if random.random() < 0.5 else (random.randrange(4), made, source)
    )
    _splice(rows, source, [first, second], random)


def _splice(rows: list[Instruction], source: int, new: list[Instruction], random: Random) -> None:
    """Puts instructions right after value `source`; readers of it read the last of them."""
    count = len(new)
    readers = [(i, s) for i in range(source, len(rows)) for s in (1, 2) if rows[i][s] == source]
    if readers and random.random() < 0.5:
        readers = [random.choice(readers)]
    moved: list[Instruction] = []
    for i, row in enumerate(rows[source:], source):
        operands = [o + count if o > source else o for o in row[1:]]
        for s in (1, 2):
            if (i, s) in readers:
                operands[s - 1] = source + count
        moved.append((row[0], operands[0], operands[1]))
    rows[source:] = [*new, *moved]


def _delete(rows: list[Instruction], random: Random) -> None:
    """An instruction away; its readers read one of its operands."""
    if not rows:
        return
    at = random.randint(1, len(rows))
    _, a, b = rows[at - 1]
    kept = a if b < 0 or (a >= 0 and random.random() < 0.5) else b
    renamed = [(o, *(kept if v == at else v - 1 if v > at else v for v in pair)) for o, *pair in rows[at:]]
    rows[at - 1 :] = [(o, a, b) for o, a, b in renamed]
    if not renamed and kept >= 0:
        del rows[kept:]


def _rewire(rows: list[Instruction], random: Random) -> None:
    """An operand becomes another value, or a new constant."""
    if not rows:
        return
    at = random.randrange(len(rows))
    operation, a, b = rows[at]
    new = _fresh(random) if random.random() < 0.3 else random.randint(0, at)
    rows[at] = (operation, new, b) if random.random() < 0.5 else (operation, a, new)


def _change(rows: list[Instruction], random: Random) -> None:
    """Another operation, or the operands the other way round."""
    if not rows:
        return
    at = random.randrange(len(rows))
    operation, a, b = rows[at]
    rows[at] = (operation, b, a) if random.random() < 0.4 else (random.choice((ADD, SUB, MUL, DIV)), a, b)


_Move = Callable[[list[Instruction], Random], None]
_MOVES: tuple[_Move, ...] = (_insert, _delete, _rewire, _change, _insert_block)
_WEIGHTS = (36, 18, 18, 18, 9)
