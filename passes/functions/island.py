"""A stretch of evolution on a copy of the archive: the task that workers run."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import numpy as np

from .archive import Archive, Entry, Parents
from .cost import Cost
from .mutation import EMPTY, mutate
from .race import Child, Race
from .straight_line import structure_key
from .target import Target


@dataclass(frozen=True)
class Settings:
    """`most`: the largest cost of a program; `children`: programs made in a generation; `generations`: in the
    stretch of an island between two exchanges; `islands`: stretches from the same archive."""

    most: float = 10
    children: int = 512
    generations: int = 4
    islands: int = 2
    refit: float = 0.02
    restart: float = 0.01


@dataclass(frozen=True)
class Stretch:
    """What an island starts from; `seen`: keys of the structures fitted before, as bytes of int64."""

    target: Target
    cost: Cost
    settings: Settings
    seed: int
    entries: tuple[Entry, ...]
    seen: bytes


@dataclass(frozen=True)
class Gain:
    """What it found: entries that its archive kept, keys of new structures, and how many programs it fitted."""

    entries: tuple[Entry, ...]
    seen: bytes
    fitted: int


def evolve(stretch: Stretch) -> Gain:
    """Runs an island. The same stretch gives the same gain."""
    island = _Island(stretch)
    for _ in range(stretch.settings.generations):
        island.generation()
    kept = [e for e in island.archive.entries() if e not in island.given]
    return Gain(tuple(kept), np.array(sorted(island.new), np.int64).tobytes(), island.fitted)


@dataclass
class _Island:
    stretch: Stretch
    archive: Archive = field(default_factory=Archive)
    given: set[Entry] = field(default_factory=set)
    new: set[int] = field(default_factory=set)
    fitted: int = 0

    def __post_init__(self) -> None:
        self.given = set(self.stretch.entries)
        for entry in self.stretch.entries:
            self.archive.niches.setdefault(entry.niche, []).append(entry)
        self._seen = set(np.frombuffer(self.stretch.seen, np.int64).tolist())
        self._random = Random(self.stretch.seed)
        self._rng = np.random.default_rng(self.stretch.seed)

    def generation(self) -> None:
        settings = self.stretch.settings
        children: list[Child] = []
        parents = self.archive.parents()
        for _ in range(settings.children * 20):
            child = self._child(parents)
            if child is not None:
                children.append(child)
            if len(children) == settings.children:
                break
        self.fitted += len(children)
        race = Race(self.stretch.target, self.stretch.cost, self.archive)
        for entry in race.run(children, self._rng):
            self.archive.add(entry)

    def _child(self, parents: Parents) -> Child | None:
        settings, random = self.stretch.settings, self._random
        parent = parents.draw(random)
        if random.random() < settings.restart:
            parent = Entry(EMPTY, (), float("inf"), 0.0)
        found = mutate(parent.program, random, settings.most, self.stretch.cost)
        if found is None:
            return None
        program, sources = found
        key = structure_key(program)
        if key in self._seen and random.random() >= settings.refit:
            return None
        self._seen.add(key)
        self.new.add(key)
        return program, tuple(None if s is None else float(parent.constants[s]) for s in sources)
