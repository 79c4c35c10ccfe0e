"""Reading ONNX models."""

from .model import import_model

__all__ = ["import_model"]
