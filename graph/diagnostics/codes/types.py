"""Codes G04xx: types, dtypes and shapes."""

from __future__ import annotations

from .code import Code

TYPES: tuple[Code, ...] = ()
