"""A region laid over another place of the same level: do both compute the same of their operands?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from ...graph.ir import Value
from .cells import Level


@dataclass
class Match:
    """An occurrence: which cell stands for each cell of the template, and which value for each of its
    values, operands from outside included."""

    cells: dict[int, int] = field(default_factory=dict)
    values: dict[Value, Value] = field(default_factory=dict)

    @property
    def mask(self) -> int:
        bits = 0
        for i in self.cells.values():
            bits |= 1 << i
        return bits


def match(level: Level, region: Collection[int], root: int, at: int, claimed: int) -> Match | None:
    """The occurrence of the region with its root at cell `at`, None where there is none, or where it
    would share a cell with those `claimed`."""
    found = Match({root: at})
    taken = {at}
    waiting = [(root, at)]
    if level.labels[root] != level.labels[at] or claimed >> at & 1:
        return None
    while waiting:
        mine, theirs = waiting.pop()
        for x, y in zip(level.reads[mine], level.reads[theirs], strict=True):
            if x is None or y is None:
                if x is not y:
                    return None
                continue
            pair = _bind(level, region, found, x, y)
            if pair is None:
                return None
            if pair == (-1, -1) or pair[0] in found.cells:
                if pair[0] in found.cells and found.cells[pair[0]] != pair[1]:
                    return None
                continue
            if pair[1] in taken or claimed >> pair[1] & 1 or level.labels[pair[0]] != level.labels[pair[1]]:
                return None
            found.cells[pair[0]] = pair[1]
            taken.add(pair[1])
            waiting.append(pair)
    return _complete(level, found) if _is_convex(level, region, found) else None


def _bind(level: Level, region: Collection[int], found: Match, x: Value, y: Value) -> tuple[int, int] | None:
    """Lets y stand for x. The makers of both, to be compared next; (-1, -1) where x comes from outside
    of the region; None where y can't stand for x."""
    known = found.values.get(x)
    if known is not None:
        return (-1, -1) if known is y else None
    if x.type != y.type or level.is_written(x) != level.is_written(y) or level.is_hole(x) != level.is_hole(y):
        return None
    if level.is_written(x) and not level.is_same(x, y):
        return None
    maker, other = level.made.get(x), level.made.get(y)
    found.values[x] = y
    if maker is None or maker[0] not in region:
        return (-1, -1)
    if other is None or maker[1] != other[1]:
        return None
    return maker[0], other[0]


def _is_convex(level: Level, region: Collection[int], found: Match) -> bool:
    """Whether nothing between two of its cells lies outside of it."""
    mask = found.mask
    for x, y in found.values.items():
        maker = level.made.get(x)
        if maker is None or maker[0] not in region:
            other = level.made.get(y)
            if other is not None and level.ancestors[other[0]] & mask:
                return False
    return True


def _complete(level: Level, found: Match) -> Match:
    """Also binds results that nothing inside reads, and what nested calls own or compute."""
    for mine, theirs in found.cells.items():
        one, other = level.cells[mine], level.cells[theirs]
        for x, y in zip(one.defines, other.defines, strict=True):
            found.values[x] = y
        if one.call is None or other.call is None:
            continue
        for inner, outer in zip(one.call.bindings, other.call.bindings, strict=True):
            for template, x in inner.items():
                found.values.setdefault(x, outer[template])
    return found
