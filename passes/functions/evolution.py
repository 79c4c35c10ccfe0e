"""The search for programs: an archive of niches, mutation, and racing fits of constants.

From "AutoNumerics-Zero" (arXiv 2312.08472) the aim: the front of operations against error; the means differ:
gradients find the constants, in batches of programs, and the archive stands for the population.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from ...backends.runtime.executor import ProcessExecutor, RayExecutor, SerialExecutor, task_seed
from .archive import Archive, Entry
from .cost import Cost, KernelTime, OperationCount
from .float32_kernels import kernel_times, rounded_error
from .island import Settings, Stretch, evolve
from .mutation import EMPTY
from .straight_line import StraightLine
from .target import FLOAT32, Target

Executor = SerialExecutor | ProcessExecutor | RayExecutor


@dataclass
class Search:
    """The state of one search. The same seed, settings and seeds give the same course, on any number of workers:
    islands start from one archive, and what they bring is merged in their order."""

    target: Target
    settings: Settings
    seed: int
    cost: Cost = field(default_factory=OperationCount)
    epoch: int = 0
    fitted: int = 0
    archive: Archive = field(default_factory=Archive)
    seen: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        if not self.archive.niches:
            self.archive.add(Entry(EMPTY, (), _error_of_x(self.target), 0.0))

    def plant(
        self, programs: Iterable[tuple[StraightLine, tuple[float | np.longdouble, ...], float]]
    ) -> None:
        """Adds programs known before, with their constants and errors in real arithmetic."""
        for program, constants, error in programs:
            if self.target.arithmetic == FLOAT32:
                error = rounded_error(program, constants, self.target)
            self.archive.add(Entry(program, constants, error, self.cost.of(program)))

    def step(self, executor: Executor | None = None) -> None:
        """One epoch: a stretch of every island, then their gains."""
        entries = tuple(self.archive.entries())
        seen = np.array(sorted(self.seen), np.int64).tobytes()
        first = self.epoch * self.settings.islands
        stretches = [
            Stretch(self.target, self.cost, self.settings, task_seed(self.seed, first + i), entries, seen)
            for i in range(self.settings.islands)
        ]
        gains = dict((executor or SerialExecutor()).map_unordered(evolve, stretches))
        for i in range(len(stretches)):
            self.fitted += gains[i].fitted
            self.seen.update(np.frombuffer(gains[i].seen, np.int64).tolist())
            for entry in gains[i].entries:
                self.archive.add(entry)
        if isinstance(self.cost, KernelTime):
            self._measure(self.cost)
        self.epoch += 1

    def _measure(self, cost: KernelTime) -> None:
        """Times what the archive holds and nobody timed, and puts everything where it then belongs."""
        entries = [e for e in self.archive.entries() if e.program.instructions]
        new = list(dict.fromkeys(e.program for e in entries if not cost.known(e.program)))
        cost = cost.with_times(new, kernel_times(new, self.target))
        self.cost, self.archive = cost, Archive()
        self.archive.add(Entry(EMPTY, (), _error_of_x(self.target), 0.0))
        for entry in sorted(entries, key=lambda e: (e.error, e.program.instructions)):
            self.archive.add(replace(entry, cost=cost.of(entry.program)))


def _error_of_x(target: Target) -> float:
    x, y = target.samples(64)
    return float(np.max(np.abs(x - y) / target.scale(y)))
