"""Operators that pick or place elements by index: Slice, Gather, Scatter, Compress, NonZero.

An axis whose size depends on data (of NonZero, Compress, a Slice between computed bounds) is unknown;
the others keep their sizes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...types.dimensions import Dimension, lower_bound, maximum, minimum
from ...types.dtypes import INT64
from ...types.types import Axis, TensorType, Type
from ..operator import Call, Known, KnownRule, RuleError, TypeRule
from .broadcasting import require_equal, require_same_shape
from .contents import Objects, from_array, moved, operand_array, small_integer
from .operands import (
    asked_sizes,
    choice,
    integers,
    normal_axes,
    normal_axis,
    present,
    refuse,
    require_rank,
    tensor,
)

FAR = 2**31 - 1
"""Slice bounds this far out mean "to the end": exporters write INT_MAX or INT64_MAX."""


# --- Slice ------------------------------------------------------------------------------------


def _slice(call: Call) -> Sequence[Type]:
    found = tensor(call, 0)
    if found.axes is None:
        return (found,)
    bounds = slice_bounds(call)
    if bounds is None:
        return (TensorType.of(found.dtype, tuple(0 if a == 0 else None for a in found.axes)),)
    sizes = list(found.axes)
    for axis, start, end, step in bounds:
        sizes[axis] = slice_length(sizes[axis], start, end, step)
    return (TensorType.of(found.dtype, tuple(sizes)),)


def slice_bounds(call: Call) -> list[tuple[int, Axis, Axis, Axis]] | None:
    """(axis, start, end, step) for each axis sliced, with None for a number that is unknown; None where
    the axes are. Raises G0461, G0464."""
    listed = [asked_sizes(call, i) if i < 3 or present(call, i) else None for i in (1, 2, 3, 4)]
    counts = {len(found) for found in listed if found is not None}
    if len(counts) > 1:
        raise refuse(call, "starts, ends, axes and steps differ in length", (1, 2))
    if not counts or tensor(call, 0).axes is None:
        return None
    (count,) = counts
    axes = integers(call, 3) if present(call, 3) else tuple(range(count))
    if axes is None:
        return None
    unknown = (None,) * count
    starts, ends, steps = (found or unknown for found in (listed[0], listed[1], listed[3]))
    if not present(call, 4):
        steps = (1,) * count
    if 0 in steps:
        raise refuse(call, "a step is 0", (4,))
    return list(zip(normal_axes(call, axes, tensor(call, 0).rank), starts, ends, steps, strict=True))


def slice_length(size: Axis, start: Axis, end: Axis, step: Axis) -> Axis:
    """How many elements `start:end:step` takes of an axis; None where a bound or its sign is unknown."""
    if size == 0:
        return 0
    if size is None or start is None or end is None or not isinstance(step, int):
        return None
    if step < 0:
        return _backward_length(size, start, end, -step)
    span = _forward_span(size, start, end)
    if span is None or step == 1:
        return span
    return (span + step - 1) // step


def _forward_span(size: Dimension, start: Dimension, end: Dimension) -> Dimension | None:
    """The distance from `start` to `end` after clamping. Bounds are clamped only where it
    matters, so that `x[1:]` has `n - 1` elements and `x[-k:]` has `min(k, n)`."""
    to_end = (isinstance(end, int) and end >= FAR) or end == size
    if lower_bound(-start) > 0:
        if isinstance(start, int) and start <= -FAR:
            start = 0
        elif to_end:
            return minimum(size, -start)
        else:
            start = maximum(size + start, 0)
    elif lower_bound(start) < 0:
        return None
    if to_end:
        return maximum(size - start, 0)
    if lower_bound(end) >= 0:
        return maximum(minimum(end, size) - start, 0)
    return maximum(size + end - start, 0) if lower_bound(-end) > 0 else None


def _backward_length(size: Dimension, start: Dimension, end: Dimension, step: int) -> Dimension | None:
    first = _backward_bound(size, start, 0)
    last = _backward_bound(size, end, -1)
    if first is None or last is None:
        return None
    return (maximum(first - last, 0) + step - 1) // step


def _backward_bound(size: Dimension, bound: Dimension, low: int) -> Dimension | None:
    if lower_bound(bound) >= 0:
        return size - 1 if isinstance(bound, int) and bound >= FAR else minimum(bound, size - 1)
    if lower_bound(-bound) <= 0:
        return None
    return low if isinstance(bound, int) and bound <= -FAR else maximum(size + bound, low)


def _slice_content(call: Call, array: Objects, result: TensorType) -> Objects | None:
    bounds = slice_bounds(call)
    if bounds is None:
        return None
    for axis, start, end, step in bounds:
        if not isinstance(start, int) or not isinstance(end, int) or not isinstance(step, int):
            return None
        array = array.take(positions(array.shape[axis], start, end, step), axis=axis)
    return array


def positions(size: int, start: int, end: int, step: int) -> range:
    """The positions that a slice takes. The standard clamps a start to the axis, where NumPy
    lets a negative step start before it."""
    low, high = (0, size) if step > 0 else (-1, size - 1)
    first, last = (b + size if b < 0 else b for b in (start, end))
    return range(min(max(first, 0), high), min(max(last, low), high), step)


# --- Gather, Scatter --------------------------------------------------------------------------


def _gather(call: Call) -> Sequence[Type]:
    data, indices = tensor(call, 0), tensor(call, 1)
    if data.axes is None:
        return (data,)
    axis = normal_axis(call, call.attribute("axis"), len(data.axes))
    _check_range(call, data.axes[axis])
    if indices.axes is None:
        return (TensorType(data.dtype, None),)
    return (TensorType.of(data.dtype, (*data.axes[:axis], *indices.axes, *data.axes[axis + 1 :])),)


def _check_range(call: Call, size: Axis) -> None:
    """Raises RuleError G0466 for a known index that is outside the axis."""
    operand = call.inputs[1]
    if operand is None or operand.known is None or size is None:
        return
    for index in operand.known:
        if index is not None and (lower_bound(index - size) >= 0 or lower_bound(-index - size) > 0):
            raise RuleError(
                "G0466", f"{call.operator.name}: index {index} is outside an axis of {size}", (1, 0)
            )


def _gather_elements(call: Call) -> Sequence[Type]:
    data, indices = tensor(call, 0), tensor(call, 1)
    if data.axes is not None:
        normal_axis(call, call.attribute("axis"), len(data.axes))
        if indices.axes is not None and len(indices.axes) != len(data.axes):
            raise RuleError(
                "G0405", f"{call.operator.name} needs one rank; these are {data} and {indices}", (0, 1)
            )
    if indices.axes is None and data.axes is not None:
        return (TensorType.of(data.dtype, (None,) * len(data.axes)),)
    return (indices.with_dtype(data.dtype),)


def _gather_nd(call: Call) -> Sequence[Type]:
    data, indices = tensor(call, 0), require_rank(call, 1, 1)
    batch = call.attribute("batch_dims")
    if data.axes is None or indices.axes is None:
        return (TensorType(data.dtype, None),)
    if not 0 <= batch < min(len(data.axes), len(indices.axes)):
        raise refuse(call, f"batch_dims={batch} needs more axes than {data} and {indices} have", (0, 1))
    for axis in range(batch):
        require_equal(call, data.axes[axis], indices.axes[axis], (0, 1))
    depth = indices.axes[-1]
    if not isinstance(depth, int):
        return (TensorType(data.dtype, None),)  # how many axes stay is not known
    if batch + depth > len(data.axes):
        raise refuse(call, f"the last axis of {indices} has {depth} indices, too many for {data}", (0, 1))
    return (TensorType.of(data.dtype, (*indices.axes[:-1], *data.axes[batch + depth :])),)


_REDUCTIONS = ("none", "add", "mul", "max", "min")


def _scatter_elements(call: Call) -> Sequence[Type]:
    choice(call, "reduction", _REDUCTIONS)
    data, indices = tensor(call, 0), require_same_shape(call, 1, 2)
    if data.axes is not None:
        normal_axis(call, call.attribute("axis"), len(data.axes))
        if indices is not None and len(indices) != len(data.axes):
            raise RuleError(
                "G0405", f"ScatterElements needs one rank; these are {data} and {tensor(call, 1)}", (0, 1)
            )
    return (data,)


def _scatter_nd(call: Call) -> Sequence[Type]:
    choice(call, "reduction", _REDUCTIONS)
    data, indices, updates = tensor(call, 0), require_rank(call, 1, 1), tensor(call, 2)
    if data.axes is None or indices.axes is None or updates.axes is None:
        return (data,)
    depth = indices.axes[-1]
    if not isinstance(depth, int):
        return (data,)
    if depth > len(data.axes):
        raise refuse(call, f"the last axis of {indices} has {depth} indices, too many for {data}", (0, 1))
    wanted = (*indices.axes[:-1], *data.axes[depth:])
    if len(wanted) != len(updates.axes):
        raise RuleError("G0405", f"ScatterND needs updates of rank {len(wanted)}, not {updates}", (2, 1, 0))
    for left, right in zip(wanted, updates.axes, strict=True):
        require_equal(call, left, right, (1, 2))
    return (data,)


def _tensor_scatter(call: Call) -> Sequence[Type]:
    choice(call, "mode", ("linear", "circular"))
    cache, update = tensor(call, 0), tensor(call, 1)
    if cache.axes is None or update.axes is None:
        return (cache,)
    axis = normal_axis(call, call.attribute("axis"), len(cache.axes))
    if axis == 0 or len(update.axes) != len(cache.axes):
        raise refuse(call, f"cannot write {update} into {cache} along axis {axis}", (0, 1))
    for other in range(len(cache.axes)):
        if other != axis:
            require_equal(call, cache.axes[other], update.axes[other], (0, 1))
    return (cache,)


# --- sizes that depend on data ----------------------------------------------------------------


def _compress(call: Call) -> Sequence[Type]:
    data, axis = tensor(call, 0), call.attribute("axis")
    if axis is not None and data.axes is not None:
        axis = normal_axis(call, axis, len(data.axes))
    taken = integers(call, 1)
    count = sum(map(bool, taken)) if taken is not None else None
    if axis is None:
        return (TensorType.of(data.dtype, (count,)),)
    if data.axes is None:
        return (data,)
    return (TensorType.of(data.dtype, (*data.axes[:axis], count, *data.axes[axis + 1 :])),)


def _non_zero(call: Call) -> Sequence[Type]:
    found, known = tensor(call, 0), integers(call, 0)
    rank = len(found.axes) if found.axes is not None else None
    if known is not None:
        return (TensorType.of(INT64, (rank, sum(1 for k in known if k))),)
    none = found.axes is not None and 0 in found.axes
    return (TensorType.of(INT64, (rank, 0 if none else None)),)


# --- contents ---------------------------------------------------------------------------------


def _known_gather(call: Call, types: Sequence[Type]) -> Sequence[Known | None]:
    array, indices = operand_array(call, 0), integers(call, 1)
    if array is None or indices is None or not small_integer(types[0]):
        return (None,)
    operand = operand_array(call, 1)
    assert operand is not None
    return (from_array(np.take(array, operand.astype(np.int64), axis=call.attribute("axis"))),)


def _known_gather_elements(call: Call, types: Sequence[Type]) -> Sequence[Known | None]:
    array, indices = operand_array(call, 0), integers(call, 1)
    if array is None or indices is None or not small_integer(types[0]):
        return (None,)
    operand, axis = operand_array(call, 1), call.attribute("axis") % array.ndim
    assert operand is not None
    places = operand.astype(np.int64) % array.shape[axis]
    return (from_array(np.take_along_axis(array, places, axis)),)


TYPES: dict[str, TypeRule] = {
    "Compress": _compress,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "NonZero": _non_zero,
    "ScatterElements": _scatter_elements,
    "ScatterND": _scatter_nd,
    "Slice": _slice,
    "TensorScatter": _tensor_scatter,
}

KNOWN: dict[str, KnownRule] = {
    "Gather": _known_gather,
    "GatherElements": _known_gather_elements,
    "Slice": moved(_slice_content),
}

TRAITS: dict[str, frozenset[str]] = {
    name: frozenset({"layout"}) for name in ("Gather", "GatherElements", "GatherND", "Slice", "Compress")
}
