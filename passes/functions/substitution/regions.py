"""Regions: places that programs stand for, and the arithmetic around them that one loop does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ....graph.ir import Graph, Node, Value, argument, consumers, rebuild
from ....graph.types import TensorType
from .matches import Match, number_of

ARITHMETIC: Mapping[str, str] = {
    "Add": "add",
    "Sub": "sub",
    "Mul": "mul",
    "Div": "div",
    "Neg": "neg",
    "Abs": "abs",
    "Sqrt": "sqrt",
}


@dataclass(frozen=True)
class Region:
    """`nodes` in order, the last one's result is the region's; `inputs` come from outside and have one type;
    `matches` are the places in it that programs stand for, by their last node."""

    nodes: tuple[Node, ...]
    inputs: tuple[Value, ...]
    matches: Mapping[Node, Match] = field(default_factory=dict)

    @property
    def result(self) -> Value:
        return self.nodes[-1].outputs[0]

    @property
    def is_softmax(self) -> bool:
        return any(m.is_softmax for m in self.matches.values())

    def body(self) -> Graph:
        """The region as a closed graph."""
        moved: dict[Value, Value] = {v: argument(i, v.type) for i, v in enumerate(self.inputs)}
        arguments = tuple(moved.values())
        for node in self.nodes:
            new = rebuild(node, [None if v is None else moved.get(v, v) for v in node.inputs])
            moved.update(zip(node.outputs, new.outputs, strict=True))
        return Graph(arguments, (moved[self.result],))


def single(found: Match) -> Region:
    """The place by itself."""
    return Region(found.nodes, (found.operand,), {found.node: found})


def regions(graph: Graph, wanted: Sequence[Match], fuse: bool = True) -> tuple[Region, ...]:
    """One region for each place, or, with `fuse`, for each tree of arithmetic that holds some; in the order of the
    graph. What is read elsewhere too ends a region."""
    nodes = graph.nodes
    readers = consumers(nodes)
    outputs = set(graph.outputs)
    sole = {v for v, used in readers.items() if len(used) == 1 and v not in outputs}
    place = {node: i for i, node in enumerate(nodes)}
    ends = {m.node: m for m in wanted}
    inside = {n for m in wanted for n in m.nodes}
    taken: set[Node] = set()
    found: list[Region] = []
    for node in reversed(nodes):
        if node in taken or (node in inside and node not in ends):
            continue
        if node not in ends and not (fuse and _is_arithmetic(node)):
            continue
        steps = _grow(node, sole, ends, inside, fuse)
        members = {n for s in steps for n in (ends[s].nodes if s in ends else (s,))}
        taken.update(members)
        held = {s: ends[s] for s in steps if s in ends}
        if held:
            found.append(_region(sorted(members, key=place.__getitem__), held))
    return tuple(reversed(found))


def _is_arithmetic(node: Node) -> bool:
    """Whether every operand is a scalar constant or has the result's type."""
    if node.name not in ARITHMETIC or node.operator.domain:
        return False
    type = node.outputs[0].type
    if not isinstance(type, TensorType) or type.dtype.name not in ("float32", "float64") or not type.dims:
        return False
    return all(v is not None and (v.type == type or number_of(v) is not None) for v in node.inputs)


def _grow(
    root: Node, sole: set[Value], ends: Mapping[Node, Match], inside: set[Node], fuse: bool
) -> set[Node]:
    """The last nodes of places, and the arithmetic, that only the root needs and one loop with it can do."""
    members = {root}
    stack = [root] if fuse and not (root in ends and ends[root].is_softmax) else []
    while stack:
        step = stack.pop()
        for value in [ends[step].operand] if step in ends else step.inputs:
            inner = None if value is None else value.node
            if value is None or inner is None or value not in sole or inner in members:
                continue
            fits = (
                not ends[inner].is_softmax if inner in ends else inner not in inside and _is_arithmetic(inner)
            )
            if fits and value.type == root.outputs[0].type:
                members.add(inner)
                stack.append(inner)
    return members


def _region(order: Sequence[Node], held: Mapping[Node, Match]) -> Region:
    made = {v for n in order for v in n.outputs}
    read = [v for n in order for v in n.inputs if v is not None and v not in made]
    type = order[-1].outputs[0].type
    inputs = dict.fromkeys(v for v in read if v.type == type and number_of(v) is None)
    return Region(tuple(order), tuple(inputs), held)
