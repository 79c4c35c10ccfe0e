"""Kernels of operators that move, pick, place or make elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...graph.ir import Node
from ...graph.types.dtypes import BY_CODE
from .kernel import Array, Datum, Kernel


def _reshape(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, shape = inputs
    wanted = [int(s) for s in shape]
    if not node.attribute("allowzero"):
        wanted = [x.shape[i] if s == 0 else s for i, s in enumerate(wanted)]
    return [x.reshape(wanted)]


def _flatten(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, axis = inputs[0], node.attribute("axis")
    axis = axis + x.ndim if axis < 0 else axis
    rows = int(np.prod(x.shape[:axis], dtype=np.int64))
    columns = int(np.prod(x.shape[axis:], dtype=np.int64))
    return [x.reshape(rows, columns)]


def _squeeze(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    axes = tuple(int(a) for a in inputs[1].ravel()) if len(inputs) > 1 else None
    return [np.squeeze(inputs[0], axis=axes)]


def _unsqueeze(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    return [np.expand_dims(inputs[0], tuple(int(a) for a in inputs[1].ravel()))]


def _transpose(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    return [np.transpose(inputs[0], node.attribute("perm"))]


def _concat(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    return [np.concatenate(inputs, axis=node.attribute("axis"))]


def _split(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, axis = inputs[0], node.attribute("axis")
    if len(inputs) > 1:
        sizes = [int(s) for s in inputs[1]]
    else:
        count = len(node.outputs)
        chunk = -(-x.shape[axis] // count)
        sizes = [chunk] * (count - 1) + [x.shape[axis] - chunk * (count - 1)]
    return list(np.split(x, np.cumsum(sizes[:-1]), axis=axis))


def _slice(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    """As the standard clamps: a negative step starts no later than the last element."""
    x, starts, ends, axes, steps = (*inputs, None, None)[:5]
    index: list[slice] = [slice(None)] * x.ndim
    for i in range(len(starts)):
        axis = int(axes[i]) if axes is not None else i
        step = int(steps[i]) if steps is not None else 1
        size = x.shape[axis]
        low, high = (0, size) if step > 0 else (-1, size - 1)
        start, end = (int(b) + size if b < 0 else int(b) for b in (starts[i], ends[i]))
        start = min(max(start, 0), high)
        end = min(max(end, low), high)
        index[axis] = slice(start, None if end < 0 else end, step)
    return [x[tuple(index)]]


def _expand(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, shape = inputs
    return [np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(int(s) for s in shape)))]


def _tile(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    return [np.tile(inputs[0], [int(r) for r in inputs[1]])]


_PAD_MODES = {"constant": "constant", "reflect": "reflect", "edge": "edge", "wrap": "wrap"}


def _pad(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, pads, value, axes = (*inputs, None, None)[:4]
    named = [int(a) % x.ndim for a in axes] if axes is not None else range(x.ndim)
    width = [(0, 0)] * x.ndim
    crop: list[slice] = [slice(None)] * x.ndim
    for i, axis in enumerate(named):
        before, after = int(pads[i]), int(pads[i + len(named)])
        width[axis] = max(before, 0), max(after, 0)
        crop[axis] = slice(max(-before, 0), x.shape[axis] - max(-after, 0))
    mode, cropped = _PAD_MODES[node.attribute("mode")], x[tuple(crop)]
    if mode != "constant":
        return [np.pad(cropped, width, mode=mode)]  # type: ignore[call-overload]  # mode is one of NumPy's
    fill = np.zeros((), x.dtype) if value is None else np.asarray(value).reshape(())
    return [np.pad(cropped, width, constant_values=fill)]


def _gather(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, indices = inputs
    return [np.take(x, indices, axis=node.attribute("axis"))]


def _gather_elements(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, indices = inputs
    axis = node.attribute("axis")
    places = list(np.indices(indices.shape, sparse=True)) if indices.ndim else []
    places[axis] = indices
    return [x[tuple(places)]]


def _gather_nd(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, indices = inputs
    batch = node.attribute("batch_dims")
    lead = indices.shape[:batch]
    grid = np.indices(lead, sparse=True) if batch else ()
    rest = indices.ndim - 1 - batch
    places = [g.reshape(g.shape + (1,) * rest) for g in grid]
    return [x[(*places, *np.moveaxis(indices, -1, 0))]]


_ACCUMULATE = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def _place(result: Array, where: tuple[Any, ...], updates: Array, reduction: str) -> None:
    if reduction == "none":
        result[where] = updates
    else:
        _ACCUMULATE[reduction].at(result, where, updates)


def _scatter_elements(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, indices, updates = inputs
    result = np.array(x)
    places = list(np.indices(indices.shape, sparse=True))
    places[node.attribute("axis")] = indices
    _place(result, tuple(places), updates, node.attribute("reduction"))
    return [result]


def _scatter_nd(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, indices, updates = inputs
    result = np.array(x)
    _place(result, tuple(np.moveaxis(indices, -1, 0)), updates, node.attribute("reduction"))
    return [result]


def _trilu(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x = inputs[0]
    k = int(inputs[1].reshape(())) if len(inputs) > 1 else 0
    rows, columns = np.ogrid[: x.shape[-2], : x.shape[-1]]
    keep = columns - rows >= k if node.attribute("upper") else columns - rows <= k
    return [np.where(keep, x, np.zeros((), x.dtype))]


def _depth_to_space(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, b = inputs[0], node.attribute("blocksize")
    n, c, h, w = x.shape
    if node.attribute("mode") == "DCR":
        moved = x.reshape(n, b, b, c // b**2, h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        moved = x.reshape(n, c // b**2, b, b, h, w).transpose(0, 1, 4, 2, 5, 3)
    return [moved.reshape(n, c // b**2, h * b, w * b)]


# --- made tensors -----------------------------------------------------------------------------


def _shape(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    rank = np.ndim(inputs[0])
    start, end = node.attribute("start", 0), node.attribute("end", rank)
    start, end = (min(max(b + rank if b < 0 else b, 0), rank) for b in (start, end))
    return [np.array(np.shape(inputs[0])[start:end], dtype=np.int64)]


def _size(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    return [np.array(np.size(inputs[0]), dtype=np.int64)]


def _constant_of_shape(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    value = node.attribute("value")
    fill = np.zeros((), np.float32) if value is None else value.reshape(())
    return [np.full(tuple(int(s) for s in inputs[0]), fill, dtype=fill.dtype)]


def _constant(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    (name,) = node.attributes
    return [np.asarray(node.attribute(name), dtype=node.outputs[0].tensor.dtype.numpy)]


def _range(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    start, limit, delta = (np.asarray(x).reshape(()) for x in inputs)
    if start.dtype.kind in "iu":
        return [np.arange(int(start), int(limit), int(delta)).astype(start.dtype)]
    narrow = start.dtype.itemsize < 4
    first, last, step = (float(x) for x in (start, limit, delta))
    count = max(int(np.ceil((last - first) / step)), 0)
    dtype = np.dtype(np.float32) if narrow else start.dtype
    points = np.asarray(first, dtype) + np.arange(count).astype(dtype) * np.asarray(step, dtype)
    return [points.astype(start.dtype)]


def _eye_like(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    code = node.attribute("dtype")
    dtype = inputs[0].dtype if code is None else BY_CODE[code].numpy
    rows, columns = inputs[0].shape
    return [np.eye(rows, columns, k=node.attribute("k")).astype(dtype)]


def _one_hot(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    indices, depth, values = inputs
    size = int(np.asarray(depth).reshape(()))
    axis = node.attribute("axis")
    axis = axis + indices.ndim + 1 if axis < 0 else axis
    whole = np.asarray(indices).astype(np.int64)
    spread = np.expand_dims(np.where(whole < 0, whole + size, whole), axis)
    classes = np.arange(size).reshape([-1 if i == axis else 1 for i in range(indices.ndim + 1)])
    return [np.where(spread == classes, values[1], values[0])]


def _non_zero(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x = np.asarray(inputs[0])
    if x.ndim == 0:
        return [np.zeros((0, int(bool(x))), dtype=np.int64)]
    return [np.array(np.nonzero(x), dtype=np.int64)]


LAYOUT: dict[str, Kernel] = {
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "EyeLike": _eye_like,
    "Flatten": _flatten,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "NonZero": _non_zero,
    "OneHot": _one_hot,
    "Pad": _pad,
    "Range": _range,
    "Reshape": _reshape,
    "ScatterElements": _scatter_elements,
    "ScatterND": _scatter_nd,
    "Shape": _shape,
    "Size": _size,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Trilu": _trilu,
    "Unsqueeze": _unsqueeze,
}
