"""Where values lie: proven by intervals from what inputs declare, and seen on samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....graph.ir import Node, Program, Value
from ....graph.types import TensorType

Interval = tuple[float, float]
EVERYTHING: Interval = (-math.inf, math.inf)


@dataclass(frozen=True)
class Range:
    """`proven` holds for every input that the program may get, `seen` on the samples."""

    proven: Interval
    seen: Interval


def proven(program: Program) -> dict[Value, Interval]:
    """The interval of every floating-point value of the main graph."""
    found: dict[Value, Interval] = {}
    for node in program.graph.nodes:
        operands = [_operand(v, found) for v in node.inputs]
        for value in node.outputs:
            if isinstance(value.type, TensorType) and value.type.dtype.is_float:
                found[value] = _leaf(program, value) if value.is_leaf else _of(node, operands)
    return found


def _operand(value: Value | None, found: Mapping[Value, Interval]) -> Interval:
    if value is None:
        return EVERYTHING
    array = value.constant
    if array is not None and array.dtype.kind == "f" and array.size and np.isfinite(array).all():
        return float(array.min()), float(array.max())
    return found.get(value, EVERYTHING)


def _leaf(program: Program, value: Value) -> Interval:
    name = value.node.attribute("name") if value.role != "Constant" else None
    if name is None:
        return _operand(value, {})
    array = program.weights.arrays.get(name)
    if array is not None and value.role in ("Parameter", "Weight") and array.dtype.kind == "f" and array.size:
        return (float(array.min()), float(array.max())) if np.isfinite(array).all() else EVERYTHING
    domain = program.domains.get(name)
    if domain is None or not domain.declared or domain.kind != "range":
        return EVERYTHING
    low, high = domain.low, domain.high
    ends = [e if isinstance(e, int | float) else None for e in (low, high)]
    return (
        float(ends[0]) if ends[0] is not None else -math.inf,
        float(ends[1]) if ends[1] is not None else math.inf,
    )


def _of(node: Node, operands: Sequence[Interval]) -> Interval:
    rule = _RULES.get(node.name) if not node.operator.domain else None
    if rule is None:
        return EVERYTHING
    low, high = rule(*operands)
    return EVERYTHING if math.isnan(low) or math.isnan(high) else (_down(low), _up(high))


def _down(value: float) -> float:
    """A little lower: operators round."""
    return value - abs(value) * 2.0**-20 if math.isfinite(value) else value


def _up(value: float) -> float:
    return value + abs(value) * 2.0**-20 if math.isfinite(value) else value


def _sum(a: Interval, b: Interval) -> Interval:
    return a[0] + b[0], a[1] + b[1]


def _product(a: Interval, b: Interval) -> Interval:
    ends = [0.0 if 0.0 in (x, y) else x * y for x in a for y in b]
    return min(ends), max(ends)


def _clip(x: Interval, low: Interval = EVERYTHING, high: Interval = EVERYTHING) -> Interval:
    return min(max(x[0], low[0]), high[1]), max(min(x[1], high[1]), low[0])


def _within(low: float, high: float) -> Callable[..., Interval]:
    return lambda *operands: (low, high)


def _exp(x: Interval) -> Interval:
    return (math.exp(min(x[0], 700.0)), math.exp(x[1]) if x[1] < 700 else math.inf)


def _size(x: Interval) -> Interval:
    return (0.0 if x[0] <= 0 <= x[1] else min(abs(x[0]), abs(x[1]))), max(abs(x[0]), abs(x[1]))


_RULES: Mapping[str, Callable[..., Interval]] = {
    "Add": _sum,
    "Sub": lambda a, b: _sum(a, (-b[1], -b[0])),
    "Mul": _product,
    "Neg": lambda a: (-a[1], -a[0]),
    "Abs": _size,
    "Relu": lambda a: (max(a[0], 0.0), max(a[1], 0.0)),
    "Clip": _clip,
    "Exp": _exp,
    "Max": lambda *a: (max(x[0] for x in a), max(x[1] for x in a)),
    "Min": lambda *a: (min(x[0] for x in a), min(x[1] for x in a)),
    "Sqrt": lambda a: (math.sqrt(max(a[0], 0.0)), math.sqrt(a[1]) if a[1] > 0 else 0.0),
    **dict.fromkeys(("Sigmoid", "Softmax", "HardSigmoid"), _within(0.0, 1.0)),
    **dict.fromkeys(("Tanh", "Erf", "Sin", "Cos", "Softsign"), _within(-1.0, 1.0)),
    **dict.fromkeys(
        ("Identity", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Gather", "Slice", "Expand"),
        lambda a, *_: a,
    ),
    "ReduceMax": lambda a, *_: a,
    "ReduceMin": lambda a, *_: a,
    "ReduceMean": lambda a, *_: a,
    "Where": lambda c, a, b: (min(a[0], b[0]), max(a[1], b[1])),
    "Concat": lambda *a: (min(x[0] for x in a), max(x[1] for x in a)),
}


def seen(arrays: Sequence[np.ndarray[Any, Any]]) -> Interval:
    """The least and the largest finite number; (0, 0) of none."""
    finite = [a[np.isfinite(a)] for a in arrays]
    ends = [(float(f.min()), float(f.max())) for f in finite if f.size]
    return (min(e[0] for e in ends), max(e[1] for e in ends)) if ends else (0.0, 0.0)
