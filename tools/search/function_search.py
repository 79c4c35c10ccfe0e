"""A search for function programs: its course, its journal on disk, and the library that it writes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from ...backends.runtime.cache import write_atomically
from ...graph.diagnostics import fail
from ...passes.functions.archive import Archive, Entry
from ...passes.functions.evolution import Search, Settings
from ...passes.functions.polish import polish
from ...passes.functions.straight_line import SYMBOLS, StraightLine
from ...passes.functions.target import Target

JOURNAL = "journal.json"
_SECONDS_BETWEEN_JOURNALS = 20.0


@dataclass(frozen=True)
class Found:
    """One program of the front, its constants as texts of 21 digits."""

    operations: int
    error: float
    program: StraightLine
    constants: tuple[str, ...]

    @property
    def digits(self) -> float:
        return -math.log10(self.error) if self.error > 0 else math.inf

    def to_json(self) -> dict[str, Any]:
        return {
            "operations": self.operations,
            "digits": round(self.digits, 3),
            "error": self.error,
            "program": self.program.text(self.constants),
            "constants": list(self.constants),
        }


def begin(target: Target, settings: Settings, seed: int, folder: Path, fresh: bool) -> Search:
    """The search of the folder's journal, or a new one. Raises SpecError: G1503 where the journal is of
    another search."""
    path = folder / JOURNAL
    if fresh or not path.exists():
        return Search(target, settings, seed)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        found = _search(data)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise fail(
            "G1503", f"'{path}' is no journal of a search: {error}", hint="--fresh begins anew"
        ) from None
    if (found.target, found.settings, found.seed) != (target, settings, seed):
        given = f"{found.target.function} on {found.target.low:g} to {found.target.high:g}, seed {found.seed}"
        raise fail(
            "G1503", f"the journal in '{folder}' is of another search: {given}", hint="--fresh begins anew"
        )
    return found


def run(
    search: Search,
    folder: Path,
    *,
    generations: int | None,
    seconds: float | None,
    progress: Callable[[Search], None] | None = None,
) -> None:
    """Steps until so many generations are done in all, or so many seconds have passed in this run. The
    journal is kept on the way and when the search is interrupted."""
    start = saved = monotonic()
    try:
        while generations is None or search.generation < generations:
            if seconds is not None and monotonic() - start >= seconds:
                break
            search.step()
            if progress is not None:
                progress(search)
            if monotonic() - saved > _SECONDS_BETWEEN_JOURNALS:
                save(search, folder)
                saved = monotonic()
    finally:
        save(search, folder)


def save(search: Search, folder: Path) -> None:
    """The whole state of the search: what `begin` goes on from."""
    data = {
        "target": asdict(search.target),
        "settings": asdict(search.settings),
        "seed": search.seed,
        "generation": search.generation,
        "fitted": search.fitted,
        "entries": [
            [[list(i) for i in e.program.instructions], [str(c) for c in e.constants], e.error]
            for e in search.archive.entries()
        ],
        "seen": sorted(search.seen),
    }
    write_atomically(folder / JOURNAL, json.dumps(data).encode("utf-8"))


def _search(data: Mapping[str, Any]) -> Search:
    archive = Archive()
    for instructions, constants, error in data["entries"]:
        program = StraightLine(tuple((int(o), int(a), int(b)) for o, a, b in instructions))
        entry = Entry(program, tuple(map(np.longdouble, constants)), float(error))
        archive.niches.setdefault(entry.niche, []).append(entry)
    return Search(
        Target(**data["target"]),
        Settings(**data["settings"]),
        int(data["seed"]),
        int(data["generation"]),
        int(data["fitted"]),
        archive,
        set(data["seen"]),
    )


def front(search: Search) -> list[Found]:
    """The front with its constants polished to the smallest largest error."""
    found: list[Found] = []
    least = math.inf
    for size, entry in search.archive.front().items():
        if size == 0:
            continue
        constants, error = polish(entry.program, np.array(entry.constants, np.longdouble), search.target)
        if error < least:
            least = error
            found.append(Found(size, error, entry.program, tuple(str(c) for c in constants)))
    return found


def library(target: Target, found: list[Found]) -> str:
    """A spec of kind library: one function a program, `exp2_5(x)` of five operations."""
    lines = [
        "graphwright: 1",
        "kind: library",
        f"name: {target.function}-programs",
        f"doc: Programs for {target.function} on {target.low:g} to {target.high:g}, found by graphwright search.",
        "functions:",
    ]
    for one in found:
        lines += [
            f"  {target.function}_{one.operations}:",
            f"    doc: {one.operations} operations; largest {target.error} error {one.error:.3g} in exact arithmetic.",
            "    inputs:",
            "      x: float[...]",
            "    nodes:",
        ]
        lines += [f"      {line}" for line in _nodes(one)]
        lines.append(f"    outputs: [t{one.operations}]")
    return "\n".join(lines) + "\n"


def _nodes(one: Found) -> list[str]:
    def name(operand: int) -> str:
        if operand < 0:
            return f"hex('{float(np.longdouble(one.constants[-operand - 1])).hex()}')"
        return "x" if operand == 0 else f"t{operand}"

    return [
        f"t{i}: {name(a)} {SYMBOLS[operation]} {name(b)}"
        for i, (operation, a, b) in enumerate(one.program.instructions, 1)
    ]
