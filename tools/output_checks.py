"""Whether an emitted artefact computes what the program computes, one output at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backends.runtime.comparison import allclose
from ..graph.types.dtypes import from_numpy

Array = np.ndarray[Any, Any]

LOSSY_TOLERANCE = 0.05
"""Of the largest output: codes that two runtimes round apart, kernels that quantize activations."""
NEAR_OVERFLOW = 0.01
"""Of the dtype's largest number: from here on one runtime may overflow where another does not."""


@dataclass(frozen=True)
class OutputCheck:
    """The emitted artefact against a program, on drawn inputs: the largest difference of
    the finite numbers, also as a share of the largest of them. `nonfinite` counts those of `count` numbers
    that are NaN or infinite in the program."""

    output: str
    sizes: Mapping[str, int]
    max_abs: float
    max_rel: float
    ok: bool
    nonfinite: int = 0
    count: int = 0


def checked(
    name: str, sizes: Mapping[str, int], actual: Array, expected: Array, lossy: bool = False
) -> OutputCheck:
    """Floats are equal up to a share of the output's largest finite number (1e-4 in float32, as of two
    runtimes; LOSSY_TOLERANCE after a lossy pass), everything else exactly. NaN and infinities of the program
    have to be NaN or infinite in the artefact as well, but for numbers NEAR_OVERFLOW."""
    if actual.shape != expected.shape or not from_numpy(actual.dtype).is_float:
        same = actual.shape == expected.shape and bool(np.all(actual == expected))
        return OutputCheck(
            name, dict(sizes), 0.0 if same else 1.0, 0.0 if same else 1.0, same, 0, actual.size
        )
    far = NEAR_OVERFLOW * _largest(expected.dtype)
    found, wanted = actual.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(wanted)
    both = finite & np.isfinite(found)
    lost = (finite & ~both & (np.abs(wanted) < far)) | (~finite & (np.abs(found) < far))
    scale = float(np.max(np.abs(wanted[finite]), initial=0.0))
    share = LOSSY_TOLERANCE if lossy else _share(expected.dtype)
    least = 0.0 if lossy else 1.0
    result = allclose(found[both], wanted[both], rtol=0 if lossy else share, atol=share * max(least, scale))
    worst = float("inf") if lost.any() else float(result.max_abs)
    return OutputCheck(
        name,
        dict(sizes),
        worst,
        worst / max(scale, 1e-30),
        bool(result) and not lost.any(),
        int(np.sum(~finite)),
        wanted.size,
    )


def _share(dtype: np.dtype[Any]) -> float:
    return 1e-4 if dtype == np.float32 else 1e-2 if dtype.itemsize == 2 else 1e-9


def _largest(dtype: np.dtype[Any]) -> float:
    import ml_dtypes

    return float(ml_dtypes.finfo(dtype).max)  # type: ignore[no-untyped-call]  # ml_dtypes has no types
