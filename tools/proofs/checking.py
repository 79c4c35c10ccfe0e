"""`check` of a theory: its text, and its axioms and goals in the models that it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ...graph.diagnostics import Diagnostic, Note, SpecError
from ...graph.spec.documents import Document
from ...graph.theory import Axiom, Formula, GeneratedModel, Goal, Model, Theory
from ...graph.theory.evaluation import Counterexample, counterexample
from ...graph.theory.infix_printer import print_statement
from ...graph.theory.reader import parse_theory


def check_theory(document: Document) -> list[Diagnostic]:
    """Every error and warning of a theory."""
    found, diagnostics = parse_theory(document)
    if found is not None and not diagnostics.errors:
        return [*diagnostics.items, *false_statements(found.theory)]
    return diagnostics.items


def false_statements(theory: Theory) -> Iterator[Diagnostic]:
    """G1622 for an axiom that fails in a model of the theory, G1623 for a goal that does."""
    for model in theory.models:
        fails = _evaluation(theory, model)
        statements: tuple[Axiom | Goal, ...] = (*theory.axioms, *theory.goals)
        for statement in statements:
            found = fails(statement.statement)
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
                found = fails(statement_)
                if found is not None:
                    message = f"'{definition.name}' differs from its definition in '{model.name}': {found}"
                    yield Diagnostic("G1622", message, definition.span)
                    break


def _evaluation(theory: Theory, model: Model) -> Callable[[Formula], Counterexample | None]:
    """What finds counterexamples in a model."""
    if isinstance(model, GeneratedModel):
        from ...passes.logic.refutation import Terms

        return Terms(theory, model).counterexample
    return lambda statement: counterexample(statement, model)


def refuse_false_goals(theory: Theory) -> None:
    """Raises SpecError with every axiom and goal that fails in a model."""
    found = list(false_statements(theory))
    if found:
        raise SpecError(found)


def contradiction(theory: Theory, rests: Mapping[str, tuple[str, ...]], name: str) -> Diagnostic:
    """G1624: falsehood is proved; which axioms its proof rests on."""
    places = {a.name: a.span for a in theory.axioms} | {d.name: d.span for d in theory.definitions}
    axioms = rests.get(name, ())
    notes = tuple(Note(f"its proof uses '{a}'", places[a]) for a in axioms if places.get(a) is not None)
    message = f"the axioms of '{theory.name}' contradict each other"
    hint = f"index.html shows the proof '{name}'; every statement follows from these axioms"
    return Diagnostic("G1624", message, theory.span, hint, notes)
