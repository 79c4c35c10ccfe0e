"""Closing bodies: values built with stand-ins become a closed Graph and its captures.

A body is built like any other graph, with placeholders for its arguments. `close_loop` then
takes what depends on them; everything else is loop-invariant and stays outside, captured as an
operand. `close_branch` takes all that is computed from the arguments and the program's leaves,
so that a branch which does not run costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..ir import Graph, Node, Value, argument, rebuild, topological
from ..ir.node import SMALL
from .construction import Construction


@dataclass(frozen=True, slots=True)
class Body:
    """A closed graph, and the outer values that its last inputs stand for."""

    graph: Graph
    captures: tuple[Value, ...]


def close_loop(build: Construction, outputs: Sequence[Value], placeholders: Sequence[Value]) -> Body:
    """The body of a loop: what depends on the placeholders."""
    nodes = topological(outputs)
    inside: set[Node] = {p.node for p in placeholders}
    for node in nodes:
        if any(v is not None and v.node in inside for v in node.inputs):
            inside.add(node)
    captures = _captures(nodes, outputs, inside, placeholders)
    return _close(build, outputs, placeholders, captures)


def close_branch(
    build: Construction,
    outputs: Sequence[Value],
    placeholders: Sequence[Value],
    captured: Sequence[Value] | None = None,
) -> Body:
    """The body of a branch: everything but leaves (and placeholders of enclosing bodies)."""
    found = branch_captures(outputs, placeholders) if captured is None else tuple(captured)
    return _close(build, outputs, placeholders, found)


def branch_captures(outputs: Sequence[Value], placeholders: Sequence[Value]) -> tuple[Value, ...]:
    """The leaves that a branch reads, in order."""
    nodes = topological(outputs)
    inside = {n for n in nodes if not n.outputs[0].is_leaf}
    return _captures(nodes, outputs, inside, placeholders)


def _captures(
    nodes: Sequence[Node], outputs: Sequence[Value], inside: set[Node], placeholders: Sequence[Value]
) -> tuple[Value, ...]:
    own = set(placeholders)
    found: dict[Value, None] = {}
    read = [v for n in nodes if n in inside for v in n.inputs if v is not None]
    for value in (*read, *outputs):
        if value.node not in inside and value not in own and not _inline(value):
            found[value] = None
    return tuple(found)


def _inline(value: Value) -> bool:
    """Small constants are repeated in the body."""
    array = value.constant
    return array is not None and array.size <= SMALL


def _close(
    build: Construction, outputs: Sequence[Value], placeholders: Sequence[Value], captures: Sequence[Value]
) -> Body:
    boundary = [*placeholders, *captures]
    moved: dict[Value, Value] = {
        v: argument(i, v.type, v.known if i >= len(placeholders) else None) for i, v in enumerate(boundary)
    }
    arguments = tuple(moved[v] for v in boundary)
    for node in _between(outputs, moved):
        new = rebuild(node, [None if v is None else moved.get(v, v) for v in node.inputs])
        for old_value, new_value in zip(node.outputs, new.outputs, strict=True):
            if old_value not in moved:
                moved[old_value] = new_value
                if old_value in build.origins:
                    build.origins.setdefault(new_value, build.origins[old_value])
    return Body(Graph(arguments, tuple(moved.get(v, v) for v in outputs)), tuple(captures))


def _between(outputs: Sequence[Value], boundary: dict[Value, Value]) -> list[Node]:
    """The nodes from the boundary (exclusive) to the outputs, operands first."""
    stop = set(boundary)
    wanted: set[Node] = set()
    stack = [v for v in outputs if v not in stop]
    while stack:
        value = stack.pop()
        if value.node in wanted:
            continue
        wanted.add(value.node)
        stack += [v for v in value.node.inputs if v is not None and v not in stop]
    return [n for n in topological(outputs) if n in wanted]
