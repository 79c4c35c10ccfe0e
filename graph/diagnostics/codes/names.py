"""Codes G03xx: names and scope."""

from __future__ import annotations

from .code import Code

NAMES: tuple[Code, ...] = ()
