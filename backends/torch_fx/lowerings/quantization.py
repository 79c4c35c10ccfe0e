"""Quantization: to and from integer and narrow floating-point codes, and products of codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from ....graph.ir import Node
from .carriers import CARRIERS, Tensor
from .casting import cast
from .convolution import conv
from .integers import int8_convolution, int8_product
from .lowering import Keywords, Lowering, operand_dtype
from .windows import pad_amounts, window

_RANGES = {
    "uint8": (0, 255),
    "int8": (-128, 127),
    "uint16": (0, 65535),
    "int16": (-32768, 32767),
    "uint4": (0, 15),
    "int4": (-8, 7),
    "uint2": (0, 3),
    "int2": (-2, 1),
}


def spread(parameter: Tensor, x: Tensor, axis: int, block_size: int) -> Tensor:
    """A scale or zero point in a shape that broadcasts with x: one for all, one for each place
    on `axis`, or one for each block along `axis`."""
    if parameter.dim() == 0 or (parameter.numel() == 1 and parameter.dim() == 1 and not block_size):
        return parameter.reshape(())
    if not block_size:
        shape = [1] * x.dim()
        shape[axis] = parameter.shape[0]
        return parameter.reshape(shape)
    repeated = parameter.repeat_interleave(block_size, axis)
    return repeated.narrow(axis, 0, x.shape[axis])


def quantize_linear(
    x: Tensor,
    y_scale: Tensor,
    y_zero_point: Tensor | None = None,
    axis: int = 1,
    block_size: int = 0,
    saturate: int = 1,
    *,
    output_dtype: str = "uint8",
    precision: str | None = None,
) -> Tensor:
    """saturate(round(x / scale) + zero point), halves to even."""
    dtype = y_scale.dtype if precision is None else CARRIERS[precision]
    if dtype.itemsize == 1:
        dtype = torch.float32
    scale = spread(y_scale.to(dtype), x, axis, block_size)
    quotient = x.to(dtype) / scale
    if output_dtype not in _RANGES:
        return cast(quotient, to=output_dtype, saturate=saturate)  # type: ignore[no-any-return]  # generic over tensors
    low, high = _RANGES[output_dtype]
    exact = torch.float32 if dtype is torch.float32 and high < 256 else torch.float64
    code = torch.round(quotient).to(exact)  # beyond 2^24 the zero point does not matter: they saturate
    if y_zero_point is not None:
        code = code + spread(y_zero_point.to(exact), x, axis, block_size)
    return code.clamp(low, high).to(torch.int32).to(CARRIERS[output_dtype])


def _quantize_arguments(node: Node) -> Keywords:
    return {"output_dtype": node.outputs[0].tensor.dtype.name}


def dequantize_linear(
    x: Tensor,
    x_scale: Tensor,
    x_zero_point: Tensor | None = None,
    axis: int = 1,
    block_size: int = 0,
    *,
    output_dtype: str = "float32",
) -> Tensor:
    """(x - zero point) * scale."""
    result = CARRIERS[output_dtype]
    work = torch.float64 if result is torch.float64 or x.dtype is torch.int32 else torch.float32
    value = x.to(work)
    if x_zero_point is not None:
        value = value - spread(x_zero_point.to(work), x, axis, block_size)
    return (value * spread(x_scale.to(work), x, axis, block_size)).to(result)


def dynamic_quantize_linear(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """uint8 codes of x, with scale and zero point from its range (which includes 0)."""
    low, high = (v.clamp(**side) for v, side in zip(x.aminmax(), ({"max": 0}, {"min": 0}), strict=True))
    scale = (high - low) / 255
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    zero_point = torch.round(-low / scale).clamp(0, 255).to(torch.uint8)
    return quantize_linear(x, scale, zero_point, output_dtype="uint8"), scale, zero_point


# --- products of codes --------------------------------------------------------------------------


def _rows(zero_point: Tensor | None, axis: int, rank: int) -> Tensor | float:
    """A zero point as float64, one for all or one a row (axis -2) or column (axis -1)."""
    if zero_point is None:
        return 0.0
    wide = zero_point.to(torch.float64)
    if wide.dim() != 1:
        return wide
    return wide.unsqueeze(-1) if axis == -2 and wide.numel() > 1 and rank > 1 else wide


def matmul_integer(
    a: Tensor, b: Tensor, a_zero_point: Tensor | None = None, b_zero_point: Tensor | None = None
) -> Tensor:
    """(a - a_zero_point) @ (b - b_zero_point) in int32: by torch's integer kernel where it has one, else
    in float64, which holds every product exactly."""
    single = a_zero_point is None or a_zero_point.numel() == 1
    if b.dtype is torch.int8 and b.dim() == 2 and b_zero_point is None and single and a.dim() > 1:
        return int8_product(a, b, a_zero_point)
    left = a.to(torch.float64) - _rows(a_zero_point, -2, a.dim())
    right = b.to(torch.float64) - _rows(b_zero_point, -1, b.dim())
    return torch.matmul(left, right).to(torch.int64).to(torch.int32)


def _scaled(accumulator: Tensor, factor: Tensor, y_zero_point: Tensor, dtype: str) -> Tensor:
    low, high = _RANGES[dtype]
    code = torch.round(accumulator * factor) + y_zero_point.to(accumulator.dtype)
    return code.clamp(low, high).to(torch.int64).to(CARRIERS[dtype])


def qlinear_matmul(
    a: Tensor,
    a_scale: Tensor,
    a_zero_point: Tensor,
    b: Tensor,
    b_scale: Tensor,
    b_zero_point: Tensor,
    y_scale: Tensor,
    y_zero_point: Tensor,
    *,
    dtype: str,
) -> Tensor:
    """The codes of the product of two code matrices."""
    left = a.to(torch.float64) - _rows(a_zero_point, -2, a.dim())
    right = b.to(torch.float64) - _rows(b_zero_point, -1, b.dim())
    factor = _rows(a_scale, -2, a.dim()) * _rows(b_scale, -1, b.dim()) / y_scale.to(torch.float64)
    return _scaled(torch.matmul(left, right), torch.as_tensor(factor), y_zero_point, dtype)


def conv_integer(
    x: Tensor,
    w: Tensor,
    x_zero_point: Tensor | None = None,
    w_zero_point: Tensor | None = None,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Tensor:
    """The convolution of codes less their zero points, in int32; padding stands for zero."""
    accumulator = _accumulated(x, w, x_zero_point, w_zero_point, auto_pad, dilations, group, pads, strides)
    return accumulator.to(torch.int32)


def _accumulated(
    x: Tensor,
    w: Tensor,
    x_zero_point: Tensor | None,
    w_zero_point: Tensor | None,
    auto_pad: str,
    dilations: Sequence[int] | None,
    group: int,
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
) -> Tensor:
    """The sums, whole numbers: in float32 by the integer kernel where there is one, else in float64."""
    if w_zero_point is None or not bool(w_zero_point.any()):
        found = int8_convolution(x, w, x_zero_point, auto_pad, dilations, group, pads, strides)
        if found is not None:
            return found
    codes = x.to(torch.float64) - (
        0.0 if x_zero_point is None else x_zero_point.to(torch.float64).reshape(-1)[0]
    )
    kernel = w.to(torch.float64)
    if w_zero_point is not None:
        zero = w_zero_point.to(torch.float64).reshape(-1)
        kernel = kernel - zero.reshape(-1, *([1] * (w.dim() - 1)))
    place = window(x.shape[2:], w.shape[2:], strides, dilations, pads, auto_pad)
    codes = F.pad(codes, pad_amounts(place.before, place.after))
    return conv(codes, kernel, None, dilations=dilations, group=group, strides=strides)


def qlinear_conv(
    x: Tensor,
    x_scale: Tensor,
    x_zero_point: Tensor,
    w: Tensor,
    w_scale: Tensor,
    w_zero_point: Tensor,
    y_scale: Tensor,
    y_zero_point: Tensor,
    b: Tensor | None = None,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
    *,
    dtype: str,
) -> Tensor:
    """The codes of the convolution of codes; b is int32 in units of x_scale * w_scale."""
    total = _accumulated(x, w, x_zero_point, w_zero_point, auto_pad, dilations, group, pads, strides)
    channels = (-1, *([1] * (w.dim() - 2)))
    if b is not None:
        total = total + b.to(total.dtype).reshape(channels)
    # in float32 and in this order, as ONNX Runtime has it
    factor = x_scale.to(torch.float32) * w_scale.to(torch.float32) / y_scale.to(torch.float32)
    scaled = total.to(torch.float32) * (factor.reshape(channels) if factor.numel() > 1 else factor)
    low, high = _RANGES[dtype]
    return scaled.round_().add_(y_zero_point.to(torch.float32)).clamp_(low, high).to(CARRIERS[dtype])


def _code_dtype(position: int) -> Any:
    return operand_dtype("dtype", position)


QUANTIZATION: dict[str, Lowering] = {
    "QuantizeLinear": Lowering(quantize_linear, arguments=_quantize_arguments),
    "DequantizeLinear": Lowering(dequantize_linear, arguments=_quantize_arguments),
    "DynamicQuantizeLinear": Lowering(dynamic_quantize_linear),
    "MatMulInteger": Lowering(matmul_integer),
    "QLinearMatMul": Lowering(qlinear_matmul, arguments=_code_dtype(7)),
    "ConvInteger": Lowering(conv_integer),
    "QLinearConv": Lowering(qlinear_conv, arguments=_code_dtype(7)),
}
