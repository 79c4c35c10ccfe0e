"""Products and convolutions of 8-bit codes on torch's integer kernels: exact, and several times as fast as float."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from .carriers import Tensor
from .windows import pad_amounts, window

EXACT = 2**24
"""Sums below it are whole in float32, which the kernel of convolutions gives them in."""


def int8_product(a: Tensor, b: Tensor, zero: Tensor | None) -> Tensor:
    """(a - zero) b in int32, for a of int8 or uint8 [..., k] and b of int8 [k, n]. Unsigned codes are shifted by
    128 to fit; what shift and zero point add is taken off by the columns' sums, which a row of ones gives."""
    offset = torch.zeros((), dtype=torch.int32) if zero is None else zero.reshape(()).to(torch.int32)
    unsigned = a.dtype is torch.uint8
    if unsigned:
        a, offset = (a ^ 128).view(torch.int8), offset - 128
    rows, shape = a.reshape(-1, a.shape[-1]), (*a.shape[:-1], b.shape[1])
    if zero is None and not unsigned:
        return torch._int_mm(rows.contiguous(), b.contiguous()).reshape(shape)
    ones = torch.ones((1, rows.shape[1]), dtype=torch.int8, device=rows.device)
    flat = torch._int_mm(torch.cat([rows, ones]), b.contiguous())
    return (flat[:-1] - offset * flat[-1]).reshape(shape)


def convolves_integers() -> bool:
    """Whether there is an exact kernel: oneDNN's, on processors with VNNI (others round sums to 16 bits)."""
    mkldnn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # torch's stubs
    return bool(mkldnn and hasattr(torch.ops.onednn, "qconv_pointwise") and torch.cpu._is_vnni_supported())


def int8_convolution(
    x: Tensor,
    w: Tensor,
    x_zero_point: Tensor | None,
    auto_pad: str,
    dilations: Sequence[int] | None,
    group: int,
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
) -> Tensor | None:
    """The sums of x - zero point, of uint8 or int8 [n, c, h, w], with int8 kernels, whole numbers in float32; None
    where no kernel gives them exactly."""
    if torch.compiler.is_compiling() or x.dim() != 4 or not x.is_cpu or not convolves_integers():
        return None
    if x.dtype not in (torch.uint8, torch.int8) or w.dtype is not torch.int8 or x.numel() == 0:
        return None
    zero = 0 if x_zero_point is None else int(x_zero_point.reshape(-1)[0])
    if x.dtype is torch.int8:
        x, zero = x.view(torch.uint8) ^ 128, zero + 128
    if int(w.to(torch.int32).abs().sum(dim=(1, 2, 3)).max()) * max(zero, 255 - zero) >= EXACT:
        return None
    place = window(x.shape[2:], w.shape[2:], strides, dilations, pads, auto_pad)
    padding = list(place.before)
    if padding != list(place.after):
        x, padding = F.pad(x, pad_amounts(place.before, place.after), value=zero), [0, 0]
    steps, holes = list(strides or (1, 1)), list(dilations or (1, 1))
    one = torch.ones(len(w))
    packed = torch.ops.onednn.qconv_prepack(w, one, 1.0, zero, steps, padding, holes, group, list(x.shape))
    none = torch.zeros(len(w), dtype=torch.int32)
    found: Tensor = torch.ops.onednn.qconv_pointwise(
        x, 1.0, zero, packed, one, none, None, steps, padding, holes, group, 1.0, 0, torch.float32, "none", [], ""
    )  # fmt: skip
    return found
