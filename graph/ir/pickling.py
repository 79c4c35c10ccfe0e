"""Pickling of graphs and programs: their nodes as flat records in topological order.

Unpickling goes through the interning table, so in one process the unpickled graph is the same
objects again. For processes of ours only: nothing read from outside is ever unpickled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from ..operators.attributes import Attribute, freeze_array
from ..operators.operator import Operator
from .graph import Graph, collector_paused, topological
from .node import Node, Value, make_node
from .program import Program

Reference = tuple[int, int]
"""A value: the position of its node among the records, and the index of the result."""

Record = tuple[Operator, tuple[Reference | None, ...], Mapping[str, Attribute], int]
"""A node: operator, inputs, attributes, number of results."""


def reduce_graph(graph: Graph) -> tuple[object, ...]:
    """What `Graph.__reduce__` returns."""
    records, positions = _records((*graph.inputs, *graph.outputs))
    return restore_graph, (
        records,
        _references(positions, graph.inputs),
        _references(positions, graph.outputs),
    )


def reduce_program(program: Program) -> tuple[object, ...]:
    """What `Program.__reduce__` returns."""
    graph = program.graph
    tables: tuple[Iterable[Value], ...] = (
        graph.inputs,
        graph.outputs,
        program.initializers.values(),
        program.names.values(),
        program.origins.keys(),
    )
    records, positions = _records(v for table in tables for v in table)
    rest = {f.name: getattr(program, f.name) for f in fields(program) if f.name not in _WITH_VALUES}
    rest["initializers"] = tuple(program.initializers)
    rest["names"] = tuple(program.names)
    rest["origins"] = tuple(program.origins.values())
    return restore_program, (records, [_references(positions, t) for t in tables], rest)


_WITH_VALUES = frozenset({"graph", "initializers", "names", "origins"})


def _records(roots: Iterable[Value]) -> tuple[list[Record], dict[Node, int]]:
    nodes = topological(roots)
    positions = {node: i for i, node in enumerate(nodes)}
    records: list[Record] = []
    for node in nodes:
        inputs = tuple(None if v is None else (positions[v.node], v.index) for v in node.inputs)
        records.append((node.operator, inputs, node.attributes, len(node.outputs)))
    return records, positions


def _references(positions: Mapping[Node, int], values: Iterable[Value]) -> list[Reference]:
    return [(positions[v.node], v.index) for v in values]


def _nodes(records: list[Record]) -> list[Node]:
    nodes: list[Node] = []
    with collector_paused():
        for operator, inputs, attributes, outputs in records:
            operands = [None if r is None else nodes[r[0]].outputs[r[1]] for r in inputs]
            nodes.append(make_node(operator, operands, _frozen(attributes), outputs))
    return nodes


def _frozen(attributes: Mapping[str, Attribute]) -> Mapping[str, Attribute]:
    """Attributes with read-only arrays: unpickled ones can be written."""
    return {
        name: Attribute("tensor", freeze_array(a.value)) if a.kind == "tensor" else a
        for name, a in attributes.items()
    }


def _values(nodes: list[Node], references: Iterable[Reference]) -> tuple[Value, ...]:
    return tuple(nodes[position].outputs[index] for position, index in references)


def restore_graph(records: list[Record], inputs: list[Reference], outputs: list[Reference]) -> Graph:
    """The graph of these records."""
    nodes = _nodes(records)
    return Graph(_values(nodes, inputs), _values(nodes, outputs))


def restore_program(records: list[Record], tables: list[list[Reference]], rest: dict[str, Any]) -> Program:
    """The program of these records."""
    nodes = _nodes(records)
    inputs, outputs, *values = (_values(nodes, table) for table in tables)
    initializers, names, origins = values
    return Program(
        **{
            **rest,
            "graph": Graph(inputs, outputs),
            "initializers": dict(zip(rest["initializers"], initializers, strict=True)),
            "names": dict(zip(rest["names"], names, strict=True)),
            "origins": dict(zip(origins, rest["origins"], strict=True)),
        }
    )
