"""Large graphs: memory a node, visits that grow linearly, no recursion over nodes."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from graphwright.graph.ir import (
    Graph,
    Node,
    Program,
    Value,
    apply,
    check,
    constant,
    diff,
    graph_digest,
    leaf,
    parse_graph,
    print_graph,
    statistics,
    substitute,
    topological,
)
from graphwright.graph.types import FLOAT32, TensorType, symbol

X = leaf("Input", "x", TensorType(FLOAT32, (symbol("n"), 8)))
KERNEL = leaf("Parameter", "k", TensorType(FLOAT32, (8, 8)))


def _blocks(nodes: int, start: Value = X) -> Value:
    """About that many nodes, each distinct: residual blocks with a constant of their own."""
    value = start
    for block in range(nodes // 5):
        inner = apply("Relu", apply("MatMul", value, KERNEL))
        value = apply("Add", value, apply("Mul", inner, constant(np.float32(block))))
    return value


def test_memory_a_node() -> None:
    """At most 1.2 kB for each of 50,000 nodes, with the interning table and half the nodes made
    with constants, measured with tracemalloc."""
    _blocks(100)  # operators and caches
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        value = _blocks(50_000)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert used / len(topological([value])) <= 1200


class _Visits:
    """Counts how often the inputs of nodes are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        slot = Node.__dict__["inputs"]

        def read(node: Node) -> tuple[Value | None, ...]:
            self.count += 1
            inputs: tuple[Value | None, ...] = slot.__get__(node, Node)
            return inputs

        monkeypatch.setattr(Node, "inputs", property(read, slot.__set__))


def _program(value: Value) -> Program:
    return Program("p", Graph((X, KERNEL), (value,)), ("y",), names={"y": value})


WORK: dict[str, Callable[[Value], object]] = {
    "topological": lambda v: topological([v]),
    "substitute": lambda v: substitute([v], {X: apply("Neg", X)}),
    "print": lambda v: print_graph(Graph((X, KERNEL), (v,))),
    "digest": lambda v: graph_digest(Graph((X, KERNEL), (v,))),
    "check": lambda v: check(Graph((X, KERNEL), (v,))),
    "statistics": lambda v: statistics(Graph((X, KERNEL), (v,))),
    "pickle": lambda v: Graph((X, KERNEL), (v,)).__reduce__(),
    "diff": lambda v: diff(_program(v), _program(_blocks(200, apply("Neg", X)))),
}


@pytest.mark.parametrize("name", WORK)
def test_visits_grow_linearly(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    for nodes in (1000, 2000, 4000):
        value = _blocks(nodes)
        with monkeypatch.context() as patch:
            visits = _Visits(patch)
            WORK[name](value)
        counts.append(visits.count)
    first, second = counts[1] - counts[0], counts[2] - counts[1]
    assert counts[0] > 0
    assert second <= 2.05 * first


def test_chains_deeper_than_the_stack() -> None:
    value = X
    for _ in range(8_000):
        value = apply("Tanh", value)
    graph = Graph((X,), (value,))
    assert parse_graph(print_graph(graph)) == graph
    assert check(graph) == []
    assert len(graph_digest(graph)) == 32
    (moved,) = substitute([value], {X: apply("Neg", X)})
    assert len(topological([moved])) == len(graph.nodes) + 1
