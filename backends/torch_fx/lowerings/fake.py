"""Rounding to a grid that trains: the forward pass rounds, the backward pass takes a surrogate's gradient.

With r = x / s, the level h nearest to it and the surrogate's slope h', y = s h(r) has dy/dx = h' and
dy/ds = h - r h': what LSQ learns scales by, for any grid and slope.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ....graph.types.grids import thresholds_of
from .carriers import Tensor
from .quantization import spread

LEAST_SCALE = 2.0**-40
_UNSCALED = ("identity", "ste")
"""Surrogates that leave the scale as it is."""


def fake_quantize(
    x: Tensor,
    scale: Tensor,
    levels: Sequence[float] = (),
    axis: int = 1,
    block_size: int = 0,
    surrogate: str = "lsq",
    parameter: float = 0.0,
    soft: int = 0,
) -> Tensor:
    """The nearest level times |scale|; codes as Quantize finds them, in float32."""
    whole = spread(scale, x, axis, block_size).abs().clamp(min=LEAST_SCALE)
    if surrogate == "sine":
        wave = torch.sin(parameter * x)
        sign: Tensor = wave if soft else _Sign.apply(wave)  # type: ignore[no-untyped-call]  # torch's stubs
        return whole * sign
    apply: Callable[..., Tensor] = _Rounded.apply
    return apply(x, whole, tuple(levels), surrogate, parameter)


class _Sign(torch.autograd.Function):
    """-1 below 0, else 1; the gradient of the identity (what follows is the sine's own)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.where(x < 0, -torch.ones_like(x), torch.ones_like(x))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, scale: Tensor, levels: tuple[float, ...], surrogate: str, parameter: float
    ) -> Tensor:
        ratio = x / scale
        thresholds = torch.tensor(thresholds_of(levels), dtype=torch.float32, device=x.device)
        place = torch.bucketize(ratio.to(torch.float32).contiguous(), thresholds, right=True)
        value = torch.tensor(levels, dtype=x.dtype, device=x.device)[place]
        ctx.save_for_backward(ratio, value)
        ctx.scale_shape, ctx.settings = scale.shape, (levels, surrogate, parameter)
        return value * scale

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        ratio, value = ctx.saved_tensors
        levels, surrogate, parameter = ctx.settings
        slope = _slope(ratio, value, gradient, levels, surrogate, parameter)
        down = gradient * slope
        if surrogate in _UNSCALED or not ctx.needs_input_grad[1]:
            return down, None, None, None, None
        if surrogate == "pact":
            change = torch.where((ratio >= levels[0]) & (ratio <= levels[-1]), torch.zeros_like(value), value)
        else:
            change = value - ratio * slope
        total = (gradient * change).sum_to_size(ctx.scale_shape)
        return down, total * _evened(ratio, total, levels, surrogate), None, None, None


def _evened(ratio: Tensor, total: Tensor, levels: Sequence[float], surrogate: str) -> float:
    """LSQ's factor 1 / sqrt(elements a scale * largest level), which makes scales learn as fast as
    weights."""
    if surrogate == "pact":
        return 1.0
    elements = ratio.numel() / max(total.numel(), 1)
    return float((elements * max(abs(levels[0]), abs(levels[-1]))) ** -0.5)


def _slope(
    ratio: Tensor,
    value: Tensor,
    gradient: Tensor,
    levels: Sequence[float],
    surrogate: str,
    parameter: float,
) -> Tensor:
    """h'(r): what stands for the derivative of rounding."""
    if surrogate == "identity":
        return torch.ones_like(ratio)
    if surrogate == "bireal":
        return (2 - 2 * ratio.abs()).clamp(min=0)
    inside = ((ratio >= levels[0]) & (ratio <= levels[-1])).to(ratio.dtype)
    if surrogate == "ewgs":
        return inside * (1 + (parameter or 0.2) * gradient.sign() * (ratio - value))
    if surrogate == "dsq":
        return inside * _staircase(ratio, levels, parameter or 2.0)
    return inside


def _staircase(ratio: Tensor, levels: Sequence[float], steepness: float) -> Tensor:
    """The derivative of tanh(k t) / (2 tanh(k / 2)) with t from -1/2 to 1/2 between two levels, where it
    rises by one."""
    table = torch.tensor(tuple(levels), dtype=ratio.dtype, device=ratio.device)
    low = (torch.bucketize(ratio.contiguous(), table, right=True) - 1).clamp(0, len(levels) - 2)
    t = (ratio - table[low]) / (table[low + 1] - table[low]) - 0.5
    k = torch.tensor(steepness, dtype=ratio.dtype, device=ratio.device)
    rise: Tensor = k * (1 - torch.tanh(k * t) ** 2) / (2 * torch.tanh(k / 2))
    return rise
