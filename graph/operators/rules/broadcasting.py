"""Broadcasting of symbolic shapes, and equality that must be proved."""

from __future__ import annotations

from collections.abc import Sequence

from ...types.dimensions import Dimension, lower_bound
from ...types.refinement import meet_axes
from ...types.types import Axes, Axis
from ..operator import Call, RuleError
from .operands import tensor


def unequal(
    call: Call, left: Dimension, right: Dimension, operands: Sequence[int], hint: str | None = None
) -> RuleError:
    """The error of two dimensions that must be equal and cannot be proved to be."""
    types = " and ".join(str(call.inputs[i].type) for i in operands if call.inputs[i] is not None)  # type: ignore[union-attr]  # tested in the comprehension
    static = isinstance(left, int) and isinstance(right, int)
    claim = f"{left} is not {right}" if static else f"cannot prove {left} == {right}"
    return RuleError(
        "G0401", f"{call.operator.name}: {claim} for {types}", operands, hint, unequal=(left, right)
    )


def require_equal(call: Call, left: Axis, right: Axis, operands: Sequence[int]) -> None:
    """Raises RuleError G0401 unless the dimensions are provably equal. Of an unknown size nothing
    can be proved: it is taken at the call's word and checked when run."""
    if left != right and left is not None and right is not None:
        raise unequal(call, left, right, operands)


def require_same_shape(call: Call, first: int, second: int) -> Axes | None:
    """The common shape of two operands, None where both ranks are unknown. Raises G0401, G0405."""
    a, b = tensor(call, first), tensor(call, second)
    if a.axes is None or b.axes is None:
        return b.axes if a.axes is None else a.axes
    if len(a.axes) != len(b.axes):
        raise RuleError(
            "G0405", f"{call.operator.name} needs one shape; these are {a} and {b}", (first, second)
        )
    for left, right in zip(a.axes, b.axes, strict=True):
        require_equal(call, left, right, (first, second))
    return meet_axes(a.axes, b.axes)


def broadcast(call: Call, operands: Sequence[int]) -> Axes | None:
    """The broadcast shape of operands, None where the rank of one is unknown. Raises G0401."""
    first = tensor(call, operands[0]).axes
    result = first
    for index in operands[1:]:
        other = tensor(call, index).axes
        if other is None or result is None:
            result = None
        elif other != result:
            result = _pair(call, result, other, (operands[0], index))
    return result


def _pair(call: Call, left: Axes, right: Axes, operands: tuple[int, int]) -> Axes:
    merged = merge(left, right)
    if isinstance(merged, tuple):
        return merged
    a, b = left[merged], right[merged]
    assert a is not None
    assert b is not None
    raise unequal(call, a, b, operands, _insertion_hint(left, right, operands))


def merge(left: Axes, right: Axes) -> Axes | int:
    """The broadcast shape of two, or the axis, counted from the end (negative), where it fails; both
    sizes there are known."""
    if len(left) < len(right):
        left, right = right, left
    result = list(left)
    for axis in range(-1, -len(right) - 1, -1):
        a, b = left[axis], right[axis]
        if a == 1:
            result[axis] = b
        elif a is None or b is None:
            result[axis] = _beside_unknown(b if a is None else a)
        elif b != 1 and a != b:
            return axis
    return tuple(result)


def _beside_unknown(size: Axis) -> Axis:
    """What results of this size and an unknown one: this, if it can't be 1; of 1, or what may be 1,
    nobody knows."""
    return size if size == 0 or (size is not None and lower_bound(size) > 1) else None


def _insertion_hint(left: Axes, right: Axes, operands: tuple[int, int]) -> str | None:
    """How new axes would make the operand of lower rank fit, where they would."""
    if len(left) == len(right):
        return None
    longer, shorter = (left, right) if len(left) > len(right) else (right, left)
    index = operands[1] if shorter is right else operands[0]
    for trailing in range(1, len(longer) - len(shorter) + 1):
        if isinstance(merge(longer, (*shorter, *(1,) * trailing)), tuple):
            text = ", ".join([":"] * len(shorter) + ["None"] * trailing)
            return f"insert an axis into operand {index + 1}: x[{text}]"
    return None


def broadcasts_to(call: Call, index: int, target: Axes | None, operands: Sequence[int]) -> None:
    """Raises RuleError G0401 unless the operand broadcasts to exactly `target`."""
    dims = tensor(call, index).axes
    if dims is None or target is None:
        return
    if len(dims) > len(target):
        raise RuleError(
            "G0405",
            f"{call.operator.name}: {tensor(call, index)} has more axes than {shown(target)}",
            operands,
        )
    for a, b in zip(reversed(dims), reversed(target), strict=False):
        if a != 1:
            require_equal(call, a, b, operands)


def shown(axes: Axes) -> str:
    """The sizes as a type prints them: `[n, _, 4]`."""
    return f"[{', '.join('_' if a is None else str(a) for a in axes)}]"
