"""What rules read of a call: tensor types, contents, axes; and the errors they raise most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...types.dimensions import Dimension, exact_divide, product
from ...types.dtypes import BY_CODE, DType
from ...types.types import Axes, Axis, TensorType
from ..operator import Call, Known, RuleError

Dims = tuple[Dimension, ...]

MOST_AXES = 64
"""No tensor has more: a longer list of sizes is an error of another kind, and is not spelt out."""


def tensor(call: Call, index: int) -> TensorType:
    """The type of the tensor at `index`. Raises RuleError G0462 where it is absent or no tensor."""
    operand = call.inputs[index] if index < len(call.inputs) else None
    found = operand.type if operand is not None else None
    if isinstance(found, TensorType):
        return found
    raise RuleError("G0462", f"operand {index + 1} of {call.operator.name} must be a tensor", (index,))


def optional_tensor(call: Call, index: int) -> TensorType | None:
    """The type of the tensor at `index`, None where the operand is absent."""
    return tensor(call, index) if present(call, index) else None


def present(call: Call, index: int) -> bool:
    return index < len(call.inputs) and call.inputs[index] is not None


def content(call: Call, index: int) -> Known | None:
    """The known content of the operand at `index`; None where absent or unknown."""
    operand = call.inputs[index] if index < len(call.inputs) else None
    return operand.known if operand is not None else None


def whole_content(call: Call, index: int) -> tuple[Dimension, ...] | None:
    """The content where every element is known."""
    known = content(call, index)
    if known is None or None in known:
        return None
    return tuple(k for k in known if k is not None)


def asked_sizes(call: Call, index: int) -> Axes | None:
    """The content of an operand that lists sizes (or whatever else there is one of for each axis):
    None for an element that is not known; None where not even their number is."""
    known = content(call, index)
    if known is not None:
        return known
    count = length(call, index)
    return None if count is None else (None,) * count


def length(call: Call, index: int) -> int | None:
    """How many elements the vector at `index` has; None where that is not known as a number."""
    axes = tensor(call, index).axes
    found = axes[0] if axes is not None and len(axes) == 1 else None
    return found if isinstance(found, int) and found <= MOST_AXES else None


def of_known(function: Callable[..., Dimension], *sizes: Axis) -> Axis:
    """`function` of the sizes; None where one is unknown."""
    return None if None in sizes else function(*sizes)


def times(sizes: Sequence[Axis]) -> Axis:
    """The product; 0 whatever the others are where one is 0, else None where one is unknown."""
    if None in sizes:
        return 0 if 0 in sizes else None
    return product(s for s in sizes if s is not None)


def integers(call: Call, index: int) -> tuple[int, ...] | None:
    """The content where every element is a number."""
    known = content(call, index)
    if known is None or not all(isinstance(k, int) for k in known):
        return None
    return tuple(k for k in known if isinstance(k, int))


def floats(call: Call, index: int) -> tuple[float, ...] | None:
    """The content of a small floating-point constant."""
    operand = call.inputs[index] if index < len(call.inputs) else None
    array = operand.constant if operand is not None else None
    return None if array is None else tuple(float(x) for x in array.ravel())


def normal_axis(call: Call, axis: int, rank: int, operand: int = 0) -> int:
    """`axis` counted from the front. Raises RuleError G0461 where it is outside the rank."""
    if -rank <= axis < rank:
        return axis + rank if axis < 0 else axis
    raise axis_error(call, axis, rank, operand)


def axis_error(call: Call, axis: int, rank: int, operand: int = 0) -> RuleError:
    found = call.inputs[operand] if operand < len(call.inputs) else None
    shown = f": the operand is {found.type}" if found is not None else ""
    allowed = f"{-rank}..{rank - 1}" if rank else "nothing (a scalar has no axis)"
    return RuleError(
        "G0461", f"{call.operator.name} has axis {axis}, allowed is {allowed}{shown}", (operand,)
    )


def normal_axes(call: Call, axes: Sequence[int], rank: int, operand: int = 0) -> tuple[int, ...]:
    """Distinct axes counted from the front. Raises RuleError G0461."""
    found = tuple(normal_axis(call, a, rank, operand) for a in axes)
    if len(set(found)) != len(found):
        raise RuleError("G0461", f"{call.operator.name} names an axis twice: {list(axes)}", (operand,))
    return found


def may_be_one(found: TensorType) -> bool:
    """Whether it may hold one number, as a scalar or as a vector."""
    axes = found.axes
    return not axes or (len(axes) == 1 and axes[0] in (1, None))


def require_rank(call: Call, index: int, low: int, high: int | None = None) -> TensorType:
    """The tensor at `index`, whose rank, where known, is in low..high. Raises RuleError G0405."""
    found = tensor(call, index)
    if found.axes is not None and not low <= len(found.axes) <= (high if high is not None else MOST_AXES):
        wanted = (
            f"rank {low}"
            if low == high
            else f"rank {low} or more"
            if high is None
            else f"rank {low} to {high}"
        )
        raise RuleError("G0405", f"{call.operator.name} needs {wanted} here; this is {found}", (index,))
    return found


def refuse(call: Call, message: str, operands: Sequence[int] = (), hint: str | None = None) -> RuleError:
    """The error of operands that the operator can't take together, or with its attributes."""
    return RuleError("G0464", f"{call.operator.name}: {message}", operands, hint)


def quotient(call: Call, size: Axis, by: Axis, what: str, operands: Sequence[int]) -> Axis:
    """`size / by`, which must be whole. A symbolic size that may or may not divide is taken at
    the call's word and checked when run. Raises RuleError G0464 for numbers that don't."""
    if size is None or by is None:
        return None
    exact = exact_divide(size, by) if by != 0 else None
    if exact is not None:
        return exact
    if by == 0 or (isinstance(size, int) and isinstance(by, int)):
        shown = " and ".join(str(tensor(call, i)) for i in operands)
        raise refuse(call, f"{what}: {by} does not divide {size} of {shown}", operands)
    return size // by


def choice(call: Call, name: str, allowed: Sequence[str]) -> str:
    """A string attribute that must be one of `allowed`. Raises RuleError G0561."""
    found: str = call.attribute(name)
    if found not in allowed:
        raise RuleError(
            "G0561", f"{call.operator.name} has {name}='{found}', allowed are {', '.join(map(repr, allowed))}"
        )
    return found


def dtype_attribute(call: Call, name: str) -> DType | None:
    """The dtype that an int attribute names, None where it is absent. Raises RuleError G0561."""
    code: Any = call.attribute(name)
    if code is None:
        return None
    if code not in BY_CODE:
        raise RuleError("G0561", f"{call.operator.name}: {name}={code} is no dtype")
    return BY_CODE[code]
