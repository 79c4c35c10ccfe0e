"""Operators of expressions on any mixture of compile-time numbers and tensors (R7-R9)."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..diagnostics import fail
from ..ir import Value
from ..operators import RuleError
from ..types import BOOL, FLOAT64, INT64, Dim, Dimension, DType
from ..types.dimensions import bounds
from .construction import Construction
from .meanings import Items, Meaning, Tensor, is_tensor_like, is_weak, kind_name, weak_dtype

_STATIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "@": operator.matmul,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_OPERATORS = {
    "+": "Add",
    "-": "Sub",
    "*": "Mul",
    "/": "Div",
    "**": "Pow",
    "@": "MatMul",
    "&": "BitwiseAnd",
    "|": "BitwiseOr",
    "^": "BitwiseXor",
    "==": "Equal",
    "<": "Less",
    "<=": "LessOrEqual",
    ">": "Greater",
    ">=": "GreaterOrEqual",
}
_INTEGER_ONLY = {"&": "and", "|": "or", "^": "!="}
_LIMIT = 1 << 63


def unify(build: Construction, operands: Sequence[Meaning]) -> list[Value]:
    """The operands as values of one dtype: weak ones take the typed ones' (R7), a bool beside
    a number becomes 0 or 1 (R8). Raises RuleError G0403 where two typed dtypes differ."""
    for meaning in operands:
        if not is_tensor_like(meaning):
            raise fail(
                "G0414", f"{kind_name(meaning)} can't stand here: a tensor or a number is wanted", build.span
            )
    dtype = common_dtype(build, operands)
    return [_to(build, meaning, dtype) for meaning in operands]


def common_dtype(build: Construction, operands: Sequence[Meaning]) -> DType | None:
    """The dtype that all operands meet in; None where all are weak."""
    typed = [(i, m) for i, m in enumerate(operands) if isinstance(m, Tensor) and not m.weak]
    numbers = [(i, m) for i, m in typed if m.dtype is not BOOL]
    if not numbers:
        weak = [weak_dtype(m) for m in operands if is_weak(m)]
        if not typed:
            return None
        return BOOL if all(d is BOOL for d in weak) else build.settle(_widest(weak))
    first, meaning = numbers[0]
    for i, other in numbers[1:]:
        if other.dtype is not meaning.dtype:
            raise RuleError(
                "G0403",
                f"{meaning.type} and {other.type} have different dtypes",
                (first, i),
                f"convert one explicitly, such as {meaning.dtype}(…)",
            )
    return meaning.dtype


def _widest(dtypes: Sequence[DType]) -> DType:
    if FLOAT64 in dtypes:
        return FLOAT64
    return INT64 if INT64 in dtypes else BOOL


def _to(build: Construction, meaning: Meaning, dtype: DType | None) -> Value:
    if dtype is None:
        return build.weak(meaning)
    if isinstance(meaning, Tensor) and not meaning.weak:
        return build.cast(meaning.value, dtype)  # only bool differs here
    return build.value(meaning, dtype)


def weak_values(build: Construction, operands: Sequence[Meaning]) -> list[Value]:
    """Weak operands as values of the widest weak dtype among them."""
    dtype = _widest([weak_dtype(m) for m in operands])
    return [build.cast(build.weak(m), dtype) for m in operands]


def binary(build: Construction, symbol: str, left: Meaning, right: Meaning) -> Meaning:
    """`left symbol right`. Raises SpecError or RuleError."""
    if isinstance(left, Items) or isinstance(right, Items):
        return _on_lists(build, symbol, left, right)
    for side in (left, right):
        if not is_tensor_like(side):
            raise fail(
                "G0414",
                f"'{symbol}' needs numbers or tensors, not {kind_name(side)}",
                build.span,
                hint="it may be absent: write … if name is None else …" if side is None else None,
            )
    if symbol in _INTEGER_ONLY and BOOL in (weak_dtype(left), weak_dtype(right)):
        raise _bitwise_on_bool(build, symbol)
    if symbol in ("<<", ">>"):
        return _shift(build, symbol, left, right)
    if not isinstance(left, Tensor) and not isinstance(right, Tensor):
        return static(build, symbol, left, right)
    return _on_tensors(build, symbol, left, right)


def _on_lists(build: Construction, symbol: str, left: Meaning, right: Meaning) -> Meaning:
    if symbol in ("==", "!=") and isinstance(left, Items) and isinstance(right, Items):
        same = len(left.items) == len(right.items) and all(
            type(a) is not Tensor and bool(np.all(a == b))
            for a, b in zip(left.items, right.items, strict=True)
        )
        return same if symbol == "==" else not same
    if symbol in ("==", "!=", "<", "<=", ">", ">="):
        from .construction import as_array

        sides = [as_array(build, m) if isinstance(m, Items) else m for m in (left, right)]
        return binary(build, symbol, sides[0], sides[1])
    raise fail(
        "G0415",
        f"'{symbol}' on a list",
        build.span,
        hint="lists are for attributes, shapes and axes; write array([…]) for a tensor",
    )


def static(build: Construction, symbol: str, left: Any, right: Any) -> Meaning:
    """Both sides are known while compiling: Python integers and float64."""
    if isinstance(left, Dim) or isinstance(right, Dim):
        return _symbolic(build, symbol, left, right)
    if symbol == "**" and isinstance(left, int) and isinstance(right, int):
        _check_power(build, left, right)
    left, right = _as_number(left), _as_number(right)
    try:
        with np.errstate(all="ignore"):
            result = _STATIC[symbol](left, right)
    except ZeroDivisionError:
        raise fail("G0416", f"division by zero: {left} {symbol} {right}", build.span) from None
    except (OverflowError, ValueError, TypeError) as error:
        raise fail("G0417", f"{left} {symbol} {right}: {error}", build.span) from None
    return normal_static(build, result)


def _as_number(value: Any) -> Any:
    return value.astype(np.int64) if isinstance(value, np.ndarray) and value.dtype.kind == "b" else value


def normal_static(build: Construction, result: Any) -> Meaning:
    """A compile-time result as bool, int, float or a 64-bit array. Raises past 64 bits (R35)."""
    if isinstance(result, np.ndarray) and result.ndim:
        if result.dtype == object:
            raise fail("G0411", "a number here does not fit into 64 bits", build.span)
        kind = result.dtype.kind
        return result.astype(np.int64 if kind in "iu" else bool if kind == "b" else np.float64)
    plain = result.item() if isinstance(result, np.ndarray | np.generic) else result
    if isinstance(plain, int) and not isinstance(plain, bool) and not -_LIMIT <= plain < _LIMIT:
        raise fail("G0411", "this integer does not fit into 64 bits", build.span)
    if isinstance(plain, complex):
        raise fail("G0417", "this has no real value", build.span)
    assert isinstance(plain, bool | int | float)
    return plain


def _check_power(build: Construction, base: int, exponent: int) -> None:
    if abs(base) > 1 and exponent * abs(base).bit_length() > 128:
        raise fail("G0411", f"{base} ** {exponent} does not fit into 64 bits", build.span)


def _symbolic(build: Construction, symbol: str, left: Any, right: Any) -> Meaning:
    """Arithmetic on symbolic sizes stays symbolic where it is integer arithmetic."""
    integers = all(isinstance(s, int | Dim) for s in (left, right))
    if integers and symbol in ("+", "-", "*", "//", "%"):
        if symbol in ("//", "%") and right == 0:
            raise fail("G0416", f"division by zero: {left} {symbol} {right}", build.span)
        result: Meaning = _STATIC[symbol](left, right)
        return result
    if integers and symbol == "**" and isinstance(right, int) and 0 <= right <= 8:
        power: Dimension = 1
        for _ in range(right):
            power = power * left
        return power
    if integers and symbol in ("==", "!=", "<", "<=", ">", ">="):
        decided = decide(symbol, left, right)
        if decided is not None:
            return decided
    return _on_tensors(build, symbol, left, right)


def decide(symbol: str, left: Any, right: Any) -> bool | None:
    """A comparison of symbolic sizes, where it holds or fails for all of them; else None."""
    difference = left - right
    low, high = bounds(difference)
    if symbol in ("<", "<="):
        bound = 0 if symbol == "<" else 1
        return True if high < bound else False if low >= bound else None
    if symbol in (">", ">="):
        opposite = decide("<=" if symbol == ">" else "<", left, right)
        return None if opposite is None else not opposite
    if difference == 0:
        return symbol == "=="
    return symbol != "==" if low > 0 or high < 0 else None


def _on_tensors(build: Construction, symbol: str, left: Meaning, right: Meaning) -> Meaning:
    weak = is_weak(left) and is_weak(right)
    if symbol == "@":
        a, b = unify(build, (left, right))
        return Tensor(build.op("MatMul", a, b), weak)
    values = weak_values(build, (left, right)) if weak else unify(build, (left, right))
    if symbol == "/" and weak:
        values = [build.cast(v, FLOAT64) for v in values]
    dtype = values[0].tensor.dtype
    if dtype is BOOL and symbol not in ("==", "!="):
        values = [build.cast(v, INT64) for v in values]
        dtype = INT64
    return Tensor(_apply(build, symbol, values[0], values[1], dtype), weak)


def _bitwise_on_bool(build: Construction, symbol: str) -> Exception:
    word = _INTEGER_ONLY[symbol]
    return fail(
        "G0418",
        f"'{symbol}' is for integers; it binds tighter than comparisons",
        build.span,
        hint=f"write '{word}' for booleans",
    )


def _apply(build: Construction, symbol: str, a: Value, b: Value, dtype: DType) -> Value:
    if symbol == "/" and not dtype.is_float:
        raise RuleError(
            "G0419", f"'/' needs floating-point operands, not {dtype}", (0, 1), "use '//' or convert one side"
        )
    if symbol in _INTEGER_ONLY and not dtype.is_integer:
        raise RuleError("G0418", f"'{symbol}' is for integers, not {dtype}", (0, 1))
    if symbol == "!=":
        return build.op("Not", build.op("Equal", a, b))
    if symbol == "//":
        return floor_divide(build, a, b, dtype)
    if symbol == "%":
        return modulo(build, a, b, dtype)
    return build.op(_OPERATORS[symbol], a, b)


def floor_divide(build: Construction, a: Value, b: Value, dtype: DType) -> Value:
    """Python's `//`. ONNX Div truncates integers, so the remainder (with the divisor's sign, as
    ONNX Mod gives it) is taken off first."""
    if dtype.is_float:
        return build.op("Floor", build.op("Div", a, b))
    return build.op("Div", build.op("Sub", a, build.op("Mod", a, b)), b)


def modulo(build: Construction, a: Value, b: Value, dtype: DType) -> Value:
    """Python's `%`: the sign of the divisor. ONNX Mod has it for integers; for floating point it
    has C's only, which is moved by one divisor where the signs differ."""
    if not dtype.is_float:
        return build.op("Mod", a, b)
    remainder = build.op("Mod", a, b, fmod=1)
    zero = build.constant(0, dtype)
    differ = build.op("Xor", build.op("Less", remainder, zero), build.op("Less", b, zero))
    moved = build.op("And", differ, build.op("Not", build.op("Equal", remainder, zero)))
    return build.op("Where", moved, build.op("Add", remainder, b), remainder)


