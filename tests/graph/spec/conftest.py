"""Marked texts: `«…»` in a spec marks the exact text that a diagnostic must point at."""

from __future__ import annotations

import pytest

from graphwright.graph.diagnostics import Source
from graphwright.graph.spec.reader import parse_document


class Marked:
    """A text without its marks, and where the marked part stood (from 1, end not included)."""

    def __init__(self, marked: str) -> None:
        before, rest = marked.split("«", 1)
        inside, after = rest.split("»", 1)
        self.text = before + inside + after
        self.start = self._place(before)
        self.end = self._place(before + inside)

    @staticmethod
    def _place(text: str) -> tuple[int, int]:
        lines = text.split("\n")
        return len(lines), len(lines[-1]) + 1


@pytest.fixture
def marked():
    return Marked


@pytest.fixture
def diagnose():
    """All diagnostics of a text as (code, (line, column), (end line, end column), hint, message)."""

    def run(text: str, vocabulary=None):
        document, diagnostics = parse_document(Source("spec.yaml", text), vocabulary)
        assert document is not None or diagnostics.items
        return [
            (d.code, (d.span.line, d.span.column), (d.span.end_line, d.span.end_column), d.hint, d.message)
            for d in diagnostics.items
        ]

    return run
