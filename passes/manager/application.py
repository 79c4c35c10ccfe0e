"""A program with some of a pass's sites applied, and the others left as they were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...graph.ir import Node, Program, Value, rebuild
from .pass_ import Replacement


def with_sites(program: Program, sites: Iterable[Replacement]) -> tuple[Value, ...]:
    """The outputs with these sites replaced, where the old ones are values of the program. A new
    form may contain its old one, and is rebuilt on what other sites made of its operands."""
    moved = moved_by(program, sites)
    return tuple(moved.get(v, v) for v in program.graph.outputs)


def moved_by(program: Program, sites: Iterable[Replacement]) -> dict[Value, Value]:
    """What becomes of the program's values where these sites are replaced; those that stay are
    not in it."""
    nodes = program.graph.nodes
    own = {v for node in nodes for v in node.outputs}
    wanted = {o: n for s in sites for o, n in zip(s.old, s.new, strict=True) if o in own}
    moved: dict[Value, Value] = {}
    for node in nodes:
        if node.inputs:
            new = rebuild(node, [None if v is None else moved.get(v, v) for v in node.inputs])
            if new is not node:
                moved.update(zip(node.outputs, new.outputs, strict=True))
        for value in node.outputs:
            if value in wanted:
                moved[value] = _rebuilt(wanted[value], own, moved)
    return moved


def _rebuilt(value: Value, own: set[Value], moved: Mapping[Value, Value]) -> Value:
    """A new form on moved operands: values of the program are looked up, others built again."""
    done: dict[Node, Node] = {}
    stack = [value.node]

    def resolved(v: Value) -> Value:
        return moved.get(v, v) if v in own else done[v.node].outputs[v.index]

    while stack:
        node = stack[-1]
        if node in done:
            stack.pop()
            continue
        operands = [v for v in node.inputs if v is not None]
        waiting = [v.node for v in operands if v not in own and v.node not in done]
        if waiting:
            stack.extend(waiting)
            continue
        done[node] = rebuild(node, [None if v is None else resolved(v) for v in node.inputs])
        stack.pop()
    return moved.get(value, value) if value in own else done[value.node].outputs[value.index]
