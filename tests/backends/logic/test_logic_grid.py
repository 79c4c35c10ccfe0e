"""Running from the graph: what the Fixpoint node says is what is tried, with what, by whom."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from graphwright.backends.logic import kernel
from graphwright.backends.logic.backend import LogicBackend, LogicEvaluator
from graphwright.backends.logic.certificates import header
from graphwright.backends.logic.engine.prover import Prover
from graphwright.backends.logic.facts import Facts
from graphwright.backends.logic.topology import topology
from graphwright.graph.diagnostics import SpecError
from graphwright.graph.ir import Graph, Node, Program, Value, apply, leaf, make_node
from graphwright.graph.operators.blocks import BLOCKS, BLOCKS_DOMAIN
from graphwright.graph.spec.reader import read_document
from graphwright.graph.theory import Theory
from graphwright.graph.theory.reader import read_theory
from graphwright.graph.types import FLOAT32, TensorType
from graphwright.passes.logic.lowering import canonical, lower

SPECS = Path(kernel.__file__).parents[2] / "specs" / "logic"


@cache
def theory(name: str) -> Theory:
    return canonical(read_theory(read_document(str(SPECS / f"{name}.yaml"))).theory)


def few(name: str, *goals: str) -> Theory:
    """A theory with these goals, and a short search for what is out of reach."""
    whole = theory(name)
    bounds = replace(whole.bounds, nodes=(150,), cycles=8)
    return replace(whole, goals=tuple(g for g in whole.goals if g.name in goals), bounds=bounds)


def fixpoint(program: Program) -> Node:
    (found,) = [n for n in program.graph.nodes if n.operator.name == "Fixpoint"]
    return found


def facts(program: Program) -> Facts:
    (found,) = LogicEvaluator(program).values(program.graph.outputs)
    return found  # type: ignore[no-any-return]  # Facts, as the type of the output says


def with_fixpoint(program: Program, node: Node) -> Program:
    result = apply("Merge", *node.outputs, domain=BLOCKS_DOMAIN)
    return replace(program, graph=Graph((), (result,)), names={"theorems": result})


def rebuilt(program: Program, change) -> Program:
    """The program with `change(node, inputs)` in place of the attributes of each node of the body."""
    old = fixpoint(program)
    body = old.attribute("body")
    new: dict[Value, Value] = {v: v for v in body.inputs}
    for node in body.nodes:
        if node.outputs[0] in new:
            continue
        inputs = [new[v] for v in node.inputs]
        made = change(node, inputs)
        new.update(zip(node.outputs, made.outputs, strict=True))
    changed = Graph(body.inputs, tuple(new[v] for v in body.outputs))
    attributes = {"body": changed, "cycles": old.attribute("cycles")}
    return with_fixpoint(program, make_node(BLOCKS["Fixpoint"], old.inputs, attributes, len(old.outputs)))


def again(node: Node, inputs: list[Value]) -> Node:
    return make_node(node.operator, inputs, node.attributes, len(node.outputs))


@pytest.mark.parametrize("name", ["peano", "lattice", "trees", "gauss"])
def test_the_graph_proves_what_the_engine_proves(name: str) -> None:
    found = theory(name)
    ours, engine = facts(lower(found)), Prover(found).run(found.goals)
    assert ours.theorems == engine.certificate.theorems
    assert dict(ours.methods) == engine.methods


def test_the_backend_gives_certificate_lines_that_the_kernel_accepts() -> None:
    found = theory("lattice")
    results = LogicBackend().load(lower(found)).run({})
    verdict = kernel.check(results["theorems"].tolist(), header(found))
    assert verdict.accepted
    assert {g.name for g in found.goals} <= set(verdict.theorems)


def test_a_goal_that_no_block_lists_is_not_tried() -> None:
    program = lower(few("lattice", "reflexivity", "the join is above", "transitivity"))

    def without(node: Node, inputs: list[Value]) -> Node:
        if "reflexivity" not in (node.attribute("goals") or ()):
            return again(node, inputs)
        pairs = zip(node.attribute("goals"), node.attribute("statements"), strict=True)
        kept = [(g, s) for g, s in pairs if g != "reflexivity"]
        attributes = {"goals": [g for g, _ in kept], "statements": [s for _, s in kept]}
        return make_node(node.operator, inputs, attributes)

    proved = {t.name for t in facts(rebuilt(program, without)).theorems}
    assert "reflexivity" not in proved
    assert "the join is above" in proved


def test_an_axiom_that_the_graph_does_not_give_is_not_used() -> None:
    program = lower(few("peano", "plus one", "goal 34", "zero is neutral"))
    given = [
        n.outputs[0]
        for n in program.graph.nodes
        if n.operator.name == "Axiom" and n.attribute("name") != "add successor"
    ]
    old = fixpoint(program)
    root = apply("Merge", *given, domain=BLOCKS_DOMAIN)
    attributes = {"body": old.attribute("body"), "cycles": old.attribute("cycles")}
    node = make_node(BLOCKS["Fixpoint"], (root, *old.inputs[1:]), attributes, len(old.outputs))
    assert {t.name for t in facts(program).theorems} == {"plus one", "goal 34", "zero is neutral"}
    assert not facts(with_fixpoint(program, node)).theorems


def test_without_the_broadcast_no_theorem_is_a_lemma() -> None:
    """The same goals, but what is proved reaches no state: each proof stands on the axioms alone."""
    sums = few("peano", "goal 30", "zero is neutral", "addition commutes", "plus one")
    program = lower(sums)

    def deaf(node: Node, inputs: list[Value]) -> Node:
        if node.operator.name == "Merge" and any(v.index for v in inputs):
            return again(node, [v for v in inputs if not v.index])
        return again(node, inputs)

    whole, alone = facts(program), facts(rebuilt(program, deaf))
    names = {g.name for g in sums.goals}
    assert any(name in names for t in whole.theorems for name in t.cited)
    assert not any(name in names for t in alone.theorems for name in t.cited)
    assert alone.theorems


def test_a_block_that_gets_no_mail_has_no_rules() -> None:
    """Its mail is its own state, which begins with its assumption only."""
    program = lower(
        few("peano", "goal 30", "goal 20", "successor is injective", "zero is neutral", "addition commutes")
    )

    def alone(node: Node, inputs: list[Value]) -> Node:
        scoped = node.operator.name == "Block" and node.attribute("scope")
        return again(node, [inputs[0], inputs[0]] if scoped else inputs)

    proved = {t.name for t in facts(rebuilt(program, alone)).theorems}
    assert "successor is injective" in proved  # by the constructors alone
    assert "goal 20" not in proved  # by commutativity
    assert "goal 20" in {t.name for t in facts(program).theorems}
    assert "addition commutes" in proved


def test_a_graph_that_says_other_than_its_theory_is_refused() -> None:
    program = lower(theory("lattice"))

    def lying(node: Node, inputs: list[Value]) -> Node:
        if not node.attribute("statements"):
            return again(node, inputs)
        attributes = {**{k: a.value for k, a in node.attributes.items()}}
        attributes["statements"] = ["x = y", *attributes["statements"][1:]]
        return make_node(node.operator, inputs, attributes)

    with pytest.raises(SpecError) as caught:
        LogicBackend().load(rebuilt(program, lying))
    assert {d.code for d in caught.value.diagnostics} == {"G1625"}
    with pytest.raises(SpecError, match="no theory 'lattice'"):
        LogicBackend().load(replace(program, theories={}))


def test_tensors_are_refused() -> None:
    x = leaf("Input", "x", TensorType(FLOAT32, (2,)))
    y = apply("Relu", x)
    (found, *_) = LogicBackend().unsupported(Program("p", Graph((x,), (y,)), ("y",)))
    assert found.code == "G1626"


def test_blocks_are_tried_together_and_in_any_order() -> None:
    """Tasks that end in another order give the same."""

    class Backwards:
        def map_unordered(self, function, tasks):
            return reversed([(i, function(t)) for i, t in enumerate(tasks)])

    found = theory("peano")
    (ours,) = LogicEvaluator(lower(found), Backwards()).values(lower(found).graph.outputs)
    assert ours.theorems == facts(lower(found)).theorems


def test_a_program_of_a_theory_crosses_processes() -> None:
    program = lower(theory("lattice"))
    back = pickle.loads(pickle.dumps(program))
    assert back.graph == program.graph
    assert back.theories["lattice"].goals == program.theories["lattice"].goals


def test_topology_of_nested_premises() -> None:
    found = topology(fixpoint(lower(theory("lattice"))))
    assert found.parents == [-1, 0, 1, 1, 0]
    assert found.broadcast == (0,)
    assert [b.tells for b in found.blocks] == [(0,), (), (0,), (0,), (0,)]
    assert [b.adds for b in found.blocks] == ["", "x <= y", "y <= z", "y <= x", "x /\\ y = x"]
    assert sorted(name for b in found.blocks for name, _ in b.goals) == sorted(
        g.name for g in theory("lattice").goals
    )
