"""Occurrences that follow one another: what a `repeat` hands on from round to round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...graph.ir import Value
from .cells import Level


@dataclass(frozen=True)
class Chain:
    """Occurrences `first` to `last`, each of which reads what the one before made: `carried` maps the
    template's inputs to the template's values that the next round gets."""

    first: int
    last: int
    carried: dict[Value, Value]


def chains_of(
    level: Level, region: frozenset[int], inputs: Sequence[Value], bindings: Sequence[Mapping[Value, Value]]
) -> list[Chain]:
    """Runs of occurrences that a `repeat` can write, all carrying the same."""
    made = [v for i in sorted(region) for v in level.cells[i].defines]
    found: list[Chain] = []
    carried: dict[Value, Value] | None = None
    start = 0
    for i in range(1, len(bindings) + 1):
        step = _step(inputs, made, bindings[i - 1], bindings[i]) if i < len(bindings) else None
        if step is not None and carried is None:
            carried = step
        if step is None or step != carried:
            if i - 1 > start and carried is not None:
                found.append(Chain(start, i - 1, carried))
            start = i
    return found


def _step(
    inputs: Sequence[Value],
    made: Sequence[Value],
    before: Mapping[Value, Value],
    after: Mapping[Value, Value],
) -> dict[Value, Value] | None:
    """What is carried from one occurrence to the next, None where that is not all that changes."""
    sources = {before[v]: v for v in reversed(made)}
    carried: dict[Value, Value] = {}
    for value in inputs:
        if after[value] is before[value]:
            continue
        source = sources.get(after[value])
        if source is None:
            return None
        carried[value] = source
    return carried if carried and len(set(carried.values())) == len(carried) else None
