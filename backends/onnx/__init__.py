"""ONNX: reading models, writing them, and running them in ONNX Runtime."""

from .importing import import_model

__all__ = ["import_model"]
