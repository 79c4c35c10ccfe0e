"""Elementwise operators: one result of the broadcast shape."""

from __future__ import annotations

from collections.abc import Sequence

from ...types.dimensions import Dimension, lower_bound, maximum, minimum
from ...types.dtypes import BOOL
from ...types.types import TensorType, Type
from ..operator import Call, KnownRule, RuleError, TypeRule
from .broadcasting import broadcast, broadcasts_to, require_same_shape
from .contents import elementwise, strict
from .operands import choice, dtype_attribute, require_rank, tensor


def same_as_first(call: Call) -> Sequence[Type]:
    """The type of the first operand."""
    first = call.inputs[0]
    assert first is not None  # the signature was checked
    return (first.type,)


def _boolean(call: Call) -> Sequence[Type]:
    return (tensor(call, 0).with_dtype(BOOL),)


def _binary(call: Call) -> Sequence[Type]:
    left, right = call.inputs[0], call.inputs[1]
    assert left is not None
    assert right is not None
    if left.type == right.type:
        return (left.type,)
    first = tensor(call, 0)
    dims = broadcast(call, (0, 1))
    return (first if dims == first.axes else TensorType.of(first.dtype, dims),)


def _comparison(call: Call) -> Sequence[Type]:
    left, right = call.inputs[0], call.inputs[1]
    assert left is not None
    assert right is not None
    if left.type == right.type and isinstance(left.type, TensorType):
        return (left.type.with_dtype(BOOL),)
    return (TensorType.of(BOOL, broadcast(call, (0, 1))),)


def _variadic(call: Call) -> Sequence[Type]:
    return (TensorType.of(tensor(call, 0).dtype, broadcast(call, range(len(call.inputs)))),)


def _where(call: Call) -> Sequence[Type]:
    return (TensorType.of(tensor(call, 1).dtype, broadcast(call, (0, 1, 2))),)


def _clip(call: Call) -> Sequence[Type]:
    for index in (1, 2):
        if index < len(call.inputs) and call.inputs[index] is not None:
            require_rank(call, index, 0, 0)
    return (tensor(call, 0),)


def _prelu(call: Call) -> Sequence[Type]:
    broadcasts_to(call, 1, tensor(call, 0).axes, (1, 0))
    return (tensor(call, 0),)


def _cast(call: Call) -> Sequence[Type]:
    target = dtype_attribute(call, "to")
    assert target is not None
    return (tensor(call, 0).with_dtype(target),)


def _cast_like(call: Call) -> Sequence[Type]:
    return (tensor(call, 0).with_dtype(tensor(call, 1).dtype),)


def _bit_cast(call: Call) -> Sequence[Type]:
    source, target = tensor(call, 0), dtype_attribute(call, "to")
    assert target is not None
    if target.bits != source.dtype.bits:
        raise RuleError(
            "G0460",
            f"BitCast needs as many bits: {source.dtype.name} has {source.dtype.bits}, "
            f"{target.name} has {target.bits}",
            (0,),
        )
    return (source.with_dtype(target),)


def _dropout(call: Call) -> Sequence[Type]:
    for index in (1, 2):
        if index < len(call.inputs) and call.inputs[index] is not None:
            require_rank(call, index, 0, 0)
    first = tensor(call, 0)
    return (first, first.with_dtype(BOOL))


def _swiglu(call: Call) -> Sequence[Type]:
    return (TensorType.of(tensor(call, 0).dtype, require_same_shape(call, 0, 1)),)


def _bit_shift(call: Call) -> Sequence[Type]:
    choice(call, "direction", ("LEFT", "RIGHT"))
    return _binary(call)


def _gelu(call: Call) -> Sequence[Type]:
    choice(call, "approximate", ("none", "tanh"))
    return same_as_first(call)


# --- contents ---------------------------------------------------------------------------------


