"""Codes G02xx: expressions and type expressions."""

from __future__ import annotations

from .code import Code

EXPRESSIONS: tuple[Code, ...] = ()
