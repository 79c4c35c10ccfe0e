"""Programs back to documents: what an imported model looks like as a spec."""

from __future__ import annotations

from .document import Written, write_document
from .outline import Call, Cell, Function, Outline, flat_outline

__all__ = ["Call", "Cell", "Function", "Outline", "Written", "flat_outline", "write_document"]
