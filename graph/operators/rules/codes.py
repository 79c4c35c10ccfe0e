"""Codes of a grid: the graphwright operators Quantize, Dequantize, FakeQuantize and simulated products."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from ...types.dtypes import BY_CODE, UINT8
from ...types.grids import MOST_LEVELS
from ...types.types import TensorType, Type
from ..operator import Call, RuleError
from .convolution import convolution_dims
from .linear import product_dims
from .operands import tensor
from .quantization import check_granularity


def _levels(call: Call) -> tuple[float, ...]:
    """The levels, checked. Raises RuleError G0468."""
    levels: tuple[float, ...] = tuple(call.attribute("levels"))
    increasing = all(a < b for a, b in itertools.pairwise(levels))
    if not 2 <= len(levels) <= MOST_LEVELS or not increasing:
        raise RuleError(
            "G0468",
            f"{call.operator.name} takes 2 to {MOST_LEVELS} levels in increasing order, not {len(levels)}",
            hint="sort them, and leave none twice",
        )
    return levels


def quantize_codes(call: Call) -> Sequence[Type]:
    """Codes of X's shape in the unsigned dtype `to`, which must hold all indices of levels."""
    check_granularity(call)
    levels = _levels(call)
    dtype = BY_CODE.get(call.attribute("to", UINT8.code))
    if dtype is None or dtype.kind != "uint" or 2**dtype.bits < len(levels):
        name = dtype.name if dtype is not None else "no dtype"
        raise RuleError("G0468", f"{name} does not hold the codes of {len(levels)} levels")
    return (tensor(call, 0).with_dtype(dtype),)


def dequantize_codes(call: Call) -> Sequence[Type]:
    """levels[codes] * scale, in the scale's dtype."""
    check_granularity(call)
    _levels(call)
    return (tensor(call, 0).with_dtype(tensor(call, 1).dtype),)


SURROGATES = ("identity", "ste", "pact", "lsq", "ewgs", "dsq", "bireal", "sine")
"""Gradients of rounding: of the identity; of the clipped identity; with a learned clip (PACT, arXiv
1805.06085); with a learned scale (LSQ, 1902.08153); scaled element by element (EWGS, 2104.00903); of a soft
staircase (DSQ, 1908.05033); of a piecewise polynomial for signs (Bi-Real, 1808.00278); of sin(omega x)
(BiPer, 2404.01278)."""


def fake_quantize(call: Call) -> Sequence[Type]:
    """X's type. Raises RuleError G0468 for levels or a surrogate that are none."""
    check_granularity(call)
    levels, surrogate = _levels(call), call.attribute("surrogate")
    if surrogate not in SURROGATES:
        raise RuleError("G0468", f"'{surrogate}' is none of the surrogates {', '.join(SURROGATES)}")
    if surrogate == "sine" and levels != (-1.0, 1.0):
        raise RuleError("G0468", "the surrogate sine rounds to the levels -1 and 1")
    return (tensor(call, 0),)


def simulated_matmul(call: Call) -> Sequence[Type]:
    """As MatMul."""
    _levels(call)
    return (TensorType.of(tensor(call, 0).dtype, product_dims(call)),)


def simulated_conv(call: Call) -> Sequence[Type]:
    """As Conv without a bias."""
    _levels(call)
    return (TensorType.of(tensor(call, 0).dtype, convolution_dims(call, bias=9)),)
