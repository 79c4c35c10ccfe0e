"""Which region of a level occurs often enough to be written once.

Candidates come in groups: cells that look alike down to some depth, whatever weights they read. A
block is what one member of a group needs beyond the member before it; it is then laid over every
cell that looks like its root.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...graph.ir import Value
from .cells import Level
from .chains import chains_of
from .matching import Match, match
from .scopes import common_scope

DEPTHS = (1, 4, 12, 32)
LARGEST_LEVEL = 12_000
MOST_WORK = 3_000_000
"""Cells visited by one search at most: larger levels get the candidates of most promise only."""

LEAST_CELLS = 3
LEAST_GAIN = 8


@dataclass(frozen=True)
class Block:
    """A region by its cells, and where it occurs, in order; the first match is the template's own."""

    region: tuple[int, ...]
    root: int
    matches: tuple[Match, ...]
    gain: int


def best_block(level: Level, results: Sequence[Value]) -> Block | None:
    """The block whose being written once saves most; None where none saves enough."""
    if not LEAST_CELLS * 2 <= len(level.cells) <= LARGEST_LEVEL:
        return None
    best: Block | None = None
    work = 0
    for bound, region, root in sorted(_candidates(level), key=lambda c: (-c[0], c[2], len(c[1]))):
        if bound < LEAST_GAIN or (best is not None and bound <= best.gain) or work > MOST_WORK:
            break
        found, visited = _occurrences(level, region, root, results)
        work += visited
        if found is not None and found.gain >= LEAST_GAIN and (best is None or found.gain > best.gain):
            best = found
    return best


def _candidates(level: Level) -> Iterator[tuple[int, tuple[int, ...], int]]:
    """(the most that it can save, region, root) of every region worth trying."""
    counts: dict[int, int] = {}
    for label in level.labels:
        counts[label] = counts.get(label, 0) + 1
    seen: set[tuple[int, int]] = set()
    for group in _groups(level):
        pairs = [(group[-2], group[-1])]
        if len(group) > 2:
            pairs.append((group[0], group[1]))
        for earlier, root in pairs:
            mask = level.ancestors[root] & ~level.ancestors[earlier]
            if (mask, root) in seen:
                continue
            seen.add((mask, root))
            region = _bits(mask)
            if len(region) >= LEAST_CELLS:
                weights = len(
                    {v for i in region for v in level.reads[i] if v is not None and level.is_hole(v)}
                )
                yield (counts[level.labels[root]] - 1) * (len(region) + weights), region, root


def _bits(mask: int) -> tuple[int, ...]:
    found: list[int] = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return tuple(found)


def _groups(level: Level) -> Iterator[list[int]]:
    """Cells that look alike down to each depth, two or more, each group once."""
    current: list[int] = list(level.labels)
    seen: set[tuple[int, ...]] = set()
    for depth in range(1, max(DEPTHS) + 1):
        table: dict[tuple[int, tuple[int, ...]], int] = {}
        following: list[int] = []
        for i, reads in enumerate(level.reads):
            below = tuple(
                current[level.made[v][0]] if v is not None and v in level.made else -1 for v in reads
            )
            following.append(table.setdefault((level.labels[i], below), len(table)))
        current = following
        if depth not in DEPTHS:
            continue
        groups: dict[int, list[int]] = {}
        for i, number in enumerate(current):
            groups.setdefault(number, []).append(i)
        for group in groups.values():
            if len(group) > 1 and tuple(group) not in seen:
                seen.add(tuple(group))
                yield group


def _occurrences(
    level: Level, region: tuple[int, ...], root: int, results: Sequence[Value]
) -> tuple[Block | None, int]:
    """The block with all its occurrences that do not overlap, and how many cells were visited."""
    inside = frozenset(region)
    own = match(level, inside, root, root, 0)
    if own is None or len(own.cells) != len(region):
        return None, len(region)
    claimed, work = own.mask, len(region)
    matches = [own]
    for at, label in enumerate(level.labels):
        if label == level.labels[root] and at != root:
            found = match(level, inside, root, at, claimed)
            work += len(region)
            if found is not None:
                matches.append(found)
                claimed |= found.mask
    if len(matches) < 2:
        return None, work
    matches.sort(key=lambda m: m.cells[root])
    kept = tuple(matches)
    return Block(region, root, kept, _gain(level, inside, kept, results)), work


def _gain(level: Level, region: frozenset[int], matches: Sequence[Match], results: Sequence[Value]) -> int:
    """Lines that are saved, roughly: cells and weights written once, less the calls and what they
    must be given."""
    template = matches[0].values
    outside = [v for v in template if v not in level.made or level.made[v][0] not in region]
    weights = sum(1 for v in outside if level.is_hole(v))
    inputs = [v for v in outside if not level.is_hole(v) and not level.is_written(v)]
    exposed = len(exposed_values(level, region, matches, results))
    count = len(matches)
    joined = sum(c.last - c.first for c in chains_of(level, region, inputs, [m.values for m in matches]))
    given = max(0, len(inputs) - 1) + max(0, exposed - 1)
    gain = (count - 1) * (len(region) + weights) - 4 - 2 * (count - joined) * given
    return gain if _is_module(level, matches[0]) else gain // 3


def _is_module(level: Level, found: Match) -> bool:
    """Whether the occurrence is a whole module of the exporter's, or there are none: a block across
    modules saves lines and reads badly."""
    inside = set(found.cells.values())
    scope = common_scope([level.modules[i] for i in inside]) if level.modules else ""
    if not scope:
        return not any(level.modules)
    return all(i in inside for i, m in enumerate(level.modules) if m == scope or m.startswith(f"{scope}."))


def exposed_values(
    level: Level, region: frozenset[int], matches: Sequence[Match], results: Sequence[Value]
) -> list[Value]:
    """The template's values that are read outside of an occurrence, in the order they are made."""
    read: dict[Value, set[int]] = {v: {-1} for v in results}
    for i, reads in enumerate(level.reads):
        for value in reads:
            if value is not None:
                read.setdefault(value, set()).add(i)
    found: dict[Value, None] = {}
    for cell in sorted(region):
        for value in level.cells[cell].defines:
            for occurrence in matches:
                readers = read.get(occurrence.values[value], set())
                if readers - set(occurrence.cells.values()):
                    found[value] = None
                    break
    return list(found)
