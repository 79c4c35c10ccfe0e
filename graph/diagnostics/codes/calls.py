"""Codes G05xx: calls of operators and functions."""

from __future__ import annotations

from .code import Code

CALLS: tuple[Code, ...] = ()
