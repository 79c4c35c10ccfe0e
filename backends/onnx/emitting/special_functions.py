"""Functions that a runtime lacks in a dtype, by formulas that are right to the last bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ....graph.ir import Node, Value, apply, constant
from ....graph.types.dtypes import FLOAT32, FLOAT64
from .hyperbolic import log1p


def softplus(node: Node) -> Sequence[Value] | None:
    """max(x, 0) + log(1 + exp(-|x|)): no overflow."""
    x = node.inputs[0]
    assert x is not None
    dtype = x.tensor.dtype.numpy
    tail = apply("Exp", apply("Neg", apply("Abs", x)))
    if x.tensor.dtype is FLOAT64:
        rest = log1p(tail)
    else:
        rest = apply("Log", apply("Add", constant(np.ones((), dtype)), tail))
    return (apply("Add", apply("Relu", x), rest),)


def erf(node: Node) -> Sequence[Value] | None:
    """The error function in float64, to about one unit in the last place.

    Rational approximations on four intervals: the coefficients of fdlibm's `s_erf.c` (Sun
    Microsystems, 1993). For |x| < 0.84375 `x + x P(x²)`, up to 1.25 around `erf(1)`, from there
    `1 - exp(-z² - 0.5625) exp((z - x)(z + x) + R(1/x²)) / x` with z = x cut to 24 bits, so that
    z² is exact.
    """
    x = node.inputs[0]
    assert x is not None
    if x.tensor.dtype is not FLOAT64:
        return None
    size = apply("Abs", x)
    square = apply("Mul", x, x)
    inner = apply("Add", x, apply("Mul", x, _ratio(square, _PP, _QQ)))
    near_one = _plus(_ratio(_plus(size, -1.0), _PA, _QA), _ERX)
    outer = apply("Where", _below(size, 1.25), near_one, _tail(size))
    signed = apply("Mul", apply("Sign", x), apply("Where", _below(size, 6.0), outer, _constant(1.0)))
    found = apply("Where", _below(size, 0.84375), inner, signed)
    return (apply("Where", apply("IsNaN", x), x, found),)


def _tail(size: Value) -> Value:
    """erf on 1.25 … 6, for a positive argument."""
    clipped = apply("Min", apply("Max", size, _constant(1.25)), _constant(6.0))
    s = apply("Reciprocal", apply("Mul", clipped, clipped))
    ratio = apply("Where", _below(clipped, 1 / 0.35), _ratio(s, _RA, _SA), _ratio(s, _RB, _SB))
    z = apply("Cast", apply("Cast", clipped, to=FLOAT32.code), to=FLOAT64.code)
    first = apply("Exp", apply("Sub", _constant(-0.5625), apply("Mul", z, z)))
    difference = apply("Mul", apply("Sub", z, clipped), apply("Add", z, clipped))
    second = apply("Exp", apply("Add", difference, ratio))
    return apply("Sub", _constant(1.0), apply("Div", apply("Mul", first, second), clipped))


def _constant(number: float) -> Value:
    return constant(np.float64(number))


def _plus(x: Value, number: float) -> Value:
    return apply("Add", x, _constant(number))


def _below(x: Value, limit: float) -> Value:
    return apply("Less", x, _constant(limit))


def _polynomial(x: Value, coefficients: Sequence[float]) -> Value:
    """Horner's rule, lowest coefficient first."""
    result = _constant(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        result = _plus(apply("Mul", result, x), c)
    return result


def _ratio(x: Value, above: Sequence[float], below: Sequence[float]) -> Value:
    return apply("Div", _polynomial(x, above), _polynomial(x, (1.0, *below)))


_ERX = 8.45062911510467529297e-01
_PP = (
    1.28379167095512558561e-01,
    -3.25042107247001499370e-01,
    -2.84817495755985104766e-02,
    -5.77027029648944159157e-03,
    -2.37630166566501626084e-05,
)
_QQ = (
    3.97917223959155352819e-01,
    6.50222499887672944485e-02,
    5.08130628187576562776e-03,
    1.32494738004321644526e-04,
    -3.96022827877536812320e-06,
)
_PA = (
    -2.36211856075265944077e-03,
    4.14856118683748331666e-01,
    -3.72207876035701323847e-01,
    3.18346619901161753674e-01,
    -1.10894694282396677476e-01,
    3.54783043256182359371e-02,
    -2.16637559486879084300e-03,
)
_QA = (
    1.06420880400844228286e-01,
    5.40397917702171048937e-01,
    7.18286544141962662868e-02,
    1.26171219808761642112e-01,
    1.36370839120290507362e-02,
    1.19844998467991074170e-02,
)
_RA = (
    -9.86494403484714822705e-03,
    -6.93858572707181764372e-01,
    -1.05586262253232909814e01,
    -6.23753324503260060396e01,
    -1.62396669462573470355e02,
    -1.84605092906711035994e02,
    -8.12874355063065934246e01,
    -9.81432934416914548592e00,
)
_SA = (
    1.96512716674392571292e01,
    1.37657754143519042600e02,
    4.34565877475229228821e02,
    6.45387271733267880336e02,
    4.29008140027567833386e02,
    1.08635005541779435134e02,
    6.57024977031928170135e00,
    -6.04244152148580987438e-02,
)
_RB = (
    -9.86494292470009928597e-03,
    -7.99283237680523006574e-01,
    -1.77579549177547519889e01,
    -1.60636384855821916062e02,
    -6.37566443368389627722e02,
    -1.02509513161107724954e03,
    -4.83519191608651397019e02,
)
_SB = (
    3.03380607434824582924e01,
    3.25792512996573918826e02,
    1.53672958608443695994e03,
    3.19985821950859553908e03,
    2.55305040643316442583e03,
    4.74528541206955367215e02,
    -2.24409524465858183362e01,
)

SPECIAL: Mapping[str, Callable[[Node], Sequence[Value] | None]] = {"Softplus": softplus, "Erf": erf}
