"""Evaluation of a graph: once through its nodes, each value dropped after its last use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ...graph.ir import Graph, Node, Value, needed_nodes
from ...graph.types.dtypes import from_numpy
from .kernel import Datum


class Walk:
    """The order of evaluation of `outputs` from `given` values, made once and run many times."""

    def __init__(self, outputs: Sequence[Value], given: Iterable[Value]) -> None:
        self.outputs = tuple(outputs)
        self.nodes = needed_nodes(self.outputs, frozenset(given))
        self.dead = _last_uses(self.nodes, frozenset(self.outputs))

    def run(self, given: Mapping[Value, Datum], float64: bool) -> list[Datum]:
        """The outputs. With `float64` every float of 16 or more bits is computed in float64.
        Raises KeyError for a leaf that is not given."""
        from .operators import evaluate_node

        values: dict[Value, Datum] = {v: shadow(x) if float64 else x for v, x in given.items()}
        for node, dead in zip(self.nodes, self.dead, strict=True):
            inputs = [values[v] if v is not None else None for v in node.inputs]
            results = evaluate_node(node, inputs, float64=float64)
            for value, result in zip(node.outputs, results, strict=True):
                values.setdefault(value, result)
            for value in dead:
                values.pop(value, None)
        return [values[v] for v in self.outputs]


def body_walk(graph: Graph) -> Walk:
    """The order of evaluation of a closed body."""
    return Walk(graph.outputs, graph.inputs)


def shadow(datum: Datum) -> Datum:
    """Floats of 16 bits or more in float64. Narrower ones are codes, and keep their format."""
    if isinstance(datum, list):
        return [shadow(x) for x in datum]
    if not isinstance(datum, np.ndarray | np.generic) or datum.dtype == np.float64:
        return datum
    found = from_numpy(datum.dtype)
    return np.asarray(datum).astype(np.float64) if found.is_float and found.bits >= 16 else datum


def _last_uses(nodes: Sequence[Node], kept: frozenset[Value]) -> list[list[Value]]:
    """For each node the values that nobody reads after it."""
    last: dict[Value, int] = {}
    for position, node in enumerate(nodes):
        for value in node.outputs:
            last[value] = position
        for operand in node.inputs:
            if operand is not None:
                last[operand] = position
    dead: list[list[Value]] = [[] for _ in nodes]
    for value, position in last.items():
        if value not in kept:
            dead[position].append(value)
    return dead
