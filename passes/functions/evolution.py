"""The search for programs: an archive of niches, mutation, and racing fits of constants.

From "AutoNumerics-Zero" (arXiv 2312.08472) the aim: the front of operations against error; the means differ:
gradients find the constants, in batches of programs, and the archive stands for the population.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Any

import numpy as np

from .archive import Archive, Entry
from .batch import Batch
from .fitting import Problem, fit
from .mutation import EMPTY, mutate
from .polish import polish
from .straight_line import StraightLine, structure_key
from .target import Target

Array = np.ndarray[Any, Any]
_PRECISE = 1e-11
"""Errors below this are fitted in long doubles: rounding is no longer small beside them."""


@dataclass(frozen=True)
class Stage:
    """A round of the race: starts and steps for each program, and how near the archive's threshold or
    the front its error must have come before; at most `share` of the children enter it."""

    starts: int
    steps: int
    accelerate: bool
    of_threshold: float
    of_front: float
    batch: int
    share: float


STAGES = (
    Stage(5, 14, False, float("inf"), float("inf"), 64, 1.0),
    Stage(10, 30, False, 1e3, 1e4, 32, 0.15),
    Stage(40, 50, True, 30, 30, 8, 0.025),
)


@dataclass(frozen=True)
class Settings:
    """`operations`: the most of a program; `children`: programs made in a generation."""

    operations: int = 10
    children: int = 384
    nodes: int = 32
    refit: float = 0.02
    restart: float = 0.01


@dataclass
class Search:
    """The state of one search. The same seed and settings give the same course."""

    target: Target
    settings: Settings
    seed: int
    generation: int = 0
    fitted: int = 0
    archive: Archive = field(default_factory=Archive)
    seen: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        if not self.archive.niches:
            self._consider([(EMPTY, ())])

    def step(self) -> None:
        """One generation."""
        self.generation += 1
        random = Random(f"{self.seed}:{self.generation}")
        children: list[tuple[StraightLine, tuple[float | None, ...]]] = []
        for _ in range(self.settings.children * 20):
            if len(children) == self.settings.children:
                break
            child = self._child(random)
            if child is not None:
                children.append(child)
        self._consider(children)

    def _child(self, random: Random) -> tuple[StraightLine, tuple[float | None, ...]] | None:
        parent = self.archive.parent(random)
        if random.random() < self.settings.restart:
            parent = Entry(EMPTY, (), float("inf"))
        found = mutate(parent.program, random, self.settings.operations)
        if found is None:
            return None
        program, sources = found
        key = structure_key(program)
        if key in self.seen and random.random() >= self.settings.refit:
            return None
        self.seen.add(key)
        return program, tuple(None if s is None else float(parent.constants[s]) for s in sources)

    def _consider(self, children: Sequence[tuple[StraightLine, tuple[float | None, ...]]]) -> None:
        """Races the children and adds what is good enough."""
        rng = np.random.default_rng([self.seed, self.generation])
        self.fitted += len(children)
        racing = [(p, inherited, float("inf")) for p, inherited in children]
        best: dict[int, Entry] = {}
        order = sorted(range(len(racing)), key=lambda i: racing[i][0].operations)
        for number, stage in enumerate(STAGES):
            chosen = order if number == 0 else self._promoted(best, stage)
            for first in range(0, len(chosen), stage.batch):
                lanes = chosen[first : first + stage.batch]
                known = [best.get(i) for i in lanes]
                for i, entry in zip(
                    lanes, self._race([racing[i][:2] for i in lanes], known, stage, rng), strict=True
                ):
                    if entry is not None and (i not in best or entry.error < best[i].error):
                        best[i] = entry
        for i in order:
            if i in best:
                self._keep(best[i])

    def _promoted(self, best: Mapping[int, Entry], stage: Stage) -> list[int]:
        """The children that a stage takes, the smallest programs first: those nearest to the front
        and to their niche's threshold."""
        ranks = {i: self._rank(entry, stage) for i, entry in best.items()}
        most = max(int(stage.share * self.settings.children), 1)
        nearest = sorted((i for i in ranks if ranks[i] < 1), key=lambda i: (ranks[i], i))[:most]
        return sorted(nearest, key=lambda i: (best[i].program.operations, i))

    def _rank(self, entry: Entry, stage: Stage) -> float:
        """Below 1 where the stage would take it."""
        front = entry.error / (stage.of_front * self.archive.best(entry.program.operations))
        return min(front, entry.error / (stage.of_threshold * self.archive.threshold(entry.niche)))

    def _race(
        self,
        programs: Sequence[tuple[StraightLine, tuple[float | None, ...]]],
        known: Sequence[Entry | None],
        stage: Stage,
        rng: np.random.Generator,
    ) -> list[Entry | None]:
        batch = Batch(tuple(p for p, _ in programs))
        problem = _problem(self.target, self.settings.nodes)
        starts = _starts(batch, [c for _, c in programs], known, stage.starts, rng)
        found = fit(batch, starts, problem, stage.steps, stage.accelerate)
        entries: list[Entry | None] = []
        for j, program in enumerate(batch.programs):
            at = int(np.argmin(found.largest[j]))
            error = float(found.largest[j, at])
            constants = tuple(float(c) for c in found.constants[j, at, : program.constants])
            entries.append(Entry(program, constants, error) if np.isfinite(error) else None)
        return entries

    def _keep(self, entry: Entry) -> None:
        """Adds an entry; one that rounding hides is fitted in long doubles first."""
        if entry.error < _PRECISE and entry.error < 30 * min(
            self.archive.threshold(entry.niche), 30 * self.archive.best(entry.program.operations)
        ):
            constants, error = polish(
                entry.program, np.array(entry.constants), self.target, self.settings.nodes
            )
            entry = Entry(entry.program, tuple(constants), error)  # long doubles kept: digits count here
        self.archive.add(entry)


def _starts(
    batch: Batch,
    inherited: Sequence[tuple[float | None, ...]],
    known: Sequence[Entry | None],
    starts: int,
    rng: np.random.Generator,
) -> Array:
    """Half the starts take the parent's constants, exactly or within 25 %; the rest, and all new
    constants, are log-uniform over five decades with any sign. The first is the best one known."""
    shape = (len(batch.programs), starts, batch.constants)
    found: Array = 10.0 ** rng.uniform(-1.5, 3.5, shape) * rng.choice([-1.0, 1.0], shape)
    factor = 1 + rng.uniform(-0.25, 0.25, shape) * (rng.random((*shape[:2], 1)) < 0.5)
    half = max(starts // 2, 1)
    for j, constants in enumerate(inherited):
        for k, value in enumerate(constants):
            if value is not None:
                found[j, :half, k] = float(value) * factor[j, :half, k]
        entry = known[j]
        if entry is not None:
            found[j, 0, : len(entry.constants)] = entry.constants
    return found


@lru_cache(maxsize=8)
def _problem(target: Target, nodes: int) -> Problem:
    x, y = target.samples(nodes)
    return Problem(x.astype(np.float64), y.astype(np.float64), (1 / target.scale(y)).astype(np.float64))
