"""Elementwise functions: on compile-time numbers by NumPy in float64, on tensors by operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...diagnostics import fail
from ...operators import RuleError
from ...types import BOOL, FLOAT64, DType
from ...types.dtypes import STRING
from ..arithmetic import common_dtype, floor_divide, modulo, normal_static, truth, unify, weak_values
from ..construction import Construction, nested
from ..meanings import Array, Items, Meaning, Tensor, is_number, is_static, is_tensor_like, is_weak, kind_name

Unary = Callable[[Construction, Meaning], Meaning]

# name -> (operator, NumPy function, one line of documentation)
FLOATING: dict[str, tuple[str, Any, str]] = {
    "exp": ("Exp", np.exp, "e to the x."),
    "log": ("Log", np.log, "The natural logarithm."),
    "sqrt": ("Sqrt", np.sqrt, "The square root."),
    "sin": ("Sin", np.sin, "The sine."),
    "cos": ("Cos", np.cos, "The cosine."),
    "tan": ("Tan", np.tan, "The tangent."),
    "asin": ("Asin", np.arcsin, "The inverse sine."),
    "acos": ("Acos", np.arccos, "The inverse cosine."),
    "atan": ("Atan", np.arctan, "The inverse tangent."),
    "sinh": ("Sinh", np.sinh, "The hyperbolic sine."),
    "cosh": ("Cosh", np.cosh, "The hyperbolic cosine."),
    "tanh": ("Tanh", np.tanh, "The hyperbolic tangent."),
    "sigmoid": ("Sigmoid", lambda x: 1 / (1 + np.exp(-x)), "1 / (1 + exp(-x))."),
    "softplus": ("Softplus", lambda x: np.logaddexp(0, x), "log(1 + exp(x))."),
    "reciprocal": ("Reciprocal", lambda x: 1 / x, "1 / x."),
}
KEEPING: dict[str, tuple[str, Any, str]] = {
    "abs": ("Abs", np.abs, "The absolute value."),
    "sign": ("Sign", np.sign, "-1, 0 or 1."),
    "floor": ("Floor", np.floor, "The largest integer not above x, in x's dtype."),
    "ceil": ("Ceil", np.ceil, "The smallest integer not below x, in x's dtype."),
    "round": ("Round", np.round, "The nearest integer, ties to even, in x's dtype."),
}


def operand(build: Construction, meaning: Meaning, name: str) -> Meaning:
    """The meaning, if it can be an operand. Raises G0414 otherwise."""
    if isinstance(meaning, Items):
        from ..construction import as_array

        return as_array(build, meaning)
    if not is_tensor_like(meaning):
        raise fail("G0414", f"{name} needs a number or a tensor, not {kind_name(meaning)}", build.span)
    return meaning


def floating(name: str) -> Unary:
    """The function that computes in floating point: integers and booleans are refused where typed."""
    operator, by_numpy, _ = FLOATING[name]

    def run(build: Construction, x: Meaning) -> Meaning:
        x = operand(build, x, name)
        if is_static(x):
            with np.errstate(all="ignore"):
                return normal_static(build, np.asarray(by_numpy(np.asarray(x, dtype=np.float64))))
        if is_weak(x):
            return Tensor(build.op(operator, build.cast(build.weak(x), FLOAT64)), True)
        value = build.value(x)
        if not value.tensor.dtype.is_float:
            raise RuleError(
                "G0427", f"{name} needs floating point, not {value.type}", (0,), "convert first: float32(…)"
            )
        return Tensor(build.op(operator, value))

    return run


def keeping(name: str) -> Unary:
    """The function whose result has its operand's dtype."""
    operator, by_numpy, _ = KEEPING[name]

    def run(build: Construction, x: Meaning) -> Meaning:
        x = operand(build, x, name)
        if is_static(x):
            result = np.asarray(by_numpy(np.asarray(x)))
            return normal_static(build, result)
        value = build.weak(x) if is_weak(x) else build.value(x)
        if value.tensor.dtype.is_integer and operator in ("Floor", "Ceil", "Round"):
            return Tensor(value, is_weak(x))
        return Tensor(build.op(operator, value), is_weak(x))

    return run


