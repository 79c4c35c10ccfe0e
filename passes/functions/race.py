"""Races: the constants of many new programs, a few cheap starts for all, many careful ones for the few that
come near what is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from .archive import Archive, Entry
from .batch import Batch
from .cost import Cost
from .fitting import Problem, fit
from .float32_kernels import rounded_error
from .polish import settled, settled_together
from .straight_line import StraightLine
from .target import FLOAT32, Target

Array = np.ndarray[Any, Any]
Child = tuple[StraightLine, tuple[float | None, ...]]
"""A program, and of each constant the parent's value (None: it is new)."""
_CLOSEST = 10
"""Nodes nearer than 2^-10 to a zero would outweigh all others while constants are far off."""
_SETTLED_TOGETHER = 64
_PRECISE = 1e-11
"""Errors below this are fitted in long doubles: rounding is no longer small beside them."""


@dataclass(frozen=True)
class Stage:
    """A round of the race: starts and steps for each program at so many nodes, and how near the archive's
    threshold or the front its error must have come before; at most `share` of the children enter it."""

    starts: int
    steps: int
    nodes: int
    accelerate: bool
    of_threshold: float
    of_front: float
    batch: int
    share: float


STAGES = (
    Stage(6, 14, 16, False, float("inf"), float("inf"), 64, 1.0),
    Stage(12, 30, 24, False, 1e3, 1e4, 24, 0.15),
    Stage(48, 50, 32, True, 30, 30, 6, 0.02),
)


@dataclass(frozen=True)
class Race:
    """Children are measured against the archive as it is."""

    target: Target
    cost: Cost
    archive: Archive
    stages: tuple[Stage, ...] = STAGES

    def run(self, children: Sequence[Child], rng: np.random.Generator) -> list[Entry]:
        """The entries worth keeping, in the order of cost."""
        best: dict[int, Entry] = {}
        chosen = list(range(len(children)))
        for number, stage in enumerate(self.stages):
            if number:
                chosen = self._promoted(best, stage, len(children))
            chosen.sort(key=lambda i: (children[i][0].constants, children[i][0].operations, i))
            for first in range(0, len(chosen), stage.batch):
                lanes = chosen[first : first + stage.batch]
                found = self._fit([children[i] for i in lanes], [best.get(i) for i in lanes], stage, rng)
                for i, entry in zip(lanes, found, strict=True):
                    if entry is not None and (number or i not in best):
                        best[i] = entry
        near = self._settled([e for e in best.values() if e.error < self.archive.threshold(e.niche)])
        return sorted(near, key=lambda e: (e.cost, e.error, e.program.instructions))

    def _promoted(self, best: Mapping[int, Entry], stage: Stage, count: int) -> list[int]:
        """The children that a stage takes: those nearest to the front and to their niche's threshold."""
        ranks = {i: self._rank(entry, stage) for i, entry in best.items()}
        most = max(int(stage.share * count), 1)
        return sorted((i for i in ranks if ranks[i] < 1), key=lambda i: (ranks[i], i))[:most]

    def _rank(self, entry: Entry, stage: Stage) -> float:
        """Below 1 where the stage would take it."""
        front = entry.error / (stage.of_front * self.archive.best(entry.cost))
        return min(front, entry.error / (stage.of_threshold * self.archive.threshold(entry.niche)))

    def _fit(
        self, children: Sequence[Child], known: Sequence[Entry | None], stage: Stage, rng: np.random.Generator
    ) -> list[Entry | None]:
        batch = Batch(tuple(program for program, _ in children))
        starts = starting_points(batch, [c for _, c in children], known, stage.starts, rng)
        found = fit(batch, starts, _problem(self.target, stage.nodes), stage.steps, stage.accelerate)
        entries: list[Entry | None] = []
        for j, program in enumerate(batch.programs):
            at = int(np.argmin(found.largest[j]))
            error = float(found.largest[j, at])
            constants = tuple(found.constants[j, at, : program.constants].tolist())
            entry = Entry(program, constants, error, self.cost.of(program))
            entries.append(entry if np.isfinite(error) else None)
        return entries

    def _settled(self, entries: Sequence[Entry]) -> list[Entry]:
        """The entries with their errors over many nodes; such as rounding hides are first fitted in long doubles."""
        found: list[Entry] = []
        precise: list[Entry] = []
        for entry in entries:
            if self.target.arithmetic == FLOAT32:
                error = rounded_error(entry.program, entry.constants, self.target)
                found.append(replace(entry, error=error))
            elif entry.error < _PRECISE or self.target.vanishes:
                precise.append(entry)
            else:
                constants = [float(c) for c in entry.constants]
                kept, error = settled(entry.program, constants, self.target, precise=False)
                found.append(replace(entry, constants=kept, error=error))
        precise.sort(key=lambda e: (e.program.constants, e.program.operations, e.program.instructions))
        for first in range(0, len(precise), _SETTLED_TOGETHER):
            some = precise[first : first + _SETTLED_TOGETHER]
            fits = settled_together([(e.program, e.constants) for e in some], self.target)
            found += [
                replace(e, constants=kept, error=error) for e, (kept, error) in zip(some, fits, strict=True)
            ]
        return found


def starting_points(
    batch: Batch,
    inherited: Sequence[tuple[float | None, ...]],
    known: Sequence[Entry | None],
    starts: int,
    rng: np.random.Generator,
) -> Array:
    """[program, start, constant]. Of every four starts two take the parent's constants: exactly or within 25 %,
    and times powers of two (a function of half the argument has constants that differ so). The rest, and all new
    constants, are log-uniform over five decades with any sign. The first is the best one known."""
    shape = (len(batch.programs), starts, batch.constants)
    found: Array = 10.0 ** rng.uniform(-1.5, 3.5, shape) * rng.choice([-1.0, 1.0], shape)
    factor = 1 + rng.uniform(-0.25, 0.25, shape) * (rng.random((*shape[:2], 1)) < 0.5)
    doubled = 2.0 ** rng.integers(-2, 3, shape)
    kind = np.arange(starts) % 4
    factor = np.where((kind == 1)[:, None], doubled, factor)
    takes = kind < 2
    for j, constants in enumerate(inherited):
        for k, value in enumerate(constants):
            if value is not None:
                found[j, takes, k] = value * factor[j, takes, k]
        entry = known[j]
        if entry is not None:
            found[j, 0, : len(entry.constants)] = entry.constants
    return found


@lru_cache(maxsize=8)
def _problem(target: Target, nodes: int) -> Problem:
    x, y = target.samples(nodes, _CLOSEST)
    return Problem(x.astype(np.float64), y.astype(np.float64), (1 / target.scale(y)).astype(np.float64))
