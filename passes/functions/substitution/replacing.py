"""The new program: regions of the main graph and of bodies replaced by elementwise programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ....backends.native.elementwise import Elementwise
from ....graph.ir import Graph, Node, Origin, Program, Value, argument, bodies, make_node, rebuild
from ....graph.operators.attributes import Attribute, make_attribute
from ....graph.operators.table import operator
from .infinities import Ends
from .library import Entry
from .program_text import region_program
from .regions import Region


@dataclass(frozen=True)
class Chosen:
    """A region of a graph with the program of each place in it, by its last node. `least`: fewer elements are left to
    the region itself; `steps`: runtimes without kernels compute the steps; `at_ends`: results at infinite operands."""

    graph: Graph
    region: Region
    entries: Mapping[Node, Entry]
    least: int = 0
    steps: bool = False
    at_ends: Mapping[Node, Ends] = field(default_factory=dict)

    def text(self) -> Elementwise:
        return region_program(self.region, {n: e.program for n, e in self.entries.items()}, self.at_ends)

    def node(self, inputs: Sequence[Value]) -> Value:
        """The region by programs, over these inputs."""
        names = tuple(dict.fromkeys(e.name() for e in self.entries.values()))
        attributes = {
            "body": make_attribute("graph", self.region.body()),
            "program": make_attribute("strings", self.text().lines()),
            "certificates": make_attribute("strings", names),
            "softmax": make_attribute("int", int(self.region.is_softmax)),
            "least": make_attribute("int", self.least),
            "steps": make_attribute("int", int(self.steps)),
        }
        return make_node(operator("Elementwise", "graphwright"), inputs, attributes).outputs[0]

    def forms(self) -> tuple[Graph, Graph]:
        """The region and its programs as closed graphs."""
        body = self.region.body()
        arguments = tuple(argument(i, v.type) for i, v in enumerate(self.region.inputs))
        return body, Graph(arguments, (replace(self, least=0).node(arguments),))


def replaced(program: Program, chosen: Sequence[Chosen], by: str) -> Program:
    """The program with every region replaced, also in bodies."""
    if not chosen:
        return program
    work = _Rebuild(program, by, {(c.graph, c.region.nodes[-1]): c for c in chosen})
    made = program.with_graph(work.graph(program.graph).outputs)
    alive = {v for n in made.graph.nodes for v in n.outputs} | set(program.graph.inputs)
    names = {n: work.moved[program.graph].get(v, v) for n, v in program.names.items()}
    origins = {**program.origins, **work.origins}
    bodies_alive = {v for g in work.made.values() for n in g.nodes for v in n.outputs}
    return replace(
        made,
        names={n: v for n, v in names.items() if v in alive},
        origins={v: o for v, o in origins.items() if v in alive or v in bodies_alive},
    )


@dataclass
class _Rebuild:
    program: Program
    by: str
    chosen: Mapping[tuple[Graph, Node], Chosen]
    made: dict[Graph, Graph] = field(default_factory=dict)
    moved: dict[Graph, dict[Value, Value]] = field(default_factory=dict)
    origins: dict[Value, Origin] = field(default_factory=dict)

    def graph(self, graph: Graph) -> Graph:
        """The graph with its regions replaced, made once."""
        if graph in self.made:
            return self.made[graph]
        moved = self.moved.setdefault(graph, {})
        for node in graph.nodes:
            here = self.chosen.get((graph, node))
            if here is not None:
                inputs = [moved.get(v, v) for v in here.region.inputs]
                self._put(moved, node, (here.node(inputs),), self.by)
            else:
                new = rebuild(node, [None if v is None else moved.get(v, v) for v in node.inputs])
                self._put(moved, node, self._with_bodies(new).outputs)
        outputs = tuple(moved.get(v, v) for v in graph.outputs)
        self.made[graph] = graph if outputs == graph.outputs else Graph(graph.inputs, outputs)
        return self.made[graph]

    def _with_bodies(self, node: Node) -> Node:
        changed = {
            name: Attribute("graph", self.graph(body))
            for name, body in bodies(node)
            if self.graph(body) is not body
        }
        if not changed:
            return node
        count = len(node.outputs) if node.operator.outputs[-1].variadic else None
        return make_node(node.operator, node.inputs, {**node.attributes, **changed}, count)

    def _put(self, moved: dict[Value, Value], node: Node, new: Sequence[Value], by: str = "") -> None:
        for old, value in zip(node.outputs, new, strict=True):
            moved[old] = value
            origin = self.program.origins.get(old)
            if by:
                self.origins[value] = (origin or Origin()).merge(Origin(), by)
            elif origin is not None and value not in self.program.origins:
                self.origins.setdefault(value, origin)
