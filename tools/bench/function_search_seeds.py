"""From x alone to the published ten-operation program's digits: CPU seconds of ten seeds."""

from __future__ import annotations

import math
from time import process_time

import numpy as np

from ...passes.functions.archive import Entry
from ...passes.functions.evolution import Search
from ...passes.functions.island import Settings
from ...passes.functions.polish import polish
from ..search.fronts import TARGETS

COMMAND = "python -m graphwright.tools.bench function_search_seeds"
SEEDS = range(1, 11)
DIGITS, SECONDS = 14.45, 300.0


def report() -> None:
    """One line a seed; the goal: at least 9 of 10 within 300 CPU seconds."""
    print(f"command: {COMMAND}")
    reached = 0
    for seed in SEEDS:
        seconds, digits, fitted = measure(seed)
        reached += digits >= DIGITS
        print(
            f"seed {seed:2}: {digits:5.2f} digits after {seconds:4.0f} CPU s, {fitted:,} programs", flush=True
        )
    print(
        f"goal 1 at least {DIGITS} digits at 10 operations within {SECONDS:.0f} CPU s: {reached} of {len(SEEDS)}"
    )


def measure(seed: int) -> tuple[float, float, int]:
    """(CPU seconds, digits, programs fitted) when the aim or the limit was reached."""
    search, start, digits = Search(TARGETS["exp2"], Settings(), seed), process_time(), 0.0
    while digits < DIGITS and process_time() - start < SECONDS:
        search.step()
        digits = _digits(min(search.archive.entries(), key=lambda e: e.error))
    return process_time() - start, digits, search.fitted


def _digits(entry: Entry) -> float:
    if entry.error > 1e-13:
        return -math.log10(entry.error)
    target = TARGETS["exp2"]
    return -math.log10(polish(entry.program, np.array(entry.constants, np.longdouble), target)[1])
