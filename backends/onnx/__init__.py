"""ONNX: reading models, writing them, and running them in ONNX Runtime."""

from .emitting import check, emit, save
from .importing import import_model

__all__ = ["check", "emit", "import_model", "save"]
