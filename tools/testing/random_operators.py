"""One recipe an operator for `random_graphs`: it picks operands, guards them, and gives the
results with bounds on their magnitude. Raises Unsuitable where no value at hand will do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...graph.ir import Graph, Value, apply, apply_all, argument, constant
from ...graph.types import BOOL, FLOAT32, INT64, TensorType
from ...graph.types.dimensions import Dimension
from .random_elementwise import ELEMENTWISE
from .random_graphs import (
    MAX_BOUND,
    RandomGraph,
    Recipe,
    Results,
    Unsuitable,
    at_most,
    channel_count,
    is_image,
    of_rank,
)
from .random_layout import LAYOUT

# --- reductions and orders ----------------------------------------------------------------------


def _reduction(graph: RandomGraph, name: str) -> Results:
    x = graph.bounded(_REDUCED[name], of_rank(1))
    rank = x.tensor.rank
    axes = sorted(graph.rng.permutation(rank)[: graph.integer(1, rank + 1)].tolist())
    count = at_most(_product(x.tensor.shape[a] for a in axes))
    signed = [a - rank if graph.chance(0.3) else a for a in axes]
    result = apply(name, x, graph.integers(*signed), keepdims=int(graph.chance(0.5)))
    return [(result, _reduced(name, graph.bound(x), count))]


def _product(sizes: Any) -> Dimension:
    total: Dimension = 1
    for size in sizes:
        total = total * size
    return total


_REDUCED = {
    "ReduceSum": MAX_BOUND,
    "ReduceMean": MAX_BOUND,
    "ReduceMax": MAX_BOUND,
    "ReduceMin": MAX_BOUND,
    "ReduceL1": MAX_BOUND,
    "ReduceL2": MAX_BOUND,
    "ReduceSumSquare": 7.0,
    "ReduceLogSumExp": 20.0,
    "ReduceProd": 1.0,
}
"""Operator -> the largest operand it is given."""


def _reduced(name: str, bound: float, count: int) -> float:
    if name in ("ReduceSum", "ReduceL1"):
        return bound * count
    if name == "ReduceSumSquare":
        return bound * bound * count
    if name == "ReduceLogSumExp":
        return bound + math.log(count)
    return bound * math.sqrt(count) if name == "ReduceL2" else bound


def _extreme_index(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, of_rank(1))
    axis = graph.static_axis(x)
    x = graph.ramp(x, axis)
    return [(apply(name, x, axis=axis, keepdims=int(graph.chance(0.5))), float(x.tensor.rank * 8))]


def _top_k(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, of_rank(1))
    axis = graph.static_axis(x)
    size = x.tensor.shape[axis]
    assert isinstance(size, int)
    x = graph.ramp(x, axis)
    count = graph.integers(graph.integer(1, size + 1))
    values, indices = apply_all(name, x, count, axis=axis, largest=int(graph.chance(0.5)))
    return [(values, graph.bound(x)), (indices, float(size))]


def _cumulative(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, of_rank(1))
    axis = graph.static_axis(x)
    options: dict[str, Any] = {"exclusive": int(graph.chance(0.3)), "reverse": int(graph.chance(0.3))}
    result = apply(name, x, constant(np.int64(axis)), **options)
    return [(result, graph.bound(x) * at_most(x.tensor.shape[axis]))]


# --- contractions, windows, norms ---------------------------------------------------------------


def _last(value: Value) -> int:
    last = value.tensor.shape[-1]
    if not isinstance(last, int):
        raise Unsuitable
    return last


def _matmul(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, of_rank(1))
    inner = _last(x)
    weight = graph.parameter((inner, graph.integer(1, 6)))
    return [(apply(name, x, weight), graph.bound(x) * inner)]


def _gemm(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, of_rank(2, 2))
    transposed = graph.chance(0.5)
    inner, width = _last(x), graph.integer(1, 6)
    weight = graph.parameter((width, inner) if transposed else (inner, width))
    bias = graph.parameter((width,)) if graph.chance(0.6) else None
    options: dict[str, Any] = {"alpha": 0.5} if graph.chance(0.3) else {}
    return [(apply(name, x, weight, bias, transB=int(transposed), **options), graph.bound(x) * inner + 1)]


def _einsum(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, of_rank(2, 2))
    inner = _last(x)
    weight = graph.parameter((graph.integer(1, 5), inner))
    return [(apply(name, x, weight, equation="ij,kj->ik"), graph.bound(x) * inner)]


def _convolution(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, lambda s: is_image(s) and min(map(at_most, s[2:])) >= 3)
    channels = channel_count(x)
    group = channels if graph.chance(0.25) else 1
    size = graph.integer(1, 4)
    width = group * graph.integer(1, 4)
    weight = graph.parameter((width, channels // group, size, size), -0.5, 0.5)
    bias = graph.parameter((width,)) if graph.chance(0.5) else None
    pad = graph.integer(0, size)
    options: dict[str, Any] = {"pads": [pad] * 4, "strides": [graph.integer(1, 3)] * 2, "group": group}
    bound = graph.bound(x) * 0.5 * channels // group * size * size + 1
    return [(apply(name, x, weight, bias, **options), bound)]


def _transposed_convolution(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, is_image)
    channels = channel_count(x)
    weight = graph.parameter((channels, 2, 2, 2), -0.5, 0.5)
    return [(apply(name, x, weight, strides=[graph.integer(1, 3)] * 2), graph.bound(x) * 2 * channels)]


def _pool(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, lambda s: is_image(s) and min(map(at_most, s[2:])) >= 2)
    options: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [graph.integer(1, 3)] * 2}
    if graph.chance(0.4):
        options["pads"] = [1, 1, 1, 1]
    if name == "AveragePool" and graph.chance(0.5):
        options["count_include_pad"] = 1
    return [(apply(name, x, **options), graph.bound(x))]


def _global_pool(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, is_image)
    return [(apply(name, x), graph.bound(x))]


def _softmax(graph: RandomGraph, name: str) -> Results:
    x = graph.bounded(20.0, of_rank(1))
    axis = graph.static_axis(x)
    size = at_most(x.tensor.shape[axis])
    bound = 1.0 if name == "Softmax" else 2 * graph.bound(x) + math.log(size) + 1
    return [(apply(name, x, axis=axis - x.tensor.rank), bound)]


def _batch_norm(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, lambda s: len(s) >= 2 and isinstance(s[1], int))
    shape = (channel_count(x),)
    scale, bias, mean = (graph.parameter(shape) for _ in range(3))
    variance = graph.parameter(shape, 0.5, 2.0)
    return [(apply(name, x, scale, bias, mean, variance), 1.5 * (graph.bound(x) + 1) + 1)]


def _layer_norm(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, lambda s: len(s) > 0 and isinstance(s[-1], int) and s[-1] > 1)
    size = _last(x)
    x = graph.ramp(x, x.tensor.rank - 1)
    scale = graph.parameter((size,), 0.5, 1.5)
    operands = [scale] if name == "RMSNormalization" else [scale, graph.parameter((size,))]
    return [(apply(name, x, *operands, axis=-1), 1.5 * math.sqrt(size) + 1)]


def _channel_norm(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, lambda s: is_image(s) and at_most(s[3]) > 1)
    channels = channel_count(x)
    x = graph.ramp(x, 3)
    scale, bias = graph.parameter((channels,), 0.5, 1.5), graph.parameter((channels,))
    grouped = {"num_groups": channels if channels % 2 else 2}
    options: dict[str, Any] = grouped if name == "GroupNormalization" else {}
    size = channels * at_most(x.tensor.shape[2]) * at_most(x.tensor.shape[3])
    return [(apply(name, x, scale, bias, **options), 1.5 * math.sqrt(size) + 1)]


# --- control flow -------------------------------------------------------------------------------


def _if(graph: RandomGraph, name: str) -> Results:
    x = graph.value()
    total = apply("ReduceSum", x, keepdims=0)
    condition = apply("Greater", total, graph.number(0.1374))
    inner = argument(0, x.type)
    then_branch = Graph((inner,), (apply("Tanh", inner),))
    else_branch = Graph((inner,), (apply("Mul", inner, graph.number(0.5)),))
    result = apply_all(name, condition, x, then_branch=then_branch, else_branch=else_branch, outputs=1)[0]
    return [(result, max(1.0, graph.bound(x)))]


def _scan(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, lambda s: len(s) >= 2 and isinstance(s[0], int) and s[0] <= 8)
    row = TensorType(FLOAT32, x.tensor.shape[1:])
    before, current = argument(0, row), argument(1, row)
    after = apply("Tanh", apply("Add", before, current))
    body = Graph((before, current), (after, apply("Mul", after, graph.number(2.0))))
    start = apply("ReduceMean", x, graph.integers(0), keepdims=0)
    results = apply_all(name, start, x, body=body, num_scan_inputs=1, outputs=2)
    return [(results[0], 1.0), (results[1], 2.0)]


def _loop(graph: RandomGraph, name: str) -> Results:
    x = graph.bounded(10.0, of_rank(1, 3))
    step, going = argument(0, TensorType(INT64, ())), argument(1, TensorType(BOOL, ()))
    carried = argument(2, x.type)
    moved = apply("Add", carried, apply("Mul", apply("Cast", step, to="float32"), graph.number(0.25)))
    body = Graph((step, going, carried), (apply("Identity", going), apply("Sin", moved)))
    count = constant(np.int64(graph.integer(1, 4)))
    result = apply_all(name, count, constant(np.bool_(True)), x, body=body, outputs=1)[0]
    return [(result, 10.0)]


RECIPES: dict[str, Recipe] = {
    **ELEMENTWISE,
    **LAYOUT,
    **dict.fromkeys(_REDUCED, _reduction),
    **dict.fromkeys(("ArgMax", "ArgMin"), _extreme_index),
    "TopK": _top_k,
    "CumSum": _cumulative,
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Einsum": _einsum,
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    **dict.fromkeys(("MaxPool", "AveragePool"), _pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), _global_pool),
    **dict.fromkeys(("Softmax", "LogSoftmax"), _softmax),
    "BatchNormalization": _batch_norm,
    **dict.fromkeys(("LayerNormalization", "RMSNormalization"), _layer_norm),
    **dict.fromkeys(("InstanceNormalization", "GroupNormalization"), _channel_norm),
    "If": _if,
    "Scan": _scan,
    "Loop": _loop,
}

CONTROL = frozenset({"If", "Scan", "Loop"})
"""Operators with bodies."""

OPERATORS: tuple[str, ...] = tuple(RECIPES)
