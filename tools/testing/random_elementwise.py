"""Recipes of elementwise operators for `random_graphs`: unary, binary, comparisons, logic, casts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...graph.ir import Value, apply, constant
from ...graph.types import BOOL, FLOAT32, INT64
from .random_graphs import (
    MAX_BOUND,
    RandomGraph,
    Recipe,
    Results,
    Unsuitable,
    broadcasts,
    of_rank,
)

# --- elementwise --------------------------------------------------------------------------------

_UNARY: dict[str, tuple[float, Callable[[float], float]]] = {
    "Abs": (MAX_BOUND, lambda b: b),
    "Neg": (MAX_BOUND, lambda b: b),
    "Identity": (MAX_BOUND, lambda b: b),
    "Relu": (MAX_BOUND, lambda b: b),
    "LeakyRelu": (MAX_BOUND, lambda b: b),
    "ThresholdedRelu": (MAX_BOUND, lambda b: b),
    "Gelu": (MAX_BOUND, lambda b: b),
    "Elu": (MAX_BOUND, lambda b: max(b, 1.0)),
    "Celu": (MAX_BOUND, lambda b: max(b, 1.0)),
    "Selu": (20.0, lambda b: 1.06 * max(b, 1.7)),
    "Mish": (20.0, lambda b: max(b, 0.4)),
    "HardSwish": (MAX_BOUND, lambda b: max(b, 0.4)),
    "HardSigmoid": (MAX_BOUND, lambda b: 1.0),
    "Sigmoid": (MAX_BOUND, lambda b: 1.0),
    "Softplus": (MAX_BOUND, lambda b: b + 0.7),
    "Softsign": (MAX_BOUND, lambda b: 1.0),
    "Tanh": (MAX_BOUND, lambda b: 1.0),
    "Erf": (MAX_BOUND, lambda b: 1.0),
    "Sin": (6.0, lambda b: 1.0),
    "Cos": (6.0, lambda b: 1.0),
    "Atan": (MAX_BOUND, lambda b: 1.6),
    "Exp": (3.0, math.exp),
}
"""Operator -> the largest operand it is given, and the bound of its result."""


def _unary(graph: RandomGraph, name: str) -> Results:
    limit, bound = _UNARY[name]
    # The standard's reference evaluator refuses a scalar in Softsign.
    x = graph.bounded(limit, of_rank(1) if name == "Softsign" else None)
    takes_alpha = name in ("LeakyRelu", "ThresholdedRelu") and graph.chance(0.5)
    attributes: dict[str, Any] = {"alpha": 0.5} if takes_alpha else {}
    return [(apply(name, x, **attributes), bound(graph.bound(x)))]


def _rounding(graph: RandomGraph, name: str) -> Results:
    x = graph.off_ties(graph.value())
    return [(apply(name, x), 1.0 if name == "Sign" else graph.bound(x) + 1)]


def _positive(graph: RandomGraph, limit: float, least: float) -> Value:
    """A value from `least` to `limit + least`."""
    x = graph.bounded(limit)
    return graph.note(apply("Add", apply("Abs", x), graph.number(least)), graph.bound(x) + least)


def _of_positive(graph: RandomGraph, name: str) -> Results:
    x = _positive(graph, MAX_BOUND, 0.5)
    return [(apply(name, x), 2.0 if name == "Reciprocal" else max(1.0, graph.bound(x)))]


def _power(graph: RandomGraph, name: str) -> Results:
    x = _positive(graph, 3.0, 0.5)
    exponent = (2.0, 3.0, 0.5, -1.0)[graph.integer(0, 4)]
    return [(apply(name, x, graph.number(exponent)), max(2.0, graph.bound(x)) ** max(1.0, exponent))]


def _clip(graph: RandomGraph, name: str) -> Results:
    x = graph.value()
    low = graph.number(-0.75) if graph.chance(0.7) else None
    high = graph.number(0.5) if graph.chance(0.7) or low is None else None
    return [(apply(name, x, low, high), max(graph.bound(x), 0.75))]


_BINARY: dict[str, Callable[[float, float], float]] = {
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a + b,
    "Mul": lambda a, b: a * b,
    "Min": max,
    "Max": max,
    "Sum": lambda a, b: a + b,
    "Mean": max,
    "PRelu": lambda a, b: max(a, a * b),
}


def _binary(graph: RandomGraph, name: str) -> Results:
    x = graph.value()
    y = graph.parameter(()) if name == "PRelu" else graph.partner(x)
    if name in ("Add", "Sub", "Mul") and graph.chance(0.5):
        x, y = y, x
    if name in ("Sum", "Mean"):  # the standard's reference evaluator needs the full shape first
        full = apply("Add", x, y).tensor.shape
        if full not in (x.tensor.shape, y.tensor.shape):
            raise Unsuitable
        x, y = (x, y) if x.tensor.shape == full else (y, x)
    return [(apply(name, x, y), _BINARY[name](graph.bound(x), graph.bound(y)))]


def _division(graph: RandomGraph, name: str) -> Results:
    x, y = graph.value(), _positive(graph, MAX_BOUND, 0.5)
    if not broadcasts(x.tensor.shape, y.tensor.shape):
        y = graph.number(-1.75)
    return [(apply(name, x, y), 2 * graph.bound(x))]


# --- comparisons, logic, integers ---------------------------------------------------------------


def _comparison(graph: RandomGraph, name: str) -> Results:
    x = graph.value()
    y = graph.off_ties(graph.partner(x))
    return [(apply(name, x, y), 1.0)]


def _logic(graph: RandomGraph, name: str) -> Results:
    x = graph.value(BOOL)
    y = graph.value(BOOL, lambda shape: shape == x.tensor.shape)
    return [(apply(name, x, y), 1.0)]


def _not(graph: RandomGraph, name: str) -> Results:
    return [(apply(name, graph.value(BOOL)), 1.0)]


def _where(graph: RandomGraph, name: str) -> Results:
    condition = graph.value(BOOL)
    x = graph.value(FLOAT32, lambda shape: shape == condition.tensor.shape)
    y = graph.partner(x)
    return [(apply(name, condition, x, y), max(graph.bound(x), graph.bound(y)))]


def _is_special(graph: RandomGraph, name: str) -> Results:
    return [(apply(name, graph.value()), 1.0)]


def _equal(graph: RandomGraph, name: str) -> Results:
    return [(apply(name, graph.value(INT64), graph.integers(graph.integer(0, 4))), 1.0)]


def _modulo(graph: RandomGraph, name: str) -> Results:
    divisor = graph.integer(2, 6)
    return [(apply(name, graph.value(INT64), graph.integers(divisor)), float(divisor))]


def _cast(graph: RandomGraph, name: str) -> Results:
    kind = graph.integer(0, 4)
    if kind == 0:
        x = graph.off_ties(graph.value())
        return [(apply(name, x, to="int64"), graph.bound(x))]
    if kind == 1:
        x = graph.value(INT64)
        return [(apply(name, x, to="float32"), graph.bound(x))]
    if kind == 2:
        return [(apply(name, graph.value(BOOL), to="float32"), 1.0)]
    x = graph.value()
    wide = apply("Mul", apply(name, x, to="float64"), constant(np.float64(0.25)))
    return [(apply(name, wide, to="float32"), graph.bound(x))]


ELEMENTWISE: dict[str, Recipe] = {
    **dict.fromkeys(_UNARY, _unary),
    **dict.fromkeys(("Floor", "Ceil", "Round", "Sign"), _rounding),
    **dict.fromkeys(("Log", "Sqrt", "Reciprocal"), _of_positive),
    "Pow": _power,
    "Clip": _clip,
    **dict.fromkeys(_BINARY, _binary),
    "Div": _division,
    **dict.fromkeys(("Greater", "Less", "GreaterOrEqual", "LessOrEqual"), _comparison),
    **dict.fromkeys(("And", "Or", "Xor"), _logic),
    "Not": _not,
    "Where": _where,
    **dict.fromkeys(("IsNaN", "IsInf"), _is_special),
    "Equal": _equal,
    "Mod": _modulo,
    "Cast": _cast,
}
