"""Activations on levels that are squares, as integers: the integer-only form of NUPES at the exponent 1/2.

With exponent a on both operands products stay powers, sums do not; at a = 1/2 the inverse power is a square:
a code c stands for sign(c) c², at most 49 for signed codes of 4 bits and 225 for unsigned ones. So a product of
such codes is one of int8 and uint8 numbers, exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...graph.ir import Node, Value, apply, constant
from ...graph.types.dtypes import UINT8

LARGEST = 15
"""Of the codes: 15² is the last square that uint8 holds."""


@dataclass(frozen=True)
class Squares:
    """Numbers of uint8 (less `zero`), and what one of them stands for."""

    numbers: Value
    zero: Value
    scale: Value


def square_levels(levels: Sequence[float]) -> int | None:
    """q, where the levels are sign(c) c² for the codes c to q, of both signs or from 0; None for others."""
    unsigned = levels[0] == 0
    q = len(levels) - 1 if unsigned else (len(levels) - 1) // 2
    if not 1 < q <= (LARGEST if unsigned else 11):
        return None
    wanted = [float(c * abs(c)) for c in range(0 if unsigned else -q, q + 1)]
    return q if wanted == list(levels) else None


def squares(fed: Node) -> Squares | None:
    """The result of Dequantize(Quantize(x, s), s) as integers; None for other levels, or scales by axis.

    The code nearest to r = |x| / s in value is the one below which k² + k + 1/2 <= r, so
    round(sqrt(r - 1/4)), halves to even."""
    codes, scale = fed.inputs[0], fed.inputs[1]
    if fed.name != "Dequantize" or codes is None or scale is None or codes.node.name != "Quantize":
        return None
    levels, x = fed.attribute("levels"), codes.node.inputs[0]
    q = square_levels(levels)
    if q is None or x is None or scale.tensor.rank or codes.node.inputs[1] is not scale:
        return None
    ratio, zero = apply("Div", x, scale), 0 if levels[0] == 0 else 128
    magnitude = apply("Abs", ratio) if zero else ratio
    shifted = apply("Clip", apply("Sub", magnitude, _number(0.25)), _number(0), _number(q * q))
    code = apply("Round", apply("Sqrt", shifted))
    square = apply("Mul", code, code)
    if zero:
        square = apply("Add", apply("Mul", square, apply("Sign", ratio)), _number(zero))
    return Squares(apply("Cast", square, to=UINT8.code), constant(np.uint8(zero)), scale)


def _number(value: float) -> Value:
    return constant(np.float32(value))
