"""Broadcasting of symbolic shapes, and equality that must be proved."""

from __future__ import annotations

from collections.abc import Sequence

from ...types.dimensions import Dimension
from ...types.types import TensorType
from ..operator import Call, RuleError
from .operands import Dims, tensor


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


def require_equal(call: Call, left: Dimension, right: Dimension, operands: Sequence[int]) -> None:
    """Raises RuleError G0401 unless the dimensions are provably equal."""
    if left != right:
        raise unequal(call, left, right, operands)


def require_same_shape(call: Call, first: int, second: int) -> Dims | None:
    """The common shape of two operands, None where both ranks are unknown. Raises G0401, G0405."""
    a, b = tensor(call, first), tensor(call, second)
    if a.dims is None or b.dims is None:
        return a.dims or b.dims
    if len(a.dims) != len(b.dims):
        raise RuleError(
            "G0405", f"{call.operator.name} needs one shape; these are {a} and {b}", (first, second)
        )
    for left, right in zip(a.dims, b.dims, strict=True):
        require_equal(call, left, right, (first, second))
    return a.dims


def broadcast(call: Call, operands: Sequence[int]) -> Dims | None:
    """The broadcast shape of operands, None where the rank of one is unknown. Raises G0401."""
    first = tensor(call, operands[0]).dims
    result = first
    for index in operands[1:]:
        other = tensor(call, index).dims
        if other is None or result is None:
            result = None
        elif other != result:
            result = _pair(call, result, other, (operands[0], index))
    return result


def _pair(call: Call, left: Dims, right: Dims, operands: tuple[int, int]) -> Dims:
    merged = merge(left, right)
    if isinstance(merged, tuple):
        return merged
    at = merged
    pair = left[at], right[at]
    raise unequal(call, *pair, operands, _insertion_hint(left, right, operands))


def merge(left: Dims, right: Dims) -> Dims | int:
    """The broadcast shape of two, or the axis, counted from the end (negative), where it fails."""
    if len(left) < len(right):
        left, right = right, left
    result = list(left)
    for axis in range(-1, -len(right) - 1, -1):
        a, b = left[axis], right[axis]
        if a == 1:
            result[axis] = b
        elif b != 1 and a != b:
            return axis
    return tuple(result)


def _insertion_hint(left: Dims, right: Dims, operands: tuple[int, int]) -> str | None:
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


def broadcasts_to(call: Call, index: int, target: Dims | None, operands: Sequence[int]) -> None:
    """Raises RuleError G0401 unless the operand broadcasts to exactly `target`."""
    dims = tensor(call, index).dims
    if dims is None or target is None:
        return
    if len(dims) > len(target):
        raise RuleError(
            "G0405",
            f"{call.operator.name}: {tensor(call, index)} has more axes than [{', '.join(map(str, target))}]",
            operands,
        )
    for a, b in zip(reversed(dims), reversed(target), strict=False):
        if a not in (1, b):
            raise unequal(call, a, b, operands)


def broadcast_types(types: Sequence[TensorType]) -> Dims | None:
    """The broadcast shape of types; None where one's rank is unknown or they don't broadcast."""
    result: Dims = ()
    for found in types:
        merged = merge(result, found.dims) if found.dims is not None else None
        if not isinstance(merged, tuple):
            return None
        result = merged
    return result
