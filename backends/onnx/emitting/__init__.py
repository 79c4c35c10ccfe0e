"""Writing ONNX models."""

from .emission import check, emit, save

__all__ = ["check", "emit", "save"]
