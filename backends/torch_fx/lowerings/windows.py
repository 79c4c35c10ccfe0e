"""Sliding windows: padding by attribute, output sizes, and views of all windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch.nn import functional as F

from .carriers import Tensor


@dataclass(frozen=True)
class Window:
    """A window over the spatial axes: kernel, strides, dilations, and the padding before and after."""

    kernel: tuple[Any, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[Any, ...]
    after: tuple[Any, ...]

    @property
    def rank(self) -> int:
        return len(self.kernel)

    @property
    def extents(self) -> tuple[Any, ...]:
        """How far the window reaches on each axis."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True))

    @property
    def is_symmetric(self) -> bool:
        return all(isinstance(b, int) and b == a for b, a in zip(self.before, self.after, strict=True))

    @property
    def is_padded(self) -> bool:
        return any(not (isinstance(p, int) and p == 0) for p in (*self.before, *self.after))


def window(
    spatial: Sequence[Any],
    kernel: Sequence[Any],
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    pads: Sequence[int] | None,
    auto_pad: str = "NOTSET",
) -> Window:
    """The window of a convolution or pooling over `spatial` sizes, with auto_pad resolved."""
    rank = len(spatial)
    stride = tuple(strides or (1,) * rank)
    dilation = tuple(dilations or (1,) * rank)
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        before, after = _same(spatial, kernel, stride, dilation, auto_pad == "SAME_UPPER")
    elif auto_pad == "VALID" or not pads:
        before = after = (0,) * rank
    else:
        before, after = tuple(pads[:rank]), tuple(pads[rank:])
    return Window(tuple(kernel), stride, dilation, before, after)


def _same(
    spatial: Sequence[Any],
    kernel: Sequence[Any],
    strides: Sequence[int],
    dilations: Sequence[int],
    upper: bool,
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    before, after = [], []
    for size, k, stride, dilation in zip(spatial, kernel, strides, dilations, strict=True):
        steps = (size + stride - 1) // stride
        needed = (steps - 1) * stride + (k - 1) * dilation + 1 - size
        total = needed if not isinstance(needed, int) or needed > 0 else 0
        small = total // 2
        before.append(small if upper else total - small)
        after.append(total - small if upper else small)
    return tuple(before), tuple(after)


def pad_amounts(before: Sequence[Any], after: Sequence[Any]) -> list[Any]:
    """The argument of torch's pad: last axis first."""
    return [p for b, a in zip(reversed(before), reversed(after), strict=True) for p in (b, a)]


def output_sizes(spatial: Sequence[Any], w: Window, ceil_mode: int) -> list[Any]:
    """How many windows fit. With `ceil_mode` a last, partial one counts where it starts inside
    the input or its padding in front."""
    sizes = []
    for size, extent, stride, before, after in zip(
        spatial, w.extents, w.strides, w.before, w.after, strict=True
    ):
        room = size + before + after - extent
        count = room // stride + 1
        if ceil_mode:
            count = (room + stride - 1) // stride + 1
            if (count - 1) * stride >= size + before:
                count = count - 1
        sizes.append(count)
    return sizes


def padded(x: Tensor, w: Window, sizes: Sequence[Any], value: float) -> Tensor:
    """x padded with `value` so that exactly `sizes` windows fit."""
    rank = w.rank
    after = []
    for size, count, extent, stride, before in zip(
        x.shape[-rank:], sizes, w.extents, w.strides, w.before, strict=True
    ):
        after.append((count - 1) * stride + extent - size - before)
    return F.pad(x, pad_amounts(w.before, after), value=value)


def unfolded(x: Tensor, w: Window) -> Tensor:
    """All windows of a padded x: [..., *output, *kernel]."""
    rank = w.rank
    first = x.dim() - rank
    for axis in range(rank):
        x = x.unfold(first + axis, w.extents[axis], w.strides[axis])
    index = (slice(None),) * (first + rank) + tuple(slice(None, None, d) for d in w.dilations)
    return x[index]
