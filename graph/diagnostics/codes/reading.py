"""Codes G00xx: reading YAML."""

from __future__ import annotations

from .code import Code

READING: tuple[Code, ...] = ()
