"""Codes G11xx: backends and export."""

from __future__ import annotations

from .code import Code

BACKENDS: tuple[Code, ...] = ()
