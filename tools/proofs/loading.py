"""Theories and certificates from files, for the tools."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...graph.diagnostics import Source, fail
from ...graph.spec.reader import read_document
from ...graph.spec.tokens import PlainText
from ...graph.theory import Goal, Theory
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
