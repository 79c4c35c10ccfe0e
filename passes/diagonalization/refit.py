"""The readout fitted again after rounding: what the rounded poles get wrong, C makes good."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .diagonal import Diagonal, powers
from .system import Array

RCOND = 1e-6
"""Directions of the impulse responses smaller than this are left alone: they are what ill-conditioned
poles have in common, and a correction along them would be as large as its own rounding."""
LARGEST = 4_000_000
"""Entries of the design matrix beyond which the readout is left as it is."""


def refitted(form: Diagonal, kernel: Array, dtype: Any) -> Diagonal:
    """The form (its poles and b already rounded) with the C that is nearest to `kernel`[length,
    outputs, inputs] in least squares, rounded to dtype; unchanged where the problem is too large."""
    length, outputs, inputs = kernel.shape
    rows = length * inputs
    if rows * 2 * len(form.poles) > LARGEST:
        return form
    steps = powers(form.poles, length)
    responses = (steps[:, :, None] * form.b[None]).transpose(0, 2, 1).reshape(rows, -1)
    design = 2 * np.concatenate([responses.real, -responses.imag], axis=1)
    # one scale for both parts of a pole: the imaginary part of a real one is nothing but rounding
    scale = np.tile(np.linalg.norm(responses, axis=0), 2)
    scale[scale == 0] = 1.0
    start = np.concatenate([form.c.real, form.c.imag], axis=1)
    wanted = kernel.transpose(0, 2, 1).reshape(rows, outputs) - design @ start.T
    u, values, vt = np.linalg.svd(design / scale, full_matrices=False)
    kept = values > RCOND * values[0]
    correction = (vt[kept].T @ ((u.T @ wanted)[kept] / values[kept, None])) / scale[:, None]
    c = np.asarray(start.T + correction, dtype).astype(np.float64).T
    m = len(form.poles)
    return replace(form, c=c[:, :m] + 1j * c[:, m:])
