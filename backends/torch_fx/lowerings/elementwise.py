"""Elementwise operators: arithmetic, comparison, logic, bits, activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from ....graph.operators.attributes import round_float
from .carriers import UNSIGNED, Strings, Tensor, in_int64, moved, moved_together, ordered, restored
from .lowering import Lowering

# --- arithmetic ---------------------------------------------------------------------------------


def add(a: Tensor, b: Tensor) -> Tensor:
    return in_int64(torch.add, a, b)


def sub(a: Tensor, b: Tensor) -> Tensor:
    return in_int64(torch.sub, a, b)


def mul(a: Tensor, b: Tensor) -> Tensor:
    return in_int64(torch.mul, a, b)


def div(a: Tensor, b: Tensor) -> Tensor:
    """The quotient; of integers, truncated towards zero."""
    if a.is_floating_point() or a.is_complex():
        return torch.div(a, b)
    if a.dtype is torch.uint64:
        return _unsigned_divide(a, b)
    return in_int64(lambda x, y: torch.div(x, y, rounding_mode="trunc"), a, b)


def _unsigned_divide(a: Tensor, b: Tensor) -> Tensor:
    """uint64 division on int64: half the dividend, double the quotient, correct the rest."""
    zero = torch.zeros_like(a, dtype=torch.int64) * torch.zeros_like(b, dtype=torch.int64)
    x, y = a.view(torch.int64) + zero, b.view(torch.int64) + zero
    small = y > 0
    divisor = torch.where(small, y, 1)
    half = torch.bitwise_and(x >> 1, 2**63 - 1)
    quotient = torch.div(half, divisor, rounding_mode="trunc") * 2
    rest = (x - quotient * divisor).view(torch.uint64)
    quotient = quotient + (ordered(rest) >= ordered(divisor.view(torch.uint64)))
    large = (ordered(x.view(torch.uint64)) >= ordered(y.view(torch.uint64))).to(torch.int64)
    return torch.where(small, quotient, large).view(torch.uint64)


def mod(a: Tensor, b: Tensor, fmod: int = 0) -> Tensor:
    """The rest; its sign follows the divisor, with `fmod` the dividend."""
    if a.dtype is torch.uint64:
        return sub(a, mul(div(a, b), b))
    return in_int64(torch.fmod if fmod else torch.remainder, a, b)


def pow_(x: Tensor, y: Tensor) -> Tensor:
    """x to the power y, in the dtype of x."""
    if x.is_floating_point():
        return torch.pow(x, y.to(x.dtype) if y.dtype in UNSIGNED or y.is_floating_point() else y).to(x.dtype)
    if y.is_floating_point():
        return torch.pow(x.to(torch.float64), y).to(x.dtype)
    base, exponent = x.to(torch.int64), y.to(torch.int64)
    power = torch.pow(base, exponent.clamp(min=0))
    unit = torch.where(base.abs() == 1, torch.pow(base, exponent.abs()), 0)
    return torch.where(exponent < 0, unit, power).to(x.dtype)


def neg(x: Tensor) -> Tensor:
    return torch.neg(x)


def abs_(x: Tensor) -> Tensor:
    return x if x.dtype in UNSIGNED else torch.abs(x)


def sign(x: Tensor) -> Tensor:
    return in_int64(torch.sign, x) if x.dtype is not torch.uint64 else (x != 0).to(torch.uint64)


def reciprocal(x: Tensor) -> Tensor:
    return torch.reciprocal(x)


def sqrt(x: Tensor) -> Tensor:
    return torch.sqrt(x)


def exp(x: Tensor) -> Tensor:
    return torch.exp(x)


def log(x: Tensor) -> Tensor:
    return torch.log(x)


def floor(x: Tensor) -> Tensor:
    return torch.floor(x)


def ceil(x: Tensor) -> Tensor:
    return torch.ceil(x)


def round_(x: Tensor) -> Tensor:
    """To the nearest integer, halves to even."""
    return torch.round(x)


def erf(x: Tensor) -> Tensor:
    return torch.erf(x)


def _fold(function: Callable[[Tensor, Tensor], Tensor], operands: tuple[Tensor, ...]) -> Tensor:
    total = operands[0]
    for operand in operands[1:]:
        total = function(total, operand)
    return total


def sum_(*operands: Tensor) -> Tensor:
    return _fold(torch.add, operands)


def mean(*operands: Tensor) -> Tensor:
    return _fold(torch.add, operands) / len(operands)


def max_(*operands: Tensor) -> Tensor:
    dtype = operands[0].dtype
    return restored(_fold(torch.maximum, tuple(map(ordered, operands))), dtype)


def min_(*operands: Tensor) -> Tensor:
    dtype = operands[0].dtype
    return restored(_fold(torch.minimum, tuple(map(ordered, operands))), dtype)


def clip(x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    """min(max(x, low), high), with an absent bound left out."""
    if x.dtype in UNSIGNED:
        raised = x if low is None else max_(x, low)
        return raised if high is None else min_(raised, high)
    if low is None and high is None:
        return x
    return torch.clamp(x, low, high)


# --- trigonometry -------------------------------------------------------------------------------


def sin(x: Tensor) -> Tensor:
    return torch.sin(x)


def cos(x: Tensor) -> Tensor:
    return torch.cos(x)


def tan(x: Tensor) -> Tensor:
    return torch.tan(x)


def asin(x: Tensor) -> Tensor:
    return torch.asin(x)


def acos(x: Tensor) -> Tensor:
    return torch.acos(x)


def atan(x: Tensor) -> Tensor:
    return torch.atan(x)


def sinh(x: Tensor) -> Tensor:
    return torch.sinh(x)


def cosh(x: Tensor) -> Tensor:
    return torch.cosh(x)


def tanh(x: Tensor) -> Tensor:
    return torch.tanh(x)


def asinh(x: Tensor) -> Tensor:
    return torch.asinh(x)


def acosh(x: Tensor) -> Tensor:
    return torch.acosh(x)


def atanh(x: Tensor) -> Tensor:
    return torch.atanh(x)


# --- comparison, logic, bits --------------------------------------------------------------------


def equal(a: Any, b: Any) -> Tensor:
    if isinstance(a, Strings):
        return _equal_strings(a, b)
    return torch.eq(a, b)


def _equal_strings(a: Strings, b: Strings) -> Tensor:
    names = {s: i for i, s in enumerate(dict.fromkeys((*a.items, *b.items)))}
    left, right = (
        torch.tensor([names[s] for s in x.items], dtype=torch.int64).reshape(x.shape) for x in (a, b)
    )
    return torch.eq(left, right)


def less(a: Tensor, b: Tensor) -> Tensor:
    return torch.lt(ordered(a), ordered(b))


def less_or_equal(a: Tensor, b: Tensor) -> Tensor:
    return torch.le(ordered(a), ordered(b))


def greater(a: Tensor, b: Tensor) -> Tensor:
    return torch.gt(ordered(a), ordered(b))


def greater_or_equal(a: Tensor, b: Tensor) -> Tensor:
    return torch.ge(ordered(a), ordered(b))


def and_(a: Tensor, b: Tensor) -> Tensor:
    return torch.logical_and(a, b)


def or_(a: Tensor, b: Tensor) -> Tensor:
    return torch.logical_or(a, b)


def xor(a: Tensor, b: Tensor) -> Tensor:
    return torch.logical_xor(a, b)


def not_(x: Tensor) -> Tensor:
    return torch.logical_not(x)


def bitwise_and(a: Tensor, b: Tensor) -> Tensor:
    return torch.bitwise_and(a, b)


def bitwise_or(a: Tensor, b: Tensor) -> Tensor:
    return torch.bitwise_or(a, b)


def bitwise_xor(a: Tensor, b: Tensor) -> Tensor:
    return torch.bitwise_xor(a, b)


def bitwise_not(x: Tensor) -> Tensor:
    return moved(torch.bitwise_not, x)  # type: ignore[no-any-return]  # a tensor for a tensor


_WIDTHS = {
    torch.uint8: 8,
    torch.int8: 8,
    torch.uint16: 16,
    torch.int16: 16,
    torch.uint32: 32,
    torch.int32: 32,
}


def bit_shift(x: Tensor, y: Tensor, *, direction: str) -> Tensor:
    """x shifted by y bits, zeros moving in (the sign for a signed x going right); a shift by
    the width or more leaves nothing."""
    width = _WIDTHS.get(x.dtype, 64)
    count = y.to(torch.int64)
    over = count >= width
    base = x.view(torch.int64) if x.dtype is torch.uint64 else x.to(torch.int64)
    if direction == "LEFT":
        shifted = torch.where(over, 0, base << count.clamp(max=width - 1))
    elif x.dtype is torch.uint64:
        rest = count.clamp(max=63)
        mask = torch.where(rest > 0, (1 << (64 - rest).clamp(max=63)) - 1, -1)
        shifted = torch.where(over, 0, (base >> rest) & mask)
    else:
        shifted = base >> count.clamp(max=63)
    return shifted.view(torch.uint64) if x.dtype is torch.uint64 else shifted.to(x.dtype)


def is_nan(x: Tensor) -> Tensor:
    return torch.isnan(_comparable_float(x))


def is_inf(x: Tensor, detect_negative: int = 1, detect_positive: int = 1) -> Tensor:
    value = _comparable_float(x)
    found = torch.zeros_like(value, dtype=torch.bool)
    if detect_negative:
        found = found | torch.isneginf(value)
    if detect_positive:
        found = found | torch.isposinf(value)
    return found


def _comparable_float(x: Tensor) -> Tensor:
    return x.to(torch.float32) if x.dtype.itemsize == 1 else x


def where(condition: Tensor, x: Any, y: Any) -> Any:
    return moved_together(lambda a, b: torch.where(condition, a, b), x, y)


# --- activations --------------------------------------------------------------------------------


def relu(x: Tensor) -> Tensor:
    return torch.relu(x)


def leaky_relu(x: Tensor, alpha: float = round_float(0.01)) -> Tensor:
    return F.leaky_relu(x, alpha)


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    return in_int64(lambda a, s: torch.where(a < 0, a * s, a), x, slope)


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    return F.elu(x, alpha)


def celu(x: Tensor, alpha: float = 1.0) -> Tensor:
    return F.celu(x, alpha)


def selu(
    x: Tensor, alpha: float = round_float(1.6732631921768188), gamma: float = round_float(1.0507010221481323)
) -> Tensor:
    return gamma * F.elu(x, alpha)


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    return F.gelu(x, approximate=approximate)


def sigmoid(x: Tensor) -> Tensor:
    return torch.sigmoid(x)


def hard_sigmoid(x: Tensor, alpha: float = round_float(0.2), beta: float = 0.5) -> Tensor:
    return torch.clamp(alpha * x + beta, 0.0, 1.0)


def hard_swish(x: Tensor) -> Tensor:
    return F.hardswish(x)


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)). torch's default threshold of 20 would cost 2e-9; 60 costs nothing."""
    return F.softplus(x, threshold=60.0)


