"""A whole program as a document, with the arrays of its weights' file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...ir import Assumption, Domain, Program, Value
from ...types.dimensions import Dim
from .. import expressions as ex
from ..documents import (
    Block,
    Declaration,
    Document,
    OutputDeclaration,
    Requirement,
    SizeDeclaration,
    Update,
)
from .dimensions import dimension, type_expression, writable
from .functions import write_function
from .identifiers import Names, document_name
from .level import Level
from .outline import Function, Outline, flat_outline
from .shared import Shared, hints_of
from .syntax import NOWHERE, call, comparison, label, logical, name, number

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Written:
    """A document, the arrays that its `load`s name by their key, and what the document calls the
    program's leaves (inputs, states, noise), sizes and outputs."""

    document: Document
    arrays: Mapping[str, Array]
    leaves: Mapping[str, str]
    sizes: Mapping[str, str]
    outputs: Mapping[str, str]


def write_document(
    program: Program,
    *,
    weights_file: str,
    outline: Outline | None = None,
    reserved: Iterable[str] = (),
    doc: str = "",
) -> Written:
    """The program as a spec. Weights go to `weights_file`, by path; `reserved` are names that no
    function may take.

    Raises SpecError, each with the node's name: G1220 for a type, G1221 for an operation that the
    language has no form for, G1222 for a weight without content.
    """
    found = outline or flat_outline(program.graph)
    names = Names()
    sizes = {s: names.take(s) for s in program.sizes}
    shared = Shared(program, weights_file, sizes, Names(reserved), hints=hints_of(program))
    level = Level(shared, names)
    declared = _declare_leaves(level, program)
    outputs = {o: names.take(o) for o in program.output_names}
    shared.functions.reserve((*sizes.values(), *declared.values(), *outputs.values()))
    _expose(shared, found, program)
    for function in found.functions:
        write_function(shared, function)
    new_states = [(names.take(f"{n}_next"), v) for n, v in program.new_states.items()]
    level.write(found.cells, [*((outputs[o], v) for o, v in program.outputs.items()), *new_states])
    _store_owned(level)
    body = Block(
        label(document_name(program.name)),
        inputs=tuple(_declaration(level, v, declared[v], program) for v in program.inputs.values()),
        parameters=tuple(level.parameters),
        state=tuple(_declaration(level, v, declared[v], program) for v in program.states.values()),
        noise=tuple(_noise(level, v, declared[v]) for v in program.noise.values()),
        require=tuple(_requirements(program, sizes)),
        nodes=tuple(level.nodes),
        updates=tuple(
            Update(label(declared[program.states[s]]), name(n))
            for s, (n, _) in zip(program.updates, new_states, strict=True)
        ),
        outputs=tuple(OutputDeclaration(label(n)) for n in outputs.values()),
    )
    document = Document(
        NOWHERE.source,
        "graph",
        body.name,
        doc,
        sizes=tuple(_size(sizes[n], program.sizes[n].low, program.sizes[n].high) for n in program.sizes),
        body=body,
        functions=tuple(reversed(shared.blocks)),
    )
    leaves = {str(v.node.attribute("name")): n for v, n in declared.items()}
    return Written(document, shared.stored, leaves, sizes, outputs)


# --- declarations -----------------------------------------------------------------------------------


def _declare_leaves(level: Level, program: Program) -> dict[Value, str]:
    found: dict[Value, str] = {}
    for value in program.graph.inputs:
        wanted = str(value.node.attribute("name"))
        found[value] = level.names.take(wanted)
        level.refs[value] = name(found[value])
        if value.role == "Parameter":
            level.parameters.append(_parameter(level, value, found[value], program))
    return found


def _parameter(level: Level, value: Value, called: str, program: Program) -> Declaration:
    own = str(value.node.attribute("name"))
    if own in program.weights:
        level.shared.stored[called] = program.weights[own]
        level.shared.keys.reserve((called,))
        return level.declaration(called, value)
    return Declaration(label(called), type_expression(value.type, level.shared.sizes, own))


