"""Exhaustive search: every structure up to a size is fitted from many starts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ...backends.runtime.cache import write_atomically
from ...backends.runtime.executor import task_seed
from ...graph.diagnostics import fail
from ...passes.functions.archive import Archive, Entry
from ...passes.functions.cost import OperationCount
from ...passes.functions.evolution import Executor
from ...passes.functions.race import Race, Stage
from ...passes.functions.straight_line import StraightLine
from ...passes.functions.structures import structures
from ...passes.functions.target import Target
from .function_search import Found, finished

JOURNAL = "enumeration.json"
_CHUNK, _WINDOW = 256, 16
_STAGES = (
    Stage(8, 20, 16, False, float("inf"), float("inf"), 64, 1.0),
    Stage(24, 40, 24, True, 1e2, 1e2, 16, 0.2),
    Stage(64, 60, 32, True, 5, 5, 4, 0.02),
)
_KEPT = 5


@dataclass(frozen=True)
class _Task:
    target: Target
    programs: tuple[StraightLine, ...]
    seed: int
    known: tuple[Entry, ...]


@dataclass
class Enumeration:
    """`counts`: structures fitted of 1, 2, … operations; `kept`: the best of each size; `position`: the structures of
    the size at hand that are done."""

    target: Target
    largest: int
    seed: int
    counts: list[int] = field(default_factory=list)
    position: int = 0
    kept: dict[int, list[Entry]] = field(default_factory=dict)
    front: list[Found] = field(default_factory=list)

    def summary(self) -> str:
        each = ", ".join(f"{n:,} of {i}" for i, n in enumerate(self.counts, 1))
        return f"structures fitted: {each} operations; optimal up to fits that were missed"


def enumerate_programs(
    target: Target, largest: int, seed: int, folder: Path, *, executor: Executor, fresh: bool = False
) -> Enumeration:
    """Fits all structures of at most `largest` operations, in windows, each kept in the folder's journal. Raises
    SpecError: G1504 where the journal is of another enumeration."""
    state = _begun(target, largest, seed, folder, fresh)
    for size in range(len(state.counts) + 1, largest + 1):
        supply = islice(structures(size), state.position, None)
        while chunks := list(_chunks(supply)):
            _fit(state, chunks, executor)
            _save(state, folder)
        state.counts.append(state.position)
        state.position = 0
        _save(state, folder)
    state.front = _front(state)
    return state


def _chunks(supply: Iterator[StraightLine]) -> Iterator[tuple[StraightLine, ...]]:
    for _ in range(_WINDOW):
        if chunk := tuple(islice(supply, _CHUNK)):
            yield chunk


def _fit(state: Enumeration, chunks: Sequence[tuple[StraightLine, ...]], executor: Executor) -> None:
    known = tuple(e for kept in state.kept.values() for e in kept)
    size = len(state.counts) + 1
    tasks = [
        _Task(state.target, chunk, task_seed(state.seed, (size << 32) + state.position + i), known)
        for i, chunk in enumerate(chunks)
    ]
    found = dict(executor.map_unordered(fit_chunk, tasks))
    for i in range(len(chunks)):
        state.kept[size] = sorted(
            [*state.kept.get(size, []), *found[i]], key=lambda e: (e.error, e.program.instructions)
        )[:_KEPT]
    state.position += sum(map(len, chunks))


def fit_chunk(task: _Task) -> list[Entry]:
    """The best few of a chunk."""
    archive = Archive()
    for entry in task.known:
        archive.niches.setdefault(entry.niche, []).append(entry)
    race = Race(task.target, OperationCount(), archive, _STAGES)
    children = [(program, (None,) * program.constants) for program in task.programs]
    found = race.run(children, np.random.default_rng(task.seed))
    return sorted(found, key=lambda e: (e.error, e.program.instructions))[:_KEPT]


def _front(state: Enumeration) -> list[Found]:
    front: list[Found] = []
    for size in sorted(state.kept):
        each = [finished(e.program, e.constants, state.target, e.cost) for e in state.kept[size]]
        best = min(each, key=lambda f: f.error, default=None)
        if best is not None and (not front or best.error < front[-1].error):
            front.append(best)
    return front


def _save(state: Enumeration, folder: Path) -> None:
    data = {
        "target": asdict(state.target),
        "largest": state.largest,
        "seed": state.seed,
        "counts": state.counts,
        "position": state.position,
        "kept": [
            [[list(i) for i in e.program.instructions], [str(np.longdouble(c)) for c in e.constants], e.error]
            for kept in state.kept.values()
            for e in kept
        ],
    }
    write_atomically(folder / JOURNAL, json.dumps(data).encode("utf-8"))


def _begun(target: Target, largest: int, seed: int, folder: Path, fresh: bool) -> Enumeration:
    path = folder / JOURNAL
    if fresh or not path.exists():
        return Enumeration(target, largest, seed)
    try:
        state = _read(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "--fresh begins anew"
        raise fail("G1504", f"'{path}' is no journal of an enumeration: {error}", hint=hint) from None
    if (state.target, state.seed) != (target, seed) or state.largest > largest:
        raise fail(
            "G1504", f"the journal in '{folder}' is of another enumeration", hint="--fresh begins anew"
        )
    state.largest = largest
    return state


def _read(data: dict[str, Any]) -> Enumeration:
    state = Enumeration(Target(**data["target"]), int(data["largest"]), int(data["seed"]))
    state.counts, state.position = list(map(int, data["counts"])), int(data["position"])
    for instructions, constants, error in data["kept"]:
        program = StraightLine(tuple((int(o), int(a), int(b)) for o, a, b in instructions))
        entry = Entry(program, tuple(map(np.longdouble, constants)), float(error), float(program.operations))
        state.kept.setdefault(program.operations, []).append(entry)
    return state
