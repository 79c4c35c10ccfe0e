"""Normalizations, softmax and its kin, dropout, and the standard's losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from ....graph.operators.attributes import round_float
from .carriers import CARRIERS, Tensor, wrapped
from .lowering import Lowering

_EPSILON = round_float(1e-5)


def _wide(x: Tensor, stash_type: str | None) -> Tensor:
    """x in the dtype of the statistics: `stash_type`, or its own where that is as wide."""
    return x if stash_type is None else x.to(CARRIERS[stash_type])


def _per_channel(parameter: Tensor, x: Tensor) -> Tensor:
    return parameter.reshape(-1, *([1] * (x.dim() - 2)))


def batch_normalization(
    x: Tensor,
    scale: Tensor,
    b: Tensor,
    input_mean: Tensor,
    input_var: Tensor,
    epsilon: float = _EPSILON,
    momentum: float = round_float(0.9),
    training_mode: int = 0,
    results: int = 1,
) -> Any:
    """(x - mean) / sqrt(var + epsilon) * scale + b by channel. In training mode mean and
    (population) variance are the batch's; results 2, 3 are the new running ones."""
    if not training_mode:
        y = _normalized(x, input_mean, input_var, scale, b, epsilon)
        return y if results == 1 else (y, input_mean, input_var)[:results]
    axes = tuple(a for a in range(x.dim()) if a != 1)
    wide = x.to(input_mean.dtype)
    mean, variance = wide.mean(axes), wide.var(axes, correction=0)
    y = _normalized(x, mean, variance, scale, b, epsilon)
    if results == 1:
        return y
    running_mean = input_mean * momentum + mean * (1 - momentum)
    running_var = input_var * momentum + variance * (1 - momentum)
    return (y, running_mean, running_var)[:results]


def _normalized(
    x: Tensor, mean: Tensor, variance: Tensor, scale: Tensor, b: Tensor, epsilon: float
) -> Tensor:
    factor = scale.to(variance.dtype) * torch.rsqrt(variance + epsilon)
    centred = x.to(mean.dtype) - _per_channel(mean, x)
    return (centred * _per_channel(factor, x)).to(x.dtype) + _per_channel(b, x).to(x.dtype)


def instance_normalization(x: Tensor, scale: Tensor, b: Tensor, epsilon: float = _EPSILON) -> Tensor:
    axes = tuple(range(2, x.dim()))
    mean = x.mean(axes, keepdim=True)
    variance = x.var(axes, correction=0, keepdim=True)
    return (x - mean) * torch.rsqrt(variance + epsilon) * _per_channel(scale, x) + _per_channel(b, x)


def group_normalization(
    x: Tensor,
    scale: Tensor,
    bias: Tensor,
    epsilon: float = _EPSILON,
    *,
    num_groups: int,
    stash_type: str | None = "float32",
) -> Tensor:
    """Each group of channels normalized alone, then scale[C] and bias[C]."""
    grouped = _wide(x, stash_type).reshape(x.shape[0], num_groups, -1)
    mean = grouped.mean(-1, keepdim=True)
    variance = grouped.var(-1, correction=0, keepdim=True)
    normal = ((grouped - mean) * torch.rsqrt(variance + epsilon)).reshape(x.shape).to(x.dtype)
    return normal * _per_channel(scale, x) + _per_channel(bias, x)


def layer_normalization(
    x: Tensor,
    scale: Tensor,
    b: Tensor | None = None,
    axis: int = -1,
    epsilon: float = _EPSILON,
    stash_type: str | None = "float32",
    results: int = 1,
) -> Any:
    """Normalized over axes `axis`…; results 2, 3 are mean and 1 / standard deviation."""
    axes = tuple(range(wrapped(axis, x.dim()), x.dim()))
    wide = _wide(x, stash_type)
    mean = wide.mean(axes, keepdim=True)
    centred = wide - mean
    inverse = torch.rsqrt((centred * centred).mean(axes, keepdim=True) + epsilon)
    y = (centred * inverse).to(x.dtype) * scale
    if b is not None:
        y = y + b
    return y if results == 1 else (y, mean, inverse)[:results]


def rms_normalization(
    x: Tensor, scale: Tensor, axis: int = -1, epsilon: float = _EPSILON, stash_type: str | None = "float32"
) -> Tensor:
    axes = tuple(range(wrapped(axis, x.dim()), x.dim()))
    wide = _wide(x, stash_type)
    inverse = torch.rsqrt((wide * wide).mean(axes, keepdim=True) + epsilon)
    return (wide * inverse).to(scale.dtype) * scale


