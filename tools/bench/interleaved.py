"""CPU time of several things side by side on a machine that others use too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter, process_time_ns

TURN = 0.02
"""Seconds of one turn."""


def cpu_seconds(
    runs: Mapping[str, Callable[[], object]], budget: float, rounds: int = 400
) -> dict[str, float]:
    """The least CPU time of one call of each, in rounds that take each in turn, so that a busy moment falls on
    all alike. A turn calls it for a while, the first time for its caches; a run is left out of further rounds
    when it had its share of `budget` seconds."""
    best: dict[str, float] = {}
    for name, run in runs.items():
        run()  # the first call allocates
        best[name] = float("inf")
    spent = dict.fromkeys(runs, 0.0)
    for turn in range(rounds):
        waiting = [n for n in runs if turn < 3 or spent[n] < budget / len(runs)]
        if not waiting:
            break
        for name in waiting:
            wall, calls = perf_counter(), 0
            while calls < 2 or perf_counter() - wall < TURN:
                start = process_time_ns()
                runs[name]()
                best[name] = min(best[name], (process_time_ns() - start) * 1e-9)
                calls += 1
            spent[name] += perf_counter() - wall
    return best
