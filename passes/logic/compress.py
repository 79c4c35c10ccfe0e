"""Compressing: proofs without the steps, and lists of theorems without the lemmas, that nothing
needs. What comes out is checked like anything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ...backends.logic.certificates import Step, Theorem
from ...backends.logic.engine.proof import Proof
from ...backends.logic.reading import node_of, read_theorems, theorem_lines, theory_of
from ...graph.ir import Program
from ...graph.theory import Equation, Falsehood, Formula
from ..manager.contract import Certified
from ..manager.pass_ import Context, Result
from .theory_pass import BOTH, LICENCE, theorems_node, with_result


@dataclass(frozen=True)
class Compress:
    """Shortens proofs: what was shown before from no more assumptions is not shown again, chains of
    chains become one, steps that nothing needs go; then lemmas go that are neither goals nor a
    licence and that no proof cites."""

    name: ClassVar[str] = "compress"
    variants: ClassVar[frozenset[str]] = BOTH

    @property
    def contract(self) -> Certified:
        return Certified()

    def run(self, program: Program, context: Context) -> Result:
        theory, node = theory_of(program), node_of(program, "Theorems")
        if theory is None or node is None or node.outputs[0] is not program.outputs.get("theorems"):
            return Result(program, visits=len(program.graph.nodes))
        before = read_theorems(node.attribute("proofs") or (), theory)
        shorter = [compressed(t) for t in before]
        methods = dict(zip((t.name for t in before), node.attribute("methods") or (), strict=True))
        licences = {name for name, method in methods.items() if method == LICENCE}
        kept = needed(shorter, licences.union(g.name for g in theory.goals))
        steps = sum(len(t.steps) for t in before) - sum(len(t.steps) for t in kept)
        if not steps:
            return Result(program, visits=len(before))
        axioms = node.inputs[0]
        assert axioms is not None
        lines, stopped = theorem_lines(theory, kept), node.attribute("stopped") or ""
        made = theorems_node(axioms, lines, [methods[t.name] for t in kept], stopped)
        hits = {"steps": steps, "lemmas": len(before) - len(kept)}
        return Result(with_result(program, made), hits=hits, visits=len(before))


def needed(theorems: Sequence[Theorem], wanted: set[str]) -> list[Theorem]:
    """The theorems that are wanted, a contradiction, or cited by one that is kept."""
    wanted, kept = set(wanted), list[Theorem]()
    for theorem in reversed(theorems):
        if theorem.name in wanted or isinstance(theorem.statement, Falsehood):
            kept.append(theorem)
            wanted.update(theorem.cited)
    return kept[::-1]


def compressed(theorem: Theorem) -> Theorem:
    """The same statement by a proof that is no longer."""
    proof = Proof()
    new: dict[int, int] = {}
    shown: dict[Formula, list[int]] = {}
    for step in theorem.steps:
        made = _again(proof, step, tuple(new[p] for p in step.premises))
        if step.rule != "assume":
            made = _shown(proof, made, shown)
        new[step.id] = made
    found = proof.theorem(theorem.name, new[theorem.steps[-1].id])
    if len(found.steps) >= len(theorem.steps):
        return theorem
    return replace(found, statement=theorem.statement)


def _again(proof: Proof, step: Step, premises: tuple[int, ...]) -> int:
    """The step on other premises that say the same."""
    if step.rule == "symmetry":
        return proof.symmetry(premises[0])
    if step.rule == "transitivity":
        return proof.transitivity(_links(proof, premises))
    return proof.add(
        step.rule,
        premises,
        step.conclusion,
        step.name,
        step.substitution,
        step.positions,
        step.position,
    )


def _links(proof: Proof, premises: Sequence[int]) -> list[int]:
    """The equations of a chain, those of inner chains in place of these."""
    found: list[int] = []
    for premise in premises:
        inner = proof.steps[premise - 1]
        found += inner.premises if inner.rule == "transitivity" else (premise,)
    return found


def _shown(proof: Proof, made: int, shown: dict[Formula, list[int]]) -> int:
    """An earlier step with this conclusion that rests on no more; else the step itself."""
    conclusion = proof[made]
    earlier = shown.setdefault(conclusion, [])
    for other in earlier:
        if proof.rests[other - 1] <= proof.rests[made - 1]:
            return other
    if isinstance(conclusion, Equation) and proof.steps[made - 1].rule != "reflexivity":
        if conclusion.left is conclusion.right:
            made = proof.reflexivity(conclusion.left)
    earlier.append(made)
    return made
