"""Products as hardware for narrow floating-point formats computes them, forward and backward.

Each of the three products of a layer, y = x w, dx = dy wᵀ, dw = xᵀ dy, has its operands rounded to a
grid with scales for blocks along its own sum, optionally after both are rotated by one random Hadamard
matrix, which leaves the exact product as it is (Hu et al., arXiv 2509.17791).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import floor, log2
from typing import Any

import torch
from torch.nn import functional as F

from ....graph.types.grids import grid, thresholds_of
from .carriers import Tensor
from .windows import pad_amounts, window


@dataclass(frozen=True)
class Format:
    """How operands are rounded. `backward` is the grid of output gradients, empty where products of
    gradients stay float."""

    levels: tuple[float, ...]
    backward: tuple[float, ...]
    block: int
    scale: str
    tensor_scale: bool
    hadamard: int
    stochastic: str
    four_over_six: bool = False


def simulated_matmul(
    a: Tensor,
    b: Tensor,
    key: Tensor,
    levels: Sequence[float] = (),
    backward_levels: Sequence[float] | None = None,
    block_size: int = 16,
    scale: str = "e4m3",
    tensor_scale: int = 0,
    four_over_six: int = 0,
    hadamard: int = 0,
    stochastic: str = "",
) -> Tensor:
    """a[..., K] @ b[K, N]."""
    form = Format(
        tuple(levels),
        tuple(backward_levels or ()),
        block_size,
        scale,
        bool(tensor_scale),
        hadamard,
        stochastic,
        bool(four_over_six),
    )
    result: Tensor = _Product.apply(a.reshape(-1, a.shape[-1]), b, key, form)  # type: ignore[no-untyped-call]  # torch's stubs
    return result.reshape(*a.shape[:-1], b.shape[-1])


def simulated_conv(
    x: Tensor,
    w: Tensor,
    key: Tensor,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
    levels: Sequence[float] = (),
    backward_levels: Sequence[float] | None = None,
    block_size: int = 16,
    scale: str = "e4m3",
    tensor_scale: int = 0,
    four_over_six: int = 0,
    hadamard: int = 0,
    stochastic: str = "",
) -> Tensor:
    """A convolution of two spatial axes and one group, as a product of unfolded windows."""
    del kernel_shape, group
    place = window(x.shape[2:], w.shape[2:], strides, dilations, pads, auto_pad)
    padded = F.pad(x, pad_amounts(place.before, place.after))
    kernel = tuple(w.shape[2:])
    columns = F.unfold(padded, kernel, dilation=place.dilations, stride=place.strides)
    sizes = [
        (padded.shape[2 + i] - place.dilations[i] * (kernel[i] - 1) - 1) // place.strides[i] + 1
        for i in range(2)
    ]
    rows = simulated_matmul(
        columns.transpose(1, 2),
        w.reshape(w.shape[0], -1).t(),
        key,
        levels,
        backward_levels,
        block_size,
        scale,
        tensor_scale,
        four_over_six,
        hadamard,
        stochastic,
    )
    return rows.transpose(1, 2).reshape(x.shape[0], w.shape[0], *sizes)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, key: Tensor, form: Format) -> Tensor:
        ctx.save_for_backward(x, w, key)
        ctx.form = form
        every = form.stochastic == "all"
        return product(x, w, form, form.levels, form.levels, _generator(key, 0), (every, every))

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, w, key = ctx.saved_tensors
        form: Format = ctx.form
        if not form.backward:
            return dy @ w.t(), x.t() @ dy, None, None
        gradients = bool(form.stochastic)
        others = form.stochastic in ("backward", "all")
        dx = product(dy, w.t(), form, form.backward, form.levels, _generator(key, 1), (gradients, others))
        dw = product(x.t(), dy, form, form.levels, form.backward, _generator(key, 2), (others, gradients))
        return dx, dw, None, None


def _generator(key: Tensor, part: int) -> torch.Generator:
    """Random numbers of one product: keyed by the step's noise, so a step can be run again."""
    return torch.Generator().manual_seed(int(float(key.reshape(())) * 2**24) * 3 + part)


def product(
    a: Tensor,
    b: Tensor,
    form: Format,
    left: Sequence[float],
    right: Sequence[float],
    generator: torch.Generator,
    stochastic: tuple[bool, bool],
) -> Tensor:
    """a[M, K] @ b[K, N] with both rounded along K."""
    other = b.t()
    if form.hadamard:
        signs = torch.randint(0, 2, (form.hadamard,), generator=generator).to(a.dtype) * 2 - 1
        a, other = rotated(a, form.hadamard, signs), rotated(other, form.hadamard, signs)
    a = rounded(a, tuple(left), form, generator if stochastic[0] else None)
    other = rounded(other, tuple(right), form, generator if stochastic[1] else None)
    return a @ other.t()


