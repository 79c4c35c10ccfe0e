"""Kernels of elementwise operators. Integers wrap around, integer division rounds towards zero,
comparisons give bool; functions of float16 and bfloat16 are computed in float32."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from ...graph.ir import Node
from ...graph.types.dtypes import BY_CODE, DType
from .kernel import Array, Datum, Kernel, is_narrow, like, wide


def unary(function: Callable[[Array], Any]) -> Kernel:
    """`function` in float32 or wider, rounded to the operand's dtype."""

    def kernel(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
        (x,) = inputs
        return [like(function(wide(x)), x)]

    return kernel


def _binary(function: Callable[[Array, Array], Any]) -> Kernel:
    def kernel(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
        a, b = inputs
        return [like(function(a, b), a)]

    return kernel


def _comparison(function: Callable[[Array, Array], Any]) -> Kernel:
    def kernel(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
        a, b = inputs
        return [np.asarray(function(a, b), dtype=np.bool_)]

    return kernel


def _variadic(function: Callable[[Array, Array], Any]) -> Kernel:
    def kernel(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
        return [like(reduce(function, map(np.asarray, inputs)), inputs[0])]

    return kernel


def _divide(a: Array, b: Array) -> Any:
    if a.dtype.kind not in "iu":
        return np.true_divide(a, b)
    if a.dtype.kind == "u":
        return np.floor_divide(a, b)
    quotient = np.floor_divide(a, b)
    inexact = (np.remainder(a, b) != 0) & ((a < 0) != (b < 0))
    return quotient + inexact.astype(a.dtype)


def _modulo(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    a, b = inputs
    if node.attribute("fmod"):
        return [like(np.fmod(wide(a), wide(b)), a)]
    return [like(np.mod(a, b), a)]


def _power(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    base, exponent = inputs
    if base.dtype.kind in "iu" and exponent.dtype.kind in "iu" and not (exponent < 0).any():
        return [like(np.power(base, exponent.astype(base.dtype)), base)]
    if base.dtype.kind in "iu":
        return [like(np.power(base.astype(np.float64), exponent.astype(np.float64)), base)]
    return [like(np.power(wide(base), wide(exponent).astype(wide(base).dtype)), base)]


def _mean(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    total = reduce(np.add, [wide(x) for x in inputs])
    return [like(total / np.asarray(len(inputs), total.dtype), inputs[0])]


def _clip(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, low, high = (*inputs, None, None)[:3]
    result = x if low is None else np.maximum(x, low)
    return [like(result if high is None else np.minimum(result, high), x)]


def _where(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    condition, x, y = inputs
    return [like(np.where(condition, x, y), x)]


def _prelu(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, slope = inputs
    return [like(np.where(x < 0, x * slope, x), x)]


def _bit_shift(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, by = inputs
    shift = np.left_shift if node.attribute("direction") == "LEFT" else np.right_shift
    return [like(shift(x, by), x)]


def _dropout(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, ratio, training = (*inputs, None, None)[:3]
    rate = 0.5 if ratio is None else float(ratio)
    if training is None or not bool(training) or rate == 0:
        return [x, np.ones(x.shape, dtype=np.bool_)]
    seed = node.attribute("seed")
    keep = np.random.RandomState(seed).uniform(0, 1, x.shape) >= rate
    return [like(np.where(keep, wide(x) / (1 - rate), 0), x), keep]


# --- conversions ------------------------------------------------------------------------------

_NATIVE = "float16 float32 float64 bfloat16 bool int8 int16 int32 int64 uint8 uint16 uint32 uint64"


def convert(x: Array, target: DType, node: Node) -> Array | None:
    """The cast where NumPy's is the standard's; None for strings and the small formats."""
    if target.name not in _NATIVE.split() or x.dtype == object or x.dtype.kind in "USTc":
        return None
    if x.dtype.kind == "V" and not is_narrow(x):
        x = x.astype(np.float32 if target.is_float else np.int32)
    return x.astype(target.numpy)


def _float_function(name: str) -> Callable[[Array], Any]:
    scalar: Callable[[float], float] = getattr(math, name)
    vectorized = np.frompyfunc(scalar, 1, 1)

    def function(x: Array) -> Any:
        return np.asarray(vectorized(x.astype(np.float64)), dtype=np.float64)

    return function


erf = _float_function("erf")


def sigmoid(x: Array) -> Any:
    """1 / (1 + exp(-x)) without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def softplus(x: Array) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _attributed(function: Callable[..., Any], *names: str) -> Kernel:
    """A function of one operand and of float attributes, which are rounded to its dtype."""

    def kernel(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
        x = wide(inputs[0])
        parameters = [np.asarray(node.attribute(n), dtype=x.dtype) for n in names]
        return [like(function(x, *parameters), inputs[0])]

    return kernel


def _gelu(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x = wide(inputs[0])
    if node.attribute("approximate") == "tanh":
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
        return [like(0.5 * x * (1 + np.tanh(inner)), inputs[0])]
    return [like(0.5 * x * (1 + erf(x / math.sqrt(2)).astype(x.dtype)), inputs[0])]


def _is_infinite(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x = inputs[0]
    found = np.zeros(x.shape, dtype=np.bool_)
    if node.attribute("detect_positive"):
        found = found | (np.isinf(x) & (x > 0))
    if node.attribute("detect_negative"):
        found = found | (np.isinf(x) & (x < 0))
    return [np.asarray(found)]


def _swiglu(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    a, b = (wide(x) for x in inputs)
    alpha = np.asarray(node.attribute("alpha"), dtype=a.dtype)
    return [like(a * sigmoid(alpha * a) * b, inputs[0])]


def _cast(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    found = convert(inputs[0], BY_CODE[node.attribute("to")], node)
    if found is None:
        from .standard import evaluate_standard

        return evaluate_standard(node, inputs)
    return [found]


ELEMENTWISE: dict[str, Kernel] = {
    "Abs": lambda node, inputs: [like(np.abs(inputs[0]), inputs[0])],
    "Acos": unary(np.arccos),
    "Acosh": unary(np.arccosh),
    "Add": _binary(np.add),
    "And": _comparison(np.logical_and),
    "Asin": unary(np.arcsin),
    "Asinh": unary(np.arcsinh),
    "Atan": unary(np.arctan),
    "Atanh": unary(np.arctanh),
    "BitShift": _bit_shift,
    "BitwiseAnd": _binary(np.bitwise_and),
    "BitwiseNot": lambda node, inputs: [like(np.invert(inputs[0]), inputs[0])],
    "BitwiseOr": _binary(np.bitwise_or),
    "BitwiseXor": _binary(np.bitwise_xor),
    "Cast": _cast,
    "Ceil": unary(np.ceil),
    "Celu": _attributed(lambda x, a: np.maximum(x, 0) + np.minimum(0, a * np.expm1(x / a)), "alpha"),
    "Clip": _clip,
    "Cos": unary(np.cos),
    "Cosh": unary(np.cosh),
    "Div": _binary(_divide),
    "Dropout": _dropout,
    "Elu": _attributed(lambda x, a: np.where(x < 0, a * np.expm1(np.minimum(x, 0)), x), "alpha"),
    "Equal": _comparison(np.equal),
    "Erf": unary(erf),
    "Exp": unary(np.exp),
    "Floor": unary(np.floor),
    "Gelu": _gelu,
    "Greater": _comparison(np.greater),
    "GreaterOrEqual": _comparison(np.greater_equal),
    "HardSigmoid": _attributed(lambda x, a, b: np.maximum(0, np.minimum(1, a * x + b)), "alpha", "beta"),
    "HardSwish": unary(lambda x: x * np.maximum(0, np.minimum(1, x / np.asarray(6, x.dtype) + 0.5))),
    "Identity": lambda node, inputs: [inputs[0]],
    "IsInf": _is_infinite,
    "IsNaN": lambda node, inputs: [np.asarray(np.isnan(inputs[0]), dtype=np.bool_)],
    "LeakyRelu": _attributed(lambda x, a: np.where(x < 0, a * x, x), "alpha"),
    "Less": _comparison(np.less),
    "LessOrEqual": _comparison(np.less_equal),
    "Log": unary(np.log),
    "Max": _variadic(np.maximum),
    "Mean": _mean,
    "Min": _variadic(np.minimum),
    "Mish": unary(lambda x: x * np.tanh(softplus(x))),
    "Mod": _modulo,
    "Mul": _binary(np.multiply),
    "Neg": lambda node, inputs: [like(np.negative(inputs[0]), inputs[0])],
    "Not": lambda node, inputs: [np.asarray(np.logical_not(inputs[0]))],
    "Or": _comparison(np.logical_or),
    "PRelu": _prelu,
    "Pow": _power,
    "Reciprocal": unary(np.reciprocal),
    "Relu": lambda node, inputs: [like(np.maximum(inputs[0], 0), inputs[0])],
    "Round": unary(np.rint),
    "Selu": _attributed(
        lambda x, a, g: g * np.where(x <= 0, a * np.expm1(np.minimum(x, 0)), x), "alpha", "gamma"
    ),
    "Shrink": _attributed(
        lambda x, bias, edge: np.where(x < -edge, x + bias, np.where(x > edge, x - bias, 0)), "bias", "lambd"
    ),
    "Sigmoid": unary(sigmoid),
    "Sign": lambda node, inputs: [like(np.sign(inputs[0]), inputs[0])],
    "Sin": unary(np.sin),
    "Sinh": unary(np.sinh),
    "Softplus": unary(softplus),
    "Softsign": unary(lambda x: x / (1 + np.abs(x))),
    "Sqrt": unary(np.sqrt),
    "Sub": _binary(np.subtract),
    "Sum": _variadic(np.add),
    "SwiGLU": _swiglu,
    "Swish": _attributed(lambda x, a: x * sigmoid(a * x), "alpha"),
    "Tan": unary(np.tan),
    "Tanh": unary(np.tanh),
    "ThresholdedRelu": _attributed(lambda x, a: np.where(x > a, x, 0), "alpha"),
    "Where": _where,
    "Xor": _comparison(np.logical_xor),
}
