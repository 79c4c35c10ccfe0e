"""What passes over theories share: finding the theory, and lowering a changed one anew."""

from __future__ import annotations

from dataclasses import replace

from ...backends.logic.reading import node_of
from ...graph.ir import Node, Program, Value, make_node
from ...graph.operators.blocks import BLOCKS
from ...graph.theory import Theory
from .lowering import lower

BOTH = frozenset({"train", "infer"})
"""The variants that passes over theories take: a theory has one program."""

LICENCE = "licence"
"""The method of a theorem that says what an axiom said before a relation became a function."""


def relowered(program: Program, theory: Theory, known: Value | None = None) -> Program:
    """The grid of a changed theory; theorems of an earlier run stay (`known` where there are none)."""
    earlier = node_of(program, "Theorems")
    given = known if earlier is None else earlier.outputs[0]
    return lower(theory, given)


def with_result(program: Program, node: Node) -> Program:
    """The program with `node`'s facts for its theorems."""
    result = node.outputs[0]
    old = program.outputs["theorems"]
    outputs = tuple(result if v is old else v for v in program.graph.outputs)
    names = {n: v for n, v in program.names.items() if v is not old} | {"theorems": result}
    reached = program.with_graph(outputs).graph
    kept = {v for n in reached.nodes for v in n.outputs}
    origins = {v: o for v, o in program.origins.items() if v in kept}
    if old in program.origins:
        origins[result] = program.origins[old]
    names = {n: v for n, v in names.items() if v in kept}
    return replace(program, graph=reached, names=names, origins=origins)


def theorems_node(axioms: Value, proofs: list[str], methods: list[str], stopped: str = "") -> Node:
    """Theorems over `axioms`, from the lines of their certificate."""
    attributes = {"proofs": proofs or None, "methods": methods or None, "stopped": stopped or None}
    return make_node(BLOCKS["Theorems"], (axioms,), attributes)
