"""The operators of the graphwright domain."""

from __future__ import annotations

import torch

from .carriers import Tensor
from .codes import dequantize, quantize
from .fake import fake_quantize
from .lowering import Lowering
from .simulated import simulated_conv, simulated_matmul


def stop_gradient(x: Tensor) -> Tensor:
    """The identity, through which no gradient flows."""
    return x.detach()


def cholesky(a: Tensor) -> Tensor:
    """Lower L with A = L Lᵀ."""
    result: Tensor = torch.linalg.cholesky(a)
    return result


def solve(a: Tensor, b: Tensor) -> Tensor:
    """X with A X = B."""
    result: Tensor = torch.linalg.solve(a, b)
    return result


def solve_spd(a: Tensor, b: Tensor) -> Tensor:
    """X with A X = B for symmetric positive definite A."""
    return torch.cholesky_solve(b, torch.linalg.cholesky(a))


def triangular_solve(l: Tensor, b: Tensor) -> Tensor:  # noqa: E741  # the operand is called L
    """X with L X = B for lower triangular L."""
    result: Tensor = torch.linalg.solve_triangular(l, b, upper=False)
    return result


def log_det_spd(a: Tensor) -> Tensor:
    """log det A = 2 Σ log L_ii with A = L Lᵀ."""
    result: Tensor = 2 * torch.linalg.cholesky(a).diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return result


GRAPHWRIGHT: dict[str, Lowering] = {
    "StopGradient": Lowering(stop_gradient),
    "Cholesky": Lowering(cholesky),
    "Solve": Lowering(solve),
    "SolveSPD": Lowering(solve_spd),
    "TriangularSolve": Lowering(triangular_solve),
    "LogDetSPD": Lowering(log_det_spd),
    "Quantize": Lowering(quantize),
    "Dequantize": Lowering(dequantize),
    "FakeQuantize": Lowering(fake_quantize),
    "SimulatedMatMul": Lowering(simulated_matmul, tier="eager"),
    "SimulatedConv": Lowering(simulated_conv, tier="eager"),
}
