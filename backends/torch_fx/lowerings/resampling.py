"""Resampling: Resize, Upsample grids, GridSample, AffineGrid, RoiAlign."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from .carriers import Tensor, ints, wrapped_axes
from .lowering import Lowering

# --- Resize -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Axis:
    """The resizing of one axis: sizes before and after, the scale, the region of interest."""

    axis: int
    before: Any
    after: Any
    scale: Any
    roi: tuple[float, float]


@dataclass(frozen=True)
class _Kernel:
    """How an output element weighs the input elements around its place."""

    mode: str
    nearest_mode: str
    antialias: bool
    cubic_coeff_a: float
    exclude_outside: bool
    transformation: str


def resize(
    x: Tensor,
    roi: Any = None,
    scales: Any = None,
    sizes: Any = None,
    antialias: int = 0,
    axes: Sequence[int] | None = None,
    coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
) -> Tensor:
    """x resampled along `axes`, one axis after the other: the kernels are separable."""
    chosen = list(range(x.dim())) if axes is None else wrapped_axes(axes, x.dim())
    plans = _plans(x, chosen, roi, scales, sizes, keep_aspect_ratio_policy)
    kernel = _Kernel(
        mode,
        nearest_mode,
        bool(antialias),
        cubic_coeff_a,
        bool(exclude_outside),
        coordinate_transformation_mode,
    )
    y = x if (x.is_floating_point() and x.dtype.itemsize > 2) or mode == "nearest" else x.to(torch.float32)
    for plan in plans:
        if not _is_identity(plan, kernel):
            y = _resize_axis(y, plan, kernel, extrapolation_value)
    if y.dtype is x.dtype:
        return y
    if x.is_floating_point():
        return y.to(x.dtype)
    info = torch.iinfo(x.dtype)
    return torch.round(y).clamp(info.min, info.max).to(x.dtype)


def _plans(x: Tensor, axes: Sequence[int], roi: Any, scales: Any, sizes: Any, policy: str) -> list[_Axis]:
    count = len(axes)
    region = _floats(roi)
    region = region if len(region) == 2 * count else [0.0] * count + [1.0] * count
    factors = _floats(scales)
    before = [x.shape[a] for a in axes]
    if factors:
        after = [
            math.floor(b * f) if isinstance(b, int) else (b * f).__floor__()
            for b, f in zip(before, factors, strict=True)
        ]
    else:
        after = ints(sizes)
        factors = [a / b for a, b in zip(after, before, strict=True)]
        if policy != "stretch":
            one = min(factors) if policy == "not_larger" else max(factors)
            factors = [one] * count
            after = [int(one * b + 0.5) for b in before]
    return [
        _Axis(a, before[i], after[i], factors[i], (region[i], region[count + i])) for i, a in enumerate(axes)
    ]


def _floats(values: Any) -> list[Any]:
    if values is None:
        return []
    return values.reshape(-1).tolist() if isinstance(values, Tensor) else list(values)


def _is_identity(plan: _Axis, kernel: _Kernel) -> bool:
    same = isinstance(plan.before, int) and isinstance(plan.after, int) and plan.before == plan.after
    return bool(
        same
        and plan.scale == 1.0
        and (plan.roi == (0.0, 1.0) or kernel.transformation != "tf_crop_and_resize")
    )


def _places(plan: _Axis, transformation: str, device: torch.device) -> Tensor:
    """Where each output element lies on the input axis, as float64."""
    y = torch.arange(plan.after, dtype=torch.float64, device=device)
    length = plan.scale * plan.before
    places: Tensor = (y + 0.5) / plan.scale - 0.5
    if transformation == "align_corners":
        places = y * 0 if length == 1 else y * ((plan.before - 1) / (length - 1))
    elif transformation == "asymmetric":
        places = y / plan.scale
    elif transformation == "tf_crop_and_resize":
        places = _cropped(y, plan, length)
    elif transformation == "pytorch_half_pixel" and length == 1:
        places = y * 0 - 0.5
    elif transformation == "half_pixel_symmetric":
        places = places + plan.before / 2 * (1 - plan.after / length)
    return places


def _cropped(y: Tensor, plan: _Axis, length: Any) -> Tensor:
    """Places within the region of interest; its middle for a single element."""
    start, end = plan.roi
    width = plan.before - 1
    step = 0 if length == 1 else (end - start) * width / (length - 1)
    origin = start * width + (0.5 * (end - start) * width if length == 1 else 0)
    places: Tensor = y * step + origin
    return places


def _resize_axis(x: Tensor, plan: _Axis, kernel: _Kernel, extrapolation_value: float) -> Tensor:
    places = _places(plan, kernel.transformation, x.device)
    if kernel.mode == "nearest":
        chosen = _nearest(places, kernel.nearest_mode).clamp(0, plan.before - 1)
        y = x.index_select(plan.axis, chosen.to(torch.int64))
    else:
        y = _interpolated(x, plan, kernel, places)
    if kernel.transformation != "tf_crop_and_resize":
        return y
    outside = (places < 0) | (places > plan.before - 1)
    view = [1] * x.dim()
    view[plan.axis] = -1
    return torch.where(outside.reshape(view), torch.full((), extrapolation_value, dtype=y.dtype), y)


def _nearest(places: Tensor, nearest_mode: str) -> Tensor:
    if nearest_mode == "floor":
        return torch.floor(places)
    if nearest_mode == "ceil":
        return torch.ceil(places)
    if nearest_mode == "round_prefer_ceil":
        return torch.floor(places + 0.5)
    return torch.ceil(places - 0.5)


def _interpolated(x: Tensor, plan: _Axis, kernel: _Kernel, places: Tensor) -> Tensor:
    """Sums of the elements around each place, weighted by the kernel."""
    low = torch.floor(places)
    fraction = places - low
    stretch = min(plan.scale, 1.0) if kernel.antialias else 1.0
    reach = 1 if kernel.mode == "linear" else 2
    first = math.floor(-reach / stretch) + 1 if stretch < 1 else 1 - reach
    taps = torch.arange(first, 2 - first if stretch < 1 else reach + 1, device=x.device)
    distance = (taps - fraction.unsqueeze(1)) * stretch
    weights = _linear(distance) if kernel.mode == "linear" else _cubic(distance, kernel.cubic_coeff_a)
    indices = low.to(torch.int64).unsqueeze(1) + taps
    if kernel.exclude_outside:
        inside = (indices >= 0) & (indices < plan.before)
        weights = torch.where(inside, weights, torch.zeros_like(weights))
    if kernel.exclude_outside or stretch < 1:
        weights = weights / weights.sum(1, keepdim=True)
    indices = indices.clamp(0, plan.before - 1)
    weights = weights.to(x.dtype)
    view = [1] * x.dim()
    view[plan.axis] = -1
    terms = (
        x.index_select(plan.axis, indices[:, tap]) * weights[:, tap].reshape(view)
        for tap in range(taps.shape[0])
    )
    total = next(terms)
    for term in terms:
        total = total + term
    return total


def _linear(distance: Tensor) -> Tensor:
    return (1 - distance.abs()).clamp(0, 1)


def _cubic(distance: Tensor, a: float) -> Tensor:
    """Keys's cubic convolution kernel."""
    d = distance.abs()
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return torch.where(d <= 1, near, torch.where(d < 2, far, torch.zeros_like(d)))


