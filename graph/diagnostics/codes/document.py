"""Codes G01xx: the shape of a document."""

from __future__ import annotations

from .code import Code

DOCUMENT: tuple[Code, ...] = ()
