"""Infinite operands: a program that says otherwise there than what it stands for is told what to say."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ..evaluation import evaluate
from ..program import FunctionProgram
from .library import Entry
from .matches import Match

Ends = tuple[tuple[float, float], ...]
"""Operands, each with the result there."""

_NAN, _INF = math.nan, math.inf
OPERATORS: Mapping[str, tuple[float, float]] = {
    "exp": (0.0, _INF),
    "exp2": (0.0, _INF),
    "log": (_NAN, _INF),
    "log2": (_NAN, _INF),
    "sin": (_NAN, _NAN),
    "cos": (_NAN, _NAN),
    "tanh": (-1.0, 1.0),
    "erf": (-1.0, 1.0),
    "sigmoid": (0.0, 1.0),
    "gelu": (_NAN, _INF),
    "silu": (_NAN, _INF),
    "softplus": (0.0, _INF),
    "rsqrt": (_NAN, 0.0),
}
"""What the standard's operators are at minus and plus infinity, by their definitions (x Φ(x) is -inf · 0)."""


def ends(match: Match, entry: Entry, proven: tuple[float, float]) -> Ends:
    """The infinities that may come and where the program's value, up to its certificate, is not the original's, with
    that."""
    if match.is_softmax:
        return ()  # of a row less its maximum: the kernel's own arithmetic gives NaN
    wanted = _written(match) if match.form else OPERATORS[match.function]
    found = []
    for x, value, bound in ((-_INF, wanted[0], proven[0]), (_INF, wanted[1], proven[1])):
        own = _own(entry.program, x)
        same = own == value or (math.isnan(own) and math.isnan(value))
        if not (same or math.isfinite(bound) or abs(own - value) <= entry.error(abs(value))):
            found.append((x, value))
    return tuple(found)


def _own(program: FunctionProgram, x: float) -> float:
    """What the kernel gives: the program, or where its domain ends the function by the C library, whose limits it
    takes."""
    if program.domain[0] <= x <= program.domain[1]:
        with np.errstate(all="ignore"):
            return float(evaluate(program, np.array([x], program.dtype))[0])
    return 0.0 if x < 0 and program.function in ("gelu", "silu") else OPERATORS[program.function][x > 0]


def _written(match: Match) -> tuple[float, float]:
    """What the form of several operators gives."""
    from ....backends.torch_fx import TorchEvaluator

    array = np.array([-_INF, _INF], match.result.tensor.dtype.numpy)
    (found,) = TorchEvaluator().evaluate([match.result], {match.operand: array})
    return float(found[0]), float(found[1])
