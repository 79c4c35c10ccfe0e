"""`check` of a theory: its text, and its axioms and goals in the models that it gives."""

from __future__ import annotations

from collections.abc import Mapping

from ...graph.diagnostics import Diagnostic, Note
from ...graph.spec.documents import Document
from ...graph.theory import Theory
from ...graph.theory.reader import parse_theory
from ...passes.logic.filter import false_statements


def check_theory(document: Document) -> list[Diagnostic]:
    """Every error and warning of a theory."""
    found, diagnostics = parse_theory(document)
    if found is not None and not diagnostics.errors:
        return [*diagnostics.items, *false_statements(found.theory)]
    return diagnostics.items


def contradiction(theory: Theory, rests: Mapping[str, tuple[str, ...]], name: str) -> Diagnostic:
    """G1624: falsehood is proved; which axioms its proof rests on."""
    places = {a.name: a.span for a in theory.axioms} | {d.name: d.span for d in theory.definitions}
    axioms = rests.get(name, ())
    notes = tuple(Note(f"its proof uses '{a}'", places[a]) for a in axioms if places.get(a) is not None)
    message = f"the axioms of '{theory.name}' contradict each other"
    hint = f"index.html shows the proof '{name}'; every statement follows from these axioms"
    return Diagnostic("G1624", message, theory.span, hint, notes)
