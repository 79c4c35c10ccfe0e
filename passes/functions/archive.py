"""What a search has found: for each cost and count of constants the best programs, and the front."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

import numpy as np

from .straight_line import StraightLine

NICHE = 10
_SAME = 0.02
_IDLE = 0.85
_POOR = 1e3
_SKIP_POOR = 0.7

Niche = tuple[float, int]


@dataclass(frozen=True, slots=True)
class Entry:
    """A program with its constants, its largest error on the nodes of the fit, and its cost."""

    program: StraightLine
    constants: tuple[float | np.longdouble, ...]
    error: float
    cost: float

    @property
    def niche(self) -> Niche:
        return self.cost, self.program.constants


@dataclass
class Archive:
    """Niches by (cost, constants), each the best few, errors within 2 % taken for one program."""

    niches: dict[Niche, list[Entry]] = field(default_factory=dict)

    def add(self, entry: Entry) -> bool:
        """Whether the entry was kept."""
        if self._ballast(entry):
            return False
        kept = self.niches.setdefault(entry.niche, [])
        for i, other in enumerate(kept):
            if abs(entry.error - other.error) <= _SAME * other.error:
                if entry.error >= other.error:
                    return False
                del kept[i]
                break
        kept.append(entry)
        kept.sort(key=lambda e: (e.error, e.program.instructions))
        del kept[NICHE:]
        return entry in kept

    def _ballast(self, entry: Entry) -> bool:
        """Whether a simpler program is nearly as good: then this one is that one and something idle."""
        cost, constants = entry.niche
        return any(
            _IDLE * other.error < entry.error < (1 + _SAME) * other.error
            for niche, kept in self.niches.items()
            if niche != entry.niche and niche[0] <= cost and niche[1] <= constants
            for other in kept
        )

    def threshold(self, niche: Niche) -> float:
        """The error that an entry must beat to be kept; of a niche with room, its worst times 100."""
        kept = self.niches.get(niche, ())
        if not kept:
            return 100 * self.best(niche[0])
        return kept[-1].error if len(kept) == NICHE else 100 * kept[-1].error

    def best(self, cost: float) -> float:
        """The least error at no more than a cost."""
        return min((k[0].error for n, k in self.niches.items() if n[0] <= cost and k), default=float("inf"))

    def front(self) -> Mapping[float, Entry]:
        """By cost, the entries that nothing cheaper or as cheap beats: the first front of NSGA-II."""
        found: dict[float, Entry] = {}
        least = float("inf")
        for cost in sorted({n[0] for n in self.niches}):
            best = min((k[0] for n, k in self.niches.items() if n[0] == cost and k), key=lambda e: e.error)
            if best.error < least:
                found[cost] = best
                least = best.error
        return found

    def entries(self) -> Iterator[Entry]:
        for niche in sorted(self.niches):
            yield from self.niches[niche]

    def parents(self) -> Parents:
        """Draws of parents from the archive as it is now."""
        return Parents(self)


class Parents:
    """Draws: a uniform niche, poor ones of their cost mostly passed over; in it the better ones more often."""

    def __init__(self, archive: Archive) -> None:
        niches = sorted(((n, kept) for n, kept in archive.niches.items() if kept), key=lambda at: at[0])
        bests: dict[float, float] = {}
        for (cost, _), kept in niches:
            bests[cost] = min(bests.get(cost, float("inf")), kept[0].error)
        self._niches = [(kept, kept[0].error > _POOR * bests[cost]) for (cost, _), kept in niches]

    def draw(self, random: Random) -> Entry:
        while True:
            kept, poor = random.choice(self._niches)
            if poor and random.random() < _SKIP_POOR:
                continue
            return kept[min(int(len(kept) * random.random() ** 2), len(kept) - 1)]
