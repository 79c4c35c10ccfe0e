"""Codes of a grid: the graphwright operators Quantize and Dequantize."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from ...types.dtypes import BY_CODE, UINT8
from ...types.grids import MOST_LEVELS
from ...types.types import Type
from ..operator import Call, RuleError
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
