"""Mixed precision: a grid for each layer, so that together they change the outputs least in so many bits.

What single layers do adds up well enough for a knapsack: the sum of their divergences is near that of
all together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

UNITS = 2000
"""Steps in which the budget of bits is counted."""


def allocate(costs: Sequence[Sequence[float]], bits: Sequence[Sequence[float]], budget: float) -> list[int]:
    """A choice for each layer: the least sum of costs with a sum of bits of at most `budget`, by dynamic
    programming over `UNITS` steps of the budget (each layer's bits rounded up, so it is never
    exceeded). Raises ValueError where even the smallest choices are more."""
    least = sum(min(row) for row in bits)
    if least > budget:
        raise ValueError(f"even the narrowest grids take {least:.0f} bits; the budget is {budget:.0f}")
    spare = budget - least
    unit = spare / UNITS if spare > 0 else 1.0
    best = np.zeros(UNITS + 1)
    taken: list[Array] = []
    for cost, size in zip(costs, bits, strict=True):
        steps = [int(np.ceil((s - min(size)) / unit - 1e-9)) for s in size]
        options = np.full((len(cost), UNITS + 1), np.inf)
        for i, (price, step) in enumerate(zip(cost, steps, strict=True)):
            if step <= UNITS:
                options[i, step:] = best[: UNITS + 1 - step] + price
        taken.append(options.argmin(axis=0))
        best = options.min(axis=0)
    return _traced(taken, bits, unit)


def _traced(taken: Sequence[Array], bits: Sequence[Sequence[float]], unit: float) -> list[int]:
    """The choices that lead to the best sum at the whole budget, last layer first."""
    left, chosen = UNITS, []
    for row, size in zip(reversed(taken), reversed(bits), strict=True):
        choice = int(row[left])
        chosen.append(choice)
        left -= int(np.ceil((size[choice] - min(size)) / unit - 1e-9))
    return chosen[::-1]
