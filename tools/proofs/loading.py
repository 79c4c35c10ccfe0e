"""Theories from files for the tools, and theorems of an earlier run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from ...backends.logic.certificates import Step, Theorem, formula_from_json, term_from_json
from ...backends.logic.exporters.records import ExportError, TheoremRecord, read_records
from ...graph.diagnostics import Source, fail
from ...graph.spec.reader import read_document
from ...graph.spec.tokens import PlainText
from ...graph.theory import Goal, Theory, Variable
from ...graph.theory.reader import TheoryDocument, read_theory


def open_theory(path: str) -> TheoryDocument:
    """The theory in a file. Raises SpecError: G16xx, or G1620 for a document of another kind."""
    document = read_document(path)
    if document.kind != "logic":
        message = f"'{path}' is a {document.kind}, not a theory"
        raise fail("G1620", message, document.name.span, hint="a theory has 'kind: logic'")
    return read_theory(document)


def with_goals(found: TheoryDocument, texts: Sequence[str]) -> Theory:
    """The theory with these goals in place of its own. Raises SpecError (G16xx)."""
    if not texts:
        return found.theory
    goals = []
    for number, text in enumerate(texts, 1):
        located = PlainText(Source(f"--goal {number}", text))
        goals.append(Goal(f"goal {number}", found.statement(located), text, located.at(0, len(text))))
    return replace(found.theory, goals=tuple(goals))


def read_theorems(lines: Iterable[str], theory: Theory) -> list[Theorem]:
    """The theorems of a certificate as records of the theory. Raises ExportError."""
    try:
        return [_theorem(record, theory) for record in read_records(lines).theorems]
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise ExportError(f"of another theory: {error}") from None


def _theorem(record: TheoremRecord, theory: Theory) -> Theorem:
    sorts = record.variables
    steps = tuple(
        Step(
            step["id"],
            step["rule"],
            tuple(step["premises"]),
            formula_from_json(step["conclusion"], sorts, theory),
            step.get("name", ""),
            tuple(term_from_json(t, sorts, theory) for t in step.get("substitution", [])),
            tuple(step.get("positions", [])),
            step.get("position", -1),
        )
        for step in record.steps.values()
    )
    variables = tuple(Variable(n, s) for n, s in sorts.items())
    statement = formula_from_json(record.statement, {}, theory)
    return Theorem(record.name, statement, _renumbered(steps), variables)


def _renumbered(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps from 1 on: a certificate's file numbers them through."""
    numbers = {step.id: n for n, step in enumerate(steps, 1)}
    return tuple(replace(s, id=numbers[s.id], premises=tuple(numbers[p] for p in s.premises)) for s in steps)


def read_lines(path: Path) -> list[str]:
    """The lines of a certificate file. Raises SpecError G1621 where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise fail("G1621", f"cannot read '{path}': {reason}") from None


def methods_of(path: Path) -> dict[str, str]:
    """Theorem -> method in a `theorems.jsonl`; nothing where it cannot be read."""
    try:
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return {r["name"]: r["method"] for r in records}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