# --- grids --------------------------------------------------------------------------------------

_MODES = {
    "linear": "bilinear",
    "bilinear": "bilinear",
    "nearest": "nearest",
    "cubic": "bicubic",
    "bicubic": "bicubic",
}


def grid_sample(
    x: Tensor, grid: Tensor, align_corners: int = 0, mode: str = "linear", padding_mode: str = "zeros"
) -> Tensor:
    """x[N, C, spatial…] sampled at grid[N, out…, (x, y, …)], coordinates in -1..1."""
    wide = x if x.is_floating_point() else x.to(torch.float32)
    places = grid.to(wide.dtype)
    if x.dim() == 3:
        flat = torch.cat([places, torch.zeros_like(places)], -1).unsqueeze(1)
        return grid_sample(wide.unsqueeze(2), flat, align_corners, mode, padding_mode).squeeze(2).to(x.dtype)
    if x.dim() == 5 and _MODES[mode] == "bicubic":
        return _cubic_volume(wide, places, bool(align_corners), padding_mode).to(x.dtype)
    return F.grid_sample(
        wide, places, mode=_MODES[mode], padding_mode=padding_mode, align_corners=bool(align_corners)
    ).to(x.dtype)


def _cubic_volume(x: Tensor, grid: Tensor, align_corners: bool, padding_mode: str) -> Tensor:
    """Cubic sampling of a volume, which torch has not: 4 x 4 x 4 taps."""
    sizes = x.shape[2:]
    coordinates = [
        (grid[..., 2 - i] + 1) / 2 * (s - 1) if align_corners else ((grid[..., 2 - i] + 1) * s - 1) / 2
        for i, s in enumerate(sizes)
    ]
    if padding_mode != "zeros":
        coordinates = [
            c.clamp(0, s - 1) if padding_mode == "border" else _reflected(c, s, align_corners)
            for c, s in zip(coordinates, sizes, strict=True)
        ]
    lows = [torch.floor(c) for c in coordinates]
    flat = x.flatten(2)
    total = torch.zeros((), dtype=x.dtype, device=x.device)
    for offset in range(64):
        steps = (offset // 16 - 1, offset // 4 % 4 - 1, offset % 4 - 1)
        weight = torch.ones_like(coordinates[0])
        index = torch.zeros_like(lows[0], dtype=torch.int64)
        for c, low, step, size in zip(coordinates, lows, steps, sizes, strict=True):
            place = low + step
            weight = weight * _cubic(place - c, -0.75)
            if padding_mode == "zeros":
                weight = torch.where((place >= 0) & (place < size), weight, torch.zeros_like(weight))
            elif padding_mode == "reflection":
                place = _reflected(place, size, align_corners)
            index = index * size + place.clamp(0, size - 1).to(torch.int64)
        picked = torch.gather(flat, 2, index.flatten(1).unsqueeze(1).expand(-1, x.shape[1], -1))
        total = total + picked.reshape(*x.shape[:2], *grid.shape[1:-1]) * weight.unsqueeze(1)
    return total


def _reflected(place: Tensor, size: Any, align_corners: bool) -> Tensor:
    """A coordinate folded back at the borders."""
    low, span = (0.0, size - 1) if align_corners else (-0.5, size)
    if span == 0:
        return torch.zeros_like(place)
    folded = torch.remainder(place - low, 2 * span)
    return torch.where(folded > span, 2 * span - folded, folded) + low


def affine_grid(theta: Tensor, size: Any, align_corners: int = 0) -> Tensor:
    """The sampling grid of affine maps theta[N, 2, 3] (or [N, 3, 4]) for images of `size`."""
    return F.affine_grid(theta, ints(size), align_corners=bool(align_corners))


# --- regions ------------------------------------------------------------------------------------


def roi_align(
    x: Tensor,
    rois: Tensor,
    batch_indices: Tensor,
    coordinate_transformation_mode: str = "half_pixel",
    mode: str = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
) -> Tensor:
    """Each region [x1, y1, x2, y2] cut into bins, and each bin sampled bilinearly on a regular grid."""
    half = coordinate_transformation_mode == "half_pixel"
    shape = (output_height, output_width)
    regions = [
        _align_region(x[batch], roi * spatial_scale - 0.5 * half, shape, sampling_ratio, half, mode)
        for roi, batch in zip(rois, batch_indices.tolist(), strict=True)
    ]
    return torch.stack(regions) if regions else x.new_zeros((0, x.shape[1], *shape))


def _align_region(
    image: Tensor, region: Tensor, shape: tuple[int, int], ratio: int, half: bool, mode: str
) -> Tensor:
    left, top, right, bottom = region.unbind()
    rows = _samples(top, bottom, shape[0], ratio, half, image)
    columns = _samples(left, right, shape[1], ratio, half, image)
    row, row_weights = _edges(rows.reshape(-1), image.shape[1])
    column, column_weights = _edges(columns.reshape(-1), image.shape[2])
    corners = [
        image[:, r][:, :, c] * (rw.unsqueeze(1) * cw)
        for r, rw in zip(row, row_weights, strict=True)
        for c, cw in zip(column, column_weights, strict=True)
    ]
    stacked = torch.stack(corners)
    sampled = stacked.sum(0) if mode == "avg" else stacked.amax(0)
    bins = sampled.reshape(image.shape[0], shape[0], rows.shape[1], shape[1], columns.shape[1])
    return bins.mean((2, 4)) if mode == "avg" else bins.amax((2, 4))


def _samples(start: Tensor, end: Tensor, bins: int, ratio: int, half: bool, image: Tensor) -> Tensor:
    """Coordinates of the samples on one axis: [bins, samples a bin]."""
    length = end - start if half else (end - start).clamp(min=1.0)
    count = ratio if ratio > 0 else max(math.ceil(float(length) / bins), 1)
    steps = (torch.arange(count, device=image.device, dtype=image.dtype) + 0.5) / count
    return start + (torch.arange(bins, device=image.device).unsqueeze(1) + steps) * (length / bins)


def _edges(places: Tensor, size: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """The two elements around each place and their weights, zero outside the image."""
    inside = ((places >= -1) & (places <= size)).to(places.dtype)
    place = places.clamp(0, size - 1)
    low = torch.floor(place)
    weight = place - low
    indices = (low.to(torch.int64), (low.to(torch.int64) + 1).clamp(max=size - 1))
    return indices, ((1 - weight) * inside, weight * inside)


RESAMPLING: dict[str, Lowering] = {
    "Resize": Lowering(resize, numbers=frozenset({1, 2, 3})),
    "GridSample": Lowering(grid_sample),
    "AffineGrid": Lowering(affine_grid, numbers=frozenset({1})),
    "RoiAlign": Lowering(roi_align, "eager"),
}
