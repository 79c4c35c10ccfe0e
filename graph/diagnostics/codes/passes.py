"""Codes G10xx: passes and contracts."""

from __future__ import annotations

from .code import Code

PASSES: tuple[Code, ...] = ()
