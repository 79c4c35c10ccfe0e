"""What nothing needs: unread leaves and weights, results and captures of bodies that nobody reads.

Unread nodes need no work: a graph is what its outputs reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar

from ...graph.ir import Graph, Node, Program, Value, argument, make_node, substitute
from ...graph.operators.attributes import Attribute
from ..manager.pass_ import Context, Result
from ..rewriting import Procedure, Rule, Site, rewrite
from ..rewriting.rewriting_pass import RewritingPass, result_of
from .unread_results import RULE, drop_unread_results


@dataclass(frozen=True)
class EliminateDeadCode(RewritingPass):
    """Removes parameters, states, noise and weights that nothing reads, and what a Scan, Loop
    or If computes or captures for nobody. Inputs stay: they are the program's signature."""

    name: ClassVar[str] = "eliminate_dead_code"

    def rules(self, program: Program) -> tuple[Rule, ...]:
        return dead_code_rules()

    def run(self, program: Program, context: Context) -> Result:
        smaller, dropped = drop_unread_results(program, context.firings)
        left = None if context.firings is None else context.firings - len(dropped)
        found = result_of(rewrite(smaller, self.rules(smaller), self.name, left))
        hits = {**found.hits, RULE: len(dropped)} if dropped else found.hits
        return replace(
            found,
            program=prune(found.program),
            replacements=(*dropped, *found.replacements),
            hits=hits,
            visits=found.visits + len(program.graph.nodes),
        )


@cache
def dead_code_rules() -> tuple[Rule, ...]:
    return (Procedure("unread-captures", ("If", "Loop", "Scan"), _unread_captures),)


def prune(program: Program) -> Program:
    """The program without leaves, weights, names and origins that its outputs do not reach; itself
    where there are none."""
    reached = set(program.graph.nodes)
    kept = tuple(v for v in program.graph.inputs if _stays(v, reached, program))
    stored = {v.node.attribute("name") for v in kept if v.role != "Input"}
    stored.update(n.attribute("name") for n in reached if n.operator.name == "Weight" and not n.inputs)
    unread = [name for name in program.weights.arrays if name not in stored]
    if len(kept) == len(program.graph.inputs) and not unread:
        return program
    inputs = set(kept)
    return replace(
        program,
        graph=Graph(kept, program.graph.outputs),
        weights=program.weights.only(stored) if unread else program.weights,
        initializers={n: v for n, v in program.initializers.items() if n in stored},
        names={n: v for n, v in program.names.items() if v.node in reached or v in inputs},
        origins={v: o for v, o in program.origins.items() if v.node in reached or v in inputs},
    )


def _stays(value: Value, reached: set[Node], program: Program) -> bool:
    if value.role == "Input" or value.node in reached:
        return True
    return value.role == "State" and value.node.attribute("name") in program.updates


def first_capture(node: Node) -> int:
    """The position of the first captured operand."""
    if node.name == "If":
        return 1
    count: int = node.attribute("captures", 0)
    return len(node.inputs) - count


def first_captured_argument(node: Node) -> int:
    """The body argument that receives the first capture."""
    return 0 if node.name == "If" else first_capture(node)


def with_captures(node: Node, kept: Sequence[int], merged_into: dict[int, int] | None = None) -> Node:
    """The node with only the captures at positions `kept` (from 0 among the captures); arguments of
    captures in `merged_into` read those of another one instead."""
    start, first = first_capture(node), first_captured_argument(node)
    changed: dict[str, Attribute] = {}
    for name, attribute in node.attributes.items():
        if attribute.kind != "graph":
            continue
        body: Graph = attribute.value
        moved = {
            body.inputs[first + old]: argument(
                first + new, body.inputs[first + old].type, body.inputs[first + old].known
            )
            for new, old in enumerate(kept)
        }
        for old, target in (merged_into or {}).items():
            moved[body.inputs[first + old]] = moved[body.inputs[first + target]]
        inputs = (*body.inputs[:first], *(moved[body.inputs[first + k]] for k in kept))
        changed[name] = Attribute("graph", Graph(inputs, substitute(body.outputs, moved)))
    if node.name != "If" or "captures" in node.attributes:
        changed["captures"] = Attribute("int", len(kept))
    inputs_kept = (*node.inputs[:start], *(node.inputs[start + k] for k in kept))
    return make_node(node.operator, inputs_kept, {**node.attributes, **changed}, len(node.outputs))


def _unread_captures(node: Node, site: Site) -> Sequence[Value] | str:
    start, first = first_capture(node), first_captured_argument(node)
    count = len(node.inputs) - start
    read: set[int] = set()
    for attribute in node.attributes.values():
        if attribute.kind == "graph":
            body: Graph = attribute.value
            read.update(n.attribute("index") for n in body.nodes if n.operator.name == "Argument")
    kept = [k for k in range(count) if first + k in read]
    if len(kept) == count:
        return "the bodies read every capture"
    return with_captures(node, kept).outputs
