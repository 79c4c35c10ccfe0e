"""The freedom of a structure: whether its constants say different things.

In (x c1 + c2) / c3 they don't: a program with fewer constants computes the same functions. The test is numeric: the
derivatives by the constants, at random constants, as columns of a matrix whose rank is their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .batch import Batch, Tape
from .straight_line import StraightLine

Array = np.ndarray[Any, Any]
_DRAWS, _NODES, _BATCH = 2, 20, 256
_SMALLEST = 1e-11


def free(programs: Sequence[StraightLine], seed: int = 0) -> list[bool]:
    """Of each program whether its constants are independent at some random constants."""
    groups: dict[tuple[int, int], list[int]] = {}
    for i, program in enumerate(programs):
        groups.setdefault((program.constants, program.operations), []).append(i)
    found = [True] * len(programs)
    rng = np.random.default_rng(seed)
    for (constants, _), group in sorted(groups.items()):
        for first in range(0, len(group) if constants > 1 else 0, _BATCH):
            chosen = group[first : first + _BATCH]
            full = _full_rank(Batch(tuple(programs[i] for i in chosen)), rng)
            for i, one in zip(chosen, full, strict=True):
                found[i] = bool(one)
    return found


def _full_rank(batch: Batch, rng: np.random.Generator) -> Array:
    """[program]: by the singular values of the Jacobian, its columns scaled to unit length."""
    x = rng.uniform(0.1, 1.0, _NODES)
    tape = Tape(batch, _DRAWS, x, np.ones_like(x))
    with np.errstate(all="ignore"):
        tape.evaluate(rng.uniform(0.5, 2.0, (len(batch.programs), _DRAWS, batch.constants)))
        slopes = np.moveaxis(tape.jacobian(), 0, -1)
        slopes = slopes / np.linalg.norm(slopes, axis=2, keepdims=True)
    known = np.isfinite(slopes).all(axis=(2, 3))
    sizes = np.linalg.svd(np.where(known[..., None, None], slopes, 0), compute_uv=False)
    found: Array = np.any(known & (sizes[..., -1] > _SMALLEST * sizes[..., 0]), axis=1)
    return found
