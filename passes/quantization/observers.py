"""Observers of activations: what calibration keeps of a value. Merging two is addition.

The histogram's bins are fixed in advance: an element's bin is its sign, exponent (2^-24 to 2^15) and
the top three bits of its mantissa, read from the float itself. So nothing is re-binned, memory does
not grow with the samples, and batches or shards merge exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...graph.types.grids import Grid, full_range, whole_levels
from .rounding import decode, find_scales, nearest, scale_format
from .scheme import QuantScheme, searched_grids

Array = np.ndarray[Any, Any]

MANTISSA = 3
LOWEST, HIGHEST = -24, 15
HALF = (HIGHEST - LOWEST + 1) << MANTISSA
"""Bins of one sign."""
_SHIFT = 23 - MANTISSA
_FIRST = (LOWEST + 127) << MANTISSA


@dataclass
class Observer:
    """Range, count and histogram of one value. `histogram[sign, bin]` is int64[2, 320]: 5 kB."""

    count: int = 0
    low: float = np.inf
    high: float = -np.inf
    histogram: Array | None = field(default_factory=lambda: np.zeros((2, HALF), np.int64))

    def update(self, array: Array) -> None:
        """Adds a batch. Without a histogram only the range is kept, at a fraction of the cost."""
        if not array.size:
            return
        self.count += array.size
        low, high = _range(array)
        self.low = float(np.minimum(self.low, low))  # NaN stays, whichever batch has it
        self.high = float(np.maximum(self.high, high))
        if self.histogram is not None:
            self.histogram += binned(array)

    def merge(self, other: Observer) -> Observer:
        both = self.histogram is not None and other.histogram is not None
        histogram = self.histogram + other.histogram if both else None  # type: ignore[operator]  # both are arrays
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        return Observer(self.count + other.count, float(low), float(high), histogram)

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.low) and np.isfinite(self.high))

    def points(self, each: int = 8) -> tuple[Array, Array]:
        """(representative numbers, weights that sum to 1): `each` evenly in every bin that was hit,
        within the range seen."""
        assert self.histogram is not None
        edges = _edges()
        inner = (np.arange(each) + 0.5) / each
        places = (edges[:-1, None] + (edges[1:] - edges[:-1])[:, None] * inner).ravel()
        weights = np.repeat(self.histogram / each, each, axis=1).reshape(2, -1)
        numbers = np.concatenate([places, -places])
        weight = weights.ravel()
        hit = weight > 0
        found = np.clip(numbers[hit], self.low, self.high).astype(np.float32)
        return found, weight[hit] / weight[hit].sum()


def _range(array: Array) -> tuple[float, float]:
    """The least and largest number, in one pass over memory: torch's, which NumPy has as two. NaN where one
    is."""
    import torch

    low, high = torch.aminmax(torch.from_numpy(_plain(array)))
    return float(low), float(high)


def _plain(array: Array) -> Array:
    """The array as torch takes it without a word: contiguous and writable."""
    return array if array.flags.carray else np.require(array, requirements=("C", "W"))


def binned(array: Array) -> Array:
    """The histogram of a batch: int64[2, 320]. All 4,096 values of sign, exponent and mantissa bits are
    counted, and those outside the bins added to the first and last: few passes over the numbers."""
    import torch  # counts int32 as they are; NumPy makes int64 of them first

    bits = _plain(array.astype(np.float32, copy=False)).view(np.int32).ravel()
    cells = 1 << (32 - _SHIFT)
    place = (torch.from_numpy(bits) >> _SHIFT).bitwise_and_(cells - 1)
    whole = torch.bincount(place, minlength=cells).numpy().reshape(2, -1)
    found = whole[:, _FIRST : _FIRST + HALF].copy()
    found[:, 0] += whole[:, :_FIRST].sum(axis=1)
    found[:, -1] += whole[:, _FIRST + HALF :].sum(axis=1)
    return found


def _edges() -> Array:
    """The lower edges of the bins and the last upper one; the first bin starts at 0."""
    bits = np.arange(_FIRST, _FIRST + HALF + 1, dtype=np.uint32) << _SHIFT
    edges = bits.view(np.float32).astype(np.float64)
    edges[0] = 0.0
    return edges


# --- clip rules on what was observed ----------------------------------------------------------------


def clipped_range(
    seen: Observer, found: Grid, clip: str, percentile: float, zero: bool
) -> tuple[float, float]:
    """The range that the scale is to cover: (low, high), of one sign each way."""
    low, high = min(seen.low, 0.0), max(seen.high, 0.0)
    if clip == "absmax" or seen.histogram is None or low == high:
        return low, high
    if clip == "percentile":
        numbers, weights = seen.points()
        outside = (100 - percentile) / 100 / 2
        order = np.argsort(numbers)
        total = np.cumsum(weights[order])
        first = float(numbers[order][min(int(np.searchsorted(total, outside)), len(order) - 1)])
        last = float(numbers[order][min(int(np.searchsorted(total, 1 - outside)), len(order) - 1)])
        return min(max(first, low), 0.0), max(min(last, high), 0.0)
    score = _divergence if clip == "entropy" else _squared
    numbers, weights = seen.points()
    factors = np.concatenate([np.linspace(1, 0.3, 29), np.geomspace(0.28, 0.01, 20)])
    bounds = factors * max(-low, high)
    ranges = [(max(low, -b), min(high, b)) for b in map(float, bounds)]
    scores = [score(numbers, weights, *r, found, zero) for r in ranges]
    return ranges[int(np.argmin(scores))]


def range_scale(
    low: float, high: float, found: Grid, zero: bool, scheme: QuantScheme | None = None
) -> tuple[float, int | None]:
    """(scale, zero point) that cover the range, in the scheme's format of scales; 1 for an empty one."""
    if scheme is not None and scheme.scale != "float32" and low < high:
        form = scale_format(scheme.scale, max(-low, high), found, scheme.tensor_scale)
        made = find_scales(np.array([[low, high]], np.float32), found, form, "absmax", zero)
        return float(made.scale[0]), None if made.zero is None else int(made.zero[0])
    if not zero:
        scale = max(-low, high) / found.largest
        return (float(np.float32(scale)) or 1.0), None
    scale = float(np.float32((high - low) / (len(found.levels) - 1))) or 1.0
    return scale, int(np.clip(np.rint(found.levels[0] - low / scale), found.levels[0], found.levels[-1]))


