"""CPU time of short runs, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import process_time, thread_time

TURN = 0.001
"""CPU seconds of one turn: long beside the clock's own steps and cost, short beside a busy moment."""


def least_seconds(runs: Sequence[Callable[[], object]], budget: float) -> list[float]:
    """The least CPU seconds of a run of each, as the mean over a turn of repeated runs: on one call of some
    microseconds the clock itself is off by a third. Turns alternate until `budget` CPU seconds are spent, each at
    least twice; a turn's first run, for the caches, is not counted. Only the calling thread's time counts."""
    counts = [_count(run) for run in runs]
    best = [float("inf")] * len(runs)
    stop, rounds = process_time() + budget, 0
    while rounds < 2 or process_time() < stop:
        for i, (run, count) in enumerate(zip(runs, counts, strict=True)):
            run()
            start = thread_time()
            for _ in range(count):
                run()
            best[i] = min(best[i], (thread_time() - start) / count)
        rounds += 1
    return best


def _count(run: Callable[[], object]) -> int:
    """How many runs fill a turn."""
    run()
    start = thread_time()
    run()
    return max(1, int(TURN / max(thread_time() - start, 1e-6)))
