"""Codes G07xx: noise, state and gradients."""

from __future__ import annotations

from .code import Code

STATE: tuple[Code, ...] = ()
