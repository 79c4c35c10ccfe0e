"""Repeated blocks of a program as functions, calls and repeats."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...graph.ir import Program, Value
from ...graph.spec.writing.operands import is_static
from ...graph.spec.writing.outline import Call, Cell, Function, Outline, flat_outline
from ...graph.spec.writing.shared import module_of
from .cells import Level, level_of, operands, uniform_weights
from .chains import Chain, chains_of
from .matching import Match
from .scopes import common_scope, function_name
from .search import Block, best_block, exposed_values

MOST_BLOCKS = 24
DEEPEST = 6


@dataclass
class _Work:
    program: Program
    scoped: bool
    sizes: Mapping[str, str]
    written: Mapping[Value, Hashable]
    functions: list[Function] = field(default_factory=list)


def outline(program: Program, *, scopes: bool = True) -> Outline:
    """The program's main level with every block that occurs several times as a function. With
    `scopes`, functions are called after the modules that the exporter left in the nodes' names."""
    work = _Work(program, scopes, {s: s for s in program.sizes}, uniform_weights(program))
    flat = flat_outline(program.graph)
    cells = _reduce(work, flat.cells, program.graph.outputs, 0)
    return Outline(tuple(cells), tuple(work.functions))


def _reduce(work: _Work, cells: Sequence[Cell], results: Sequence[Value], depth: int) -> Sequence[Cell]:
    """The cells with blocks collapsed to calls, the largest gain first."""
    for _ in range(MOST_BLOCKS if depth < DEEPEST else 0):
        level = level_of(cells, results, work.sizes, work.written)
        if work.scoped:
            level = replace(level, modules=[_module(work, c) for c in level.cells])
        cells = level.cells
        found = best_block(level, results)
        if found is None:
            break
        collapsed = _collapse(work, level, found, results, depth)
        if collapsed is None:
            break
        cells = collapsed
    return cells


def _collapse(
    work: _Work, level: Level, block: Block, results: Sequence[Value], depth: int
) -> Sequence[Cell] | None:
    """The level with a call in place of every occurrence; None where calls would need each other."""
    chosen = _template(block.matches)
    bindings = [_relative(m, chosen) for m in block.matches]
    region = frozenset(chosen.cells.values())
    inputs, owned = _operands(level, region, bindings)
    own = [
        Match({i: m.cells[o] for o, i in chosen.cells.items()}, b)
        for m, b in zip(block.matches, bindings, strict=True)
    ]
    exposed = exposed_values(level, region, own, results)
    chains = chains_of(level, region, inputs, bindings)
    carried = chains[0].carried if chains else {}
    ordered = [*carried, *(v for v in inputs if v not in carried)]
    last = level.cells[max(region)].defines[0]
    outputs = list(carried.values()) if carried else sorted(exposed, key=lambda v: v is not last) or [last]
    body = [level.cells[i] for i in sorted(region)]
    wanted = list(dict.fromkeys((*outputs, *exposed)))
    scope = _scope(work, body, owned) if work.scoped else ""
    name = function_name(_scopes(work, level, own), _hint(work, body[-1])) if work.scoped else "block"
    reduced = _reduce(work, body, wanted, depth + 1)
    function = Function(name, tuple(reduced), tuple(ordered), tuple(owned), tuple(outputs), scope)
    calls = _calls(work, level, function, own, chains, carried)
    cells = _in_order(level, own, calls, work.sizes)
    if cells is None:
        return None
    work.functions.append(function)
    return cells


# --- templates ------------------------------------------------------------------------------------


def _template(matches: Sequence[Match]) -> Match:
    """The first occurrence in which no two operands are the same value."""
    for found in matches:
        computed = [v for v in found.values.values() if not is_static(v)]
        if len(set(computed)) == len(computed):
            return found
    return matches[0]


def _relative(found: Match, template: Match) -> dict[Value, Value]:
    """Template value -> its counterpart."""
    return {template.values[x]: y for x, y in found.values.items()}


def _operands(
    level: Level, region: frozenset[int], bindings: Sequence[Mapping[Value, Value]]
) -> tuple[list[Value], list[Value]]:
    """The template's values from outside: what calls give, and weights that each has its own of."""
    readers: dict[Value, int] = {}
    for reads in level.reads:
        for value in {v for v in reads if v is not None}:
            readers[value] = readers.get(value, 0) + 1
    inside = {v for i in region for v in level.cells[i].defines}
    read = dict.fromkeys(
        v for i in sorted(region) for v in level.reads[i] if v is not None and v not in inside
    )
    inputs: list[Value] = []
    owned: list[Value] = []
    for value in read:
        found = [b[value] for b in bindings]
        if level.is_written(value):
            continue
        if not level.is_hole(value):
            inputs.append(value)
        elif all(f is found[0] for f in found):
            if value.role == "Weight":
                inputs.append(value)
        elif value.constant is not None or _apart(level, region, value, found, readers):
            owned.append(value)
        else:
            inputs.append(value)
    return inputs, owned


