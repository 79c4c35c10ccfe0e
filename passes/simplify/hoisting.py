"""What every step of a Scan or Loop computes alike is computed once, before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

from ...graph.ir import Graph, Node, Program, Value, argument, make_node, substitute
from ...graph.operators.attributes import Attribute
from ...graph.operators.leaves import CONSTANT, LEAF_DOMAIN
from ...graph.types import TensorType
from ..rewriting import Procedure, Rule, Site
from ..rewriting.rewriting_pass import RewritingPass
from .dead_code import dead_code_rules, first_capture, first_captured_argument

_STAYS = frozenset({"random", "host"})


@dataclass(frozen=True)
class HoistInvariants(RewritingPass):
    """Moves what depends on captured values and constants alone out of the bodies of Scan and Loop.
    Not out of If: there it would be computed where the branch is not taken."""

    name: ClassVar[str] = "hoist_invariants"

    def rules(self, program: Program) -> tuple[Rule, ...]:
        return (*hoisting_rules(), *dead_code_rules())


@cache
def hoisting_rules() -> tuple[Rule, ...]:
    return (Procedure("hoist-invariants", ("Scan", "Loop"), _hoist),)


def _hoist(node: Node, site: Site) -> Sequence[Value] | str:
    body: Graph = node.attribute("body")
    first = first_captured_argument(node)
    moved = _frontier(body, frozenset(body.inputs[first:]))
    if not moved:
        return "every computation of its body depends on the step"
    outside = dict(zip(body.inputs[first:], node.inputs[first_capture(node) :], strict=True))
    operands = substitute(moved, {a: v for a, v in outside.items() if v is not None})
    arguments = tuple(argument(len(body.inputs) + i, v.type) for i, v in enumerate(moved))
    inner = Graph(
        (*body.inputs, *arguments), substitute(body.outputs, dict(zip(moved, arguments, strict=True)))
    )
    attributes = {
        **node.attributes,
        "body": Attribute("graph", inner),
        "captures": Attribute("int", node.attribute("captures", 0) + len(moved)),
    }
    padded = node.inputs + (None,) * (len(body.inputs) - len(node.inputs))
    return make_node(node.operator, (*padded, *operands), attributes, len(node.outputs)).outputs


def _frontier(body: Graph, captured: frozenset[Value]) -> tuple[Value, ...]:
    """The invariant values that other nodes of the body, or its results, read."""
    invariant: set[Node] = set()
    for node in body.nodes:
        if node.operator.domain == LEAF_DOMAIN or node.operator.traits & _STAYS:
            continue
        operands = [v for v in node.inputs if v is not None]
        if operands and all(_is_invariant(v, captured, invariant) for v in operands):
            invariant.add(node)
    found: dict[Value, None] = {}
    for node in body.nodes:
        if node not in invariant:
            found.update(dict.fromkeys(v for v in node.inputs if v is not None and v.node in invariant))
    found.update(dict.fromkeys(v for v in body.outputs if v.node in invariant))
    return tuple(v for v in found if _worth_moving(v))


def _is_invariant(value: Value, captured: frozenset[Value], invariant: set[Node]) -> bool:
    return value in captured or value.node in invariant or value.node.operator is CONSTANT


def _worth_moving(value: Value) -> bool:
    """Not shape arithmetic, whose content types inside rest on; not an expansion, which costs memory
    and no time."""
    return value.known is None and isinstance(value.type, TensorType) and value.node.name != "Expand"
