"""Where values lie: proven by intervals from what inputs declare, and seen on samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....graph.ir import Graph, Node, Program, Value
from ....graph.types import TensorType

Interval = tuple[float, float]
EVERYTHING: Interval = (-math.inf, math.inf)


@dataclass(frozen=True)
class Range:
    """`proven` holds for every input that the program may get, `seen` on the samples; `source` says where the proven
    one comes from: declared (of an input), interval, or nothing."""

    proven: Interval
    seen: Interval
    source: str = ""


Intervals = dict[Graph, dict[Value, Interval]]
"""For each graph, the main one and the bodies, the interval of each of its floating-point values."""


def proven(program: Program) -> dict[Value, Interval]:
    """The interval of every floating-point value of the main graph."""
    return everywhere(program)[program.graph]


def everywhere(program: Program) -> Intervals:
    """Those of the main graph and of its bodies, at every depth: what holds in each of a body's calls."""
    found: Intervals = {}
    _through(program.graph, {}, found, program)
    return found


def _through(
    graph: Graph, given: Mapping[Value, Interval], found: Intervals, program: Program | None = None
) -> dict[Value, Interval]:
    """The intervals of one call of the graph, joined in `found` with those of other calls."""
    values: dict[Value, Interval] = dict(given)
    for node in graph.nodes:
        floats = [isinstance(v.type, TensorType) and v.type.dtype.is_float for v in node.outputs]
        if not any(floats):
            continue
        operands = [_operand(v, values) for v in node.inputs]
        results = _controlled(node, operands, found) if "control" in node.operator.traits else None
        for i, value in enumerate(node.outputs):
            if not floats[i] or value in given:
                continue
            if results is not None:
                values[value] = results[i]
            elif value.is_leaf:
                values[value] = _leaf(program, value) if program is not None else _operand(value, {})
            else:
                values[value] = _of(node, operands)
    known = found.setdefault(graph, {})
    known.update({v: _joined(known.get(v, i), i) for v, i in values.items()})
    return values


def _joined(a: Interval, b: Interval) -> Interval:
    return min(a[0], b[0]), max(a[1], b[1])


# --- bodies -------------------------------------------------------------------------------------------

_PATIENCE = 3
"""Calls of a loop's body after which the ends that still move are given up."""


def _controlled(node: Node, operands: Sequence[Interval], found: Intervals) -> list[Interval] | None:
    """The results of If, Scan and Loop. What a loop carries is widened until a call leaves it within."""
    if node.name == "If":
        branches = [node.attribute("then_branch"), node.attribute("else_branch")]
        ends = [_results(b, operands[1:], found) for b in branches]
        return [_joined(a, b) for a, b in zip(*ends, strict=True)]
    captures = node.attribute("captures", 0)
    if node.name == "Scan":
        count = len(operands) - node.attribute("num_scan_inputs") - captures
        return _carried(node.attribute("body"), (), operands[:count], operands[count:], found)
    if node.name == "Loop":
        count = len(operands) - captures
        head = (EVERYTHING, EVERYTHING)  # the iteration's number and the condition are no floats
        return _carried(node.attribute("body"), head, operands[2:count], operands[count:], found)
    for body in (a.value for a in node.attributes.values() if a.kind == "graph"):
        _results(body, [EVERYTHING] * len(body.inputs), found)
    return None


def _carried(
    body: Graph,
    head: Sequence[Interval],
    start: Sequence[Interval],
    rest: Sequence[Interval],
    found: Intervals,
) -> list[Interval]:
    """The carried values after any number of calls, and what the calls give beside."""
    state, skip = list(start), 1 if head else 0
    scratch: Intervals = {}
    for step in range(_PATIENCE + 2 * len(state) + 1):
        results = _results(body, [*head, *state, *rest], scratch)
        after = [_joined(a, b) for a, b in zip(state, results[skip:], strict=False)]
        if after == state:
            break
        state = after if step < _PATIENCE else [_widened(a, b) for a, b in zip(state, after, strict=True)]
    results = _results(body, [*head, *state, *rest], found)
    return [*state, *results[skip + len(state) :]]


def _widened(before: Interval, after: Interval) -> Interval:
    """The ends that moved are given up."""
    return (
        before[0] if after[0] >= before[0] else -math.inf,
        before[1] if after[1] <= before[1] else math.inf,
    )


def _results(body: Graph, operands: Sequence[Interval], found: Intervals) -> list[Interval]:
    given = {
        v: i
        for v, i in zip(body.inputs, operands, strict=False)
        if isinstance(v.type, TensorType) and v.type.dtype.is_float
    }
    values = _through(body, given, found)
    return [_operand(v, values) for v in body.outputs]


# --- operators ----------------------------------------------------------------------------------------


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


def _log(x: Interval) -> Interval:
    return (math.log(x[0]) if x[0] > 0 else -math.inf, math.log(x[1]) if x[1] > 0 else -math.inf)


def _quotient(a: Interval, b: Interval) -> Interval:
    if b[0] <= 0 <= b[1]:
        return EVERYTHING
    return _product(a, (1 / b[1] if math.isfinite(b[1]) else 0.0, 1 / b[0] if math.isfinite(b[0]) else 0.0))


def _gated(x: Interval) -> Interval:
    """x times a number in 0 to 1, above -1/2."""
    return (-0.5 if x[0] < 0 else 0.0), max(x[1], 0.0)


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
    "Log": _log,
    "Div": _quotient,
    "Reciprocal": lambda a: _quotient((1.0, 1.0), a),
    "Softplus": lambda a: (max(a[0], 0.0), max(a[1], 0.0) + 0.7),
    **dict.fromkeys(("Gelu", "Swish"), _gated),
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