def _apart(
    level: Level, region: frozenset[int], value: Value, found: Sequence[Value], readers: Mapping[Value, int]
) -> bool:
    """Whether every occurrence has a weight that nothing else reads."""
    inside = sum(1 for i in region if value in level.reads[i])
    return len(set(found)) == len(found) and all(readers[f] == inside for f in found)


# --- calls ------------------------------------------------------------------------------------------


def _calls(
    work: _Work,
    level: Level,
    function: Function,
    matches: Sequence[Match],
    chains: Sequence[Chain],
    carried: Mapping[Value, Value],
) -> list[tuple[tuple[int, ...], Cell]]:
    """(occurrences, call) of everything that the function replaces."""
    found: list[tuple[tuple[int, ...], Cell]] = []
    chained: dict[int, Chain] = {c.first: c for c in chains}
    position = 0
    while position < len(matches):
        chain = chained.get(position)
        last = chain.last if chain is not None else position
        rounds = tuple(range(position, last + 1))
        scopes = _scopes(work, level, [matches[k] for k in rounds])
        name = _call_name(scopes if work.scoped else [""], function.name, len(rounds))
        call = Call(
            function,
            tuple(matches[k].values for k in rounds),
            len(carried) if len(rounds) > 1 else 0,
            name,
        )
        found.append((rounds, Cell(call=call)))
        position = last + 1
    return found


def _call_name(scopes: Sequence[str], function: str, rounds: int) -> str:
    if rounds > 1:
        parts = common_scope(list(scopes)).split(".")
        if not parts[-1] or parts[-1].isdigit():
            return f"{function}s"
        numbered = next((i for i, p in enumerate(parts) if p.isdigit()), 0)
        return "_".join(parts[numbered - 1 :]) if numbered else parts[-1]
    parts = scopes[0].split(".")
    if len(parts) > 1 and parts[-1].isdigit():
        return f"{parts[-2]}_{parts[-1]}"
    return parts[-1] or function


def _scopes(work: _Work, level: Level, matches: Sequence[Match]) -> list[str]:
    return [common_scope([_module(work, level.cells[i]) for i in m.cells.values()]) for m in matches]


def _hint(work: _Work, cell: Cell) -> str:
    """What the model calls the last result of a region."""
    value = cell.defines[0]
    return next((n for n, v in work.program.names.items() if v is value), "")


def _scope(work: _Work, body: Sequence[Cell], owned: Sequence[Value]) -> str:
    """The module of a region: by its nodes, else by the names of its weights."""
    found = common_scope([_module(work, c) for c in body])
    if found or not owned:
        return found
    names = {v: n for n, v in work.program.names.items()}
    return common_scope([names.get(v, "").rpartition(".")[0] for v in owned])


def _module(work: _Work, cell: Cell) -> str:
    while cell.node is None:
        assert cell.call is not None
        cell = cell.call.function.cells[0]
    return module_of(work.program.origin(cell.node.outputs[0]).path)


def _in_order(
    level: Level,
    matches: Sequence[Match],
    calls: Sequence[tuple[tuple[int, ...], Cell]],
    sizes: Mapping[str, str],
) -> list[Cell] | None:
    """The cells that are left and the calls, each after what it reads; None on a cycle."""
    gone = {i for m in matches for i in m.cells.values()}
    left: list[tuple[int, Cell]] = [(i, c) for i, c in enumerate(level.cells) if i not in gone]
    for rounds, cell in calls:
        left.append((max(i for k in rounds for i in matches[k].cells.values()), cell))
    left.sort(key=lambda item: item[0])
    maker = {v: k for k, (_, c) in enumerate(left) for v in c.defines}
    needs = [
        {maker[v] for v in operands(c, sizes) if v is not None and v in maker and maker[v] != k}
        for k, (_, c) in enumerate(left)
    ]
    return _sorted([c for _, c in left], needs)


def _sorted(cells: Sequence[Cell], needs: Sequence[set[int]]) -> list[Cell] | None:
    done: set[int] = set()
    order: list[Cell] = []
    waiting = list(range(len(cells)))
    while waiting:
        later = []
        for k in waiting:
            if needs[k] <= done:
                done.add(k)
                order.append(cells[k])
            else:
                later.append(k)
        if len(later) == len(waiting):
            return None
        waiting = later
    return order