def extreme(name: str) -> Callable[[Construction, Meaning, Meaning], Meaning]:
    """`maximum` and `minimum` of two operands, elementwise."""
    operator, by_numpy = ("Max", np.maximum) if name == "maximum" else ("Min", np.minimum)

    def run(build: Construction, x: Meaning, y: Meaning) -> Meaning:
        x, y = operand(build, x, name), operand(build, y, name)
        if is_static(x) and is_static(y):
            return normal_static(build, np.asarray(by_numpy(np.asarray(x), np.asarray(y))))
        if is_number(x) and is_number(y) and not isinstance(x, float) and not isinstance(y, float):
            from ...types.dimensions import maximum, minimum

            return (maximum if name == "maximum" else minimum)(x, y)  # type: ignore[arg-type]  # ints and Dims
        weak = is_weak(x) and is_weak(y)
        values = weak_values(build, (x, y)) if weak else unify(build, (x, y))
        return Tensor(build.op(operator, *values), weak)

    return run


def where(build: Construction, condition: Meaning, x: Meaning, y: Meaning) -> Meaning:
    """x where the condition holds, else y, elementwise."""
    x, y = operand(build, x, "where"), operand(build, y, "where")
    weak = is_weak(x) and is_weak(y)
    if isinstance(condition, bool | np.ndarray) and is_static(x) and is_static(y):
        return normal_static(build, np.where(condition, np.asarray(x), np.asarray(y)))
    test = truth(build, condition, "where")
    values = weak_values(build, (x, y)) if weak else unify(build, (x, y))
    return Tensor(build.op("Where", test, *values), weak)


def clip(build: Construction, x: Meaning, low: Meaning = None, high: Meaning = None) -> Meaning:
    """x limited to low..high; None leaves a side open."""
    x = operand(build, x, "clip")
    limits = [b for b in (low, high) if b is not None]
    if all(is_static(b) and np.ndim(np.asarray(b)) == 0 for b in limits):
        if not is_weak(x):
            value = build.value(x)
            bounds = [None if b is None else build.value(b, value.tensor.dtype) for b in (low, high)]
            return Tensor(build.op("Clip", value, *bounds))
    result = x if low is None else extreme("maximum")(build, x, low)
    return result if high is None else extreme("minimum")(build, result, high)


def power(build: Construction, x: Meaning, y: Meaning) -> Meaning:
    """x to the y."""
    from ..arithmetic import binary

    return binary(build, "**", x, y)


def floor_div(build: Construction, x: Meaning, y: Meaning, *, remainder: bool = False) -> Meaning:
    """x // y, or x % y with `remainder`, with Python's signs."""
    values = unify(build, (x, y))
    dtype = values[0].tensor.dtype
    function = modulo if remainder else floor_divide
    return Tensor(function(build, values[0], values[1], dtype), common_dtype(build, (x, y)) is None)


def convert(build: Construction, x: Meaning, dtype: DType) -> Meaning:
    """x in another dtype: `float32(n)`. Numbers are rounded once. `string(["a", "b"])` holds texts."""
    if dtype is STRING and isinstance(x, str | Items):
        return Tensor(build.constant(_texts(build, x), STRING))
    x = operand(build, x, dtype.name)
    if isinstance(x, Tensor):
        return Tensor(build.cast(x.value, dtype))
    if is_weak(x) and not is_static(x):
        return Tensor(build.cast(build.weak(x), dtype))
    array = np.asarray(x)
    if dtype is BOOL:
        return Tensor(build.constant(array != 0, BOOL))
    if dtype.is_integer and array.dtype.kind == "f":
        if not np.all(np.isfinite(array)):
            raise fail("G0411", f"{array} has no value as {dtype}", build.span)
        array = np.asarray(np.trunc(array)).astype(np.int64)
    if dtype.is_integer:
        build.check_weak(x if isinstance(x, int) else array, dtype)
    return Tensor(build.constant(array, dtype))


def _texts(build: Construction, x: str | Items) -> Array:
    """A text, or nested lists of them, as an array of strings. Raises G0412, G0413."""
    given = nested(build, x, str, "texts") if isinstance(x, Items) else x
    try:
        return np.array(given, np.dtypes.StringDType()).astype(object)
    except ValueError:
        raise fail("G0412", "the rows of this list have different lengths", build.span) from None


def cast_like(build: Construction, x: Meaning, y: Meaning) -> Meaning:
    """x in the dtype of y."""
    return convert(build, x, build.value(y).tensor.dtype)


def is_nan(build: Construction, x: Meaning) -> Meaning:
    """Whether x is not a number."""
    x = operand(build, x, "isnan")
    if is_static(x):
        return normal_static(build, np.asarray(np.isnan(np.asarray(x, dtype=np.float64))))
    return Tensor(build.op("IsNaN", build.value(x)))


def erf(build: Construction, x: Meaning) -> Meaning:
    """The error function."""
    x = operand(build, x, "erf")
    if is_static(x):
        import math

        return normal_static(build, np.vectorize(math.erf, otypes=[np.float64])(x))
    return Tensor(build.op("Erf", build.value(x)))
