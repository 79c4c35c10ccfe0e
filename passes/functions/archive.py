"""What a search has found: for each size and count of constants the best programs, and the front."""

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

Niche = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Entry:
    """A program with its constants and its largest error on the nodes of the fit."""

    program: StraightLine
    constants: tuple[float | np.longdouble, ...]
    error: float

    @property
    def niche(self) -> Niche:
        return self.program.operations, self.program.constants


@dataclass
class Archive:
    """Niches by (operations, constants), each the best few, errors within 2 % taken for one program."""

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
        size, constants = entry.niche
        for niche in (
            (size - 1, constants),
            (size - 1, constants - 1),
            (size - 2, constants - 1),
            (size, constants - 1),
            (size - 2, constants),
            (size - 2, constants - 2),
        ):
            for other in self.niches.get(niche, ()):
                if _IDLE * other.error < entry.error < (1 + _SAME) * other.error:
                    return True
        return False

    def threshold(self, niche: Niche) -> float:
        """The error that an entry must beat to be kept; of a niche with room, its worst times 100."""
        kept = self.niches.get(niche, ())
        if not kept:
            return 100 * self.best(niche[0])
        return kept[-1].error if len(kept) == NICHE else 100 * kept[-1].error

    def best(self, operations: int) -> float:
        """The least error with at most so many operations."""
        return min(
            (k[0].error for n, k in self.niches.items() if n[0] <= operations and k), default=float("inf")
        )

    def front(self) -> Mapping[int, Entry]:
        """The best entry of each size that no smaller one beats."""
        found: dict[int, Entry] = {}
        least = float("inf")
        for size in sorted({n[0] for n in self.niches}):
            best = min((k[0] for n, k in self.niches.items() if n[0] == size and k), key=lambda e: e.error)
            if best.error < least:
                found[size] = best
                least = best.error
        return found

    def entries(self) -> Iterator[Entry]:
        for niche in sorted(self.niches):
            yield from self.niches[niche]

    def parent(self, random: Random) -> Entry:
        """A uniform niche, poor ones of their size mostly passed over; in it the better ones more often."""
        niches = sorted(self.niches)
        while True:
            niche = random.choice(niches)
            kept = self.niches[niche]
            size_best = min(k[0].error for n, k in self.niches.items() if n[0] == niche[0])
            if kept[0].error > _POOR * size_best and random.random() < _SKIP_POOR:
                continue
            rank = min(int(len(kept) * random.random() ** 2), len(kept) - 1)
            return kept[rank]
