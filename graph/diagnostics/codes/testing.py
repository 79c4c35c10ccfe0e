"""Codes G08xx: spec tests."""

from __future__ import annotations

from .code import Code

TESTING: tuple[Code, ...] = ()
