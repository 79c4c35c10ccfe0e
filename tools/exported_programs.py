"""Saved torch.export programs (`.pt2`) as programs, through torch's own ONNX exporter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..graph.diagnostics import fail
from ..graph.ir import Program


def import_exported(path: Path, sizes: Mapping[str, int] | None = None) -> Program:
    """The program of a `.pt2` file. Raises SpecError G1224."""
    raise fail("G1224", f"'{path}' can't be imported: .pt2 files are not read yet")
