"""Random operators: the draw that makes a program give the suite's result.

A program that draws takes its noise from outside. The expected result of such a case is one draw
of the suite's own generator; a right program gives that result for some noise. Every result here
is affine or a step in the noise at its own place, so the noise can be read off the results for
the least and the largest draw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...graph.ir import Program
from ...graph.types.dimensions import evaluate

Arrays = Mapping[str, Any]


def solved_noise(
    program: Program, run: Callable[[Arrays], Sequence[Any]], expected: Sequence[Any]
) -> dict[str, Any] | None:
    """Noise by name for which `run(noise)` may give `expected`; None where no result has the
    noise's shape. Noise is uniform in [0, 1)."""
    noise = {name: value.tensor for name, value in program.noise.items()}
    shapes = {name: tuple(evaluate(d, {}) for d in type.shape) for name, type in noise.items()}
    least = {n: np.zeros(s, noise[n].dtype.numpy) for n, s in shapes.items()}
    largest = {n: np.full(s, 1 - 2**-11, noise[n].dtype.numpy) for n, s in shapes.items()}
    low, high = run(least), run(largest)
    found = {}
    for name, shape in shapes.items():
        place = next((i for i, e in enumerate(expected) if np.shape(e) == shape), None)
        if place is None:
            return None
        solved = _solved(*(np.asarray(x[place], np.float64) for x in (low, high, expected)))
        found[name] = solved.astype(noise[name].dtype.numpy)
    return found


def _solved(low: Any, high: Any, wanted: Any) -> Any:
    """(wanted - low) / (high - low) in the range of the draws; 0 where the draw changes nothing."""
    reach = high - low
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(reach == 0, 0.0, (wanted - low) / reach)
    return np.clip(np.nan_to_num(share), 0.0, 1.0) * (1 - 2**-11)
