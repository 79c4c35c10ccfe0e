"""Exhaustive search: every structure up to a size is fitted from many starts.

What it proves: no structure of those sizes is left out (but such as hold constants that say nothing new). What it does
not: that of each structure the best constants were found; fits are numeric, from random starts, more of them the more
constants there are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ...backends.runtime.cache import write_atomically
from ...backends.runtime.executor import task_seed
from ...graph.diagnostics import SpecError, fail
from ...passes.functions.archive import Archive, Entry
from ...passes.functions.cost import OperationCount
from ...passes.functions.evolution import Executor
from ...passes.functions.freedom import free
from ...passes.functions.race import Child, Race, Stage
from ...passes.functions.straight_line import ADD, DIV, StraightLine
from ...passes.functions.structures import structures
from ...passes.functions.target import Target
from .function_search import Found, finished, read_entry, write_entry

JOURNAL = "enumeration.json"
_CHUNK, _WINDOW = 1024, 8
_KEPT = 5
_MOST_LANES = 768
"""Programs times starts in a batch."""


@dataclass(frozen=True)
class _Task:
    target: Target
    prior: str
    programs: tuple[StraightLine, ...]
    seed: int
    known: tuple[Entry, ...]


@dataclass(frozen=True)
class _Outcome:
    kept: tuple[Entry, ...]
    fitted: int


@dataclass
class Enumeration:
    """`counts`: structures of 1, 2, … operations that are done; `fitted`: those of them that have constants which say
    different things; `kept`: the best of each size; `position`: structures of the size at hand that are done, and
    `position_fitted` of them."""

    target: Target
    largest: int
    seed: int
    prior: str = "none"
    counts: list[int] = field(default_factory=list)
    fitted: list[int] = field(default_factory=list)
    position: int = 0
    position_fitted: int = 0
    kept: dict[int, list[Entry]] = field(default_factory=dict)
    front: list[Found] = field(default_factory=list)

    def summary(self) -> str:
        sizes = enumerate(zip(self.counts, self.fitted, strict=True), 1)
        each = ", ".join(f"{count:,} of {size} ({fitted:,} fitted)" for size, (count, fitted) in sizes)
        rest = f", {self.position:,} of {len(self.counts) + 1}" if self.position else ""
        return f"structures: {each or 'none'}{rest} operations; optimal up to fits that were missed"


Progress = Callable[[Enumeration], None]


def enumerate_programs(
    target: Target,
    largest: int,
    seed: int,
    folder: Path,
    *,
    executor: Executor,
    prior: str = "none",
    fresh: bool = False,
    progress: Progress | None = None,
) -> Enumeration:
    """Fits all structures of at most `largest` operations, in windows, each kept in the folder's journal. `prior`
    none: every structure; odd: those that are odd functions; mobius: c / (w + c) + c of odd structures w, sizes those
    of w, the form behind the best programs known for powers (e^2y = 1 + 2 / (coth y - 1)). A
    KeyboardInterrupt ends it there; the same call goes on. Raises SpecError: G1504 where the journal is of another
    enumeration."""
    state = _begun(Enumeration(target, largest, seed, prior), folder, fresh)
    try:
        for size in range(len(state.counts) + 1, largest + 1):
            supply = islice(structures(size, odd=prior != "none"), state.position, None)
            while chunks := list(_chunks(supply)):
                _fit(state, chunks, executor)
                _save(state, folder)
                if progress is not None:
                    progress(state)
            state.counts.append(state.position)
            state.fitted.append(state.position_fitted)
            state.position = state.position_fitted = 0
            _save(state, folder)
    except KeyboardInterrupt:
        pass
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
        _Task(
            state.target, state.prior, chunk, task_seed(state.seed, (size << 32) + state.position + i), known
        )
        for i, chunk in enumerate(chunks)
    ]
    found = dict(executor.map_unordered(fit_chunk, tasks))
    for i in range(len(chunks)):
        state.kept[size] = sorted(
            [*state.kept.get(size, []), *found[i].kept], key=lambda e: (e.error, e.program.instructions)
        )[:_KEPT]
        state.position_fitted += found[i].fitted
    state.position += sum(map(len, chunks))


def fit_chunk(task: _Task) -> _Outcome:
    """The best few of a chunk."""
    archive = Archive()
    for entry in task.known:
        archive.niches.setdefault(entry.niche, []).append(entry)
    programs = [_wrapped(p) for p in task.programs] if task.prior == "mobius" else list(task.programs)
    chosen = [p for p, is_free in zip(programs, free(programs), strict=True) if is_free]
    rng, found = np.random.default_rng(task.seed), []
    for constants in sorted({p.constants for p in chosen}):
        freedom = constants - (_WRAPPER if task.prior == "mobius" else 0)
        race = Race(task.target, OperationCount(), archive, _stages(freedom))
        children: list[Child] = [(p, (None,) * constants) for p in chosen if p.constants == constants]
        found += race.run(children, rng)
    kept = sorted(found, key=lambda e: (e.error, e.program.instructions))[:_KEPT]
    return _Outcome(tuple(kept), len(chosen))


_WRAPPER = 3
"""Constants of the wrapper."""


def _wrapped(core: StraightLine) -> StraightLine:
    """c / (core + c) + c."""
    last, k = core.operations, core.constants
    return StraightLine(
        (*core.instructions, (ADD, last, -k - 1), (DIV, -k - 2, last + 1), (ADD, last + 2, -k - 3))
    )


def _stages(freedom: int) -> tuple[Stage, ...]:
    """Starts of structures with so many constants that are to be found: three times as many for each."""
    starts, anything = 4 * 3 ** min(freedom, 4), float("inf")
    lanes = max(_MOST_LANES // starts, 2)
    return (
        Stage(starts, 20, 16, False, anything, anything, lanes, 1.0),
        Stage(starts, 40, 24, False, 1e6, 1e6, lanes, 0.06),
        Stage(2 * starts, 60, 32, True, 1e3, 1e3, max(lanes // 2, 1), 0.01),
    )


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
        "prior": state.prior,
        "counts": state.counts,
        "fitted": state.fitted,
        "position": state.position,
        "position_fitted": state.position_fitted,
        "kept": {size: [write_entry(e) for e in kept] for size, kept in state.kept.items()},
    }
    write_atomically(folder / JOURNAL, json.dumps(data).encode("utf-8"))


def _begun(new: Enumeration, folder: Path, fresh: bool) -> Enumeration:
    path = folder / JOURNAL
    if fresh or not path.exists():
        return new
    try:
        state = _read(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SpecError) as error:
        hint = "--fresh begins anew"
        raise fail("G1504", f"'{path}' is no journal of an enumeration: {error}", hint=hint) from None
    same = (state.target, state.seed, state.prior) == (new.target, new.seed, new.prior)
    if not same or state.largest > new.largest:
        raise fail(
            "G1504", f"the journal in '{folder}' is of another enumeration", hint="--fresh begins anew"
        )
    state.largest = new.largest
    return state


def _read(data: dict[str, Any]) -> Enumeration:
    state = Enumeration(Target(**data["target"]), int(data["largest"]), int(data["seed"]), str(data["prior"]))
    state.counts, state.fitted = (list(map(int, data[name])) for name in ("counts", "fitted"))
    state.position, state.position_fitted = int(data["position"]), int(data["position_fitted"])
    for size, kept in data["kept"].items():
        state.kept[int(size)] = [read_entry(one, OperationCount()) for one in kept]
    return state
