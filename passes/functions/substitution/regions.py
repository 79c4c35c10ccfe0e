"""Regions: operators that a function program can stand for, and the arithmetic around them that one loop does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ....graph.ir import Graph, Node, Program, Value, argument, consumers, rebuild
from ....graph.types import TensorType

FUNCTIONS: Mapping[str, str] = {
    "Exp": "exp",
    "Log": "log",
    "Sin": "sin",
    "Cos": "cos",
    "Tanh": "tanh",
    "Erf": "erf",
    "Sigmoid": "sigmoid",
    "Gelu": "gelu",
    "Swish": "silu",
    "Softplus": "softplus",
    "Softmax": "exp",
}
"""Operator -> the function that a program must be for; Pow of the number 2 is exp2."""

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
    `functions` are those of the nodes that programs stand for."""

    nodes: tuple[Node, ...]
    inputs: tuple[Value, ...]
    functions: Mapping[Node, str] = field(default_factory=dict)

    @property
    def result(self) -> Value:
        return self.nodes[-1].outputs[0]

    @property
    def is_softmax(self) -> bool:
        return self.nodes[-1].name == "Softmax"

    def body(self) -> Graph:
        """The region as a closed graph."""
        moved: dict[Value, Value] = {v: argument(i, v.type) for i, v in enumerate(self.inputs)}
        arguments = tuple(moved.values())
        for node in self.nodes:
            new = rebuild(node, [None if v is None else moved.get(v, v) for v in node.inputs])
            moved.update(zip(node.outputs, new.outputs, strict=True))
        return Graph(arguments, (moved[self.result],))


def function_of(node: Node) -> str | None:
    """The function that the node is, element by element; None for any other operator or form."""
    if not node.operator.domain and node.name == "Pow":
        return "exp2" if _is_power_of_two(node) else None
    name = FUNCTIONS.get(node.name) if not node.operator.domain else None
    if name is None or not isinstance(node.outputs[0].type, TensorType):
        return None
    if node.name == "Gelu" and node.attribute("approximate") != "none":
        return None
    if node.name == "Swish" and node.attribute("alpha") != 1.0:
        return None
    if node.name == "Softmax":
        rank = node.outputs[0].type.rank if node.outputs[0].type.dims is not None else 0
        if not rank or node.attribute("axis") % rank != rank - 1:
            return None
    return name


def operand_of(node: Node) -> Value:
    """What the function of a node is taken of."""
    found = node.inputs[1 if node.name == "Pow" else 0]
    assert found is not None
    return found


def _is_power_of_two(node: Node) -> bool:
    base, exponent = node.inputs
    assert base is not None
    assert exponent is not None
    return number_of(base) == 2.0 and exponent.type == node.outputs[0].type


def number_of(value: Value) -> float | None:
    """The number of a scalar constant."""
    array = value.constant
    if array is None or array.size != 1 or array.dtype.kind != "f":
        return None
    found = float(array.reshape(()))
    return found if np.isfinite(found) else None


def regions(program: Program, wanted: frozenset[Node], fuse: bool = True) -> tuple[Region, ...]:
    """One region for each wanted node, or, with `fuse`, for each tree of arithmetic that holds some; in the
    order of the graph. What is read elsewhere too ends a region."""
    nodes = program.graph.nodes
    readers = consumers(nodes)
    outputs = set(program.graph.outputs)
    sole = {v for v, used in readers.items() if len(used) == 1 and v not in outputs}
    place = {node: i for i, node in enumerate(nodes)}
    taken: set[Node] = set()
    found: list[Region] = []
    for node in reversed(nodes):
        if node in taken:
            continue
        if node not in wanted and not (fuse and _is_arithmetic(node)):
            continue
        members = _grow(node, sole, wanted, fuse)
        taken.update(members)
        functions = {n: f for n in members if n in wanted and (f := function_of(n)) is not None}
        if functions:
            found.append(_region(sorted(members, key=place.__getitem__), functions))
    return tuple(reversed(found))


def _is_arithmetic(node: Node) -> bool:
    """Whether every operand is a scalar constant or has the result's type."""
    if node.name not in ARITHMETIC or node.operator.domain:
        return False
    type = node.outputs[0].type
    if not isinstance(type, TensorType) or type.dtype.name != "float32" or not type.dims:
        return False
    return all(v is not None and (v.type == type or number_of(v) is not None) for v in node.inputs)


def _grow(root: Node, sole: set[Value], wanted: frozenset[Node], fuse: bool) -> set[Node]:
    """The nodes that only the root needs and one loop with it can do."""
    members = {root}
    stack = [root] if fuse and root.name != "Softmax" else []
    while stack:
        for value in stack.pop().inputs:
            inner = None if value is None else value.node
            if value is None or inner is None or value not in sole or inner in members:
                continue
            fits = (inner in wanted and inner.name != "Softmax") or _is_arithmetic(inner)
            if fits and value.type == root.outputs[0].type:
                members.add(inner)
                stack.append(inner)
    return members


def _region(order: Sequence[Node], functions: Mapping[Node, str]) -> Region:
    made = {v for n in order for v in n.outputs}
    outside = [v for n in order for v in n.inputs if v is not None and v not in made]
    inputs = dict.fromkeys(v for v in outside if number_of(v) is None)
    return Region(tuple(order), tuple(inputs), functions)
