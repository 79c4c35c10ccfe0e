"""Linear quantization of the standard."""

from __future__ import annotations

from collections.abc import Sequence

from ...types.dtypes import FLOAT32, UINT8, DType
from ...types.types import TensorType, Type
from ..operator import Call, RuleError, TypeRule
from .broadcasting import require_equal, require_same_shape
from .operands import dtype_attribute, may_be_one, normal_axis, of_known, optional_tensor, present, tensor


def check_granularity(call: Call) -> None:
    """Checks the scale's shape: a scalar, one number for each index of `axis`, or one for each
    block of `block_size`. Raises RuleError G0401, G0405, G0461, G0464."""
    found, scale = tensor(call, 0), tensor(call, 1)
    if present(call, 2) and not (may_be_one(scale) and may_be_one(tensor(call, 2))):
        require_same_shape(call, 1, 2)
    if found.axes is None or scale.axes is None or may_be_one(scale):
        return
    block = call.attribute("block_size")
    axis = normal_axis(call, call.attribute("axis"), len(found.axes))
    if not block:
        if len(scale.axes) != 1:
            raise RuleError(
                "G0405", f"{call.operator.name} without block_size takes a scale of rank 0 or 1", (1,)
            )
        require_equal(call, scale.axes[0], found.axes[axis], (1, 0))
        return
    if len(scale.axes) != len(found.axes):
        raise RuleError(
            "G0405", f"{call.operator.name} by blocks needs one rank; these are {found} and {scale}", (0, 1)
        )
    for i, (have, size) in enumerate(zip(scale.axes, found.axes, strict=True)):
        wanted = of_known(lambda n: (n + block - 1) // block, size) if i == axis else size
        require_equal(call, have, wanted, (1, 0))


def _quantize(call: Call) -> Sequence[Type]:
    check_granularity(call)
    zero_point, named = optional_tensor(call, 2), _named_dtype(call)
    if zero_point is not None and named is not None and named is not zero_point.dtype:
        raise RuleError(
            "G0403",
            f"QuantizeLinear: output_dtype is {named.name}, the zero point {zero_point.dtype.name}",
            (2,),
        )
    dtype = zero_point.dtype if zero_point is not None else named or UINT8
    return (tensor(call, 0).with_dtype(dtype),)


def _named_dtype(call: Call) -> DType | None:
    return dtype_attribute(call, "output_dtype") if call.attribute("output_dtype") else None


def _dequantize(call: Call) -> Sequence[Type]:
    check_granularity(call)
    return (tensor(call, 0).with_dtype(_named_dtype(call) or tensor(call, 1).dtype),)


def _dynamic(call: Call) -> Sequence[Type]:
    return (tensor(call, 0).with_dtype(UINT8), TensorType(FLOAT32, ()), TensorType(UINT8, ()))


TYPES: dict[str, TypeRule] = {
    "DequantizeLinear": _dequantize,
    "DynamicQuantizeLinear": _dynamic,
    "QuantizeLinear": _quantize,
}
