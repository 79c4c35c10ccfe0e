"""Functions of a document: repeated regions and the bodies of control flow."""

from __future__ import annotations

from collections.abc import Sequence

from ...ir import Graph, Value
from ..documents import Block, Declaration, OutputDeclaration
from .dimensions import type_expression
from .identifiers import Names, is_number, snake
from .level import Level, says_little
from .outline import Function, node_cells
from .shared import Path, Shared, Text
from .syntax import label, name


def write_function(shared: Shared, function: Function) -> Text:
    """Writes the function down and remembers how calls find what is in it."""
    found = shared.functions.take(function.name)
    names = Names(shared.sizes.values())
    level = Level(shared, names, function.scope, is_graph=False)
    inputs = _name_inputs(level, function.inputs)
    owned = [_owned(level, v) for v in function.owned]
    exposed = [v for v in shared.exposed.get(function, ()) if v not in function.inputs]
    outputs = _write_results(level, function, exposed)
    kept = [v for i, v in enumerate(function.inputs) if v in level.used or i < _carried(function)]
    declared = [
        Declaration(label(inputs[v]), type_expression(v.type, shared.sizes, inputs[v], loose=True))
        for v in kept
    ]
    used = [(n, v, d) for n, v, d in owned if v in level.used]
    shared.blocks.append(
        Block(
            label(found),
            inputs=tuple(declared),
            parameters=tuple(d for _, v, d in used if v.tensor.dtype.is_float),
            state=tuple(d for _, v, d in used if not v.tensor.dtype.is_float),
            nodes=tuple(level.nodes),
            outputs=tuple(OutputDeclaration(label(o)) for o in outputs),
        )
    )
    paths: list[tuple[Path, Value]] = [((n,), v) for n, v, _ in used]
    written = Text(
        found,
        tuple(kept),
        tuple(outputs),
        level.paths,
        (*paths, *level.owned),
        tuple(inputs[v] for v in kept),
    )
    shared.texts[function] = written
    return written


def _carried(function: Function) -> int:
    return len(function.outputs) if function.inputs else 0


def _name_inputs(level: Level, values: Sequence[Value]) -> dict[Value, str]:
    found: dict[Value, str] = {}
    for value in values:
        hint = level.shared.hint(value, level.scope)
        chosen = level.names.take("x" if not hint or says_little(hint) or len(values) == 1 else hint)
        found[value] = chosen
        level.refs[value] = name(chosen)
    return found


def _owned(level: Level, value: Value) -> tuple[str, Value, Declaration]:
    chosen = level.names.take(level.shared.hint(value, level.scope) or "weight")
    level.refs[value] = name(chosen)
    return chosen, value, level.declaration(chosen, value)


def _write_results(level: Level, function: Function, exposed: Sequence[Value]) -> list[str]:
    outputs: list[str] = []
    results: list[tuple[str, Value]] = []
    for value in function.outputs:
        hint = level.shared.hint(value, level.scope)
        chosen = level.names.take("y" if says_little(hint) else hint)
        outputs.append(chosen)
        results.append((chosen, value))
    for value in exposed:
        if value not in function.outputs:
            hint = level.shared.hint(value, level.scope)
            results.append((level.names.take(snake(value.node.name) if is_number(hint) else hint), value))
    level.write(function.cells, results)
    return outputs


# --- bodies of control flow ------------------------------------------------------------------------


def write_body(outer: Level, wanted: str, graph: Graph, arguments: Sequence[str]) -> tuple[str, list[str]]:
    """A closed body as a function of all its arguments; its name, which is no name of `outer`, and
    the names of its inputs. `arguments` are wished names, "" for none."""
    shared = outer.shared
    found = shared.functions.take(wanted)
    while found in outer.names:
        found = shared.functions.take(wanted)
    outer.names.reserve((found,))
    names = Names(shared.sizes.values())
    level = Level(shared, names, is_graph=False)
    inputs: list[str] = []
    for value, wish in zip(graph.inputs, arguments, strict=True):
        hint = wish or shared.hint(value)
        inputs.append(names.take(hint if hint and not says_little(hint) else "x"))
        level.refs[value] = name(inputs[-1])
    results = [(names.take(_result_name(shared, v)), v) for v in graph.outputs]
    level.write(node_cells(graph.outputs), results)
    shared.blocks.append(
        Block(
            label(found),
            inputs=tuple(
                Declaration(label(n), type_expression(v.type, shared.sizes, n, loose=True))
                for n, v in zip(inputs, graph.inputs, strict=True)
            ),
            nodes=tuple(level.nodes),
            outputs=tuple(OutputDeclaration(label(n)) for n, _ in results),
        )
    )
    return found, inputs


def _result_name(shared: Shared, value: Value) -> str:
    hint = shared.hint(value)
    return hint if hint and not says_little(hint) and not value.is_leaf else "y"


__all__ = ["write_body", "write_function"]
