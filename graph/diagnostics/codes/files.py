"""Codes G13xx: files and the command line."""

from __future__ import annotations

from .code import Code

FILES: tuple[Code, ...] = ()
