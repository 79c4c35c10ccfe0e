"""Programs as torch.fx modules: emission, eager evaluation, and the backend."""

from __future__ import annotations

from .backend import TorchBackend, TorchExecutable, dynamic_shapes
from .emitter import emit
from .evaluator import TorchEvaluator
from .lowerings import LOWERINGS, Lowering
from .module import EmittedModule, Signature

__all__ = [
    "LOWERINGS",
    "EmittedModule",
    "Lowering",
    "Signature",
    "TorchBackend",
    "TorchEvaluator",
    "TorchExecutable",
    "dynamic_shapes",
    "emit",
]
