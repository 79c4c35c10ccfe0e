"""Constants by Levenberg-Marquardt, many programs and starts at once.

The least-squares step is solved by modified Gram-Schmidt on the augmented matrix (Björck 1967: as stable as
Householder; the normal equations stall in the narrow valleys of these problems). The second-order correction
along a step is that of Transtrum and Sethna (2012), "geodesic acceleration"; without it the deep valleys of
nested quotients are not followed to their end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .batch import Batch

Array = np.ndarray[Any, Any]
_PROBE = 0.1
_MOST_ACCELERATION = 0.75


@dataclass
class Fit:
    """Constants[program, start, constant] with the root mean square and the largest residual of each."""

    constants: Array
    cost: Array
    largest: Array


@dataclass(frozen=True)
class Problem:
    """x[node], y[node] and the weights[…, node] of the residuals f - y."""

    x: Array
    y: Array
    weights: Array


def fit(batch: Batch, constants: Array, problem: Problem, steps: int, accelerate: bool = False) -> Fit:
    """The best constants within so many steps from each start. Lanes that leave the numbers stay where
    they were."""
    with np.errstate(all="ignore"):
        return _fit(batch, constants.copy(), problem, steps, accelerate)


def residuals(batch: Batch, slots: Array, problem: Problem) -> Array:
    found: Array = (batch.result(slots) - problem.y) * problem.weights
    return found


def _costs(residual: Array) -> Array:
    """The mean square, infinite where it is no number."""
    cost: Array = np.einsum("psn,psn->ps", residual, residual) / residual.shape[-1]
    return np.where(np.isfinite(cost), cost, np.inf)


def _fit(batch: Batch, constants: Array, problem: Problem, steps: int, accelerate: bool) -> Fit:
    slots = batch.values(problem.x, constants)
    residual = residuals(batch, slots, problem)
    cost = _costs(residual)
    damping = np.full(cost.shape, 1e-2, problem.x.dtype)
    for _ in range(steps):
        jacobian = batch.jacobian(slots) * problem.weights
        step = _step(jacobian, residual, damping)
        if accelerate:
            step = _accelerated(batch, constants, problem, jacobian, residual, damping, step)
        tried = constants + np.moveaxis(step, 0, 2)
        new_slots = batch.values(problem.x, tried)
        new_residual = residuals(batch, new_slots, problem)
        new_cost = _costs(new_residual)
        better = new_cost < cost
        damping = np.clip(np.where(better, damping * 0.2, damping * 4.0), 1e-14, 1e8)
        constants = np.where(better[..., None], tried, constants)
        slots = np.where(better[..., None], new_slots, slots)
        residual = np.where(better[..., None], new_residual, residual)
        cost = np.where(better, new_cost, cost)
    largest = np.max(np.abs(residual), axis=-1)
    return Fit(constants, np.sqrt(cost), np.where(np.isfinite(cost), largest, np.inf))


def _step(jacobian: Array, residual: Array, damping: Array) -> Array:
    """The damped least-squares step [constant, program, start] for jacobian[constant, program, start,
    node]: min |J s + r|² + damping |D s|², D the lengths of J's columns."""
    solved = _Triangle(jacobian, damping)
    return solved.solve(-residual)


class _Triangle:
    """The QR factors of a damped, scaled Jacobian."""

    def __init__(self, jacobian: Array, damping: Array) -> None:
        count = len(jacobian)
        scale = np.sqrt(np.einsum("kpsn,kpsn->kps", jacobian, jacobian))
        scale = np.where((scale > 0) & np.isfinite(scale), scale, 1)
        self.scale = scale
        columns = jacobian / scale[..., None]
        columns = np.where(np.isfinite(columns), columns, 0)
        below = np.zeros((count, count, *scale.shape[1:]), jacobian.dtype)
        for i in range(count):
            below[i, i] = np.sqrt(damping)
        self.q: list[tuple[Array, Array]] = []
        self.r = np.zeros((count, count, *scale.shape[1:]), jacobian.dtype)
        for i in range(count):
            column, tail = columns[i], below[i]
            for j, (q, lower) in enumerate(self.q):
                dot = np.einsum("psn,psn->ps", q, column) + np.einsum("kps,kps->ps", lower, tail)
                self.r[j, i] = dot
                column = column - q * dot[..., None]
                tail = tail - lower * dot
            length = np.sqrt(np.einsum("psn,psn->ps", column, column) + np.einsum("kps,kps->ps", tail, tail))
            length = np.where(length > 0, length, 1)
            self.r[i, i] = length
            self.q.append((column / length[..., None], tail / length))

    def solve(self, right: Array) -> Array:
        """The step for a right-hand side [program, start, node], its damping part zero."""
        count = len(self.q)
        projected: list[Array] = []
        head, tail = right, np.zeros_like(self.r[0])
        for q, lower in self.q:
            dot = np.einsum("psn,psn->ps", q, head) + np.einsum("kps,kps->ps", lower, tail)
            projected.append(dot)
            head = head - q * dot[..., None]
            tail = tail - lower * dot
        step = np.zeros_like(self.r[0])
        for i in range(count - 1, -1, -1):
            total = projected[i]
            for j in range(i + 1, count):
                total = total - self.r[i, j] * step[j]
            step[i] = total / self.r[i, i]
        found: Array = step / self.scale
        return np.where(np.isfinite(found), found, 0)


def _accelerated(
    batch: Batch,
    constants: Array,
    problem: Problem,
    jacobian: Array,
    residual: Array,
    damping: Array,
    step: Array,
) -> Array:
    """The step with half its second-order correction, where that is small beside the step."""
    solved = _Triangle(jacobian, damping)
    moved = np.moveaxis(step, 0, 2)
    probe = residuals(batch, batch.values(problem.x, constants + _PROBE * moved), problem)
    along = np.einsum("kpsn,kps->psn", jacobian, step)
    curvature = 2 / _PROBE * ((probe - residual) / _PROBE - along)
    correction = solved.solve(-np.where(np.isfinite(curvature), curvature, 0)) / 2
    size = np.sqrt(np.sum((step * solved.scale) ** 2, axis=0))
    length = np.sqrt(np.sum((correction * solved.scale) ** 2, axis=0))
    return np.where(2 * length <= _MOST_ACCELERATION * size, step + correction, step)
