"""The prelude (R25): lower-case functions with NumPy's names and defaults, always there."""

from __future__ import annotations

from .functions import PRELUDE, PreludeFunction
from .generators import GENERATORS

__all__ = ["GENERATORS", "PRELUDE", "PreludeFunction"]