def observed_grid(scheme: QuantScheme, seen: Observer) -> tuple[Grid, tuple[float, float]]:
    """(the grid, the range that its scale covers): of the exponents or formats that are to be searched the one
    with the least squared error on what was observed. Needs a histogram to search. Powers of what is never
    negative are unsigned."""
    if scheme.grid.startswith("power(int") and seen.low >= 0:
        scheme = replace(scheme, grid=scheme.grid.replace("power(int", "power(uint"))
    tried: list[tuple[float, Grid, tuple[float, float]]] = []
    for found in searched_grids(scheme):
        found = full_range(found) if scheme.zero else whole_levels(found) if scheme.table else found
        bounds = clipped_range(seen, found, scheme.clip, scheme.percentile, scheme.zero)
        if not scheme.searches_exponent:
            return found, bounds
        tried.append((_squared(*seen.points(), *bounds, found, scheme.zero), found, bounds))
    _, best, bounds = min(tried, key=lambda item: item[0])
    return best, bounds


def _restored(numbers: Array, low: float, high: float, found: Grid, zero: bool) -> Array:
    scale, point = range_scale(low, high, found, zero)
    wide, shift = np.float32(scale), None if point is None else np.float32(point)
    codes = nearest(numbers, wide, found, shift)
    return decode(codes, wide, found, shift)


def _squared(numbers: Array, weights: Array, low: float, high: float, found: Grid, zero: bool) -> float:
    difference = _restored(numbers, low, high, found, zero).astype(np.float64) - numbers
    return float(np.sum(weights * difference**2))


def _divergence(numbers: Array, weights: Array, low: float, high: float, found: Grid, zero: bool) -> float:
    """KL(clipped distribution, its quantization) over 2,048 bins of the clipped range: what is clipped
    counts into the end bins of the first only (Migacz, TensorRT 8-bit inference, 2017)."""
    if high - low <= 0:
        return np.inf
    cells = 2048
    place = np.clip(((numbers - low) / (high - low) * cells).astype(np.int64), 0, cells - 1)
    inside = (numbers >= low) & (numbers <= high)
    p = np.bincount(place, weights, cells)
    kept = np.bincount(place[inside], weights[inside], cells)
    centres = (low + (np.arange(cells) + 0.5) / cells * (high - low)).astype(np.float32)
    level = np.unique(_restored(centres, low, high, found, zero), return_inverse=True)[1].ravel()
    hit = kept > 0
    mass = np.bincount(level, kept)
    spread = np.maximum(np.bincount(level, hit.astype(np.float64)), 1)
    q = np.where(hit, (mass / spread)[level], 0)
    q = q / max(q.sum(), 1e-300)
    used = p > 0
    return float(np.sum(p[used] * np.log(p[used] / np.maximum(q[used], 1e-6))))
