"""Recipes of operators that move elements, for `random_graphs`: shapes, slices, gathers, scatters."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from ...graph.ir import Value, apply, apply_all, constant
from ...graph.ir.node import SMALL
from ...graph.types import FLOAT32, INT64
from ...graph.types.dimensions import Dimension
from .random_graphs import (
    RandomGraph,
    Recipe,
    Results,
    Unsuitable,
    at_most,
    is_image,
    is_static,
    of_rank,
)

# --- layout -------------------------------------------------------------------------------------


def _transpose(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, of_rank(2))
    order = graph.rng.permutation(x.tensor.rank).tolist()
    return [(apply(name, x, perm=order), graph.bound(x))]


def _reshape(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, of_rank(2))
    rank = x.tensor.rank
    kind = graph.integer(0, 3)
    if kind == 0:
        shape: Value = graph.integers(*[0] * (rank - 2), -1)
    elif kind == 1:
        last = x.tensor.shape[-1]
        if not isinstance(last, int) or last % 2:
            raise Unsuitable
        shape = graph.integers(*[0] * (rank - 1), 2, -1)
    else:
        first = apply("Gather", apply("Shape", x), graph.integers(0))
        shape = apply("Concat", first, graph.integers(-1), axis=0)
    return [(apply(name, x, shape), graph.bound(x))]


def _flatten(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, of_rank(1))
    return [(apply(name, x, axis=graph.integer(0, x.tensor.rank + 1)), graph.bound(x))]


def _squeeze(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, lambda shape: 1 in shape)
    return [(apply(name, x, graph.integers(x.tensor.shape.index(1))), graph.bound(x))]


def _unsqueeze(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, of_rank(0, 3))
    return [(apply(name, x, graph.integers(graph.integer(0, x.tensor.rank + 1))), graph.bound(x))]


def _concat(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, of_rank(1))
    axis = graph.static_axis(x)
    y = graph.value(FLOAT32, lambda s: len(s) == x.tensor.rank and _agree_but(s, x.tensor.shape, axis))
    return [(apply(name, x, y, axis=axis), max(graph.bound(x), graph.bound(y)))]


def _agree_but(left: Sequence[Dimension], right: Sequence[Dimension], axis: int) -> bool:
    return all(a == b or i == axis for i, (a, b) in enumerate(zip(left, right, strict=True)))


def _split(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, of_rank(1))
    axis = graph.static_axis(x, 2)
    results = apply_all(name, x, axis=axis, num_outputs=2, outputs=2)
    return [(v, graph.bound(x)) for v in results]


def _slice(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, of_rank(1))
    axis = graph.static_axis(x, 2)
    size = at_most(x.tensor.shape[axis])
    start = graph.integer(0, size - 1)
    stop = graph.integer(start + 1, size + 1)
    step = graph.integer(1, 3)
    bounds = (
        (stop - 1, start - 1 - (size if start == 0 else 0), -step)
        if graph.chance(0.3)
        else (start, stop, step)
    )
    first, last, stride = bounds
    operands = [graph.integers(first), graph.integers(last), graph.integers(axis), graph.integers(stride)]
    return [(apply(name, x, *operands), graph.bound(x))]


def _pad(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, of_rank(1))
    axis = graph.static_axis(x, 3)
    pads = [0] * (2 * x.tensor.rank)
    pads[axis], pads[axis + x.tensor.rank] = graph.integer(0, 3), graph.integer(0, 3)
    mode = ("constant", "edge", "reflect")[graph.integer(0, 3)]
    fill = graph.number(0.5) if mode == "constant" and graph.chance(0.5) else None
    return [(apply(name, x, graph.integers(*pads), fill, mode=mode), max(0.5, graph.bound(x)))]


def _tile(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, of_rank(1))
    repeats = [graph.integer(1, 3) if isinstance(d, int) else 1 for d in x.tensor.shape]
    return [(apply(name, x, graph.integers(*repeats)), graph.bound(x))]


def _expand(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, of_rank(0, 3))
    shape = graph.integers(graph.integer(1, 4), *[1] * x.tensor.rank)
    return [(apply(name, x, shape), graph.bound(x))]


def _gather(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, of_rank(1))
    axis = graph.static_axis(x)
    size = at_most(x.tensor.shape[axis])
    indices = graph.rng.integers(-size, size, [2] * graph.integer(0, 3))
    return [(apply(name, x, constant(indices.astype(np.int64)), axis=axis), graph.bound(x))]


def _gather_input(graph: RandomGraph, name: str) -> Results:
    """A lookup by the `index` input, whose values are below 6."""
    x = graph.value(FLOAT32, lambda shape: len(shape) > 0 and isinstance(shape[0], int) and shape[0] >= 6)
    index = next(v for v in graph.values if v.role == "Input" and v.tensor.dtype is INT64)
    return [(apply(name, x, index), graph.bound(x))]


def _gather_either(graph: RandomGraph, name: str) -> Results:
    return _gather(graph, name) if graph.chance(0.7) else _gather_input(graph, name)


def _static_shape(value: Value) -> tuple[int, ...]:
    return tuple(at_most(d) for d in value.tensor.shape)


def _gather_elements(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, lambda s: is_static(s) and prod(map(at_most, s)) <= 64)
    shape = _static_shape(x)
    axis = graph.integer(0, len(shape))
    indices = graph.rng.integers(0, shape[axis], shape).astype(np.int64)
    return [(apply(name, x, constant(indices), axis=axis), graph.bound(x))]


def _scatter_elements(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, lambda s: is_static(s) and prod(map(at_most, s)) <= 64)
    shape = _static_shape(x)
    axis = graph.integer(0, len(shape))
    indices = np.broadcast_to(
        graph.rng.permutation(shape[axis]).reshape([-1 if i == axis else 1 for i in range(len(shape))]), shape
    )
    updates = graph.parameter(shape)
    return [
        (apply(name, x, constant(indices.astype(np.int64)), updates, axis=axis), max(1.0, graph.bound(x)))
    ]


def _scatter_nd(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, is_static)
    shape = _static_shape(x)
    count = graph.integer(1, min(shape[0], SMALL) + 1)
    rows = graph.rng.permutation(shape[0])[:count].reshape(-1, 1).astype(np.int64)
    updates = graph.parameter((count, *shape[1:]))
    return [(apply(name, x, constant(rows), updates), max(1.0, graph.bound(x)))]


def _gather_nd(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, lambda s: len(s) > 0 and isinstance(s[0], int))
    size = at_most(x.tensor.shape[0])
    rows = graph.rng.integers(0, size, (3, 1)).astype(np.int64)
    return [(apply(name, x, constant(rows)), graph.bound(x))]


def _one_hot(graph: RandomGraph, name: str) -> Results:
    x = graph.value(INT64, of_rank(0, 3))
    depth = constant(np.int64(graph.integer(3, 7)))
    indices = apply("Mod", x, depth)
    values = constant(np.array([0.25, 1.5], np.float32))
    return [(apply(name, indices, depth, values, axis=-1), 1.5)]


def _shape_fill(graph: RandomGraph, name: str) -> Results:
    x = graph.value()
    return [(apply(name, apply("Shape", x), value=np.array([0.75], np.float32)), 0.75)]


def _triangle(graph: RandomGraph, name: str) -> Results:
    x = graph.value(FLOAT32, of_rank(2))
    offset = constant(np.int64(graph.integer(-1, 2))) if graph.chance(0.5) else None
    return [(apply(name, x, offset, upper=int(graph.chance(0.5))), graph.bound(x))]


def _depth_space(graph: RandomGraph, name: str) -> Results:
    deep = name == "DepthToSpace"

    def suits(shape: tuple[Dimension, ...]) -> bool:
        divided, by = (shape[1:2], 4) if deep else (shape[2:], 2)
        return is_image(shape) and all(at_most(d) % by == 0 for d in divided)

    x = graph.value(FLOAT32, suits)
    mode = {"mode": "CRD"} if deep and graph.chance(0.5) else {}
    return [(apply(name, x, blocksize=2, **mode), graph.bound(x))]


LAYOUT: dict[str, Recipe] = {
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Pad": _pad,
    "Tile": _tile,
    "Expand": _expand,
    "Gather": _gather_either,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "ScatterElements": _scatter_elements,
    "ScatterND": _scatter_nd,
    "OneHot": _one_hot,
    "ConstantOfShape": _shape_fill,
    "Trilu": _triangle,
    **dict.fromkeys(("DepthToSpace", "SpaceToDepth"), _depth_space),
}
