"""Orders and running totals: TopK, Unique, NonMaxSuppression, CumSum, CumProd."""

from __future__ import annotations

from collections.abc import Sequence

from ...types.dtypes import INT64
from ...types.types import TensorType, Type
from ..operator import Call, Known, KnownRule, RuleError, TypeRule
from .broadcasting import require_equal
from .contents import from_array, in_range, operand_array, small_integer
from .operands import content, integers, normal_axis, require_rank, tensor, whole_content


def _top_k(call: Call) -> Sequence[Type]:
    found = require_rank(call, 0, 1)
    _one_element(call, 1)
    count = whole_content(call, 1)
    axis = normal_axis(call, call.attribute("axis"), len(found.dims)) if found.dims is not None else 0
    if found.dims is None or count is None:
        return (TensorType(found.dtype, None), TensorType(INT64, None))
    size = found.dims[axis]
    if isinstance(size, int) and isinstance(count[0], int) and not 0 <= count[0] <= size:
        raise RuleError(
            "G0466", f"TopK takes {count[0]} of {size} elements of axis {axis} of {found}", (1, 0)
        )
    dims = (*found.dims[:axis], count[0], *found.dims[axis + 1 :])
    return (TensorType(found.dtype, dims), TensorType(INT64, dims))


def _one_element(call: Call, index: int) -> None:
    found = tensor(call, index)
    if found.dims not in (None, (), (1,)):
        raise RuleError("G0405", f"{call.operator.name} needs one number here; this is {found}", (index,))


def _unique(call: Call) -> Sequence[Type]:
    """All sizes depend on the data, except of an empty or one-element tensor."""
    found, axis = tensor(call, 0), call.attribute("axis")
    if axis is not None and found.dims is not None:
        normal_axis(call, axis, len(found.dims))
    unknown = TensorType(INT64, None)
    inverse = unknown
    if found.dims is not None:
        inverse = TensorType(INT64, (found.size if axis is None else found.dims[axis],))
    return (TensorType(found.dtype, None), unknown, inverse, unknown)


def _cumulative(call: Call) -> Sequence[Type]:
    found, axis = tensor(call, 0), integers(call, 1)
    _one_element(call, 1)
    if found.dims is not None and axis is not None:
        normal_axis(call, axis[0], len(found.dims))
    return (found,)


def _non_max_suppression(call: Call) -> Sequence[Type]:
    boxes, scores = require_rank(call, 0, 3, 3), require_rank(call, 1, 3, 3)
    if boxes.dims is not None and scores.dims is not None:
        require_equal(call, boxes.dims[0], scores.dims[0], (0, 1))
        require_equal(call, boxes.dims[1], scores.dims[2], (0, 1))
        require_equal(call, boxes.dims[2], 4, (0,))
    for index in (2, 3, 4):
        if index < len(call.inputs) and call.inputs[index] is not None:
            _one_element(call, index)
    return (TensorType(INT64, None),)


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
