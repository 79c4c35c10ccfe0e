"""From x alone to the published ten-operation program's digits: CPU seconds of ten seeds.

Each seed is kept as it ends, in `.build/bench`: a run that was stopped goes on with the seeds that it lacks. What is
kept belongs to the search as its sources are now.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from ...backends.runtime.cache import content_key, write_atomically
from ...passes.functions import evolution
from ...passes.functions.archive import Entry
from ...passes.functions.evolution import Search
from ...passes.functions.island import Settings
from ...passes.functions.polish import polish
from ..search.fronts import TARGETS
from .function_goals import keep
from .goals import Goal

COMMAND = "python -m graphwright.tools.bench function_search_seeds"
KEPT = Path(".build/bench/function_search_seeds.json")
SOURCES = "archive batch evolution fitting island mutation polish race straight_line target".split()
SEEDS = range(1, 11)
DIGITS, SECONDS, LEAST = 14.45, 300.0, 9


def report() -> None:
    """One line a seed; the goal: at least 9 of 10 within 300 CPU seconds."""
    print(f"command: {COMMAND}")
    keep(goals(), COMMAND)


def goals() -> Iterator[Goal]:
    """Goal 1."""
    measured = seeds()
    reached = sum(one["digits"] >= DIGITS for one in measured.values())
    target = (
        f"from x alone {DIGITS} digits at 10 operations of 2^x in {SECONDS:.0f} CPU s, {LEAST} of 10 seeds"
    )
    longest = max(one["seconds"] for one in measured.values())
    said = f"{reached} of {len(measured)}, the longest {longest:.0f} CPU s"
    yield Goal("1", target, said, reached >= LEAST)


def seeds() -> dict[int, Mapping[str, Any]]:
    """Of each seed its CPU seconds, digits and programs fitted; those not known yet are measured."""
    key = _source_key()
    known = _known(key)
    for seed in SEEDS:
        if str(seed) not in known:
            seconds, digits, fitted = measure(seed)
            known[str(seed)] = {"seconds": round(seconds, 1), "digits": digits, "fitted": fitted}
            KEPT.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(KEPT, json.dumps({"sources": key, "seeds": known}, indent=1).encode("utf-8"))
        one = known[str(seed)]
        print(
            f"seed {seed:2}: {one['digits']:5.2f} digits after {one['seconds']:4.0f} CPU s, "
            f"{one['fitted']:,} programs",
            flush=True,
        )
    return {seed: known[str(seed)] for seed in SEEDS}


def _source_key() -> str:
    folder = Path(evolution.__file__).parent
    return content_key([(folder / f"{name}.py").read_text(encoding="utf-8") for name in SOURCES])


def _known(key: str) -> dict[str, Any]:
    if not KEPT.exists():
        return {}
    data = json.loads(KEPT.read_text(encoding="utf-8"))
    found: dict[str, Any] = data["seeds"] if data["sources"] == key else {}
    return found


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
