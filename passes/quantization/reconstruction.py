"""Rounding that keeps a layer's output: GPTQ, AdaRound, coordinate descent, on any grid and layout.

A layer computes X Wᵀ; with H = X̂ᵀX̂ of the inputs that it gets (from layers quantized before it), the
error of weights Ŵ is tr((W - Ŵ) H (W - Ŵ)ᵀ). Scales are given; codes are chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...graph.types.grids import Grid
from .rounding import decode, nearest, neighbours

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Problem:
    """`weight` [outputs, inputs] is what to come near to, `scale` and `zero` broadcast with it, `hessian`
    is X̂ᵀX̂ [inputs, inputs], float64, damped."""

    weight: Array
    scale: Array
    grid: Grid
    hessian: Array
    zero: Array | None = None

    def restored(self, codes: Array) -> Array:
        return decode(codes, self.scale, self.grid, self.zero).astype(np.float64)

    def error(self, codes: Array) -> float:
        """tr((W - Ŵ) H (W - Ŵ)ᵀ)."""
        return float(self.errors(codes).sum())

    def errors(self, codes: Array) -> Array:
        """The error of each row of weights: they do not depend on each other."""
        difference = self.weight - self.restored(codes)
        found: Array = np.sum((difference @ self.hessian) * difference, axis=1)
        return found

    def column(self, values: Array, at: int, low: Array | None = None) -> tuple[Array, Array]:
        """(codes nearest to `values` in column `at`, what they stand for); of `low` and the next code where
        that is given."""
        scale = np.broadcast_to(self.scale, self.weight.shape)[:, at]
        zero = None if self.zero is None else np.broadcast_to(self.zero, self.weight.shape)[:, at]
        codes = nearest(values.astype(np.float32), scale, self.grid, zero)
        if low is not None:
            codes = np.clip(codes, low, low + 1)
        return codes, decode(codes, scale, self.grid, zero).astype(np.float64)


def damped(hessian: Array, share: float = 0.01) -> Array:
    """H + share * mean(diag H) I; the identity for inputs that were never seen."""
    mean = float(np.mean(np.diag(hessian)))
    if mean <= 0:
        return np.eye(len(hessian))
    return hessian + share * mean * np.eye(len(hessian))


def compensated(weight: Array, hessian: Array, cross: Array) -> Array:
    """The float weights W* for which X̂ W*ᵀ is nearest to X Wᵀ: what earlier layers lost is made good
    for as far as it can be. `cross` is X̂ᵀX."""
    change = cross - hessian
    found: Array = weight + np.linalg.solve(hessian, change @ weight.T).T
    return found


def gptq(problem: Problem) -> Array:
    """Column by column, each error spread over the columns still to come (Frantar et al.,
    arXiv 2210.17323), largest diagonal first."""
    order = np.argsort(-np.diag(problem.hessian), kind="stable")
    inverse = np.linalg.inv(problem.hessian[np.ix_(order, order)])
    factor = np.linalg.cholesky(inverse).T
    work = problem.weight[:, order].astype(np.float64)
    codes = np.zeros(problem.weight.shape, np.uint8)
    for i, at in enumerate(order):
        codes[:, at], restored = problem.column(work[:, i], int(at))
        error = (work[:, i] - restored) / factor[i, i]
        work[:, i + 1 :] -= np.outer(error, factor[i, i + 1 :])
    return codes


def descent(problem: Problem, codes: Array, sweeps: int = 8, low: Array | None = None) -> Array:
    """Coordinate descent from `codes`: each weight in turn to the level that is best with all others
    fixed, over the whole code range; of `low` and the next code where that is given. The error never grows."""
    codes = codes.copy()
    current = problem.restored(codes)
    slope = (problem.weight - current) @ problem.hessian
    diagonal = np.diag(problem.hessian)
    for _ in range(sweeps):
        changed = 0
        for at in range(problem.weight.shape[1]):
            wanted = current[:, at] + slope[:, at] / diagonal[at]
            found, restored = problem.column(wanted, at, None if low is None else low[:, at])
            step = restored - current[:, at]
            rows = np.flatnonzero(step)
            if not len(rows):
                continue
            changed += len(rows)
            codes[rows, at], current[rows, at] = found[rows], restored[rows]
            slope[rows] -= np.outer(step[rows], problem.hessian[at])
        if not changed:
            break
    return codes


PENALTY = 0.3
"""Weight of AdaRound's penalty, for errors in units of a mean step on a mean input."""


def adaround(problem: Problem, steps: int = 400, rate: float = 5e-2) -> Array:
    """Up or down for each weight, learned by gradient (Nagel et al., arXiv 2004.10568), between the two
    neighbouring levels of any grid: h(V) = clip(1.2 sigmoid(V) - 0.1, 0, 1), with the penalty
    1 - |2h - 1|^beta, beta from 20 to 2. V starts at the float weights. Then single weights flip where that
    lowers the error."""
    import torch

    low, position = neighbours(problem.weight.astype(np.float32), problem.scale, problem.grid, problem.zero)
    below, above = problem.restored(low), problem.restored(low + 1)
    scale = float(np.trace(problem.hessian)) / len(problem.hessian) * float(np.mean((above - below) ** 2))
    hessian = torch.tensor(problem.hessian / max(scale, 1e-30), dtype=torch.float32)
    start, step, target = (
        torch.tensor(a, dtype=torch.float32) for a in (below, above - below, problem.weight)
    )
    share = torch.tensor(np.clip(position, 0.005, 0.995), dtype=torch.float32)
    v = torch.log((share + 0.1) / 1.2 / (1 - (share + 0.1) / 1.2)).requires_grad_()
    optimizer = torch.optim.Adam([v], lr=rate)
    for i in range(steps):
        h = (1.2 * torch.sigmoid(v) - 0.1).clamp(0, 1)
        difference = target - start - h * step
        loss = ((difference @ hessian) * difference).sum() / len(target)
        if i > 0.2 * steps:
            beta = 20 - 18 * (i / steps - 0.2) / 0.8
            loss = loss + PENALTY * (1 - (2 * h - 1).abs() ** beta).sum() / len(target)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's stubs
        optimizer.step()
    up = (v.detach() > 0).numpy()
    return descent(problem, (low + up).astype(np.uint8), low=low)


def reconstruct(problem: Problem, method: str) -> Array:
    """The codes by method: nearest, gptq, descent (from GPTQ's codes), adaround. For each row of weights the
    better of that and nearest rounding on the calibration inputs."""
    plain = nearest(problem.weight.astype(np.float32), problem.scale, problem.grid, problem.zero)
    if method == "nearest":
        return plain
    found = adaround(problem) if method == "adaround" else gptq(problem)
    if method == "descent":
        found = descent(problem, found)
    worse = problem.errors(found) > problem.errors(plain)
    return np.where(worse[:, None], plain, found)
