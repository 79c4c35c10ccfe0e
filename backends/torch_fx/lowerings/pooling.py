"""Pooling: windows reduced to one number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from .carriers import Tensor, ints
from .lowering import Lowering
from .windows import Window, output_sizes, pad_amounts, padded, unfolded, window

_MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGE = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def max_pool(
    x: Tensor,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Sequence[int] | None = None,
    *,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None = None,
    storage_order: int = 0,
    strides: Sequence[int] | None = None,
    results: int = 1,
) -> Any:
    """The largest element of each window; the second result is its index in the flattened x."""
    place = window(x.shape[2:], kernel_shape, strides, dilations, pads, auto_pad)
    sizes = output_sizes(x.shape[2:], place, ceil_mode)
    wide = x if x.is_floating_point() else x.to(torch.float32)
    filled = padded(wide, place, sizes, float("-inf")) if place.is_padded or ceil_mode else wide
    if results == 1:
        pool = _MAX.get(place.rank)
        if pool is None:
            return unfolded(filled, place).flatten(-place.rank).amax(-1).to(x.dtype)
        return pool(filled, place.kernel, place.strides, 0, place.dilations).to(x.dtype)
    values, chosen = unfolded(filled, place).flatten(-place.rank).max(-1)
    return values.to(x.dtype), _flat_indices(chosen, x, place, storage_order)


def _flat_indices(chosen: Tensor, x: Tensor, place: Window, storage_order: int) -> Tensor:
    """Positions in flattened x of the elements chosen in each window."""
    spatial = list(x.shape[2:])
    rank = place.rank
    rest = chosen
    coordinates: list[Tensor] = [chosen] * rank
    for axis in reversed(range(rank)):
        step = torch.remainder(rest, place.kernel[axis])
        rest = torch.div(rest, place.kernel[axis], rounding_mode="floor")
        origin = torch.arange(chosen.shape[2 + axis], device=x.device) * place.strides[axis]
        view = [1] * chosen.dim()
        view[2 + axis] = -1
        coordinates[axis] = step * place.dilations[axis] + origin.reshape(view) - place.before[axis]
    order = range(rank) if storage_order == 0 else reversed(range(rank))
    linear = torch.zeros_like(chosen)
    for axis in order:
        linear = linear * spatial[axis] + coordinates[axis]
    planes = torch.arange(x.shape[0] * x.shape[1], device=x.device)
    plane = 1
    for extent in spatial:
        plane = plane * extent
    return linear + (planes * plane).reshape(x.shape[0], x.shape[1], *([1] * rank))


def average_pool(
    x: Tensor,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: Sequence[int] | None = None,
    *,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Tensor:
    """The mean of each window; padding counts with `count_include_pad`."""
    place = window(x.shape[2:], kernel_shape, strides, dilations, pads, auto_pad)
    plain = not place.is_padded and not ceil_mode and all(d == 1 for d in place.dilations)
    if plain and place.rank in _AVERAGE:
        return _AVERAGE[place.rank](x, place.kernel, place.strides)
    sizes = output_sizes(x.shape[2:], place, ceil_mode)
    total = unfolded(padded(x, place, sizes, 0.0), place).flatten(-place.rank).sum(-1)
    ones = torch.ones(x.shape[2:], dtype=x.dtype, device=x.device)
    if count_include_pad:
        ones = F.pad(ones, pad_amounts(place.before, place.after), value=1.0)
        inner = Window(place.kernel, place.strides, place.dilations, (0,) * place.rank, (0,) * place.rank)
        counts = unfolded(padded(ones, inner, sizes, 0.0), inner)
    else:
        counts = unfolded(padded(ones, place, sizes, 0.0), place)
    return total / counts.flatten(-place.rank).sum(-1)


def lp_pool(
    x: Tensor,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Sequence[int] | None = None,
    *,
    kernel_shape: Sequence[int],
    p: int = 2,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Tensor:
    """The p-norm of each window."""
    place = window(x.shape[2:], kernel_shape, strides, dilations, pads, auto_pad)
    sizes = output_sizes(x.shape[2:], place, ceil_mode)
    views = unfolded(padded(x, place, sizes, 0.0), place).flatten(-place.rank)
    result: Tensor = torch.linalg.vector_norm(views, p, -1)
    return result


def _spatial(x: Tensor) -> tuple[int, ...]:
    return tuple(range(2, x.dim()))


def global_average_pool(x: Tensor) -> Tensor:
    return torch.mean(x, _spatial(x), True)


def global_max_pool(x: Tensor) -> Tensor:
    return torch.amax(x, _spatial(x), True)


def global_lp_pool(x: Tensor, p: int = 2) -> Tensor:
    result: Tensor = torch.linalg.vector_norm(x, p, _spatial(x), True)
    return result


def max_unpool(
    x: Tensor,
    indices: Tensor,
    output_shape: Any = None,
    *,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Tensor:
    """Zeros, with every element of x at its index. Indices address the size that `MaxPool`
    undoes; a larger `output_shape` keeps their row and column and adds zeros at the end."""
    rank = x.dim() - 2
    stride, amounts = tuple(strides or (1,) * rank), list(pads or (0,) * (2 * rank))
    inferred = [
        (x.shape[2 + i] - 1) * stride[i] + kernel_shape[i] - amounts[i] - amounts[i + rank]
        for i in range(rank)
    ]
    total = x.shape[0] * x.shape[1]
    for extent in inferred:
        total = total * extent
    flat = torch.zeros(total, dtype=x.dtype, device=x.device)
    flat = torch.scatter(flat, 0, indices.reshape(-1), x.reshape(-1))
    y = flat.reshape(x.shape[0], x.shape[1], *inferred)
    if output_shape is None:
        return y
    wanted = ints(output_shape)[2:]
    return F.pad(y, pad_amounts([0] * rank, [w - i for w, i in zip(wanted, inferred, strict=True)]))


def max_roi_pool(
    x: Tensor, rois: Tensor, *, pooled_shape: Sequence[int], spatial_scale: float = 1.0
) -> Tensor:
    """Max pooling of each region [batch, x1, y1, x2, y2] into pooled_shape."""
    pooled = [_pool_region(x, roi, pooled_shape, spatial_scale) for roi in rois.tolist()]
    return torch.stack(pooled) if pooled else x.new_zeros((0, x.shape[1], *pooled_shape))


def _pool_region(x: Tensor, roi: list[float], shape: Sequence[int], scale: float) -> Tensor:
    image = x[int(roi[0])]
    left, top, right, bottom = (int(float(v) * scale + 0.5) for v in roi[1:])
    bins = []
    for low, high, count, extent in (
        (top, bottom, shape[0], x.shape[2]),
        (left, right, shape[1], x.shape[3]),
    ):
        length = max(high - low + 1, 1) / count
        bins.append(
            [
                (
                    min(max(int(i * length) + low, 0), extent),
                    min(max(-int(-(i + 1) * length // 1) + low, 0), extent),
                )
                for i in range(count)
            ]
        )
    rows = [
        torch.stack(
            [
                image[:, a:b, c:d].amax((1, 2)) if b > a and d > c else image.new_zeros(image.shape[0])
                for c, d in bins[1]
            ],
            -1,
        )
        for a, b in bins[0]
    ]
    return torch.stack(rows, 1)


POOLING: dict[str, Lowering] = {
    "MaxPool": Lowering(max_pool, counted=True),
    "AveragePool": Lowering(average_pool),
    "LpPool": Lowering(lp_pool),
    "GlobalAveragePool": Lowering(global_average_pool),
    "GlobalMaxPool": Lowering(global_max_pool),
    "GlobalLpPool": Lowering(global_lp_pool),
    "MaxUnpool": Lowering(max_unpool, numbers=frozenset({2})),
    "MaxRoiPool": Lowering(max_roi_pool, "eager"),
}
