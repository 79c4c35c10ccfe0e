"""Scales and codes of weights that already are levels times a scale, as quantized training leaves them.

Folding a batch norm multiplies channels by a factor, of either sign, and keeps them on a lattice; so
the scale is found again from the numbers: the largest one is some level times the scale.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...graph.types.grids import Grid
from .layout import Layout
from .rounding import QuantizedArray, decode, nearest

Array = np.ndarray[Any, Any]

TOLERANCE = 1e-3
"""Distance from a level, in steps of the finest ones, that counts as on it."""


def lattice(array: Array, found: Grid, layout: Layout) -> QuantizedArray | None:
    """The codes of an array whose groups each lie on the levels times some scale, with the largest such
    scale; None where a group does not."""
    groups = layout.groups(array.astype(np.float32, copy=False))
    largest = np.abs(groups).max(axis=1, initial=0.0).astype(np.float64)
    step = min(b - a for a, b in zip(found.levels, found.levels[1:], strict=False))
    scale = np.where(largest > 0, np.nan, 1.0)
    for level in sorted({abs(v) for v in found.levels if v}):
        open_ = np.flatnonzero(np.isnan(scale))
        if not len(open_):
            break
        tried = (largest[open_] / level)[:, None]
        scale[open_] = np.where(_off(groups[open_], tried, found) <= TOLERANCE * step, tried[:, 0], np.nan)
    if np.isnan(scale).any():
        return None
    whole = _exact(groups, scale.astype(np.float32), found)
    spread = layout.spread(whole.reshape(layout.scale_shape(array.shape)), array.shape)
    codes = nearest(array.astype(np.float32), spread, found)
    return QuantizedArray(codes, whole.reshape(layout.scale_shape(array.shape)), found, layout)


def _off(groups: Array, scale: Array, found: Grid) -> Array:
    """The largest distance from a level in each group, in units of the scale."""
    codes = nearest(groups, scale.astype(np.float32), found)
    levels = np.asarray(found.levels)[codes]
    distance: Array = np.abs(groups / scale - levels).max(axis=1)
    return distance


def _exact(groups: Array, scale: Array, found: Grid) -> Array:
    """Of the scale and the two floats beside it the one that gives most numbers back bit for bit."""
    best, hits = scale, np.full(len(scale), -1)
    for tried in (scale, np.nextafter(scale, np.float32(0)), np.nextafter(scale, np.float32(np.inf))):
        wide = tried[:, None]
        same = (decode(nearest(groups, wide, found), wide, found) == groups).sum(axis=1)
        best, hits = np.where(same > hits, tried, best), np.maximum(same, hits)
    return best.astype(np.float32)
