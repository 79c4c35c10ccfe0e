"""Graphs: values that are wanted, and everything that they need."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from .node import Node, Value, rebuild


@dataclass(frozen=True)
class Graph:
    """`inputs` are leaves, `outputs` any values.

    As an attribute of If, Loop, Scan or fixpoint it is **closed**: its inputs are Arguments
    0, 1, …, and every captured value is an explicit operand of the node.
    """

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Every node that the outputs need, leaves included, operands before their users."""
        return tuple(topological(self.outputs))

    def __hash__(self) -> int:
        return hash((self.inputs, self.outputs))

    def __reduce__(self) -> tuple[object, ...]:
        from .pickling import reduce_graph

        return reduce_graph(self)


def topological(outputs: Iterable[Value]) -> list[Node]:
    """Every node that `outputs` need, operands first; the same for the same graph. Linear, and
    without recursion."""
    order: list[Node] = []
    done: set[Node] = set()
    for output in outputs:
        stack = [(output.node, iter(output.node.inputs))]
        if output.node in done:
            continue
        done.add(output.node)
        while stack:
            node, operands = stack[-1]
            for value in operands:
                if value is not None and value.node not in done:
                    done.add(value.node)
                    stack.append((value.node, iter(value.node.inputs)))
                    break
            else:
                order.append(node)
                stack.pop()
    return order


def nested_graphs(graph: Graph) -> list[Graph]:
    """The bodies inside `graph`, at every depth and each once, inner ones first; then `graph`."""
    order: list[Graph] = []
    done = {graph}
    stack = [(graph, _bodies_of(graph))]
    while stack:
        current, inner = stack[-1]
        for body in inner:
            if body not in done:
                done.add(body)
                stack.append((body, _bodies_of(body)))
                break
        else:
            order.append(current)
            stack.pop()
    return order


def _bodies_of(graph: Graph) -> Iterator[Graph]:
    return (body for node in graph.nodes if node.attributes for _, body in bodies(node))


def consumers(nodes: Iterable[Node]) -> dict[Value, list[tuple[Node, int]]]:
    """Value -> the (node, input position) pairs that read it."""
    found: dict[Value, list[tuple[Node, int]]] = {}
    for node in nodes:
        for position, value in enumerate(node.inputs):
            if value is not None:
                found.setdefault(value, []).append((node, position))
    return found


def needed_nodes(outputs: Iterable[Value], given: Collection[Value]) -> list[Node]:
    """Every node that `outputs` need beyond the values in `given`, operands first: the order in which
    they are evaluated from there."""
    order: list[Node] = []
    done: set[Node] = set()
    for output in outputs:
        if output in given or output.node in done:
            continue
        done.add(output.node)
        stack = [(output.node, iter(output.node.inputs))]
        while stack:
            node, operands = stack[-1]
            for value in operands:
                if value is not None and value not in given and value.node not in done:
                    done.add(value.node)
                    stack.append((value.node, iter(value.node.inputs)))
                    break
            else:
                order.append(node)
                stack.pop()
    return order


def substitute(outputs: Sequence[Value], replacements: Mapping[Value, Value]) -> tuple[Value, ...]:
    """The outputs with every value in `replacements` replaced, throughout their graph. Bodies
    are closed, so nothing inside them changes."""
    moved: dict[Value, Value] = dict(replacements)
    for node in topological(outputs):
        new = rebuild(node, [moved.get(v, v) if v is not None else None for v in node.inputs])
        if new is not node:
            for old_value, new_value in zip(node.outputs, new.outputs, strict=True):
                moved.setdefault(old_value, new_value)
    return tuple(moved.get(v, v) for v in outputs)


def bodies(node: Node) -> Iterator[tuple[str, Graph]]:
    """The graph-valued attributes of a node, by name."""
    for name, attribute in node.attributes.items():
        if attribute.kind == "graph":
            yield name, attribute.value


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pauses the cyclic garbage collector: with it, building is no longer linear."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
