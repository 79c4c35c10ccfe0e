"""Exponents of power grids learned for a layer's output (NUPES, arXiv 2308.05600).

A code c stands for x̂ = sign(c) m (|c| / q)^(1/a), so dx̂/da = -x̂ ln(|c| / q) / a². Both are 0 for the code 0,
where the logarithm has no value: that is where learning exponents is unstable, and why it is masked.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...graph.types.grids import power
from .reconstruction import Problem
from .rounding import nearest

Array = np.ndarray[Any, Any]

LEAST, MOST = 0.2, 1.2


def slope(codes: Array, restored: Array, bits: int, exponent: float) -> Array:
    """dx̂/da for codes that are indices of the levels of power(bits, exponent)."""
    most = 2 ** (bits - 1) - 1
    share = np.abs(codes.astype(np.float64) - most) / most
    logarithm = np.log(np.where(share > 0, share, 1.0))
    found: Array = -restored * logarithm / exponent**2
    return found


def learned_exponent(problem: Problem, bits: int, exponent: float, steps: int = 12) -> float:
    """The exponent from `exponent` on by Gauss-Newton steps on the layer's output error, codes rounded anew
    after each; a step that does not lower the error is halved. Never worse than the first."""

    def rounded(a: float) -> tuple[Problem, Array]:
        moved = replace(problem, grid=power(bits, a))
        weight = problem.weight.astype(np.float32)
        return moved, nearest(weight, problem.scale, moved.grid, problem.zero)

    current, codes = rounded(exponent)
    error = current.error(codes)
    for _ in range(steps):
        restored = current.restored(codes)
        change = slope(codes, restored, bits, exponent)
        turned = change @ problem.hessian
        curvature = float(np.sum(turned * change))
        if curvature <= 0:
            break
        step = float(np.sum((problem.weight - restored) * turned)) / curvature
        for _ in range(5):
            tried = round(float(np.clip(exponent + step, LEAST, MOST)), 5)
            after, found = rounded(tried)
            lower = after.error(found)
            if lower < error:
                break
            step /= 2
        if lower >= error * (1 - 1e-6):
            break
        exponent, current, codes, error = tried, after, found, lower
    return exponent