def _quotient(a: Dimension, b: Dimension) -> Dimension | None:
    """ONNX's integer division, which rounds towards zero."""
    if b == 0:
        return None
    if isinstance(a, int) and isinstance(b, int):
        return a // b if (a >= 0) == (b > 0) else -(-a // b)
    return a // b if lower_bound(a) >= 0 and lower_bound(b) > 0 else None


def _remainder(call: Call, a: Dimension | None, b: Dimension | None) -> Dimension | None:
    if a is None or b is None or b == 0:
        return None
    if not isinstance(a, int) or not isinstance(b, int):
        return a % b if lower_bound(a) >= 0 and lower_bound(b) > 0 else None
    if call.attribute("fmod"):
        return abs(a) % abs(b) * (1 if a >= 0 else -1)
    return a % b


def _power(a: Dimension, b: Dimension) -> Dimension | None:
    if not isinstance(b, int) or not 0 <= b <= 62:
        return None
    result: Dimension = 1
    for _ in range(b):
        result = result * a
    return result


def _absolute(a: Dimension) -> Dimension | None:
    return a if lower_bound(a) >= 0 else -a if lower_bound(-a) >= 0 else None


def _sign(a: Dimension) -> Dimension | None:
    if isinstance(a, int):
        return (a > 0) - (a < 0)
    return 1 if lower_bound(a) > 0 else -1 if lower_bound(-a) > 0 else None


def equal(a: Dimension, b: Dimension) -> int | None:
    """1 or 0 where the dimensions are provably equal or different, else None."""
    if a == b:
        return 1
    difference = a - b
    return 0 if lower_bound(difference) > 0 or lower_bound(-difference) > 0 else None


def less(a: Dimension, b: Dimension) -> int | None:
    """1 or 0 where `a < b` is provably true or false, else None."""
    if lower_bound(b - a) > 0:
        return 1
    return 0 if lower_bound(a - b) >= 0 else None


def _negated(value: int | None) -> int | None:
    return None if value is None else 1 - value


def _choose(
    call: Call, condition: Dimension | None, x: Dimension | None, y: Dimension | None
) -> Dimension | None:
    if condition is None:
        return x if x is not None and x == y else None
    return x if condition else y


def _and(call: Call, a: Dimension | None, b: Dimension | None) -> Dimension | None:
    if a == 0 or b == 0:
        return 0
    return None if a is None or b is None else 1


def _or(call: Call, a: Dimension | None, b: Dimension | None) -> Dimension | None:
    if a == 1 or b == 1:
        return 1
    return None if a is None or b is None else 0


def _clipped(call: Call, *elements: Dimension | None) -> Dimension | None:
    x = elements[0]
    for index, bound in enumerate(elements[1:], 1):
        if call.inputs[index] is not None:
            if bound is None or x is None:
                return None
            x = maximum(x, bound) if index == 1 else minimum(x, bound)
    return x


def _converted(call: Call, x: Dimension | None) -> Dimension | None:
    target = tensor(call, 1).dtype if call.operator.name == "CastLike" else dtype_attribute(call, "to")
    if x is None or target is not BOOL:
        return x
    return _negated(equal(x, 0))


def _bits(function: str) -> KnownRule:
    def rule(a: Dimension, b: Dimension) -> Dimension | None:
        return getattr(a, function)(b) if isinstance(a, int) and isinstance(b, int) else None

    return elementwise(strict(rule))


def _sum(*elements: Dimension) -> Dimension:
    total: Dimension = 0
    for e in elements:
        total = total + e
    return total


def _greatest(*elements: Dimension) -> Dimension:
    result = elements[0]
    for e in elements[1:]:
        result = maximum(result, e)
    return result


def _least(*elements: Dimension) -> Dimension:
    result = elements[0]
    for e in elements[1:]:
        result = minimum(result, e)
    return result