def _shift(build: Construction, symbol: str, left: Meaning, right: Meaning) -> Meaning:
    if isinstance(left, int) and isinstance(right, int):
        if not 0 <= right < 64:
            raise fail("G0411", f"a shift by {right} does not fit into 64 bits", build.span)
        return normal_static(build, left << right if symbol == "<<" else left >> right)
    values = unify(build, (left, right))
    dtype = values[0].tensor.dtype
    if not dtype.is_integer:
        raise RuleError("G0418", f"'{symbol}' is for integers, not {dtype}", (0, 1))
    if dtype.kind == "int":
        return Tensor(_signed_shift(build, symbol, values[0], values[1], dtype))
    return Tensor(build.op("BitShift", values[0], values[1], direction="LEFT" if symbol == "<<" else "RIGHT"))


def _signed_shift(build: Construction, symbol: str, a: Value, b: Value, dtype: DType) -> Value:
    """ONNX shifts unsigned integers only: signed ones multiply or floor-divide by a power of two."""
    power = build.op("Pow", build.constant(2, dtype), b)
    return build.op("Mul", a, power) if symbol == "<<" else floor_divide(build, a, power, dtype)


def negate(build: Construction, operand: Meaning) -> Meaning:
    """`-x`."""
    if isinstance(operand, Tensor):
        value = build.cast(operand.value, INT64) if operand.dtype is BOOL else operand.value
        if value.tensor.dtype.kind == "uint":
            raise RuleError("G0418", f"'-' on an unsigned tensor {operand.type} would wrap around", (0,))
        return Tensor(build.op("Neg", value), operand.weak)
    if isinstance(operand, Dim):
        return -operand
    if isinstance(operand, bool | int | float | np.ndarray):
        return normal_static(build, -_as_number(operand))
    raise fail("G0414", f"'-' needs a number or a tensor, not {kind_name(operand)}", build.span)


