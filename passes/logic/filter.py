"""Filtering: statements that a model refutes are not worth trying."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from ...backends.logic.reading import theory_of
from ...graph.diagnostics import Diagnostic, Note, SpecError
from ...graph.ir import Program
from ...graph.theory import Axiom, Formula, Goal, Theory
from ...graph.theory.evaluation import Counterexample, counterexample
from ...graph.theory.infix_printer import print_statement
from ..manager.contract import Certified
from ..manager.pass_ import Context, Result
from .theory_pass import BOTH, relowered


@dataclass(frozen=True)
class Filter:
    """Drops conjectures that are false in one of the theory's models, evaluated at all points at
    once, and keeps as many as the theory's bounds say. A goal or an axiom that is false in a model
    is an error that gives the values."""

    name: ClassVar[str] = "filter"
    variants: ClassVar[frozenset[str]] = BOTH

    @property
    def contract(self) -> Certified:
        return Certified(goals="fewer")

    def run(self, program: Program, context: Context) -> Result:
        theory = theory_of(program)
        if theory is None:
            return Result(program, visits=len(program.graph.nodes))
        wrong = list(false_statements(theory))
        if wrong:
            raise SpecError(wrong)
        found = {g.name: refuted(theory, g.statement) for g in theory.goals if g.conjectured}
        kept = [g for g in theory.goals if g.conjectured and found[g.name] is None]
        kept = kept[: theory.bounds.conjectures]
        goals = [g for g in theory.goals if not g.conjectured] + kept
        dropped = len(theory.goals) - len(goals)
        if not dropped:
            return Result(program, visits=len(theory.goals))
        notes = [
            f"{print_statement(g.statement)} is false in '{example.model}': {example}"
            for g in theory.goals
            if (example := found.get(g.name)) is not None
        ]
        changed = relowered(program, replace(theory, goals=tuple(goals)))
        return Result(changed, notes=tuple(notes), hits={"dropped": dropped}, visits=len(theory.goals))


def refuted(theory: Theory, statement: Formula) -> Counterexample | None:
    """Where the statement fails in one of the models."""
    examples = (counterexample(statement, model) for model in theory.models)
    return next((e for e in examples if e is not None), None)


def false_statements(theory: Theory) -> Iterator[Diagnostic]:
    """G1622 for an axiom that fails in a model of the theory, G1623 for a goal that does."""
    for model in theory.models:
        goals = [g for g in theory.goals if not g.conjectured]
        statements: tuple[Axiom | Goal, ...] = (*theory.axioms, *goals)
        for statement in statements:
            found = counterexample(statement.statement, model)
            if found is None:
                continue
            is_axiom = isinstance(statement, Axiom)
            kind = "axiom" if is_axiom else "goal"
            message = f"the {kind} '{statement.name}' is false in the model '{model.name}': {found}"
            notes = (Note(f"the model '{model.name}'", model.span),)
            hint = f"it says {print_statement(statement.statement)}"
            code = "G1622" if is_axiom else "G1623"
            yield Diagnostic(code, message, statement.span, hint, notes)
        for definition in theory.definitions:
            for statement_ in (definition.unfolding, definition.folding):
                found = counterexample(statement_, model)
                if found is not None:
                    message = f"'{definition.name}' differs from its definition in '{model.name}': {found}"
                    yield Diagnostic("G1622", message, definition.span)
                    break
