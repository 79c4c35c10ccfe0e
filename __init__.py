"""Graphwright: a declarative dataflow-graph compiler.

The public names are imported on first use (PEP 562), so that `import graphwright` and
`graphwright --help` stay fast and this file can be imported under any name.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "load": "graphwright.tools.api",
    "compile": "graphwright.tools.api",
    "run": "graphwright.tools.api",
    "Program": "graphwright.graph.ir",
}

__all__ = ["Program", "compile", "load", "run"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'graphwright' has no attribute '{name}'")
