"""Kernels of the graphwright domain, computed in float64 by LAPACK and rounded once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...graph.ir import Node
from .kernel import Array, Datum, Kernel, like


def _stop_gradient(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    return [inputs[0]]


def _lower(matrix: Array) -> Array:
    """The Cholesky factor; NaN throughout where the matrix is not positive definite."""
    try:
        return np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        if matrix.ndim == 2:
            return np.full_like(matrix, np.nan)
        return np.stack([_lower(m) for m in matrix])


def _solution(matrix: Array, right: Array) -> Array:
    """The solution; NaN throughout where the matrix is singular."""
    try:
        return np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError:
        if matrix.ndim == 2:
            return np.full_like(right, np.nan)
        return np.stack([_solution(m, r) for m, r in zip(matrix, right, strict=True)])


def _cholesky(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    return [like(_lower(inputs[0].astype(np.float64)), inputs[0])]


def _solve(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    a, b = (x.astype(np.float64) for x in inputs)
    return [like(_solution(a, b), inputs[0])]


def _solve_spd(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    a, b = (x.astype(np.float64) for x in inputs)
    factor = _lower(a)
    return [like(_solution(np.swapaxes(factor, -1, -2), _solution(factor, b)), inputs[0])]


def _triangular_solve(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    a, b = (x.astype(np.float64) for x in inputs)
    return [like(_solution(np.tril(a), b), inputs[0])]


def _log_det(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    diagonal = np.diagonal(_lower(inputs[0].astype(np.float64)), axis1=-2, axis2=-1)
    return [like(2 * np.sum(np.log(diagonal), axis=-1), inputs[0])]


LINEAR_ALGEBRA: dict[str, Kernel] = {
    "Cholesky": _cholesky,
    "LogDetSPD": _log_det,
    "Solve": _solve,
    "SolveSPD": _solve_spd,
    "StopGradient": _stop_gradient,
    "TriangularSolve": _triangular_solve,
}
