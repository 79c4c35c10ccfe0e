"""Spec lines in a model's metadata: written by our emitter, read back by the importer."""

from __future__ import annotations

from collections.abc import Iterable

import onnx

from ....graph.diagnostics import Source, Span

SPEC_KEY = "graphwright.spec"


def spec_spans(metadata: Iterable[onnx.StringStringEntryProto]) -> tuple[Span, ...]:
    """The spans that `graphwright.spec` names: `path:line` or `path:line:column`, comma-separated.
    What does not read like that is passed over: it is a remark, not part of the model."""
    for entry in metadata:
        if entry.key == SPEC_KEY:
            return tuple(s for part in entry.value.split(", ") if (s := _span(part)) is not None)
    return ()


def _span(text: str) -> Span | None:
    path, _, rest = text.partition(":")
    numbers = rest.split(":")
    if (
        not path
        or not 1 <= len(numbers) <= 2
        or not all(n.isascii() and n.isdigit() and len(n) < 9 for n in numbers)
    ):
        return None
    line, column = int(numbers[0]), int(numbers[1]) if len(numbers) == 2 else 1
    return Span(Source(path, ""), line, column, line, column)
