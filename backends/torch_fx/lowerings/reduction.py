"""Reductions: sums, norms, extremes over axes; ArgMax and ArgMin; running sums and products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from .carriers import UNSIGNED, Tensor, ints, number, ordered, restored, wrapped, wrapped_axes
from .lowering import Lowering


def _axes(data: Tensor, axes: Any, noop_with_empty_axes: int) -> tuple[int, ...]:
    """The axes to reduce: without any, all of them, or none with the attribute."""
    chosen = [] if axes is None else ints(axes)
    if not chosen and not noop_with_empty_axes:
        return tuple(range(data.dim()))
    return tuple(wrapped_axes(chosen, data.dim()))


def _is_empty(data: Tensor, axes: tuple[int, ...]) -> bool:
    return any(isinstance(data.shape[a], int) and data.shape[a] == 0 for a in axes)


def _kept(data: Tensor, axes: tuple[int, ...], keepdims: int) -> list[Any]:
    shape = [1 if a in axes else d for a, d in enumerate(data.shape)]
    return shape if keepdims else [d for a, d in enumerate(shape) if a not in axes]


def _sum(x: Tensor, axes: tuple[int, ...], keepdims: int) -> Tensor:
    if not axes:
        return x
    if x.dtype in UNSIGNED:
        return torch.sum(x.to(torch.int64), axes, bool(keepdims)).to(x.dtype)
    return torch.sum(x, axes, bool(keepdims), dtype=x.dtype)


def _in_float(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """`function(x)` in the dtype of x, through float64 for integers."""
    return function(x) if x.is_floating_point() else function(x.to(torch.float64)).to(x.dtype)


def reduce_sum(data: Tensor, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Tensor:
    return _sum(data, _axes(data, axes, noop_with_empty_axes), keepdims)


def reduce_mean(data: Tensor, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Tensor:
    chosen = _axes(data, axes, noop_with_empty_axes)
    if not chosen:
        return data
    return _in_float(lambda x: torch.mean(x, chosen, bool(keepdims)), data)


def reduce_prod(data: Tensor, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Tensor:
    chosen = _axes(data, axes, noop_with_empty_axes)
    x = data.to(torch.int64) if data.dtype in UNSIGNED else data
    for axis in sorted(chosen, reverse=True):
        x = torch.prod(x, axis, bool(keepdims), dtype=x.dtype)
    return x.to(data.dtype)


def _extreme(data: Tensor, axes: tuple[int, ...], keepdims: int, largest: bool) -> Tensor:
    if not axes:
        return data
    if _is_empty(data, axes):
        return torch.full(_kept(data, axes, keepdims), _limit(data.dtype, largest), dtype=data.dtype)
    function = torch.amax if largest else torch.amin
    return restored(function(ordered(data), axes, bool(keepdims)), data.dtype)


def _limit(dtype: torch.dtype, lowest: bool) -> float | int | bool:
    if dtype.is_floating_point:
        return float("-inf") if lowest else float("inf")
    if dtype is torch.bool:
        return not lowest
    return torch.iinfo(dtype).min if lowest else torch.iinfo(dtype).max


def reduce_max(data: Tensor, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Tensor:
    return _extreme(data, _axes(data, axes, noop_with_empty_axes), keepdims, True)


def reduce_min(data: Tensor, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Tensor:
    return _extreme(data, _axes(data, axes, noop_with_empty_axes), keepdims, False)


def reduce_l1(data: Tensor, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Tensor:
    magnitude = data if data.dtype in UNSIGNED else torch.abs(data)
    return _sum(magnitude, _axes(data, axes, noop_with_empty_axes), keepdims)


def reduce_l2(data: Tensor, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Tensor:
    chosen = _axes(data, axes, noop_with_empty_axes)
    if not chosen:
        return _in_float(torch.abs, data)
    return _in_float(lambda x: torch.linalg.vector_norm(x, 2, chosen, bool(keepdims)), data)


def reduce_sum_square(
    data: Tensor, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0
) -> Tensor:
    x = data.to(torch.int64) if data.dtype in UNSIGNED else data
    return _sum(x * x, _axes(data, axes, noop_with_empty_axes), keepdims).to(data.dtype)


def reduce_log_sum(
    data: Tensor, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0
) -> Tensor:
    chosen = _axes(data, axes, noop_with_empty_axes)
    return _in_float(lambda x: torch.log(_sum(x, chosen, keepdims)), data)


def reduce_log_sum_exp(
    data: Tensor, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0
) -> Tensor:
    chosen = _axes(data, axes, noop_with_empty_axes)
    if not chosen:
        return data
    return _in_float(lambda x: torch.logsumexp(x, chosen, bool(keepdims)), data)


def _arg_extreme(data: Tensor, axis: int, keepdims: int, last: int, largest: bool) -> Tensor:
    function = torch.argmax if largest else torch.argmin
    x = ordered(data)
    if not last:
        return function(x, axis, bool(keepdims))
    return x.shape[axis] - 1 - function(x.flip(axis), axis, bool(keepdims))


def arg_max(data: Tensor, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Tensor:
    """The index of the first (or last) largest element along `axis`."""
    return _arg_extreme(data, axis, keepdims, select_last_index, True)


def arg_min(data: Tensor, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Tensor:
    return _arg_extreme(data, axis, keepdims, select_last_index, False)


def _running(
    function: Callable[..., Tensor], neutral: int, x: Tensor, axis: Any, exclusive: int, reverse: int
) -> Tensor:
    along = wrapped(number(axis), x.dim())
    work = x.to(torch.int64) if x.dtype in UNSIGNED else x
    if reverse:
        work = work.flip(along)
    work = function(work, along, dtype=work.dtype)
    if exclusive:
        amounts = [0, 0] * (x.dim() - 1 - along) + [1, -1]
        work = F.pad(work, amounts, value=neutral)
    if reverse:
        work = work.flip(along)
    return work.to(x.dtype)


def cum_sum(x: Tensor, axis: Any, exclusive: int = 0, reverse: int = 0) -> Tensor:
    return _running(torch.cumsum, 0, x, axis, exclusive, reverse)


def cum_prod(x: Tensor, axis: Any, exclusive: int = 0, reverse: int = 0) -> Tensor:
    return _running(torch.cumprod, 1, x, axis, exclusive, reverse)


_OVER_AXES: dict[str, Callable[..., Tensor]] = {
    "ReduceSum": reduce_sum,
    "ReduceMean": reduce_mean,
    "ReduceProd": reduce_prod,
    "ReduceMax": reduce_max,
    "ReduceMin": reduce_min,
    "ReduceL1": reduce_l1,
    "ReduceL2": reduce_l2,
    "ReduceSumSquare": reduce_sum_square,
    "ReduceLogSum": reduce_log_sum,
    "ReduceLogSumExp": reduce_log_sum_exp,
    "CumSum": cum_sum,
    "CumProd": cum_prod,
}

REDUCTION: dict[str, Lowering] = {
    **{name: Lowering(function, numbers=frozenset({1})) for name, function in _OVER_AXES.items()},
    "ArgMax": Lowering(arg_max),
    "ArgMin": Lowering(arg_min),
}
