"""How fast ONNX Runtime runs what each optimizer made of an export: all in turn, round after round."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
from time import process_time

from .export_costs import feeds_of
from .sessions import open_session

ROUNDS, PROCESSES = 21, 3
SHORTEST = 0.01
"""Seconds that one reading of the clock takes at least: quick models run several times."""
SIZE = (1, 64)
"""Batch and length at which latency is measured."""

Latencies = dict[str, float]


def latencies(
    exports: Sequence[tuple[str, str]], models: Mapping[tuple[str, str], Mapping[str, Path]]
) -> dict[tuple[str, str], list[Latencies]]:
    """For each export what each process measured: variant -> milliseconds of processor time."""
    found: dict[tuple[str, str], list[Latencies]] = {e: [] for e in exports}
    jobs = [(e, {n: str(p) for n, p in models[e].items()}) for e in exports]
    for _ in range(PROCESSES):
        with get_context("spawn").Pool(1) as pool:
            for export, measured in zip(exports, pool.imap(_measure, jobs), strict=True):
                found[export].append(measured)
    return found


def _measure(job: tuple[tuple[str, str], Mapping[str, str]]) -> Latencies:
    (name, way), models = job
    (feeds,) = feeds_of(name, way, (SIZE,))
    sessions = {variant: open_session(Path(path).read_bytes()) for variant, path in models.items()}
    repeats = 1
    for session in sessions.values():
        session.run(None, feeds)
        start = process_time()
        session.run(None, feeds)
        repeats = max(repeats, math.ceil(SHORTEST / max(process_time() - start, 1e-5)))
    best = dict.fromkeys(models, math.inf)
    for _ in range(ROUNDS):
        for variant, session in sessions.items():
            start = process_time()
            for _ in range(repeats):
                session.run(None, feeds)
            best[variant] = min(best[variant], (process_time() - start) / repeats * 1000)
    return best
