"""Rounding to a grid, and scales for it: written once for every grid and every layout.

All functions take groups: rows of elements that share a scale (`Layout.groups`), with a column of
scales. Codes are indices of levels (uint8).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...graph.types.grids import Grid, full_range, grid
from .layout import Layout

Array = np.ndarray[Any, Any]
Operand = Array | np.floating[Any]
"""Numbers of an array, or one for all."""


@dataclass(frozen=True)
class QuantizedArray:
    """codes (of the array's shape), and what turns them back: `(level - zero) * scale`. `scale` has the
    layout's shape, float32 or float16; where it lies on a scale grid, `scale_codes` are its codes and
    `tensor_scale` what they are multiplied with."""

    codes: Array
    scale: Array
    grid: Grid
    layout: Layout
    zero: Array | None = None
    scale_codes: Array | None = None
    scale_grid: Grid | None = None
    tensor_scale: float = 1.0

    def dequantize(self) -> Array:
        """The float32 array."""
        spread = self.layout.spread(self.scale, self.codes.shape)
        return (self.shifted() * spread).astype(np.float32)

    def shifted(self) -> Array:
        """level - zero, float32."""
        levels = np.asarray(self.grid.levels, np.float32)[self.codes]
        if self.zero is None:
            return levels
        return levels - self.layout.spread(self.zero, self.codes.shape).astype(np.float32)

    @property
    def bits(self) -> float:
        """Bits an element: codes, scales, zero points."""
        scale_bits = self.scale_grid.bits if self.scale_grid is not None else 8 * self.scale.dtype.itemsize
        extra = self.scale.size * (scale_bits + (self.grid.bits if self.zero is not None else 0))
        return self.grid.bits + extra / max(self.codes.size, 1)

    def with_codes(self, codes: Array) -> QuantizedArray:
        return replace(self, codes=codes.astype(np.uint8))


# --- rounding -------------------------------------------------------------------------------------


def nearest(x: Array, scale: Operand, found: Grid, zero: Operand | None = None) -> Array:
    """The code of the level nearest to x / scale (+ zero), ties as `PINNED`. x is float32; `scale` and
    `zero` broadcast with it."""
    with np.errstate(over="ignore"):
        ratio = x / scale
    if found.integer:
        codes = np.rint(ratio)
        if zero is not None:
            codes = codes + zero
        kept: Array = np.clip(codes, found.levels[0], found.levels[-1]) - found.levels[0]
        return kept.astype(np.uint8)
    thresholds = np.asarray(found.thresholds, np.float32)
    return np.searchsorted(thresholds, ratio.astype(np.float32), side="right").astype(np.uint8)


def neighbours(x: Array, scale: Array, found: Grid, zero: Array | None = None) -> tuple[Array, Array]:
    """(the code of the last level at or below x / scale (+ zero), the position of x between it and the
    next one, 0..1)."""
    levels = np.asarray(found.levels, np.float64)
    ratio = x.astype(np.float64) / scale + (0 if zero is None else zero)
    low = np.clip(np.searchsorted(levels, ratio, side="right") - 1, 0, len(levels) - 2)
    position = (ratio - levels[low]) / (levels[low + 1] - levels[low])
    return low.astype(np.uint8), np.clip(position, 0, 1)


STOCHASTIC_BITS = 24


def stochastic(
    x: Array, scale: Array, found: Grid, generator: np.random.Generator, zero: Array | None = None
) -> Array:
    """One of the two levels around x / scale, the upper with the probability of the position."""
    low, position = neighbours(x, scale, found, zero)
    draws = generator.integers(0, 2**STOCHASTIC_BITS, x.shape)
    codes: Array = low + (draws < np.rint(position * 2**STOCHASTIC_BITS))
    return codes.astype(np.uint8)


def decode(codes: Array, scale: Operand, found: Grid, zero: Operand | None = None) -> Array:
    levels = np.asarray(found.levels, np.float32)[codes]
    value: Array = (levels - zero if zero is not None else levels) * scale
    return value


# --- scales ---------------------------------------------------------------------------------------

FACTORS = tuple(np.linspace(1.0, 0.2, 17))
"""Shares of the full range that an MSE search tries first."""


@dataclass(frozen=True)
class Scales:
    """A scale for each group, with a zero point where the scheme has one, and codes where scales lie on
    a grid."""

    scale: Array
    zero: Array | None = None
    codes: Array | None = None


@dataclass(frozen=True)
class ScaleFormat:
    """What scales may be: a dtype (float32, float16), or a grid with a scale of its own."""

    dtype: type[np.generic] = np.float32
    grid: Grid | None = None
    tensor_scale: float = 1.0

    def round(self, scale: Array) -> tuple[Array, Array | None]:
        """(scales that the format holds, their codes). A scale of 0 becomes 1."""
        if self.grid is None:
            most = float(np.finfo(np.dtype(self.dtype)).max)
            held = np.minimum(scale, most).astype(self.dtype)
            least = np.nextafter(np.zeros(1, self.dtype), np.ones(1, self.dtype))[0]
            held = np.where((held == 0) & (scale > 0), least, held)
            return np.where(scale > 0, held, 1).astype(np.float32), None
        ratio = (scale / self.tensor_scale).astype(np.float32)
        codes = _floor_power(ratio, self.grid) if self.grid.name == "e8m0" else self._nearest(ratio)
        one = self.grid.levels.index(1.0)
        codes = np.where(scale > 0, codes, one).astype(np.uint8)
        levels = np.asarray(self.grid.levels, np.float32)
        return (levels[codes] * np.float32(self.tensor_scale)).astype(np.float32), codes

    def _nearest(self, ratio: Array) -> Array:
        assert self.grid is not None
        return nearest(ratio, np.float32(1), self.grid)


def _floor_power(ratio: Array, found: Grid) -> Array:
    """The code of 2^floor(log2(ratio)): exact by the exponent of the float."""
    _, exponent = np.frexp(ratio)
    codes: Array = np.clip(exponent - 1 + 127, 0, len(found.levels) - 1)
    return codes


def scale_format(name: str, absmax: float, levels: Grid, tensor_scale: bool) -> ScaleFormat:
    """The format called `name` (float32, float16, e8m0, e4m3, ue5m3). With `tensor_scale` the largest
    scale lands on the scale grid's largest level."""
    if name in ("float32", "float16"):
        return ScaleFormat(np.dtype(name).type)
    found = grid("e4m3_scale" if name == "e4m3" else name)
    whole = absmax / (levels.largest * found.levels[-1]) if tensor_scale and absmax > 0 else 1.0
    return ScaleFormat(np.float32, found, float(np.float32(whole)) or 1.0)


def full_scale(groups: Array, found: Grid, with_zero: bool, e8m0: bool = False) -> tuple[Array, Array]:
    """(scale that puts the largest element on the last level, its group's offset low/scale). With a zero
    point the range is widened to hold 0."""
    if with_zero:
        low = np.minimum(groups.min(axis=1), 0).astype(np.float64)
        high = np.maximum(groups.max(axis=1), 0).astype(np.float64)
        return (high - low) / (len(found.levels) - 1), low
    absmax = np.abs(groups).max(axis=1).astype(np.float64)
    if e8m0:  # the OCP rule compares powers of two, not the largest level itself
        return absmax / 2.0 ** np.floor(np.log2(found.largest)), absmax
    return absmax / found.largest, absmax


def find_scales(
    groups: Array,
    found: Grid,
    form: ScaleFormat,
    clip: str,
    with_zero: bool = False,
    percentile: float = 99.9,
) -> Scales:
    """A scale (and zero point) for each group by the clip rule: absmax, percentile, mse,
    four_over_six."""
    if found.name == "binary" and form.grid is None:
        scale, codes = form.round(np.abs(groups).mean(axis=1))  # the least-squares scale of signs
        return Scales(scale, None, codes)
    if clip == "percentile":
        bound = np.percentile(np.abs(groups), percentile, axis=1, keepdims=True)
        groups = np.clip(groups, -bound, bound)
    e8m0 = form.grid is not None and form.grid.name == "e8m0"
    base, low = full_scale(groups, found, with_zero, e8m0)
    if clip in ("absmax", "percentile"):
        return _at(1.0, base, low, found, form, with_zero)
    factors = (1.0, 1.5) if clip == "four_over_six" else (2.0, 1.0, 0.5) if e8m0 else FACTORS
    best = _best(groups, base, low, found, form, with_zero, factors)
    if clip == "mse" and form.grid is None:
        return _refined(groups, best, base, low, found, form, with_zero)
    return best[1]


def _at(
    factor: float | Array, base: Array, low: Array, found: Grid, form: ScaleFormat, with_zero: bool
) -> Scales:
    scale, codes = form.round(base * factor)
    if not with_zero:
        return Scales(scale, None, codes)
    # The range that is covered is a multiple of the whole one, whatever the format made of the scale.
    zero = np.rint(found.levels[0] - low / np.where(base > 0, base, 1))
    return Scales(scale, np.clip(zero, found.levels[0], found.levels[-1]), codes)


_Scored = tuple[Array, Scales, Array]
"""Mean squared errors, the scales that give them, the factors that gave those."""


def _best(
    groups: Array,
    base: Array,
    low: Array,
    found: Grid,
    form: ScaleFormat,
    with_zero: bool,
    factors: tuple[float, ...] | tuple[Array, ...],
) -> _Scored:
    """For each group the factor of the full range with the least mean squared error."""
    best: _Scored | None = None
    for factor in factors:
        tried = _at(factor, base, low, found, form, with_zero)
        error = squared_error(groups, tried, found)
        wide = np.broadcast_to(np.asarray(factor, np.float64), error.shape)
        best = (error, tried, wide) if best is None else _better(best, (error, tried, wide))
    assert best is not None
    return best


def _better(a: _Scored, b: _Scored) -> _Scored:
    take = b[0] < a[0]

    def pick(old: Array | None, new: Array | None) -> Array | None:
        return None if old is None or new is None else np.where(take, new, old)

    scale, zero, codes = (pick(getattr(a[1], n), getattr(b[1], n)) for n in ("scale", "zero", "codes"))
    assert scale is not None
    return np.where(take, b[0], a[0]), Scales(scale, zero, codes), np.where(take, b[2], a[2])


def squared_error(groups: Array, scales: Scales, found: Grid) -> Array:
    """The mean squared error of each group, rounded to nearest."""
    scale = scales.scale[:, None]
    zero = None if scales.zero is None else scales.zero[:, None]
    difference = decode(nearest(groups, scale, found, zero), scale, found, zero) - groups
    total: Array = np.einsum("ij,ij->i", difference, difference, dtype=np.float64)
    mean: Array = total / max(groups.shape[1], 1)
    return mean


def _refined(
    groups: Array, best: _Scored, base: Array, low: Array, found: Grid, form: ScaleFormat, with_zero: bool
) -> Scales:
    """A finer search around the best factors, then least-squares scales for the codes found."""
    steps = tuple(np.asarray(best[2]) + d for d in (-0.0375, -0.025, -0.0125, 0.0125, 0.025))
    best = _better(best, _best(groups, base, low, found, form, with_zero, steps))
    for _ in range(2):
        scales = best[1]
        scale, zero = scales.scale[:, None], None if scales.zero is None else scales.zero[:, None]
        units = decode(nearest(groups, scale, found, zero), np.float32(1), found, zero)
        fitted = np.einsum("ij,ij->i", groups, units, dtype=np.float64)
        norm = np.einsum("ij,ij->i", units, units, dtype=np.float64)
        ratio = np.where((norm > 0) & (fitted > 0), fitted / np.maximum(norm, 1e-300), scales.scale)
        rounded, codes = form.round(ratio)
        tried = Scales(rounded, scales.zero, codes)
        best = _better(best, (squared_error(groups, tried, found), tried, best[2]))
    return best[1]


# --- whole arrays ---------------------------------------------------------------------------------


def quantize_array(
    array: Array,
    found: Grid,
    layout: Layout,
    *,
    scale: str = "float32",
    tensor_scale: bool = False,
    zero: bool = False,
    clip: str = "absmax",
    percentile: float = 99.9,
    generator: np.random.Generator | None = None,
) -> QuantizedArray:
    """The array on a grid, rounded to nearest (stochastically with a `generator`).

    Raises ValueError for numbers that are not finite, or a zero point on a grid that is not integer.
    """
    if not np.isfinite(array).all():
        raise ValueError("the array has NaN or infinite numbers")
    if zero and not found.integer:
        raise ValueError(f"the grid {found.name} takes no zero point: only integers do")
    found = full_range(found) if zero else found
    groups = layout.groups(array.astype(np.float32, copy=False))
    absmax = float(np.abs(groups).max(initial=0.0))
    form = scale_format(scale, absmax, found, tensor_scale)
    scales = find_scales(groups, found, form, clip, zero, percentile)
    shape = layout.scale_shape(array.shape)
    empty = QuantizedArray(
        np.zeros(array.shape, np.uint8),
        scales.scale.reshape(shape).astype(form.dtype),
        found,
        layout,
        None if scales.zero is None else scales.zero.reshape(shape),
        None if scales.codes is None else scales.codes.reshape(shape),
        form.grid,
        form.tensor_scale,
    )
    return round_array(array, empty, generator)


def round_array(
    array: Array, like: QuantizedArray, generator: np.random.Generator | None = None
) -> QuantizedArray:
    """The array with the scales of `like`, rounded to nearest (stochastically with a `generator`)."""
    x = array.astype(np.float32, copy=False)
    scale = like.layout.spread(like.scale, x.shape)
    zero = None if like.zero is None else like.layout.spread(like.zero, x.shape)
    if generator is not None:
        return like.with_codes(stochastic(x, scale, like.grid, generator, zero))
    return like.with_codes(nearest(x, scale, like.grid, zero))


def sqnr(array: Array, quantized: Array) -> float:
    """Signal to quantization noise in dB; infinite without noise."""
    noise = float(np.sum((array.astype(np.float64) - quantized) ** 2))
    signal = float(np.sum(array.astype(np.float64) ** 2))
    return float("inf") if noise == 0 else 10 * float(np.log10(signal / noise))