def _declaration(level: Level, value: Value, called: str, program: Program) -> Declaration:
    own = str(value.node.attribute("name"))
    type_ = type_expression(value.type, level.shared.sizes, own)
    if value.role == "State" and own in program.weights:
        level.shared.stored[called] = program.weights[own]
        return level.declaration(called, value)
    found = program.domains.get(own)
    return Declaration(
        label(called), type_, domain=None if found is None else _domain(found, level.shared.sizes)
    )


def _domain(found: Domain, sizes: Mapping[str, str]) -> ex.DomainExpression | None:
    if found.kind != "range":
        arguments = tuple(number(a) for a in found.arguments)
        return None if found.kind == "normal" else ex.KindDomain(NOWHERE, found.kind, arguments)
    ends = [_limit(e, sizes) for e in (found.low, found.high)]
    if ends[0] is None or ends[1] is None:
        return None
    return ex.RangeDomain(NOWHERE, ends[0], ends[1])


def _limit(limit: object, sizes: Mapping[str, str]) -> ex.Expression | None:
    if isinstance(limit, Dim):
        return dimension(limit, sizes) if writable(limit, sizes) else None
    return number(limit) if isinstance(limit, int | float) else None


def _noise(level: Level, value: Value, called: str) -> Declaration:
    own = str(value.node.attribute("name"))
    draw = level.shared.program.initializers.get(own)
    kind = draw.node.attribute("kind") if draw is not None and draw.role == "Draw" else "normal"
    return Declaration(label(called), type_expression(value.type, level.shared.sizes, own), call(kind, []))


def _size(called: str, low: int, high: int | None) -> SizeDeclaration:
    return SizeDeclaration(label(called), None, number(low), None if high is None else number(high))


def _requirements(program: Program, sizes: Mapping[str, str]) -> Iterable[Requirement]:
    for assumption in program.assumptions:
        condition = _condition(assumption, sizes)
        if condition is not None:
            yield Requirement(condition)


def _condition(assumption: Assumption, sizes: Mapping[str, str]) -> ex.Expression | None:
    """The assumption over the sizes that the spec has; None where it is about others."""
    if assumption.alternatives:
        parts = [_condition(a, sizes) for a in assumption.alternatives]
        return None if None in parts else logical("or", [p for p in parts if p is not None])
    if not (writable(assumption.left, sizes) and writable(assumption.right, sizes)):
        return None
    return comparison(
        assumption.operator, dimension(assumption.left, sizes), dimension(assumption.right, sizes)
    )


# --- functions --------------------------------------------------------------------------------------


def _expose(shared: Shared, outline: Outline, program: Program) -> None:
    """Notes, for every function, the inner values that are read outside of its calls."""
    _expose_level(shared, outline.cells, program.graph.outputs)
    for function in reversed(outline.functions):
        wanted = (*function.outputs, *shared.exposed.get(function, ()))
        _expose_level(shared, function.cells, wanted)


def _expose_level(shared: Shared, cells: Iterable[object], results: Iterable[Value]) -> None:
    from .outline import Cell

    found = [c for c in cells if isinstance(c, Cell)]
    read = {v for c in found for v in c.reads} | set(results)
    for cell in found:
        if cell.call is None:
            continue
        final = set(cell.call.results)
        for binding in cell.call.bindings:
            for template in _region(cell.call.function):
                value = binding.get(template, template)
                if value in read and value not in final:
                    shared.exposed.setdefault(cell.call.function, {})[template] = None


def _region(function: Function) -> Iterable[Value]:
    return (v for c in function.cells for v in c.defines)


def _store_owned(level: Level) -> None:
    """The arrays of everything that calls own, by path."""
    for path, value in level.owned:
        level.shared.stored[".".join(map(str, path))] = level.shared.array(value)


__all__ = ["Written", "write_document"]
