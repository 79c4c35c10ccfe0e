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

from .batch import Batch, Tape

Array = np.ndarray[Any, Any]
_PROBE = 0.1
_MOST_ACCELERATION = 0.75
_TURNS = ((1e-4, True), (1e-2, False), (1e-2, True))
"""Of a program's starts by turns: the first damping, and whether steps uphill are taken."""
_LEAST_DAMPING, _MOST_DAMPING = 1e-30, 1e8


@dataclass
class Fit:
    """Constants[program, start, constant] with the root mean square and the largest residual of each."""

    constants: Array
    cost: Array
    largest: Array


@dataclass(frozen=True)
class Problem:
    """x[node], y[node] and the weights[node] of the residuals f - y."""

    x: Array
    y: Array
    weights: Array


def fit(batch: Batch, constants: Array, problem: Problem, steps: int, accelerate: bool = False) -> Fit:
    """The best constants within so many steps from each start. Lanes that leave the numbers stay where
    they were."""
    with np.errstate(all="ignore"):
        return _fit(batch, constants.copy(), problem, steps, accelerate)


def residuals(batch: Batch, constants: Array, problem: Problem) -> Array:
    """The weighted residuals [program, start, node] at constants[program, start, constant]."""
    tape = Tape(batch, constants.shape[1], problem.x, problem.weights)
    return _residuals(tape, constants, problem)


def _residuals(tape: Tape, constants: Array, problem: Problem) -> Array:
    found = tape.evaluate(constants)
    found -= problem.y
    found *= problem.weights
    return found


def _costs(residual: Array) -> Array:
    """The mean square, infinite where it is no number."""
    cost: Array = np.einsum("psn,psn->ps", residual, residual) / residual.shape[-1]
    return np.where(np.isfinite(cost), cost, np.inf)


def _fit(batch: Batch, constants: Array, problem: Problem, steps: int, accelerate: bool) -> Fit:
    tape = Tape(batch, constants.shape[1], problem.x, problem.weights)
    residual = _residuals(tape, constants, problem)
    jacobian = tape.jacobian()
    new_jacobian = np.empty_like(jacobian)
    factors = Factors(jacobian)
    cost = _costs(residual)
    best = Fit(constants.copy(), cost, np.max(np.abs(residual), axis=-1))
    turn = np.arange(constants.shape[1]) % len(_TURNS)
    damping = np.broadcast_to(np.array([d for d, _ in _TURNS], cost.dtype)[turn], cost.shape)
    daring = np.array([daring for _, daring in _TURNS])[turn]
    last = np.zeros_like(jacobian[..., 0])
    for _ in range(steps):
        factors.take(jacobian, residual, damping)
        step = factors.step()
        if accelerate:
            step = _accelerated(tape, constants, problem, jacobian, residual, factors, step)
        tried = constants + np.moveaxis(step, 0, 2)
        new_residual = _residuals(tape, tried, problem)
        tape.jacobian(new_jacobian)
        new_cost = _costs(new_residual)
        taken = (new_cost < cost) | (daring & _bold(step, last, factors.scale, new_cost, best.cost))
        damping = np.clip(np.where(taken, damping * 0.1, damping * 8.0), _LEAST_DAMPING, _MOST_DAMPING)
        last = np.where(taken, step, last)
        constants[taken] = tried[taken]
        residual[taken] = new_residual[taken]
        np.copyto(jacobian, new_jacobian, where=taken[..., None])
        cost = np.where(taken, new_cost, cost)
        _improve(best, constants, residual, cost)
    best.largest = np.where(np.isfinite(best.cost), best.largest, np.inf)
    best.cost = np.sqrt(best.cost)
    return best


def _bold(step: Array, last: Array, scale: Array, cost: Array, best: Array) -> Array:
    """Whether a step uphill is taken: one that goes on in the last one's direction, and the more uphill the
    better it agrees (Transtrum and Sethna, section 5). In curved valleys the full steps of Gauss and Newton go
    up before they converge; a descent that forbids it creeps and stalls."""
    scaled, before = step * scale.reshape(step.shape), last * scale.reshape(step.shape)
    along = np.einsum("kps,kps->ps", scaled, before)
    cosine = along / np.sqrt(
        np.einsum("kps,kps->ps", scaled, scaled) * np.einsum("kps,kps->ps", before, before)
    )
    found: Array = ((1 - cosine) ** 2 * cost <= best) & np.isfinite(cost)
    return found


