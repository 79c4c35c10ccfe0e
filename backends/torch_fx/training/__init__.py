"""Training of programs with torch's autograd and optimizers."""

from .trainer import TrainedResult, train

__all__ = ["TrainedResult", "train"]
