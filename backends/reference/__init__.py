"""NumPy evaluation of single operators: constant folding and an independent check."""

from .backend import ReferenceBackend
from .evaluator import ReferenceEvaluator
from .operators import evaluate_node

__all__ = ["ReferenceBackend", "ReferenceEvaluator", "evaluate_node"]
