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


def allocate(
    costs: Sequence[Sequence[float]], bits: Sequence[Sequence[float]], budget: float, unit_name: str = "bits"
) -> list[int]:
    """A choice for each layer: the least sum of costs with a sum of bits of at most `budget`, by dynamic
    programming over `UNITS` steps of the budget (each layer's bits rounded up, so it is never exceeded).
    `unit_name` is bits, or ms where times are counted; infinite ones are never taken. Raises ValueError
    where even the smallest choices are more."""
    least = sum(min(row) for row in bits)
    if least > budget:
        most = "fastest" if unit_name == "ms" else "narrowest"
        raise ValueError(f"even the {most} grids take {least:.6g} {unit_name}; the budget is {budget:.6g}")
    spare = budget - least
    unit = spare / UNITS if spare > 0 else 1e-30
    best = np.zeros(UNITS + 1)
    taken: list[Array] = []
    for cost, size in zip(costs, bits, strict=True):
        steps = [int(min(np.ceil((s - min(size)) / unit - 1e-9), UNITS + 1)) for s in size]
        options = np.full((len(cost), UNITS + 1), np.inf)
        for i, (price, step) in enumerate(zip(cost, steps, strict=True)):
            if step <= UNITS:
                options[i, step:] = best[: UNITS + 1 - step] + price
        taken.append(options.argmin(axis=0))
        best = options.min(axis=0)
    return _traced(taken, bits, unit)


def sensitivity(name: str, choices: Sequence[str], prices: Sequence[float], chosen: int) -> str:
    """A line of the sensitivity analysis: what each grid of a layer alone changes, and which was taken."""
    each = ", ".join(f"{c} {p:.2g}" for c, p in zip(choices, prices, strict=False))
    return f"sensitivity of {name} (KL, nats): {each} -> {choices[chosen]}"


def _traced(taken: Sequence[Array], bits: Sequence[Sequence[float]], unit: float) -> list[int]:
    """The choices that lead to the best sum at the whole budget, last layer first."""
    left, chosen = UNITS, []
    for row, size in zip(reversed(taken), reversed(bits), strict=True):
        choice = int(row[left])
        chosen.append(choice)
        left -= int(min(np.ceil((size[choice] - min(size)) / unit - 1e-9), UNITS))
    return chosen[::-1]
