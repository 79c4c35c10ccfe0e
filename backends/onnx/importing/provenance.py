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


SCOPES_KEY = "pkg.torch.onnx.name_scopes"


def module_scope(metadata: Iterable[onnx.StringStringEntryProto]) -> str:
    """`enc.layers.0/` where torch's exporter says that a node comes from that module; "" elsewhere.
    The key holds a Python list of names, the node's own last: `['', 'enc', 'enc.layers.0', 'linear']`."""
    for entry in metadata:
        if entry.key == SCOPES_KEY:
            parts = entry.value.rsplit("', '", 2)
            module = parts[-2] if len(parts) > 1 else ""
            return f"{module}/" if module and module.replace(".", "").replace("_", "").isalnum() else ""
    return ""


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
