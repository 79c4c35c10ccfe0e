"""A search for function programs: its course, its journal on disk, and the files that it leaves."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from ...backends.runtime.cache import write_atomically
from ...graph.diagnostics import SpecError, fail
from ...passes.functions.archive import Archive, Entry
from ...passes.functions.classical import forms
from ...passes.functions.cost import Cost, CostTable, KernelTime, OperationCount
from ...passes.functions.evolution import Executor, Search
from ...passes.functions.island import Settings
from ...passes.functions.ladders import ladders
from ...passes.functions.polish import polish
from ...passes.functions.refinement import measured, number, refine
from ...passes.functions.straight_line import SYMBOLS, StraightLine
from ...passes.functions.target import Target

if TYPE_CHECKING:
    from mpmath import mpf

JOURNAL = "journal.json"
COSTS: Mapping[str, Cost] = {
    "operations": OperationCount(),
    "multiply-add": CostTable(),
    "no-multiply-add": CostTable(fused=False),
}
"""Objectives by name: the count of operations; costs of a target with or without fused multiply-adds. A further one,
TIME, is the measured time of a program's float32 kernel; errors are then those of float32."""
TIME = "time"
_BITS = 110


@dataclass(frozen=True)
class Found:
    """One program of the front. Constants are exact: rounded to 110 bits once, and the error is theirs."""

    cost: float
    error: float
    program: StraightLine
    constants: tuple[mpf, ...]

    @property
    def operations(self) -> int:
        return self.program.operations

    @property
    def digits(self) -> float:
        return -math.log10(self.error) if self.error > 0 else math.inf

    def to_json(self) -> dict[str, Any]:
        return {
            "operations": self.operations,
            "cost": self.cost,
            "digits": round(self.digits, 3),
            "error": self.error,
            "program": self.program.text(),
            "instructions": [list(i) for i in self.program.instructions],
            "constants": [hexadecimal(c) for c in self.constants],
        }


def begin(
    target: Target,
    settings: Settings,
    seed: int,
    folder: Path,
    *,
    fresh: bool,
    cost: str = "operations",
    classical: bool = False,
) -> Search:
    """The search of the folder's journal, or a new one; `classical`: planted with the textbook forms and ladders.
    Raises SpecError: G1503 where the journal is of another search."""
    path = folder / JOURNAL
    new = Search(target, settings, seed, _cost(cost, settings))
    if fresh or not path.exists():
        if classical:
            new.plant((f.program, f.constants, f.error) for f in forms(target, settings.most, new.cost))
            rungs = ladders(target, settings.most, seed, new.cost)
            new.plant((e.program, e.constants, e.error) for e in rungs)
        return new
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        found = _search(data)
        same = (found.target, found.settings, found.seed, found.cost) == (target, settings, seed, new.cost)
        same = same and data["classical"] == classical
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SpecError) as error:
        hint = "--fresh begins anew"
        raise fail("G1503", f"'{path}' is no journal of a search: {error}", hint=hint) from None
    if not same:
        given = f"{found.target.function} on {found.target.low:g} to {found.target.high:g}, seed {found.seed}"
        message = f"the journal in '{folder}' is of another search: {given}"
        raise fail(
            "G1503", message, hint="--fresh begins anew; else the options must be those of that search"
        )
    return found


def run(
    search: Search,
    folder: Path,
    *,
    epochs: int | None,
    seconds: float | None,
    classical: bool = False,
    executor: Executor | None = None,
    progress: Callable[[Search], None] | None = None,
) -> None:
    """Steps until so many epochs are done in all, or so many seconds have passed in this run. The journal is
    written after every epoch: a search that is killed goes on from there, to the same end."""
    start = monotonic()
    while epochs is None or search.epoch < epochs:
        if seconds is not None and monotonic() - start >= seconds:
            break
        search.step(executor)
        save(search, folder, classical)
        if progress is not None:
            progress(search)


def save(search: Search, folder: Path, classical: bool = False) -> None:
    """The whole state of the search: what `begin` goes on from."""
    data = {
        "target": asdict(search.target),
        "settings": asdict(search.settings),
        "seed": search.seed,
        "cost": next((name for name, cost in COSTS.items() if cost == search.cost), TIME),
        **_times(search.cost),
        "classical": classical,
        "epoch": search.epoch,
        "fitted": search.fitted,
        "entries": [write_entry(e) for e in search.archive.entries()],
        "seen": sorted(search.seen),
    }
    write_atomically(folder / JOURNAL, json.dumps(data).encode("utf-8"))


def write_entry(entry: Entry) -> list[Any]:
    """For a journal: instructions, constants, error."""
    constants = [str(np.longdouble(c)) for c in entry.constants]
    return [[list(i) for i in entry.program.instructions], constants, entry.error]


def read_entry(data: Sequence[Any], cost: Cost) -> Entry:
    """What `write_entry` wrote. Raises ValueError, TypeError where it is none."""
    instructions, constants, error = data
    rows = tuple((int(o), int(a), int(b)) for o, a, b in instructions)
    program = StraightLine(rows)
    named = sorted(-o - 1 for _, a, b in rows for o in (a, b) if o < 0)
    if named != list(range(len(constants))) or any(
        operation not in range(4) or max(a, b) > i for i, (operation, a, b) in enumerate(rows)
    ):
        raise ValueError("an entry is no program")
    values = tuple(map(np.longdouble, constants))
    if not all(np.isfinite(values)) or not float(error) >= 0:
        raise ValueError("an entry's constants or its error are no numbers")
    return Entry(program, values, float(error), cost.of(program))