def softsign(x: Tensor) -> Tensor:
    return F.softsign(x)


def swish(x: Tensor, alpha: float = 1.0) -> Tensor:
    return x * torch.sigmoid(alpha * x)


def swiglu(a: Tensor, b: Tensor, alpha: float = 1.0) -> Tensor:
    return swish(a, alpha) * b


def mish(x: Tensor) -> Tensor:
    return F.mish(x)


def thresholded_relu(x: Tensor, alpha: float = 1.0) -> Tensor:
    return F.threshold(x, alpha, 0.0)


def shrink(x: Tensor, bias: float = 0.0, lambd: float = 0.5) -> Tensor:
    """x + bias below -lambd, x - bias above lambd, else 0."""
    wide = x if x.is_floating_point() else x.to(torch.float64)
    zero = torch.zeros_like(wide)
    return torch.where(wide < -lambd, wide + bias, torch.where(wide > lambd, wide - bias, zero)).to(x.dtype)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Add": add,
    "Sub": sub,
    "Mul": mul,
    "Div": div,
    "Mod": mod,
    "Pow": pow_,
    "Neg": neg,
    "Abs": abs_,
    "Sign": sign,
    "Reciprocal": reciprocal,
    "Sqrt": sqrt,
    "Exp": exp,
    "Log": log,
    "Floor": floor,
    "Ceil": ceil,
    "Round": round_,
    "Erf": erf,
    "Sum": sum_,
    "Mean": mean,
    "Max": max_,
    "Min": min_,
    "Clip": clip,
    "Sin": sin,
    "Cos": cos,
    "Tan": tan,
    "Asin": asin,
    "Acos": acos,
    "Atan": atan,
    "Sinh": sinh,
    "Cosh": cosh,
    "Tanh": tanh,
    "Asinh": asinh,
    "Acosh": acosh,
    "Atanh": atanh,
    "Equal": equal,
    "Less": less,
    "LessOrEqual": less_or_equal,
    "Greater": greater,
    "GreaterOrEqual": greater_or_equal,
    "And": and_,
    "Or": or_,
    "Xor": xor,
    "Not": not_,
    "BitwiseAnd": bitwise_and,
    "BitwiseOr": bitwise_or,
    "BitwiseXor": bitwise_xor,
    "BitwiseNot": bitwise_not,
    "BitShift": bit_shift,
    "IsNaN": is_nan,
    "IsInf": is_inf,
    "Where": where,
    "Relu": relu,
    "LeakyRelu": leaky_relu,
    "PRelu": prelu,
    "Elu": elu,
    "Celu": celu,
    "Selu": selu,
    "Gelu": gelu,
    "Sigmoid": sigmoid,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": hard_swish,
    "Softplus": softplus,
    "Softsign": softsign,
    "Swish": swish,
    "SwiGLU": swiglu,
    "Mish": mish,
    "ThresholdedRelu": thresholded_relu,
    "Shrink": shrink,
}

ELEMENTWISE: dict[str, Lowering] = {name: Lowering(function) for name, function in _FUNCTIONS.items()}
