"""Reductions over axes, ArgMax and ArgMin."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ...types.dimensions import Dimension, maximum, minimum
from ...types.dtypes import INT64
from ...types.types import Axes, TensorType, Type
from ..operator import Call, Known, KnownRule, TypeRule
from .contents import Objects, from_array, in_range, operand_array, small_integer
from .operands import content, integers, length, normal_axes, normal_axis, present, tensor

_NAMES = (
    "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum "
    "ReduceSumSquare"
)


def reduced_axes(call: Call, rank: int) -> tuple[int, ...] | None:
    """The axes that a Reduce operator takes away: all where none is named, none with
    noop_with_empty_axes; None where they are not known. Raises RuleError G0461."""
    given = integers(call, 1) if present(call, 1) else ()
    if given is None:
        return None
    if not given:
        return () if call.attribute("noop_with_empty_axes") else tuple(range(rank))
    return normal_axes(call, given, rank)


def _without(sizes: Axes, axes: Sequence[int], keep: bool) -> Axes:
    if keep:
        return tuple(1 if i in axes else d for i, d in enumerate(sizes))
    return tuple(d for i, d in enumerate(sizes) if i not in axes)


def _reduce(call: Call) -> Sequence[Type]:
    found, keep = tensor(call, 0), bool(call.attribute("keepdims"))
    if found.axes is None:
        return (found,)
    axes = reduced_axes(call, len(found.axes))
    if axes is None:
        return (TensorType.of(found.dtype, _without_some(call, found.axes, keep)),)
    return (TensorType.of(found.dtype, _without(found.axes, axes, keep)),)


def _without_some(call: Call, sizes: Axes, keep: bool) -> Axes | None:
    """The shape where only the number of reduced axes is known, or not even that."""
    if keep:
        return tuple(1 if d == 1 else None for d in sizes)
    count = length(call, 1)
    return (None,) * (len(sizes) - count) if count else None


def _arg(call: Call) -> Sequence[Type]:
    found = tensor(call, 0)
    if found.axes is None:
        return (TensorType(INT64, None),)
    axis = normal_axis(call, call.attribute("axis"), len(found.axes))
    return (TensorType.of(INT64, _without(found.axes, (axis,), bool(call.attribute("keepdims")))),)


def _fold(start: Dimension | None, step: Callable[[Dimension, Dimension], Dimension]) -> KnownRule:
    """The content of a reduction that folds elements with `step` from `start` (None: the first)."""

    def column(elements: Sequence[Dimension | None]) -> Dimension | None:
        total = start
        for e in elements:
            if e is None:
                return None
            total = e if total is None else step(total, e)
        return total

    def known(call: Call, types: Sequence[Type]) -> Sequence[Known | None]:
        if content(call, 0) is None or not small_integer(types[0]):
            return (None,)
        array, result = operand_array(call, 0), types[0]
        axes = reduced_axes(call, array.ndim) if array is not None else None
        if array is None or axes is None or not isinstance(result, TensorType):
            return (None,)
        found = [in_range(column(c), result.dtype) for c in _columns(array, axes)]
        return (from_array(_objects(found)),)

    return known


def _objects(elements: Sequence[Dimension | None]) -> Objects:
    array = np.empty(len(elements), dtype=object)
    array[:] = elements
    return array


def _columns(array: Objects, axes: Sequence[int]) -> list[list[Dimension | None]]:
    """The elements that each result is made of, in the results' row-major order."""
    kept = [i for i in range(array.ndim) if i not in axes]
    rows = int(np.prod([array.shape[i] for i in kept], dtype=np.int64))
    moved = array.transpose([*kept, *axes])
    columns: list[list[Dimension | None]] = moved.reshape(rows, array.size // rows if rows else 0).tolist()
    return columns


TYPES: dict[str, TypeRule] = {**dict.fromkeys(_NAMES.split(), _reduce), "ArgMax": _arg, "ArgMin": _arg}

KNOWN: dict[str, KnownRule] = {
    "ReduceMax": _fold(None, maximum),
    "ReduceMin": _fold(None, minimum),
    "ReduceProd": _fold(1, lambda a, b: a * b),
    "ReduceSum": _fold(0, lambda a, b: a + b),
}

TRAITS: dict[str, frozenset[str]] = {
    name: frozenset({"reduction"}) for name in (*_NAMES.split(), "ArgMax", "ArgMin")
}
