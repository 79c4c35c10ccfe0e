"""Codes G12xx: reading ONNX models."""

from __future__ import annotations

from .code import Code

MODELS: tuple[Code, ...] = ()
