"""How often bodies are called, and whether an error in one is carried from call to call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....graph.ir import Graph, Node, Program, Value, bodies, nested_graphs, topological
from ....graph.types import TensorType
from ....graph.types.dimensions import evaluate, symbols_of

MOST = 256
"""Calls through which gradients are taken."""

Parents = Mapping[Graph, list[tuple[Graph, Node]]]


def parents(program: Program) -> Parents:
    """For each body, the nodes that call it and the graphs that they lie in."""
    found: dict[Graph, list[tuple[Graph, Node]]] = {}
    for graph in nested_graphs(program.graph):
        for node in graph.nodes:
            for _, body in bodies(node):
                found.setdefault(body, []).append((graph, node))
    return found


def limits(program: Program) -> dict[str, int]:
    """Sizes at their declared ends, of those that count the calls of a loop and end within `MOST`."""
    found = {}
    for called in parents(program).values():
        for _, node in called:
            for name in _symbols(_calls(node)):
                high = program.sizes[name].high if name in program.sizes else None
                if high is not None and high <= MOST:
                    found[name] = high
    return found


def unbounded(program: Program, above: Parents, graph: Graph, value: Value) -> str | None:
    """Why errors at a value of a body have no bound at the outputs that samples could show: it reaches what a loop
    carries, and nothing says how often that calls its body. None where they have."""
    for outer, node in above.get(graph, ()):
        if _is_carried(node, graph, value):
            calls = _calls(node)
            most = _most(program, calls)
            if calls is None or most is None:
                return f"its error is carried from call to call of a {node.name}, whose calls have no bound"
            if most > MOST:
                return f"its error is carried through up to {most} calls of a {node.name}, more than {MOST}"
        further = unbounded(program, above, outer, node.outputs[0])
        if further is not None:
            return further
    return None


def _is_carried(node: Node, body: Graph, value: Value) -> bool:
    captures = node.attribute("captures", 0) or 0
    if node.name == "Scan":
        states = body.outputs[: len(node.inputs) - node.attribute("num_scan_inputs") - captures]
    elif node.name == "Loop":
        states = body.outputs[: len(node.inputs) - 1 - captures]  # the condition, then the carried values
    else:
        return False
    return value.node in set(topological(states))


def _calls(node: Node) -> Any:
    """The dimension that counts a loop's calls, or bounds them; None where none does."""
    if node.name == "Scan":
        scanned, captures = node.attribute("num_scan_inputs"), node.attribute("captures", 0) or 0
        first = node.inputs[len(node.inputs) - captures - scanned]
        axis = (node.attribute("scan_input_axes") or (0,))[0]
        type = first.type if first is not None else None
        return type.size_of(axis) if isinstance(type, TensorType) else None
    if node.name == "Loop" and node.inputs and node.inputs[0] is not None:
        limit = node.inputs[0]
        if limit.constant is not None and limit.constant.size == 1:
            return int(limit.constant.reshape(()))
        return limit.known[0] if limit.known else None
    return None


def _symbols(calls: Any) -> frozenset[str]:
    return symbols_of(calls) if calls is not None else frozenset()


def _most(program: Program, calls: Any) -> int | None:
    highs = {n: program.sizes[n].high for n in _symbols(calls) if n in program.sizes}
    known = {n: h for n, h in highs.items() if h is not None}
    return evaluate(calls, known) if calls is not None and _symbols(calls) <= set(known) else None