@cache
def hadamard_matrix(size: int) -> torch.Tensor:
    """Sylvester's matrix over sqrt(size): orthogonal. `size` is a power of two."""
    found = torch.full((1, 1), float(size) ** -0.5)
    while len(found) < size:
        found = torch.cat([torch.cat([found, found], 1), torch.cat([found, -found], 1)])
    return found


def rotated(x: Tensor, size: int, signs: Tensor) -> Tensor:
    """The last axis in blocks of `size` (the last filled with zeros), signs changed, times the Hadamard
    matrix."""
    missing = -x.shape[-1] % size
    wide = F.pad(x, (0, missing)) if missing else x
    blocks = wide.reshape(*x.shape[:-1], -1, size) * signs
    turned: Tensor = blocks @ hadamard_matrix(size).to(x.dtype)
    return turned.reshape(*x.shape[:-1], -1)


def rounded(x: Tensor, levels: tuple[float, ...], form: Format, generator: torch.Generator | None) -> Tensor:
    """x[R, K] rounded to levels times a scale for each block along K (and row), stochastically with a
    generator."""
    missing = -x.shape[-1] % form.block
    wide = F.pad(x, (0, missing)) if missing else x
    blocks = wide.reshape(x.shape[0], -1, form.block)
    absmax = blocks.abs().amax(-1, keepdim=True)
    scale = block_scales(absmax, levels, form)
    if form.four_over_six:
        other = block_scales(absmax, levels, form, STEP)
        errors = [
            ((to_nearest(blocks, s, levels) - blocks) ** 2).sum(-1, keepdim=True) for s in (scale, other)
        ]
        scale = torch.where(errors[1] < errors[0], other, scale)
    if generator is None:
        return to_nearest(blocks, scale, levels).reshape(x.shape[0], -1)[:, : x.shape[-1]]
    ratio, table = (blocks / scale).contiguous(), torch.tensor(levels, dtype=x.dtype)
    low = (torch.bucketize(ratio, table, right=True) - 1).clamp(0, len(levels) - 2)
    position = (ratio - table[low]) / (table[low + 1] - table[low])
    draws = torch.rand(ratio.shape, generator=generator, dtype=x.dtype)
    found = table[low + (draws < position)]
    return (found * scale).reshape(x.shape[0], -1)[:, : x.shape[-1]]


STEP = 1.5
"""Four over six: with a scale 1.5 times as large a block's maximum lands on E2M1's 4."""


def to_nearest(x: Tensor, scale: Tensor, levels: tuple[float, ...]) -> Tensor:
    """x at the nearest levels times the scale."""
    thresholds = torch.tensor(thresholds_of(levels), dtype=x.dtype)
    table = torch.tensor(levels, dtype=x.dtype)
    found: Tensor = table[torch.bucketize((x / scale).contiguous(), thresholds, right=True)] * scale
    return found


def block_scales(absmax: Tensor, levels: tuple[float, ...], form: Format, factor: float = 1.0) -> Tensor:
    """absmax / largest level, times `factor`, on the format's scale grid; 1 for blocks of zeros. A scale below
    the grid's least one is the least: with e4m3 and no tensor scale small gradients are lost."""
    largest = max(-levels[0], levels[-1])
    one = torch.ones_like(absmax)
    if form.scale == "float32":
        return torch.where(absmax > 0, absmax / largest * factor, one)
    outer = torch.ones((), dtype=absmax.dtype)
    table = torch.tensor(_scale_levels(form.scale), dtype=absmax.dtype)
    if form.tensor_scale:
        top = table[-1] if form.scale != "e8m0" else torch.ones((), dtype=absmax.dtype)
        outer = absmax.amax() / (largest * top)
        outer = torch.where(outer > 0, outer, torch.ones_like(outer))
    if form.scale == "e8m0":
        power = torch.floor(torch.log2((absmax * factor / outer).clamp(min=2.0**-126))) - floor(log2(largest))
        found = torch.exp2(power.clamp(-126, 127))
    else:
        wanted = (absmax / (largest * outer) * factor).contiguous()
        thresholds = torch.tensor(thresholds_of(_scale_levels(form.scale)), dtype=absmax.dtype)
        found = table[torch.bucketize(wanted, thresholds, right=True)]
    return torch.where(absmax > 0, found * outer, one)


@cache
def _scale_levels(name: str) -> tuple[float, ...]:
    return grid("e4m3_scale" if name == "e4m3" else name).levels
