"""Linear quantization of the standard."""

from __future__ import annotations

from collections.abc import Sequence

from ...types.dimensions import Dimension
from ...types.dtypes import FLOAT32, UINT8, DType
from ...types.types import TensorType, Type
from ..operator import Call, RuleError, TypeRule
from .broadcasting import require_equal, require_same_shape
from .operands import dtype_attribute, normal_axis, optional_tensor, present, tensor


def check_granularity(call: Call) -> None:
    """Checks the scale's shape: a scalar, one number for each index of `axis`, or one for each
    block of `block_size`. Raises RuleError G0401, G0405, G0408, G0411."""
    found, scale = tensor(call, 0), tensor(call, 1)
    if present(call, 2) and not (_is_single(call, 1) and _is_single(call, 2)):
        require_same_shape(call, 1, 2)
    if found.dims is None or scale.dims is None or len(scale.dims) == 0 or scale.dims == (1,):
        return
    block = call.attribute("block_size")
    axis = normal_axis(call, call.attribute("axis"), len(found.dims))
    if not block:
        if len(scale.dims) != 1:
            raise RuleError(
                "G0405", f"{call.operator.name} without block_size takes a scale of rank 0 or 1", (1,)
            )
        require_equal(call, scale.dims[0], found.dims[axis], (1, 0))
        return
    if len(scale.dims) != len(found.dims):
        raise RuleError(
            "G0405", f"{call.operator.name} by blocks needs one rank; these are {found} and {scale}", (0, 1)
        )
    for i, (have, size) in enumerate(zip(scale.dims, found.dims, strict=True)):
        wanted: Dimension = (size + block - 1) // block if i == axis else size
        require_equal(call, have, wanted, (1, 0))


def _is_single(call: Call, index: int) -> bool:
    return tensor(call, index).dims in ((), (1,))


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
    return (TensorType(dtype, tensor(call, 0).dims),)


def _named_dtype(call: Call) -> DType | None:
    return dtype_attribute(call, "output_dtype") if call.attribute("output_dtype") else None


def _dequantize(call: Call) -> Sequence[Type]:
    check_granularity(call)
    return (TensorType(_named_dtype(call) or tensor(call, 1).dtype, tensor(call, 0).dims),)


def _dynamic(call: Call) -> Sequence[Type]:
    return (TensorType(UINT8, tensor(call, 0).dims), TensorType(FLOAT32, ()), TensorType(UINT8, ()))


TYPES: dict[str, TypeRule] = {
    "DequantizeLinear": _dequantize,
    "DynamicQuantizeLinear": _dynamic,
    "QuantizeLinear": _quantize,
}
