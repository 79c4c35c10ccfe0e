"""Kernels that sum: products, convolutions, pools, reductions, softmaxes, normalizations.

Sums of float16 and bfloat16 are taken in float32 and rounded once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...graph.ir import Node
from ...graph.types.dtypes import BY_CODE
from .kernel import Array, Datum, Kernel, like, wide

# --- products ---------------------------------------------------------------------------------


def _matmul(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    a, b = inputs
    return [like(np.matmul(wide(a), wide(b)), a)]


def _gemm(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    a, b, c = (*inputs, None)[:3]
    left = a.T if node.attribute("transA") else a
    right = b.T if node.attribute("transB") else b
    product = np.matmul(wide(left), wide(right))
    alpha, beta = (np.asarray(node.attribute(n)).astype(product.dtype) for n in ("alpha", "beta"))
    result = product if alpha == 1 else alpha * product
    return [like(result if c is None else result + beta * wide(c), a)]


def _einsum(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    equation = "".join(node.attribute("equation").split())
    return [like(np.einsum(equation, *(wide(x) for x in inputs), optimize=True), inputs[0])]


def _det(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    return [like(np.linalg.det(wide(inputs[0])), inputs[0])]


# --- windows ----------------------------------------------------------------------------------


def _pads(node: Node, spatial: Sequence[int], kernel: Sequence[int]) -> list[tuple[int, int]]:
    """(begin, end) of each spatial axis, with auto_pad resolved."""
    rank = len(spatial)
    mode = node.attribute("auto_pad", "NOTSET")
    given = node.attribute("pads")
    if mode == "NOTSET" and given:
        return [(given[i], given[i + rank]) for i in range(rank)]
    if not mode.startswith("SAME"):
        return [(0, 0)] * rank
    strides, dilations = _steps(node, rank)
    found = []
    for size, k, s, d in zip(spatial, kernel, strides, dilations, strict=True):
        total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
        small, large = total // 2, total - total // 2
        found.append((small, large) if mode == "SAME_UPPER" else (large, small))
    return found


def _steps(node: Node, rank: int) -> tuple[Sequence[int], Sequence[int]]:
    return node.attribute("strides") or (1,) * rank, node.attribute("dilations") or (1,) * rank


def _windows(
    x: Array, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], counts: Sequence[int]
) -> Array:
    """The windows of padded `x`[N, C, spatial...] as [N, C, positions..., kernel...]."""
    rank = len(kernel)
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(x, extents, axis=tuple(range(2, 2 + rank)))
    index: list[Any] = [slice(None), slice(None)]
    index += [slice(None, (n - 1) * s + 1, s) for n, s in zip(counts, strides, strict=True)]
    index += [slice(None, None, d) for d in dilations]
    found: Array = view[tuple(index)]
    return found


def convolve(node: Node, x: Array, w: Array) -> Array:
    """The convolution of `x`[N, C, ...] with `w`[M, C/group, ...], no bias."""
    kernel = w.shape[2:]
    rank = len(kernel)
    pads = _pads(node, x.shape[2:], kernel)
    padded = np.pad(x, [(0, 0), (0, 0), *pads])
    strides, dilations = _steps(node, rank)
    counts = [
        (padded.shape[2 + i] - (kernel[i] - 1) * dilations[i] - 1) // strides[i] + 1 for i in range(rank)
    ]
    windows = _windows(padded, kernel, strides, dilations, counts)
    group = node.attribute("group")
    n, m = x.shape[0], w.shape[0]
    columns = np.moveaxis(windows, 1, 1 + rank).reshape(n, *counts, group, -1)
    weights = w.reshape(group, m // group, -1)
    result = np.einsum("n...gk,gmk->n...gm", columns, weights, optimize=True)
    return np.moveaxis(result.reshape(n, *counts, m), -1, 1)


def _conv(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, w, bias = (*inputs, None)[:3]
    result = convolve(node, wide(x), wide(w))
    if bias is not None:
        result = result + wide(bias).reshape(1, -1, *(1,) * (x.ndim - 2))
    return [np.ascontiguousarray(like(result, x))]


def _pool_geometry(node: Node, x: Array) -> tuple[list[tuple[int, int]], list[int]]:
    """Padding, enlarged where ceil_mode reaches further, and the number of positions."""
    kernel = node.attribute("kernel_shape")
    rank = len(kernel)
    strides, dilations = _steps(node, rank)
    pads = _pads(node, x.shape[2:], kernel)
    counts = []
    for i in range(rank):
        begin, end = pads[i]
        size, extent = x.shape[2 + i], (kernel[i] - 1) * dilations[i] + 1
        span = size + begin + end - extent
        count = span // strides[i] + 1
        if node.attribute("ceil_mode"):
            count = min(-(-span // strides[i]) + 1, (size + begin - 1) // strides[i] + 1)
        missing = (count - 1) * strides[i] + extent - (size + begin + end)
        pads[i] = begin, end + max(missing, 0)
        counts.append(count)
    return pads, counts


def _pool_windows(node: Node, x: Array, fill: Any) -> Array:
    pads, counts = _pool_geometry(node, x)
    padded = np.pad(x, [(0, 0), (0, 0), *pads], constant_values=fill)
    kernel = node.attribute("kernel_shape")
    strides, dilations = _steps(node, len(kernel))
    return _windows(padded, kernel, strides, dilations, counts)


def _max_pool(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    (x,) = inputs
    rank = x.ndim - 2
    wide_x = wide(x)
    low = -np.inf if wide_x.dtype.kind == "f" else np.iinfo(wide_x.dtype).min
    windows = _pool_windows(node, wide_x, low)
    # positions of the elements, so that padding is never chosen and ties take the first
    places = np.arange(int(np.prod(x.shape[2:])))
    if node.attribute("storage_order"):
        places = places.reshape(x.shape[:1:-1]).T
    places = places.reshape(1, 1, *x.shape[2:])
    sources = _pool_windows(node, places, -1)
    flat = windows.reshape(*windows.shape[: 2 + rank], -1)
    flat_sources = np.broadcast_to(sources.reshape(1, 1, *flat.shape[2:]), flat.shape)
    ranked = np.where(flat_sources >= 0, flat, low)
    best = np.argmax(ranked, axis=-1)
    if wide_x.dtype.kind != "f" or np.isneginf(flat).any():
        best = _first_inside(ranked, flat_sources, best)
    values = np.take_along_axis(flat, best[..., None], -1)[..., 0]
    indices = np.take_along_axis(flat_sources, best[..., None], -1)[..., 0]
    planes = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], *(1,) * rank)
    size = int(np.prod(x.shape[2:]))
    return [like(values, x), (indices + planes * size).astype(np.int64)]


def _first_inside(values: Array, sources: Array, best: Array) -> Array:
    """The first maximum that is no padding."""
    top = np.take_along_axis(values, best[..., None], -1)
    inside = (values == top) & (sources >= 0)
    found: Array = np.where(inside.any(-1), np.argmax(inside, axis=-1), best)
    return found


def _average_pool(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    (x,) = inputs
    rank = x.ndim - 2
    windows = _pool_windows(node, wide(x), 0)
    axes = tuple(range(-rank, 0))
    counted = np.ones((1, 1, *x.shape[2:]), wide(x).dtype)
    if node.attribute("count_include_pad"):
        # the padding that was asked for counts, what ceil_mode reaches beyond it does not
        pads = _pads(node, x.shape[2:], node.attribute("kernel_shape"))
        geometry, counts = _pool_geometry(node, x)
        counted = np.pad(counted, [(0, 0), (0, 0), *pads], constant_values=1)
        beyond = [(0, g[1] - p[1]) for g, p in zip(geometry, pads, strict=True)]
        padded = np.pad(counted, [(0, 0), (0, 0), *beyond])
        kernel = node.attribute("kernel_shape")
        weights = _windows(padded, kernel, *_steps(node, rank), counts)
    else:
        weights = _pool_windows(node, counted, 0)
    return [like(windows.sum(axes) / weights.sum(axes), x)]


def _global(function: Callable[..., Any]) -> Kernel:
    def kernel(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
        (x,) = inputs
        return [like(function(wide(x), axis=tuple(range(2, x.ndim)), keepdims=True), x)]

    return kernel


# --- reductions -------------------------------------------------------------------------------


def _axes(node: Node, inputs: Sequence[Datum]) -> tuple[int, ...] | None:
    """The axes to reduce; None where nothing is to be done."""
    x = inputs[0]
    given = inputs[1] if len(inputs) > 1 else None
    if given is None or given.size == 0:
        return None if node.attribute("noop_with_empty_axes") else tuple(range(x.ndim))
    return tuple(int(a) for a in given.ravel())


def _reduction(function: Callable[[Array, tuple[int, ...], bool], Any]) -> Kernel:
    def kernel(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
        x = inputs[0]
        axes = _axes(node, inputs)
        return [like(function(wide(x), axes or (), bool(node.attribute("keepdims"))), x)]

    return kernel


def _log_sum_exp(x: Array, axes: tuple[int, ...], keep: bool) -> Any:
    top = np.max(x, axis=axes, keepdims=True, initial=-np.inf)
    shift = np.where(np.isfinite(top), top, 0).astype(x.dtype)
    total = np.log(np.sum(np.exp(x - shift), axis=axes, keepdims=True)) + shift
    return total if keep else np.squeeze(total, axis=axes)


def _extreme(function: Callable[..., Any], sign: int) -> Callable[[Array, tuple[int, ...], bool], Any]:
    def reduce(x: Array, axes: tuple[int, ...], keep: bool) -> Any:
        if x.size:
            return function(x, axis=axes, keepdims=keep)
        return function(x, axis=axes, keepdims=keep, initial=_limit(x.dtype, sign))

    return reduce


def _limit(dtype: np.dtype[Any], sign: int) -> Any:
    if dtype.kind == "f":
        return -sign * np.inf
    if dtype.kind == "b":
        return sign < 0
    return np.iinfo(dtype).min if sign > 0 else np.iinfo(dtype).max


def _arg(function: Callable[..., Any]) -> Kernel:
    def kernel(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
        x, axis = wide(inputs[0]), node.attribute("axis")
        if node.attribute("select_last_index"):
            found = x.shape[axis] - 1 - function(np.flip(x, axis), axis=axis, keepdims=True)
        else:
            found = function(x, axis=axis, keepdims=True)
        if not node.attribute("keepdims"):
            found = np.squeeze(found, axis)
        return [np.asarray(found, dtype=np.int64)]

    return kernel


def _cumulative(function: Callable[..., Any], neutral: int) -> Kernel:
    def kernel(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
        x, axis = wide(inputs[0]), int(np.asarray(inputs[1]).reshape(())) % inputs[0].ndim
        x = np.flip(x, axis) if node.attribute("reverse") else x
        total = function(x, axis=axis, dtype=x.dtype)
        if node.attribute("exclusive"):
            first = np.full_like(np.take(x, [0], axis), neutral)
            total = np.concatenate([first, np.delete(total, -1, axis)], axis)
        return [like(np.flip(total, axis) if node.attribute("reverse") else total, inputs[0])]

    return kernel


def _top_k(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    """Sorted, ties in the order of indices; NaN counts as the largest."""
    x, count, axis = inputs[0], int(np.asarray(inputs[1]).reshape(())), node.attribute("axis")
    moved = np.moveaxis(wide(x), axis, -1)
    if node.attribute("largest"):
        order = moved.shape[-1] - 1 - np.argsort(moved[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    else:
        order = np.argsort(moved, axis=-1, kind="stable")
    taken = order[..., :count]
    values = np.take_along_axis(np.moveaxis(x, axis, -1), taken, -1)
    return [np.moveaxis(values, -1, axis), np.moveaxis(taken, -1, axis).astype(np.int64)]


# --- softmaxes and normalizations -------------------------------------------------------------


def _softmax(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, axis = wide(inputs[0]), node.attribute("axis")
    e = np.exp(x - np.max(x, axis=axis, keepdims=True, initial=-np.inf))
    return [like(e / np.sum(e, axis=axis, keepdims=True), inputs[0])]


def _log_softmax(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, axis = wide(inputs[0]), node.attribute("axis")
    shifted = x - np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    return [like(shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True)), inputs[0])]


def _stash(node: Node, x: Array) -> Array:
    """The operand in the dtype that statistics are taken in, which is never narrower than its own."""
    stash = BY_CODE[node.attribute("stash_type")].numpy
    return x if x.dtype == np.float64 else x.astype(stash if stash.itemsize > 2 else np.float32)


def _layer_norm(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, scale, bias = (*inputs, None)[:3]
    axis = node.attribute("axis") % x.ndim
    axes = tuple(range(axis, x.ndim))
    wide_x = _stash(node, x)
    mean = np.mean(wide_x, axis=axes, keepdims=True)
    centred = wide_x - mean
    variance = np.mean(centred * centred, axis=axes, keepdims=True)
    inverse = 1 / np.sqrt(variance + np.asarray(node.attribute("epsilon"), wide_x.dtype))
    result = like(centred * inverse, x) * scale
    return [like(result if bias is None else result + bias, x), mean, inverse]


def _rms_norm(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, scale = inputs
    axes = tuple(range(node.attribute("axis") % x.ndim, x.ndim))
    wide_x = _stash(node, x)
    square = np.mean(wide_x * wide_x, axis=axes, keepdims=True)
    normed = wide_x / np.sqrt(square + np.asarray(node.attribute("epsilon"), wide_x.dtype))
    return [like(like(normed, x) * scale, scale)]


def _batch_norm(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, scale, bias, mean, variance = inputs
    shape = (1, -1, *(1,) * (x.ndim - 2)) if x.ndim > 1 else (-1,)
    epsilon = np.asarray(node.attribute("epsilon"), wide(variance).dtype)
    if not node.attribute("training_mode"):
        return [_normalized(x, scale, bias, wide(mean), wide(variance), epsilon, shape)]
    axes = tuple(i for i in range(x.ndim) if i != 1)
    batch_mean, batch_variance = np.mean(wide(x), axis=axes), np.var(wide(x), axis=axes)
    momentum = np.asarray(node.attribute("momentum"), wide(mean).dtype)
    running = [
        like(wide(old) * momentum + new * (1 - momentum), old)
        for old, new in ((mean, batch_mean), (variance, batch_variance))
    ]
    return [_normalized(x, scale, bias, batch_mean, batch_variance, epsilon, shape), *running]


def _normalized(
    x: Array, scale: Array, bias: Array, mean: Array, variance: Array, epsilon: Array, shape: Sequence[int]
) -> Array:
    s, b, m, v = (np.reshape(wide(a), tuple(shape)) for a in (scale, bias, mean, variance))
    return like(s * (wide(x) - m) / np.sqrt(v + epsilon) + b, x)


def _instance_norm(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, scale, bias = inputs
    axes, shape = tuple(range(2, x.ndim)), (1, -1, *(1,) * (x.ndim - 2))
    wide_x = wide(x)
    mean, variance = np.mean(wide_x, axis=axes, keepdims=True), np.var(wide_x, axis=axes, keepdims=True)
    normed = (wide_x - mean) / np.sqrt(variance + np.asarray(node.attribute("epsilon"), wide_x.dtype))
    return [like(normed * wide(scale).reshape(shape) + wide(bias).reshape(shape), x)]


def _group_norm(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, scale, bias = inputs
    groups, shape = node.attribute("num_groups"), (1, -1, *(1,) * (x.ndim - 2))
    wide_x = _stash(node, x).reshape(x.shape[0], groups, -1)
    mean, variance = np.mean(wide_x, axis=2, keepdims=True), np.var(wide_x, axis=2, keepdims=True)
    normed = (wide_x - mean) / np.sqrt(variance + np.asarray(node.attribute("epsilon"), wide_x.dtype))
    back = like(normed.reshape(x.shape), x)
    return [like(back * scale.reshape(shape) + bias.reshape(shape), x)]


def _local_response(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    """Of any rank; the standard's own reference takes rank 4 only."""
    x, size = wide(inputs[0]), node.attribute("size")
    before = (size - 1) // 2
    width = [(0, 0)] * x.ndim
    width[1] = (before, size - 1 - before)
    squares = np.lib.stride_tricks.sliding_window_view(np.pad(x * x, width), size, axis=1).sum(-1)
    alpha, beta, bias = (np.asarray(node.attribute(n), x.dtype) for n in ("alpha", "beta", "bias"))
    return [like(x / (bias + alpha / size * squares) ** beta, inputs[0])]


