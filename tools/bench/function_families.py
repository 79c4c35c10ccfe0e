"""Targeted attempts at goal 4: families of programs around the best known for 2^x, each fitted structure by structure.

Digits are of the best constants found from random starts: of a family's programs some may be better. A family that is
larger than its share of time is cut, and its line says after how many structures. Each is kept as it
ends: a run that was stopped goes on with those that it lacks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from time import process_time

import numpy as np

from ...backends.runtime.cache import write_atomically
from ...passes.functions.archive import Archive, Entry
from ...passes.functions.cost import OperationCount
from ...passes.functions.evolution import Search
from ...passes.functions.freedom import free
from ...passes.functions.island import Settings
from ...passes.functions.race import Child, Race, Stage
from ...passes.functions.straight_line import ADD, DIV, SUB, Instruction, canonical
from ...passes.functions.structures import structures
from ...passes.functions.target import Target
from ..search.fronts import TARGETS, shipped
from ..search.function_search import finished
from .function_goals import keep
from .goals import Goal

COMMAND = "python -m graphwright.tools.bench function_families"
KEPT = Path(".build/bench/function_families.json")
SECONDS = 120.0
"""CPU seconds that a family may take."""
CENTRED = Target("exp2", -0.5, 0.5)
_CHUNK, _LEVELLED = 1024, 6
_ANY = float("inf")
_STAGES = (
    Stage(16, 20, 16, False, _ANY, _ANY, 32, 1.0),
    Stage(32, 40, 24, True, 1e6, 1e6, 16, 0.05),
    Stage(192, 60, 32, True, 1e4, 1e4, 2, 0.005),
)


@dataclass(frozen=True)
class Family:
    """Programs of so many operations on a target; `best`: the digits known before. `children` are the programs, with
    what is known of their constants; None for evolution from the front's programs."""

    name: str
    target: Target
    operations: int
    best: float
    children: Callable[[], Iterator[Child]] | None = None


@dataclass(frozen=True)
class Attempt:
    """What came of a family within the time."""

    digits: float
    fitted: int
    cut: bool
    program: str


def report() -> None:
    """A line a family: the structures fitted and the digits reached."""
    print(f"command: {COMMAND}")
    keep(goals(), COMMAND)


def goals() -> Iterator[Goal]:
    """What each family reached; those that KEPT holds are not searched again."""
    known = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    for number, family in enumerate(families(), 1):
        if family.name not in known:
            attempt = _raced(family, number) if family.children else _evolved(family, number)
            known[family.name] = asdict(attempt)
            KEPT.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(KEPT, json.dumps(known, indent=1).encode("utf-8"))
        one = Attempt(**known[family.name])
        cut = ", stopped there" if one.cut else ""
        said = f"{one.digits:.2f} digits (known before: {family.best:.2f}) in {one.fitted:,} structures{cut}"
        where = f"{family.operations} operations on {family.target.low:g} to {family.target.high:g}"
        yield Goal(f"4 family {number}", f"{family.name}; {where}", said, None)


def _raced(family: Family, seed: int) -> Attempt:
    """Fits the family in chunks."""
    assert family.children is not None
    start, fitted, cut = process_time(), 0, False
    rng, archive, supply = np.random.default_rng(seed), Archive(), family.children()
    while chunk := list(islice(supply, _CHUNK)):
        chosen = [c for c, is_free in zip(chunk, free([p for p, _ in chunk]), strict=True) if is_free]
        fitted += len(chosen)
        for entry in Race(family.target, OperationCount(), archive, _STAGES).run(chosen, rng):
            archive.add(entry)
        if process_time() - start > SECONDS:
            cut = next(supply, None) is not None
            break
    return _attempt(family, archive.entries(), fitted, cut)


def _evolved(family: Family, seed: int) -> Attempt:
    """Evolution, which begins with the front's programs."""
    start = process_time()
    search = Search(family.target, Settings(most=family.operations), seed)
    front = [f for f in shipped("exp2") if f.operations <= family.operations]
    fits = [finished(f.program, f.constants, family.target, f.cost) for f in front]
    search.plant((f.program, tuple(np.longdouble(float(c)) for c in f.constants), f.error) for f in fits)
    while process_time() - start < SECONDS:
        search.step()
    return _attempt(family, search.archive.entries(), search.fitted, True)


