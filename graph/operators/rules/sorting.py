"""Orders and running totals: TopK, Unique, NonMaxSuppression, CumSum, CumProd."""

from __future__ import annotations

from collections.abc import Sequence

from ...types.dtypes import INT64
from ...types.types import TensorType, Type
from ..operator import Call, Known, KnownRule, RuleError, TypeRule
from .broadcasting import require_equal
from .contents import from_array, in_range, operand_array, small_integer
from .operands import content, integers, may_be_one, normal_axis, require_rank, tensor, times


def _top_k(call: Call) -> Sequence[Type]:
    found = require_rank(call, 0, 1)
    _one_element(call, 1)
    if found.axes is None:
        return (found, TensorType(INT64, None))
    axis, known = normal_axis(call, call.attribute("axis"), len(found.axes)), content(call, 1)
    size, count = found.axes[axis], known[0] if known is not None else None
    if isinstance(size, int) and isinstance(count, int) and not 0 <= count <= size:
        raise RuleError("G0466", f"TopK takes {count} of {size} elements of axis {axis} of {found}", (1, 0))
    axes = (*found.axes[:axis], 0 if size == 0 else count, *found.axes[axis + 1 :])
    return (TensorType.of(found.dtype, axes), TensorType.of(INT64, axes))


def _one_element(call: Call, index: int) -> None:
    found = tensor(call, index)
    if not may_be_one(found):
        raise RuleError("G0405", f"{call.operator.name} needs one number here; this is {found}", (index,))


def _unique(call: Call) -> Sequence[Type]:
    """How many different ones there are depends on the data, but of none there is none, of one one."""
    found, axis = tensor(call, 0), call.attribute("axis")
    if found.axes is None:
        vector = TensorType.of(INT64, (None,))
        return (TensorType.of(found.dtype, None if axis is not None else (None,)), *(vector,) * 3)
    if axis is not None:
        axis = normal_axis(call, axis, len(found.axes))
    every = times(found.axes) if axis is None else found.axes[axis]
    count = every if every in (0, 1) else None
    axes = (count,) if axis is None else (*found.axes[:axis], count, *found.axes[axis + 1 :])
    each = TensorType.of(INT64, (count,))
    return (TensorType.of(found.dtype, axes), each, TensorType.of(INT64, (every,)), each)


def _cumulative(call: Call) -> Sequence[Type]:
    found, axis = tensor(call, 0), integers(call, 1)
    _one_element(call, 1)
    if found.axes is not None and axis is not None:
        normal_axis(call, axis[0], len(found.axes))
    return (found,)


def _non_max_suppression(call: Call) -> Sequence[Type]:
    boxes, scores = require_rank(call, 0, 3, 3), require_rank(call, 1, 3, 3)
    if boxes.axes is not None and scores.axes is not None:
        require_equal(call, boxes.axes[0], scores.axes[0], (0, 1))
        require_equal(call, boxes.axes[1], scores.axes[2], (0, 1))
        require_equal(call, boxes.axes[2], 4, (0,))
    for index in (2, 3, 4):
        if index < len(call.inputs) and call.inputs[index] is not None:
            _one_element(call, index)
    return (TensorType.of(INT64, (None, 3)),)


def _known_cumulative(call: Call, types: Sequence[Type]) -> Sequence[Known | None]:
    result = types[0]
    if content(call, 0) is None or not small_integer(result) or not isinstance(result, TensorType):
        return (None,)
    array, axis = operand_array(call, 0), integers(call, 1)
    if array is None or axis is None or array.ndim != 1 or None in array.tolist():
        return (None,)
    elements = array.tolist()
    product = call.operator.name == "CumProd"
    total, totals = (1 if product else 0), []
    for e in reversed(elements) if call.attribute("reverse") else elements:
        before = total
        total = total * e if product else total + e
        totals.append(in_range(before if call.attribute("exclusive") else total, result.dtype))
    array[:] = totals[::-1] if call.attribute("reverse") else totals
    return (from_array(array),)


TYPES: dict[str, TypeRule] = {
    "CumProd": _cumulative,
    "CumSum": _cumulative,
    "NonMaxSuppression": _non_max_suppression,
    "TopK": _top_k,
    "Unique": _unique,
}

KNOWN: dict[str, KnownRule] = {"CumProd": _known_cumulative, "CumSum": _known_cumulative}
