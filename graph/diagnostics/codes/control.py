"""Codes G06xx: repeat, scan, cond, while_loop, slots."""

from __future__ import annotations

from .code import Code

CONTROL: tuple[Code, ...] = ()