def _attempt(family: Family, entries: Iterable[Entry], fitted: int, cut: bool) -> Attempt:
    size = family.operations
    ranked = sorted((e for e in entries if e.program.operations == size), key=lambda e: e.error)[:_LEVELLED]
    found = [finished(e.program, e.constants, family.target, e.cost) for e in ranked]
    if not found:
        return Attempt(0.0, fitted, cut, "")
    best = min(found, key=lambda f: f.error)
    return Attempt(best.digits, fitted, cut, best.program.text(list(map(float, best.constants))))


# --- the families ---------------------------------------------------------------------------------------


def families() -> Iterator[Family]:
    """Those tried, from the best known before: 13.63 digits with nine operations, 16.04 with ten; 16.07 with nine on
    half of the interval to both sides."""
    exp2, mobius = TARGETS["exp2"], "1 + c / (w + c)"
    yield Family("three rungs, then any three operations", exp2, 9, 13.633, partial(_endings, 3, 3))
    yield Family(
        f"any three operations, two rungs, {mobius} (16.07 is among them: fits from nothing miss it)",
        exp2,
        10,
        16.041,
        _beginnings,
    )
    yield Family(f"a rung, any three operations, a rung, {mobius}", exp2, 10, 16.041, _middles)
    yield Family("(E + O) / (E - O), 4 constants", CENTRED, 9, 16.068, partial(_mirrored, 7, 4))
    yield Family("four rungs, then any two operations", exp2, 10, 16.041, partial(_endings, 4, 2))
    yield Family("evolution from the front", exp2, 9, 13.633)
    yield Family("evolution from the front, ten operations", exp2, 10, 16.041)
    yield Family("evolution from the front, half of the interval to both sides", CENTRED, 9, 16.068)


def _rungs(rows: Sequence[Instruction], count: int) -> list[Instruction]:
    """Goes on from the last value w by w + c / w, so many times."""
    made = list(rows)
    for _ in range(count):
        w, fresh = len(made), -1 - sum(min(a, b) < 0 for _, a, b in made)
        made += [(DIV, fresh, w), (ADD, w, w + 1)]
    return made


def _wrapped(rows: Sequence[Instruction]) -> Child | None:
    """c / (w + c) + c of the last value w."""
    w, last = len(rows), -sum((a < 0) + (b < 0) for _, a, b in rows)
    return _child([*rows, (ADD, w, last - 1), (DIV, last - 2, w + 1), (ADD, w + 2, last - 3)], ())


def _child(rows: Sequence[Instruction], known: Sequence[float]) -> Child | None:
    """The program, its first constants known."""
    made = canonical(rows)
    if made is None or made[0].operations != len(rows):
        return None
    sources = [-s - 1 for s in made[1]]
    return made[0], tuple(known[s] if s < len(known) else None for s in sources)


def _endings(rungs: int, operations: int) -> Iterator[Child]:
    """The first constants of the front's ladder of nine operations, and of the one that is squared, are known."""
    begun = _rungs((), rungs)
    nine, ten = (357.13, 918.66, 3830.7), (1428.2, 3672.7, 15316.0)
    for program in structures(operations, after=begun):
        for known in (nine, ten) if rungs == len(nine) else ((),):
            yield program, (*known, *(None,) * (program.constants - len(known)))


def _beginnings() -> Iterator[Child]:
    for program in structures(3):
        child = _wrapped(_rungs(program.instructions, 2))
        if child is not None:
            yield child


def _middles() -> Iterator[Child]:
    for program in structures(3, after=_rungs((), 1)):
        child = _wrapped(_rungs(program.instructions, 1))
        if child is not None:
            yield child


def _mirrored(operations: int, constants: int) -> Iterator[Child]:
    """Of odd programs that end in a quotient a / b of values, (a + b) / (a - b), whose product with its mirror image
    is -1."""
    for program in structures(operations, odd=True, constants=constants):
        operation, a, b = program.instructions[-1]
        if operation == DIV and min(a, b) >= 0:
            last = operations - 1
            ends = [(ADD, max(a, b), min(a, b)), (SUB, a, b), (DIV, last + 1, last + 2)]
            child = _child([*program.instructions[:-1], *ends], ())
            if child is not None:
                yield child