def mean_variance_normalization(x: Tensor, axes: Sequence[int] = (0, 2, 3)) -> Tensor:
    """(x - mean) / (sqrt(variance) + 1e-9)."""
    chosen = tuple(axes)
    mean = x.mean(chosen, keepdim=True)
    variance = (x * x).mean(chosen, keepdim=True) - mean * mean
    return (x - mean) / (torch.sqrt(variance) + 1e-9)


def lp_normalization(x: Tensor, axis: int = -1, p: int = 2) -> Tensor:
    """x divided by its p-norm along `axis`; zero where that is zero."""
    norm = torch.linalg.vector_norm(x, p, axis, True)
    zero = norm == 0
    return torch.where(zero, torch.zeros_like(x), x / torch.where(zero, torch.ones_like(norm), norm))


def lrn(
    x: Tensor, alpha: float = round_float(1e-4), beta: float = 0.75, bias: float = 1.0, *, size: int
) -> Tensor:
    """x / (bias + alpha / size * sum of squares over the `size` nearest channels) ** beta."""
    squares = F.pad((x * x).movedim(1, -1), ((size - 1) // 2, size - 1 - (size - 1) // 2))
    total = squares.unfold(-1, size, 1).sum(-1).movedim(-1, 1)
    return x / (bias + alpha / size * total) ** beta


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    return torch.softmax(x, axis)


def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    return torch.log_softmax(x, axis)


def hardmax(x: Tensor, axis: int = -1) -> Tensor:
    """1 at the first largest element along `axis`, 0 elsewhere."""
    chosen = torch.argmax(x, axis, keepdim=True)
    return torch.zeros_like(x).scatter(axis, chosen, 1.0)


def dropout(
    x: Tensor, ratio: Any = 0.5, training_mode: Any = False, seed: int | None = None, results: int = 1
) -> Any:
    """x; in training mode with a share of `ratio` elements at zero and the rest scaled up."""
    training = bool(training_mode) if training_mode is not None else False
    rate = float(0.5 if ratio is None else ratio) if training else 0.0
    if not training or rate == 0.0:
        return x if results == 1 else (x, torch.ones_like(x, dtype=torch.bool))
    generator = None if seed is None else torch.Generator(x.device).manual_seed(seed)
    draws = torch.rand(x.shape, generator=generator, device=x.device, dtype=torch.float32)
    mask = draws >= rate
    y = torch.where(mask, x / (1 - rate), torch.zeros_like(x))
    return y if results == 1 else (y, mask)


def _log_loss(
    log_probabilities: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int | None,
    reduction: str,
) -> Tensor:
    """-weight[target] * log p[target] by sample; targets equal to `ignore_index` count nothing."""
    labels = target.to(torch.int64)
    ignored = (
        labels == ignore_index if ignore_index is not None else torch.zeros_like(labels, dtype=torch.bool)
    )
    safe = torch.where(ignored, torch.zeros_like(labels), labels)
    picked = torch.gather(log_probabilities, 1, safe.unsqueeze(1)).squeeze(1)
    weights = torch.ones_like(picked) if weight is None else weight[safe]
    weights = torch.where(ignored, torch.zeros_like(weights), weights)
    losses = -picked * weights
    losses = torch.where(ignored, torch.zeros_like(losses), losses)
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / weights.sum()


def negative_log_likelihood_loss(
    x: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> Tensor:
    return _log_loss(x, target, weight, ignore_index, reduction)


def softmax_cross_entropy_loss(
    scores: Tensor,
    labels: Tensor,
    weights: Tensor | None = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
    results: int = 1,
) -> Any:
    """The log loss of log_softmax over axis 1, which is the second result."""
    log_probabilities = torch.log_softmax(scores, 1)
    loss = _log_loss(log_probabilities, labels, weights, ignore_index, reduction)
    return loss if results == 1 else (loss, log_probabilities)


NORMALIZATION: dict[str, Lowering] = {
    "BatchNormalization": Lowering(batch_normalization, counted=True),
    "InstanceNormalization": Lowering(instance_normalization),
    "GroupNormalization": Lowering(group_normalization),
    "LayerNormalization": Lowering(layer_normalization, counted=True),
    "RMSNormalization": Lowering(rms_normalization),
    "MeanVarianceNormalization": Lowering(mean_variance_normalization),
    "LpNormalization": Lowering(lp_normalization),
    "LRN": Lowering(lrn),
    "Softmax": Lowering(softmax),
    "LogSoftmax": Lowering(log_softmax),
    "Hardmax": Lowering(hardmax),
    "Dropout": Lowering(dropout, numbers=frozenset({1, 2}), counted=True),
    "NegativeLogLikelihoodLoss": Lowering(negative_log_likelihood_loss),
    "SoftmaxCrossEntropyLoss": Lowering(softmax_cross_entropy_loss, counted=True),
}
