"""Sequences and optionals."""

from __future__ import annotations

from collections.abc import Sequence

from ...types.dtypes import BOOL, FLOAT32, INT64
from ...types.refinement import join
from ...types.types import OptionalType, SequenceType, TensorType, Type
from ..operator import Call, RuleError, TypeRule
from .operands import dtype_attribute, integers, normal_axis, present, require_rank, tensor


def _sequence(call: Call, index: int = 0) -> SequenceType:
    operand = call.inputs[index] if index < len(call.inputs) else None
    found = operand.type if operand is not None else None
    if isinstance(found, SequenceType):
        return found
    raise RuleError(
        "G0462", f"operand {index + 1} of {call.operator.name} is a sequence, not {found}", (index,)
    )


def _joined(call: Call, types: Sequence[Type], operands: Sequence[int]) -> Type:
    total = types[0]
    for found in types[1:]:
        merged = join(total, found)
        if merged is None:
            raise RuleError(
                "G0403", f"{call.operator.name} needs elements of one type: {total} and {found}", operands
            )
        total = merged
    return total


def _construct(call: Call) -> Sequence[Type]:
    types = [tensor(call, i) for i in range(len(call.inputs))]
    return (SequenceType(_joined(call, types, range(len(types)))),)


def _empty(call: Call) -> Sequence[Type]:
    return (SequenceType(TensorType(dtype_attribute(call, "dtype") or FLOAT32, None)),)


def _insert(call: Call) -> Sequence[Type]:
    return (SequenceType(_joined(call, (_sequence(call).element, tensor(call, 1)), (0, 1))),)


def _erase(call: Call) -> Sequence[Type]:
    return (_sequence(call),)


def _at(call: Call) -> Sequence[Type]:
    return (_sequence(call).element,)


def _length(call: Call) -> Sequence[Type]:
    _sequence(call)
    return (TensorType(INT64, ()),)


def _split(call: Call) -> Sequence[Type]:
    found = require_rank(call, 0, 1)
    if found.axes is None:
        return (SequenceType(found),)
    axis, sizes = normal_axis(call, call.attribute("axis"), len(found.axes)), integers(call, 1)
    before, after = found.axes[:axis], found.axes[axis + 1 :]
    if not present(call, 1):
        kept = (1,) if call.attribute("keepdims") else ()
        return (SequenceType(TensorType.of(found.dtype, (*before, *kept, *after))),)
    size = found.axes[axis]
    scalar = tensor(call, 1).axes == ()
    even = sizes is not None and (
        isinstance(size, int) and sizes[0] > 0 and size % sizes[0] == 0 if scalar else len(set(sizes)) == 1
    )
    each = sizes[0] if sizes is not None and even else None
    return (SequenceType(TensorType.of(found.dtype, (*before, each, *after))),)


def _concat(call: Call) -> Sequence[Type]:
    """How many tensors the sequence holds is not in its type, so one size of the result is unknown."""
    element, stacked = _sequence(call).element, bool(call.attribute("new_axis"))
    if not isinstance(element, TensorType):
        raise RuleError("G0462", f"ConcatFromSequence needs a sequence of tensors, not of {element}", (0,))
    if element.axes is None:
        return (element,)
    axis = normal_axis(call, call.attribute("axis"), len(element.axes) + stacked)
    rest = element.axes[axis:] if stacked else element.axes[axis + 1 :]
    return (TensorType.of(element.dtype, (*element.axes[:axis], None, *rest)),)


def _optional(call: Call) -> Sequence[Type]:
    if present(call, 0):
        operand = call.inputs[0]
        assert operand is not None
        return (OptionalType(operand.type),)
    declared: Type | None = call.attribute("type")
    if declared is None:
        raise RuleError("G0560", "Optional without an operand needs the attribute 'type'")
    return (OptionalType(declared),)


def _get_element(call: Call) -> Sequence[Type]:
    operand = call.inputs[0]
    assert operand is not None
    return (operand.type.element if isinstance(operand.type, OptionalType) else operand.type,)


def _has_element(call: Call) -> Sequence[Type]:
    return (TensorType(BOOL, ()),)


TYPES: dict[str, TypeRule] = {
    "ConcatFromSequence": _concat,
    "Optional": _optional,
    "OptionalGetElement": _get_element,
    "OptionalHasElement": _has_element,
    "SequenceAt": _at,
    "SequenceConstruct": _construct,
    "SequenceEmpty": _empty,
    "SequenceErase": _erase,
    "SequenceInsert": _insert,
    "SequenceLength": _length,
    "SplitToSequence": _split,
}
