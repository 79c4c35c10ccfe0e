"""Codes G09xx: training, data, metrics and recipes."""

from __future__ import annotations

from .code import Code

TRAINING: tuple[Code, ...] = ()