_SAME = (
    "Abs Acos Acosh Asin Asinh Atan Atanh BitwiseNot Ceil Celu Cos Cosh Elu Erf Exp Floor "
    "HardSigmoid HardSwish LeakyRelu Log Mish Neg Not Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin "
    "Sinh Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu Identity"
)
_BINARY = "Add Sub Mul Div Mod Pow And Or Xor BitwiseAnd BitwiseOr BitwiseXor"
_COMPARISONS = "Equal Greater GreaterOrEqual Less LessOrEqual"
_VARIADIC = "Max Min Mean Sum"

TYPES: dict[str, TypeRule] = {
    **dict.fromkeys(_SAME.split(), same_as_first),
    **dict.fromkeys(_BINARY.split(), _binary),
    **dict.fromkeys(_COMPARISONS.split(), _comparison),
    **dict.fromkeys(_VARIADIC.split(), _variadic),
    "BitCast": _bit_cast,
    "BitShift": _bit_shift,
    "Cast": _cast,
    "CastLike": _cast_like,
    "Clip": _clip,
    "Dropout": _dropout,
    "Gelu": _gelu,
    "IsInf": _boolean,
    "IsNaN": _boolean,
    "PRelu": _prelu,
    "SwiGLU": _swiglu,
    "Where": _where,
}

KNOWN: dict[str, KnownRule] = {
    "Abs": elementwise(strict(_absolute)),
    "Add": elementwise(strict(lambda a, b: a + b)),
    "And": elementwise(_and),
    "BitwiseAnd": _bits("__and__"),
    "BitwiseOr": _bits("__or__"),
    "BitwiseXor": _bits("__xor__"),
    "Cast": elementwise(_converted),
    "CastLike": elementwise(_converted, operands=1),
    "Clip": elementwise(_clipped),
    "Div": elementwise(strict(_quotient)),
    "Equal": elementwise(strict(equal)),
    "Greater": elementwise(strict(lambda a, b: less(b, a))),
    "GreaterOrEqual": elementwise(strict(lambda a, b: _negated(less(a, b)))),
    "Identity": elementwise(strict(lambda a: a)),
    "Less": elementwise(strict(less)),
    "LessOrEqual": elementwise(strict(lambda a, b: _negated(less(b, a)))),
    "Max": elementwise(strict(_greatest)),
    "Min": elementwise(strict(_least)),
    "Mod": elementwise(_remainder),
    "Mul": elementwise(strict(lambda a, b: a * b)),
    "Neg": elementwise(strict(lambda a: -a)),
    "Not": elementwise(strict(_negated)),
    "Or": elementwise(_or),
    "Pow": elementwise(strict(_power)),
    "Relu": elementwise(strict(lambda a: maximum(a, 0))),
    "Sign": elementwise(strict(_sign)),
    "Sub": elementwise(strict(lambda a, b: a - b)),
    "Where": elementwise(_choose),
    "Xor": elementwise(strict(lambda a, b: _negated(equal(a, b)))),
}

_ELEMENTWISE = frozenset({"elementwise"})
_NOT_ELEMENTWISE = {"Dropout"}

TRAITS: dict[str, frozenset[str]] = {
    **{name: _ELEMENTWISE for name in TYPES if name not in _NOT_ELEMENTWISE},
    **dict.fromkeys(
        ("Add", "Mul", "And", "Or", "Xor", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Max", "Min", "Sum"),
        _ELEMENTWISE | {"commutative", "associative"},
    ),
    **dict.fromkeys(("Equal", "Mean"), _ELEMENTWISE | {"commutative"}),
    **dict.fromkeys(("Abs", "Ceil", "Floor", "Relu", "Round", "Sign", "Clip"), _ELEMENTWISE | {"idempotent"}),
    **dict.fromkeys(("Neg", "Not", "BitwiseNot"), _ELEMENTWISE | {"involution"}),
    "Identity": frozenset({"elementwise", "layout", "idempotent", "involution"}),
    "Dropout": frozenset({"random"}),
}