def invert(build: Construction, operand: Meaning) -> Meaning:
    """`~x` on integers."""
    if isinstance(operand, bool) or (isinstance(operand, Tensor) and operand.dtype is BOOL):
        raise fail("G0418", "'~' is for integers", build.span, hint="write 'not' for booleans")
    if isinstance(operand, int):
        return ~operand
    if isinstance(operand, Tensor) and operand.dtype.is_integer:
        return Tensor(build.op("BitwiseNot", operand.value), operand.weak)
    raise fail("G0418", f"'~' is for integers, not {kind_name(operand)}", build.span)


def truth(build: Construction, meaning: Meaning, word: str) -> Value:
    """A boolean operand of `and`, `or`, `not`. Raises for anything that is no boolean."""
    if isinstance(meaning, bool):
        return build.constant(meaning, BOOL)
    if isinstance(meaning, np.ndarray) and meaning.dtype.kind == "b":
        return build.constant(meaning, BOOL)
    if isinstance(meaning, Tensor) and meaning.dtype is BOOL:
        return meaning.value
    raise fail(
        "G0420",
        f"'{word}' needs booleans, not {kind_name(meaning)}",
        build.span,
        hint="compare, or convert with bool(…)",
    )


def logical(build: Construction, word: str, operands: Sequence[Meaning]) -> Meaning:
    """`a and b …`, `a or b …`, elementwise."""
    if all(isinstance(m, bool) for m in operands):
        return all(operands) if word == "and" else any(operands)
    result = truth(build, operands[0], word)
    for meaning in operands[1:]:
        result = build.op("And" if word == "and" else "Or", result, truth(build, meaning, word))
    return Tensor(result)


def negation(build: Construction, operand: Meaning) -> Meaning:
    """`not x`, elementwise."""
    if isinstance(operand, bool):
        return not operand
    if isinstance(operand, np.ndarray) and operand.dtype.kind == "b":
        return np.logical_not(operand)
    return Tensor(build.op("Not", truth(build, operand, "not")))
