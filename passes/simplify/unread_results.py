"""Results of loops that nobody reads: steps that are stacked for nothing, states that only carry themselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ...graph.ir import (
    Graph,
    Node,
    Program,
    Value,
    argument,
    bodies,
    make_node,
    rebuild,
    substitute,
    topological,
)
from ...graph.operators.attributes import Attribute
from ..manager.pass_ import Replacement

RULE = "unread-results"


@dataclass(frozen=True)
class Layout:
    """Where the parts of a Scan or Loop stand: `lead` operands before the states, as many arguments
    of the body, `lead_results` results of the body before the states."""

    lead: int
    lead_results: int
    states: int


def layout_of(node: Node) -> Layout:
    captures: int = node.attribute("captures", 0)
    if node.name == "Loop":
        return Layout(2, 1, len(node.inputs) - 2 - captures)
    return Layout(0, 0, len(node.inputs) - node.attribute("num_scan_inputs") - captures)


def drop_unread_results(
    program: Program, limit: int | None = None
) -> tuple[Program, tuple[Replacement, ...]]:
    """The program with every Scan and Loop outside of bodies reduced to the results that are read and
    the states that these need; itself where there is nothing to drop. At most `limit` nodes."""
    read = {v for n in program.graph.nodes for v in n.inputs} | set(program.graph.outputs)
    moved: dict[Value, Value] = {}
    dropped: set[Value] = set()
    replacements: list[Replacement] = []
    for node in program.graph.nodes:
        new = rebuild(node, [None if v is None else moved.get(v, v) for v in node.inputs])
        kept = list(range(len(node.outputs)))
        if node.name in ("Scan", "Loop") and (limit is None or len(replacements) < limit):
            kept = needed_results(node, (i for i in kept if node.outputs[i] in read))
        before = new
        if len(kept) < len(node.outputs):
            new = with_results(new, kept)
            olds = tuple(before.outputs[i] for i in kept)
            replacements.append(Replacement(olds, new.outputs, RULE))
            dropped |= {node.outputs[i] for i in range(len(node.outputs)) if i not in kept}
        for position, index in enumerate(kept):
            if new.outputs[position] is not node.outputs[index]:
                moved[node.outputs[index]] = new.outputs[position]
    if not replacements:
        return program, ()
    return _moved(program, moved, dropped), tuple(replacements)


def _moved(program: Program, moved: dict[Value, Value], dropped: set[Value]) -> Program:
    outputs = tuple(moved.get(v, v) for v in program.graph.outputs)
    return replace(
        program,
        graph=Graph(program.graph.inputs, outputs),
        names={n: moved.get(v, v) for n, v in program.names.items() if v not in dropped},
        origins={moved.get(v, v): o for v, o in program.origins.items() if v not in dropped},
    )


def needed_results(node: Node, read: Iterable[int]) -> list[int]:
    """The results of a Scan or Loop that are read, and the states that those need from step to step."""
    ((_, body),) = bodies(node)
    place = layout_of(node)
    kept = set(read)
    while True:
        outputs = [*body.outputs[: place.lead_results], *(body.outputs[place.lead_results + i] for i in kept)]
        reached = {n.outputs[0] for n in topological(outputs)}
        states = {i for i in range(place.states) if body.inputs[place.lead + i] in reached}
        if states <= kept:
            return sorted(kept)
        kept |= states


def with_results(node: Node, kept: list[int]) -> Node:
    """The Scan or Loop with the results `kept` only, its body's arguments renumbered."""
    ((name, body),) = bodies(node)
    place = layout_of(node)
    states = [i for i in kept if i < place.states]
    end = place.lead + place.states
    positions = [*range(place.lead), *(place.lead + i for i in states), *range(end, len(body.inputs))]
    arguments = {
        body.inputs[old]: argument(new, body.inputs[old].type, body.inputs[old].known)
        for new, old in enumerate(positions)
    }
    results = [*body.outputs[: place.lead_results], *(body.outputs[place.lead_results + i] for i in kept)]
    smaller = Graph(tuple(arguments.values()), substitute(results, arguments))
    attributes = {**node.attributes, name: Attribute("graph", smaller)}
    for per_result in ("scan_output_axes", "scan_output_directions"):
        if per_result in attributes:
            given = attributes[per_result].value
            stacked = [given[i - place.states] for i in kept if i >= place.states]
            attributes[per_result] = Attribute("ints", tuple(stacked))
    inputs = [*node.inputs[: place.lead], *(node.inputs[place.lead + i] for i in states), *node.inputs[end:]]
    return make_node(node.operator, inputs, attributes, len(kept))
