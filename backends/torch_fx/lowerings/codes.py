"""Codes of a grid: the index of the nearest level, and back."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ....graph.types.grids import thresholds_of
from .carriers import CARRIERS, Tensor
from .quantization import spread


def quantize(
    x: Tensor,
    scale: Tensor,
    levels: Sequence[float] = (),
    axis: int = 1,
    block_size: int = 0,
    to: str = "uint8",
) -> Tensor:
    """The index of the level nearest to x / scale."""
    ratio = x / spread(scale, x, axis, block_size)
    thresholds = torch.tensor(thresholds_of(tuple(levels)), dtype=ratio.dtype, device=x.device)
    return torch.bucketize(ratio.contiguous(), thresholds, right=True).to(CARRIERS[to])


def dequantize(
    codes: Tensor, scale: Tensor, levels: Sequence[float] = (), axis: int = 1, block_size: int = 0
) -> Tensor:
    """levels[codes] * scale."""
    table = torch.tensor(tuple(levels), dtype=scale.dtype, device=codes.device)
    index = codes.to(torch.int64).clamp(max=len(levels) - 1)
    return table[index] * spread(scale, codes, axis, block_size)
