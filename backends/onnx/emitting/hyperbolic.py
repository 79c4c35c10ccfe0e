"""Trigonometric and hyperbolic functions in float64 where a runtime has Exp, Log, Sin and Cos only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import log

import numpy as np

from ....graph.ir import Node, Value, apply, constant
from ....graph.types.dtypes import FLOAT32, FLOAT64

Function = Callable[[Value], Value]


def _number(number: float) -> Value:
    return constant(np.float64(number))


def _plus(x: Value, number: float) -> Value:
    return apply("Add", x, _number(number))


def _times(x: Value, number: float) -> Value:
    return apply("Mul", x, _number(number))


def log1p(u: Value) -> Value:
    """log(1 + u) to the last bits also for small u: `log(w) u / (w - 1)` with w = 1 + u as rounded
    (W. Kahan)."""
    w = _plus(u, 1.0)
    exact = apply("Div", apply("Mul", apply("Log", w), u), _plus(w, -1.0))
    settled = apply("Or", apply("IsInf", w), apply("Equal", w, _number(1.0)))
    return apply("Where", settled, u, exact)


def expm1(x: Value) -> Value:
    """exp(x) - 1 to the last bits also for small x: `(w - 1) x / log(w)` with w = exp(x) as rounded
    (W. Kahan)."""
    w = apply("Exp", x)
    less = _plus(w, -1.0)
    exact = apply("Div", apply("Mul", less, x), apply("Log", w))
    settled = apply("Or", apply("IsInf", w), apply("Equal", w, _number(0.0)))
    return apply("Where", apply("Equal", w, _number(1.0)), x, apply("Where", settled, less, exact))


def _odd(of_size: Function) -> Function:
    """An odd function from its values at |x|."""
    return lambda x: apply("Mul", apply("Sign", x), of_size(apply("Abs", x)))


def _sinh(size: Value) -> Value:
    e = expm1(size)
    small = _times(apply("Add", e, apply("Div", e, _plus(e, 1.0))), 0.5)
    half = apply("Exp", _times(size, 0.5))
    large = apply("Mul", _times(half, 0.5), half)
    return apply("Where", apply("Less", size, _number(20.0)), small, large)


def _cosh(x: Value) -> Value:
    half = apply("Exp", _times(apply("Abs", x), 0.5))
    return apply(
        "Add", apply("Mul", _times(half, 0.5), half), apply("Div", apply("Div", _number(0.5), half), half)
    )


def _tan(x: Value) -> Value:
    return apply("Div", apply("Sin", x), apply("Cos", x))


def _asinh(size: Value) -> Value:
    square = apply("Mul", size, size)
    root = apply("Sqrt", _plus(square, 1.0))
    small = log1p(apply("Add", size, apply("Div", square, _plus(root, 1.0))))
    large = _plus(apply("Log", size), log(2))
    return apply("Where", apply("Less", size, _number(1e8)), small, large)


def _acosh(x: Value) -> Value:
    t = _plus(x, -1.0)
    root = apply("Mul", apply("Sqrt", t), apply("Sqrt", _plus(t, 2.0)))  # NaN below 1
    small = log1p(apply("Add", t, root))
    return apply("Where", apply("Greater", x, _number(1e8)), _plus(apply("Log", x), log(2)), small)


def _atanh(size: Value) -> Value:
    return _times(log1p(apply("Div", _times(size, 2.0), apply("Sub", _number(1.0), size))), 0.5)


def _atan(x: Value) -> Value:
    """The float32 arc tangent y, then one exact step: atan x = y + atan d with
    `d = (x cos y - sin y) / (cos y + x sin y)`, and atan d = d to 1e-21. From 1e18 on the result
    is π/2."""
    limit = _number(1e18)
    clipped = apply("Where", apply("Greater", x, limit), limit, x)
    clipped = apply("Where", apply("Less", x, _number(-1e18)), _number(-1e18), clipped)
    y = apply("Cast", apply("Atan", apply("Cast", clipped, to=FLOAT32.code)), to=FLOAT64.code)
    sine, cosine = apply("Sin", y), apply("Cos", y)
    above = apply("Sub", apply("Mul", clipped, cosine), sine)
    below = apply("Add", cosine, apply("Mul", clipped, sine))
    return apply("Add", y, apply("Div", above, below))


def _asin(x: Value) -> Value:
    root = apply("Sqrt", apply("Mul", apply("Sub", _number(1.0), x), _plus(x, 1.0)))
    return _atan(apply("Div", x, root))


def _acos(x: Value) -> Value:
    ratio = apply("Div", apply("Sub", _number(1.0), x), _plus(x, 1.0))
    return _times(_atan(apply("Sqrt", ratio)), 2.0)


def _float64_only(function: Function) -> Callable[[Node], Sequence[Value] | None]:
    def rule(node: Node) -> Sequence[Value] | None:
        x = node.inputs[0]
        return (function(x),) if x is not None and x.tensor.dtype is FLOAT64 else None

    return rule


HYPERBOLIC: Mapping[str, Callable[[Node], Sequence[Value] | None]] = {
    "Sinh": _float64_only(_odd(_sinh)),
    "Cosh": _float64_only(_cosh),
    "Tan": _float64_only(_tan),
    "Asinh": _float64_only(_odd(_asinh)),
    "Acosh": _float64_only(_acosh),
    "Atanh": _float64_only(_odd(_atanh)),
    "Atan": _float64_only(_atan),
    "Asin": _float64_only(_asin),
    "Acos": _float64_only(_acos),
}