def _cost(name: str, settings: Settings) -> Cost:
    return KernelTime(int(settings.most)) if name == TIME else COSTS[name]


def _times(cost: Cost) -> dict[str, Any]:
    """What was measured: a search that goes on keeps its times, for other ones would be another search."""
    return {"times": list(cost.times.items()), "unit": cost.unit} if isinstance(cost, KernelTime) else {}


def _search(data: Mapping[str, Any]) -> Search:
    cost = _cost(data["cost"], Settings(**data["settings"]))
    if isinstance(cost, KernelTime):
        times = {int(key): float(time) for key, time in data["times"]}
        cost = replace(cost, times=times, unit=float(data["unit"]))
    archive = Archive()
    for kept in data["entries"]:
        entry = read_entry(kept, cost)
        archive.niches.setdefault(entry.niche, []).append(entry)
    return Search(
        Target(**data["target"]),
        Settings(**data["settings"]),
        int(data["seed"]),
        cost,
        int(data["epoch"]),
        int(data["fitted"]),
        archive,
        set(data["seen"]),
    )


def front(search: Search) -> list[Found]:
    """By cost the most exact programs that nothing cheaper equals, each with its error levelled in multiple
    precision."""
    found: list[Found] = []
    least = math.inf
    best: dict[float, list[Entry]] = {}
    for entry in search.archive.entries():
        if entry.program.instructions:
            best.setdefault(entry.cost, []).append(entry)
    for cost in sorted(best):
        ranked = sorted(best[cost], key=lambda e: e.error)[:3]
        nearest = [e for e in ranked if e.error <= 2 * ranked[0].error]
        candidates = [finished(e.program, e.constants, search.target, cost) for e in nearest]
        one = min(candidates, key=lambda f: f.error)
        if one.error < least:
            least = one.error
            found.append(one)
    return found


def finished(program: StraightLine, constants: Sequence[Any], target: Target, cost: float) -> Found:
    """The program with minimax constants of 110 bits; those given where levelling finds none better."""
    import mpmath

    rough, _ = polish(program, np.array([np.longdouble(c) for c in constants]), target)
    exact, error = refine(program, tuple(rough), target)
    given = measured(program, constants, target)
    with mpmath.workprec(_BITS):
        if given < error:
            return Found(cost, given, program, tuple(number(c) for c in constants))
        return Found(cost, error, program, tuple(+c for c in exact))


def hexadecimal(value: mpf) -> str:
    """The number exactly, as a hexadecimal float."""
    sign, mantissa, exponent, _ = value._mpf_
    return f"{'-' if sign else ''}0x{int(mantissa):x}p{int(exponent):+d}"


def leave(target: Target, found: list[Found], folder: Path, provenance: Mapping[str, object]) -> None:
    """Writes the front: FUNCTION.yaml, a library of float64 functions, and programs/FUNCTION_COST.yaml, specs with
    exact constants."""
    write_atomically(folder / f"{target.name}.yaml", library(target, found).encode("utf-8"))
    for one in found:
        path = folder / "programs" / f"{_called(target, one)}.yaml"
        write_atomically(path, program_spec(target, one, provenance).encode("utf-8"))


def _called(target: Target, one: Found) -> str:
    return f"{target.name}_{one.cost:g}".replace(".", "_")


def library(target: Target, found: list[Found]) -> str:
    """A spec of kind library: one function a program, `exp2_5(x)` of cost 5, constants in float64."""
    lines = [
        "graphwright: 1",
        "kind: library",
        f"name: {target.name}-programs",
        f"doc: Programs for {target.name} on {target.low:g} to {target.high:g}, found by graphwright search.",
        "functions:",
    ]
    for one in found:
        lines += [
            f"  {_called(target, one)}:",
            f"    doc: {one.operations} operations; largest {target.error} error {one.error:.3g} in exact arithmetic.",
            "    inputs:",
            "      x: float[...]",
            "    nodes:",
        ]
        lines += [f"      {line}" for line in _nodes(one, lambda c: float(c).hex())]
        lines.append(f"    outputs: [t{one.operations}]")
    return "\n".join(lines) + "\n"


def program_spec(target: Target, one: Found, provenance: Mapping[str, object]) -> str:
    """A spec of kind graph with a `program:` section: a float64 function program with exact constants, to be
    certified."""
    lines = [
        "graphwright: 1",
        "kind: graph",
        f"name: {_called(target, one)}",
        f"doc: {target.name} in {one.operations} operations; largest {target.error} error {one.error:.4g} in exact"
        " arithmetic.",
        "inputs:",
        "  x: float64[...]",
        "nodes:",
        *(f"  {line}" for line in _nodes(one, hexadecimal)),
        f"outputs: [t{one.operations}]",
        "program:",
        f"  function: {target.name}",
        f"  domain: [{target.low!r}, {target.high!r}]",
        f"  error: {target.error}",
        "  provenance:",
        *(f"    {key}: {value}" for key, value in provenance.items()),
    ]
    return "\n".join(lines) + "\n"


def _nodes(one: Found, text: Callable[[mpf], str]) -> list[str]:
    def name(operand: int) -> str:
        if operand < 0:
            return f"hex('{text(one.constants[-operand - 1])}')"
        return "x" if operand == 0 else f"t{operand}"

    return [
        f"t{i}: {name(a)} {SYMBOLS[operation]} {name(b)}"
        for i, (operation, a, b) in enumerate(one.program.instructions, 1)
    ]