CONTRACTION: dict[str, Kernel] = {
    "ArgMax": _arg(np.argmax),
    "ArgMin": _arg(np.argmin),
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Conv": _conv,
    "CumProd": _cumulative(np.cumprod, 1),
    "CumSum": _cumulative(np.cumsum, 0),
    "Det": _det,
    "Einsum": _einsum,
    "Gemm": _gemm,
    "GlobalAveragePool": _global(np.mean),
    "GlobalMaxPool": _global(np.max),
    "GroupNormalization": _group_norm,
    "InstanceNormalization": _instance_norm,
    "LRN": _local_response,
    "LayerNormalization": _layer_norm,
    "LogSoftmax": _log_softmax,
    "MatMul": _matmul,
    "MaxPool": _max_pool,
    "RMSNormalization": _rms_norm,
    "ReduceL1": _reduction(lambda x, a, k: np.sum(np.abs(x), axis=a, keepdims=k, dtype=x.dtype)),
    "ReduceL2": _reduction(lambda x, a, k: np.sqrt(np.sum(x * x, axis=a, keepdims=k, dtype=x.dtype))),
    "ReduceLogSum": _reduction(lambda x, a, k: np.log(np.sum(x, axis=a, keepdims=k, dtype=x.dtype))),
    "ReduceLogSumExp": _reduction(_log_sum_exp),
    "ReduceMax": _reduction(_extreme(np.max, 1)),
    "ReduceMean": _reduction(lambda x, a, k: np.mean(x, axis=a, keepdims=k)),
    "ReduceMin": _reduction(_extreme(np.min, -1)),
    "ReduceProd": _reduction(lambda x, a, k: np.prod(x, axis=a, keepdims=k, dtype=x.dtype)),
    "ReduceSum": _reduction(lambda x, a, k: np.sum(x, axis=a, keepdims=k, dtype=x.dtype)),
    "ReduceSumSquare": _reduction(lambda x, a, k: np.sum(x * x, axis=a, keepdims=k, dtype=x.dtype)),
    "Softmax": _softmax,
    "TopK": _top_k,
}
