"""Content hashes of values, graphs and programs: equal in every process exactly where the
contents are equal. They go through a graph once, operands first, and bodies once each."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from ..operators.attributes import Attribute
from ..types.dimensions import Symbol, named_sizes
from ..types.types import named_sizes_of
from .content_hash import array_digest, hash_parts
from .graph import Graph, nested_graphs, topological
from .node import Node, Value
from .program import Assumption, Domain, Program


class Digests:
    """Hashes of values and graphs, each computed once for the life of this object."""

    def __init__(self) -> None:
        self._nodes: dict[Node, bytes] = {}
        self._graphs: dict[Graph, bytes] = {}

    def graph(self, graph: Graph) -> bytes:
        """The hash of what the graph computes from its inputs."""
        for inner in nested_graphs(graph):
            self._bodiless(inner)
        return self._graphs[graph]

    def values(self, values: Iterable[Value]) -> list[bytes]:
        """The hashes of these values: of everything that they need."""
        wanted = tuple(values)
        graph = Graph((), wanted)
        self.graph(graph)
        return [self._value(v) for v in wanted]

    def _bodiless(self, graph: Graph) -> None:
        """Hashes a graph whose bodies are hashed."""
        if graph in self._graphs:
            return
        for node in topological((*graph.inputs, *graph.outputs)):
            if node not in self._nodes:
                self._nodes[node] = self._node(node)
        inputs = [self._value(v) for v in graph.inputs]
        self._graphs[graph] = hash_parts([str(len(inputs)), *inputs, *map(self._value, graph.outputs)])

    def _value(self, value: Value) -> bytes:
        return self._nodes[value.node] + value.index.to_bytes(4, "little")

    def _node(self, node: Node) -> bytes:
        parts: list[bytes | str] = [node.operator.domain, node.operator.name]
        parts += [str(len(node.inputs)), str(len(node.outputs))]
        parts += [b"" if v is None else self._value(v) for v in node.inputs]
        for name in sorted(node.attributes):
            attribute = node.attributes[name]
            parts += [name, attribute.kind, self._attribute(attribute)]
        return hash_parts(parts)

    def _attribute(self, attribute: Attribute) -> bytes:
        value = attribute.value
        if attribute.kind == "graph":
            return self._graphs[value]
        if attribute.kind == "tensor":
            return array_digest(value).encode()
        return hash_parts(_plain(attribute.kind, value))


def _plain(kind: str, value: Any) -> list[bytes | str]:
    """The parts of an attribute without a graph or an array in it."""
    if kind == "float":
        return [struct.pack("<f", value)]
    if kind == "floats":
        return [struct.pack(f"<{len(value)}f", *value)]
    if kind == "type":
        return [str(value), *_ranges(named_sizes_of(value))]
    if kind == "known":
        sizes = frozenset().union(*(named_sizes(d) for d in value if d is not None))
        return [*map(str, value), *_ranges(sizes)]
    return [*map(str, value)] if kind in ("ints", "strings") else [str(value)]


def _ranges(sizes: Iterable[Symbol]) -> list[str]:
    return sorted(f"{s} {s.low} {s.high}" for s in sizes)


def graph_digest(graph: Graph) -> str:
    """The hash of a graph with its bodies, in hexadecimal; arrays in Weights are not part of it."""
    return Digests().graph(graph).hex()


def program_digest(program: Program) -> str:
    """The hash of everything that a program's results depend on, in hexadecimal: graph, names of
    outputs and states, weights, initializers, sizes, assumptions, domains and variant. Not part
    of it: the program's name, the names of values, their origins, metadata."""
    digests = Digests()
    parts: list[bytes | str] = [digests.graph(program.graph), program.variant]
    parts += ["outputs", *program.output_names, "updates", *program.updates]
    parts += ["weights"]
    for name in sorted(program.weights.arrays):
        parts += [name, program.weights.digest(name)]
    names = sorted(program.initializers)
    parts += ["initializers", *names, *digests.values(program.initializers[n] for n in names)]
    parts += ["sizes", *(f"{n} {s.low} {s.high}" for n, s in sorted(program.sizes.items()))]
    parts += ["assumptions", *(_assumption(a) for a in program.assumptions)]
    parts += ["domains", *(f"{n} {_domain(d)}" for n, d in sorted(program.domains.items()))]
    return hash_parts(parts).hex()


def _assumption(assumption: Assumption) -> str:
    condition = f"{assumption.left} {assumption.operator} {assumption.right}"
    return f"{condition} ({', '.join(map(_assumption, assumption.alternatives))})"


def _domain(domain: Domain) -> str:
    return f"{domain.kind} {domain.low!r} {domain.high!r} {domain.arguments!r} {domain.declared}"


__all__ = ["Digests", "array_digest", "graph_digest", "program_digest"]
