"""Convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from .carriers import Tensor
from .lowering import Lowering
from .windows import Window, pad_amounts, unfolded, window

_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def conv(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Tensor:
    """Cross-correlation of x[N, C, spatial…] with w[M, C/group, kernel…], plus b[M]."""
    place = window(x.shape[2:], w.shape[2:], strides, dilations, pads, auto_pad)
    if place.rank not in _CONV:
        return _conv_by_windows(x, w, b, place, group)
    padding: tuple[Any, ...] = place.before
    if not place.is_symmetric:
        x = F.pad(x, pad_amounts(place.before, place.after))
        padding = (0,) * place.rank
    return _CONV[place.rank](x, w, b, place.strides, padding, place.dilations, group)


def _conv_by_windows(x: Tensor, w: Tensor, b: Tensor | None, place: Window, group: int) -> Tensor:
    """Any number of spatial axes, as one product over unfolded windows."""
    views = unfolded(F.pad(x, pad_amounts(place.before, place.after)), place)
    rank = place.rank
    n, outputs = x.shape[0], views.shape[2 : 2 + rank]
    columns = views.movedim(1, 1 + rank).reshape(n, _count(outputs), group, -1)
    kernels = w.reshape(group, w.shape[0] // group, -1)
    result = torch.einsum("npgk,gmk->ngmp", columns, kernels).reshape(n, w.shape[0], *outputs)
    return result if b is None else result + b.reshape(-1, *([1] * rank))


def _count(sizes: Sequence[Any]) -> Any:
    total: Any = 1
    for size in sizes:
        total = total * size
    return total


def conv_transpose(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    output_padding: Sequence[int] | None = None,
    output_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Tensor:
    """The transpose of `conv` in x, with w[C, M/group, kernel…]."""
    rank = x.dim() - 2
    stride, dilation = tuple(strides or (1,) * rank), tuple(dilations or (1,) * rank)
    extra = tuple(output_padding or (0,) * rank)
    extents = [(k - 1) * d + 1 for k, d in zip(w.shape[2:], dilation, strict=True)]
    before, after = _transposed_pads(x.shape[2:], extents, stride, extra, pads, auto_pad, output_shape)
    full = _TRANSPOSED[rank](x, w, None, stride, 0, 0, group, dilation)
    ends = [e - a for e, a in zip(extra, after, strict=True)]
    y = F.pad(full, pad_amounts([-p for p in before], ends))
    return y if b is None else y + b.reshape(-1, *([1] * rank))


def _transposed_pads(
    spatial: Sequence[Any],
    extents: Sequence[int],
    strides: Sequence[int],
    extra: Sequence[int],
    pads: Sequence[int] | None,
    auto_pad: str,
    output_shape: Sequence[int] | None,
) -> tuple[list[Any], list[Any]]:
    rank = len(spatial)
    same = auto_pad in ("SAME_UPPER", "SAME_LOWER")
    if not output_shape and not same:
        amounts = list(pads or (0,) * (2 * rank)) if auto_pad == "NOTSET" else [0] * (2 * rank)
        return amounts[:rank], amounts[rank:]
    wanted = list(output_shape or [s * k for s, k in zip(spatial, strides, strict=True)])[-rank:]
    before, after = [], []
    for i in range(rank):
        total = strides[i] * (spatial[i] - 1) + extra[i] + extents[i] - wanted[i]
        first = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
        before.append(first)
        after.append(total - first)
    return before, after


def deform_conv(
    x: Tensor,
    w: Tensor,
    offset: Tensor,
    b: Tensor | None = None,
    mask: Tensor | None = None,
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    offset_group: int = 1,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Tensor:
    """2-D convolution whose taps are moved by `offset`, sampled bilinearly, weighted by `mask`."""
    place = window(x.shape[2:], w.shape[2:], strides, dilations, pads)
    n, c = x.shape[:2]
    kh, kw = w.shape[2:]
    oh, ow = offset.shape[2:]
    moves = offset.reshape(n, offset_group, kh, kw, 2, oh, ow)
    rows = _tap_places(place, 0, kh, oh, x).reshape(kh, 1, oh, 1) + moves[:, :, :, :, 0]
    columns = _tap_places(place, 1, kw, ow, x).reshape(1, kw, 1, ow) + moves[:, :, :, :, 1]
    taps = _bilinear_taps(x.reshape(n, offset_group, c // offset_group, *x.shape[2:]), rows, columns)
    if mask is not None:
        taps = taps * mask.reshape(n, offset_group, 1, kh, kw, oh, ow)
    grouped = taps.reshape(n, group, c // group, kh, kw, oh, ow)
    kernels = w.reshape(group, w.shape[0] // group, c // group, kh, kw)
    y = torch.einsum("ngcijhw,gmcij->ngmhw", grouped, kernels).reshape(n, w.shape[0], oh, ow)
    return y if b is None else y + b.reshape(-1, 1, 1)


def _tap_places(place: Window, axis: int, taps: int, count: int, x: Tensor) -> Tensor:
    """Where each tap of each window lies on an axis, before offsets."""
    steps = torch.arange(taps, device=x.device) * place.dilations[axis]
    origins = torch.arange(count, device=x.device) * place.strides[axis] - place.before[axis]
    places: Tensor = (steps[:, None] + origins[None, :]).to(x.dtype)
    return places


def _bilinear_taps(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """x[n, g, c, H, W] at rows, columns[n, g, …] with zeros outside: [n, g, c, …]."""
    height, width = x.shape[-2:]
    flat = x.reshape(*x.shape[:3], -1)
    top, left = torch.floor(rows), torch.floor(columns)
    total = torch.zeros((), dtype=x.dtype, device=x.device)
    for row, column in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
        weight = (1 - (rows - row).abs()) * (1 - (columns - column).abs())
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        index = row.clamp(0, height - 1).long() * width + column.clamp(0, width - 1).long()
        picked = torch.gather(flat, 3, index.flatten(2)[:, :, None].expand(-1, -1, x.shape[2], -1))
        values = picked.reshape(*x.shape[:3], *rows.shape[2:])
        total = total + values * torch.where(inside, weight, torch.zeros_like(weight)).unsqueeze(2)
    return total


CONVOLUTION: dict[str, Lowering] = {
    "Conv": Lowering(conv),
    "ConvTranspose": Lowering(conv_transpose),
    "DeformConv": Lowering(deform_conv),
}