def _improve(best: Fit, constants: Array, residual: Array, cost: Array) -> None:
    better = cost < best.cost
    best.constants[better] = constants[better]
    best.largest[better] = np.max(np.abs(residual[better]), axis=-1)
    best.cost = np.where(better, cost, best.cost)


class Factors:
    """The QR factors of damped, scaled Jacobians [constant, program, start, node] and their residuals: of
    min |J s + r|² + damping |D s|², D the lengths of J's columns. Programs and starts lie innermost; the memory
    serves one factorization after the other."""

    def __init__(self, jacobian: Array) -> None:
        count, programs, starts, nodes = jacobian.shape
        self._shape = (count, programs, starts)
        lanes = programs * starts
        self.scale = np.empty((count, lanes), jacobian.dtype)
        self._columns = np.empty((count + 1, nodes + count, lanes), jacobian.dtype)
        self._product = np.empty_like(self._columns)
        self._triangle = np.empty((count, count + 1, lanes), jacobian.dtype)

    def take(self, jacobian: Array, residual: Array, damping: Array) -> None:
        """Factors these."""
        count, lanes = self.scale.shape
        nodes = jacobian.shape[-1]
        lengths = np.sqrt(np.einsum("kpsn,kpsn->kps", jacobian, jacobian)).reshape(count, lanes)
        np.copyto(self.scale, np.where((lengths > 0) & np.isfinite(lengths), lengths, 1))
        columns, triangle = self._columns, self._triangle
        head = columns[:count, :nodes]
        np.copyto(head, jacobian.reshape(count, lanes, nodes).transpose(0, 2, 1))
        head /= self.scale[:, None]
        np.negative(residual.reshape(lanes, nodes).T, out=columns[count, :nodes])
        columns[:, nodes:] = 0
        root = np.sqrt(damping).reshape(lanes)
        for i in range(count):
            columns[i, nodes + i] = root
        for i in range(count):
            column, rest, product = columns[i], columns[i + 1 :], self._product[i + 1 :]
            length = np.sqrt(np.einsum("nl,nl->l", column, column))
            triangle[i, i] = length
            column /= length
            dots = triangle[i, i + 1 :]
            np.einsum("nl,knl->kl", column, rest, out=dots)
            np.multiply(column, dots[:, None], out=product)
            rest -= product

    def step(self) -> Array:
        """The step [constant, program, start] against the residuals."""
        return self._substituted(self._triangle[:, -1].copy())

    def solve(self, right: Array) -> Array:
        """The step for another right-hand side [program, start, node], its damping part zero."""
        count = len(self._triangle)
        nodes = right.shape[-1]
        rest = np.zeros_like(self._columns[0])
        rest[:nodes] = right.reshape(-1, nodes).T
        projected = np.empty_like(self._triangle[:, -1])
        for i in range(count):
            column = self._columns[i]
            projected[i] = np.einsum("nl,nl->l", column, rest)
            rest -= column * projected[i]
        return self._substituted(projected)

    def _substituted(self, projected: Array) -> Array:
        for i in range(len(projected) - 1, -1, -1):
            projected[i] /= self._triangle[i, i]
            projected[:i] -= self._triangle[:i, i] * projected[i]
        projected /= self.scale
        return np.where(np.isfinite(projected), projected, 0).reshape(self._shape)


def _accelerated(
    tape: Tape,
    constants: Array,
    problem: Problem,
    jacobian: Array,
    residual: Array,
    factors: Factors,
    step: Array,
) -> Array:
    """The step with half its second-order correction, where that is small beside the step."""
    probe = _residuals(tape, constants + _PROBE * np.moveaxis(step, 0, 2), problem)
    along = np.einsum("kpsn,kps->psn", jacobian, step)
    curvature = 2 / _PROBE * ((probe - residual) / _PROBE - along)
    correction = factors.solve(-np.where(np.isfinite(curvature), curvature, 0)) / 2
    scale = factors.scale.reshape(step.shape)
    size = np.sqrt(np.sum((step * scale) ** 2, axis=0))
    length = np.sqrt(np.sum((correction * scale) ** 2, axis=0))
    return np.where(2 * length <= _MOST_ACCELERATION * size, step + correction, step)
