"""Derivatives of Scan and If: a second Scan that goes back over the kept states, an If of derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...graph.build.bodies import branch_captures, close_branch, close_loop
from ...graph.ir import Graph, Node, Value, substitute
from ...graph.types import TensorType
from .reverse import Cotangents, Reverse


@dataclass(frozen=True, slots=True)
class _Parts:
    """A Scan's operands and results by their roles."""

    states: tuple[Value, ...]
    scanned: tuple[Value, ...]
    captures: tuple[Value, ...]
    body: Graph


def _parts(node: Node) -> _Parts:
    body: Graph = node.attribute("body")
    scanned = node.attribute("num_scan_inputs")
    captures = node.attribute("captures", 0)
    inputs = tuple(v for v in node.inputs if v is not None)
    states = len(inputs) - scanned - captures
    return _Parts(inputs[:states], inputs[states : states + scanned], inputs[states + scanned :], body)


def scan_gradient(reverse: Reverse, node: Node, cotangents: Cotangents) -> list[Value | None]:
    """Reverse mode through a Scan: the states before each step are kept by running it once more,
    then a Scan in the opposite direction carries their cotangents and sums those of captures."""
    parts = _parts(node)
    trace = _trace(reverse, node, parts)
    outputs = _with_zeros(reverse, node, cotangents)
    count = len(parts.states)
    floats = [_is_float(v) for v in parts.states]
    capture_floats = [i for i, v in enumerate(parts.captures) if _is_float(v)]
    carried = [outputs[i] for i in range(count) if floats[i]]
    sums = [reverse.zeros(parts.captures[i].tensor) for i in capture_floats]
    stacked = [outputs[i] for i in range(count, len(outputs)) if _is_float(node.outputs[i])]
    results = _backward_scan(reverse, node, parts, trace, [*carried, *sums], stacked)
    shares: list[Value | None] = []
    found = iter(results)
    shares += [next(found) if f else None for f in floats]
    sums_found = [next(found) for _ in capture_floats]
    shares += [next(found) if _is_float(v) else None for v in parts.scanned]
    by_capture = dict(zip(capture_floats, sums_found, strict=True))
    shares += [by_capture.get(i) for i in range(len(parts.captures))]
    return shares


def _is_float(value: Value) -> bool:
    return isinstance(value.type, TensorType) and value.type.dtype.is_float


def _with_zeros(reverse: Reverse, node: Node, cotangents: Cotangents) -> list[Value]:
    return [
        c if c is not None else reverse.zeros(v.tensor) for c, v in zip(cotangents, node.outputs, strict=True)
    ]


def _trace(reverse: Reverse, node: Node, parts: _Parts) -> tuple[Value, ...]:
    """The states before each step, stacked in the order of the scanned operands."""
    count = len(parts.states)
    if count == 0:
        return ()
    body = parts.body
    arguments = body.inputs[:count]
    kept = [reverse.build.op("Identity", a) for a in arguments]
    wider = Graph(body.inputs, (*body.outputs[:count], *kept))
    direction = _direction(node)
    return reverse.build.ops(
        "Scan",
        *node.inputs,
        outputs=2 * count,
        body=wider,
        num_scan_inputs=node.attribute("num_scan_inputs"),
        captures=node.attribute("captures", 0),
        scan_input_directions=[direction] * node.attribute("num_scan_inputs"),
        scan_output_directions=[direction] * count,
    )[count:]


def _direction(node: Node) -> int:
    directions = node.attribute("scan_input_directions") or (0,)
    return int(directions[0])


def _backward_scan(
    reverse: Reverse,
    node: Node,
    parts: _Parts,
    trace: Sequence[Value],
    carried: Sequence[Value],
    stacked: Sequence[Value],
) -> tuple[Value, ...]:
    build = reverse.build
    inner_carried = [build.placeholder(v.tensor) for v in carried]
    outer = [*trace, *parts.scanned, *stacked]
    slices = [build.placeholder(TensorType(v.tensor.dtype, v.tensor.shape[1:])) for v in outer]
    outputs = _step(reverse, node, parts, inner_carried, slices)
    body = close_loop(build, outputs, [*inner_carried, *slices])
    direction = 1 - _direction(node)
    per_step = len(outputs) - len(carried)
    return build.ops(
        "Scan",
        *carried,
        *outer,
        *body.captures,
        outputs=len(outputs),
        body=body.graph,
        num_scan_inputs=len(outer),
        captures=len(body.captures),
        scan_input_directions=[direction] * len(outer),
        scan_output_directions=[direction] * per_step,
    )


def _step(
    reverse: Reverse, node: Node, parts: _Parts, carried: Sequence[Value], slices: Sequence[Value]
) -> list[Value]:
    """One step back: the cotangents of states and captures, then those of the slices."""
    build, body = reverse.build, parts.body
    count, scanned = len(parts.states), len(parts.scanned)
    arguments = [*slices[:count], *slices[count : count + scanned], *parts.captures]
    # stand-ins for captures keep the step's own derivative apart from the outer graph
    captures = [build.placeholder(v.tensor, v.known) for v in parts.captures]
    inner = [*arguments[: count + scanned], *captures]
    opened = substitute(body.outputs, dict(zip(body.inputs, inner, strict=True)))
    state_floats = [i for i in range(count) if _is_float(parts.states[i])]
    seeds: dict[Value, Value] = {}
    for value, cotangent in zip([opened[i] for i in state_floats], carried, strict=False):
        seeds[value] = cotangent if value not in seeds else build.op("Add", seeds[value], cotangent)
    stacked = [o for o in opened[count:] if _is_float(o)]
    for value, cotangent in zip(stacked, slices[count + scanned :], strict=True):
        seeds[value] = cotangent if value not in seeds else build.op("Add", seeds[value], cotangent)
    wrt = [v for v in inner if _is_float(v)]
    found = dict(zip(wrt, reverse.gradients(seeds, wrt), strict=True))
    sums = carried[len(state_floats) :]
    results = [_or_zeros(reverse, found, inner[i]) for i in state_floats]
    float_captures = [c for c in captures if _is_float(c)]
    for before, capture in zip(sums, float_captures, strict=True):
        share = found.get(capture)
        results.append(before if share is None else build.op("Add", before, share))
    results += [_or_zeros(reverse, found, v) for v in inner[count : count + scanned] if _is_float(v)]
    back = dict(zip(captures, parts.captures, strict=True))
    return [_kept_apart(reverse, r, carried) for r in substitute(results, back)]


def _or_zeros(reverse: Reverse, found: dict[Value, Value | None], value: Value) -> Value:
    share = found.get(value)
    return reverse.zeros(value.tensor) if share is None else share


def _kept_apart(reverse: Reverse, result: Value, carried: Sequence[Value]) -> Value:
    """A body's result that is one of its arguments goes through Identity."""
    return reverse.build.op("Identity", result) if result in carried else result


def if_gradient(reverse: Reverse, node: Node, cotangents: Cotangents) -> list[Value | None]:
    """An If whose branches are the derivatives of the branches."""
    condition, *operands = (v for v in node.inputs if v is not None)
    given = _with_zeros(reverse, node, cotangents)
    floats = [v for v in operands if _is_float(v)]
    seeds = [c for c, v in zip(given, node.outputs, strict=True) if _is_float(v)]
    boundary = [*operands, *seeds]
    placeholders = [reverse.build.placeholder(v.tensor, v.known) for v in boundary]
    sides = [
        _branch(reverse, node.attribute(n), operands, placeholders) for n in ("then_branch", "else_branch")
    ]
    captured = tuple(dict.fromkeys(c for side in sides for c in branch_captures(side, placeholders)))
    graphs = [close_branch(reverse.build, side, placeholders, captured).graph for side in sides]
    results = iter(
        reverse.build.ops(
            "If",
            condition,
            *boundary,
            *captured,
            outputs=len(floats),
            then_branch=graphs[0],
            else_branch=graphs[1],
            captures=len(boundary) + len(captured),
        )
    )
    return [None, *(next(results) if _is_float(v) else None for v in operands)]


def _branch(
    reverse: Reverse, body: Graph, operands: Sequence[Value], placeholders: Sequence[Value]
) -> list[Value]:
    inner = placeholders[: len(operands)]
    opened = substitute(body.outputs, dict(zip(body.inputs, inner, strict=True)))
    outputs: dict[Value, Value] = {}
    for value, cotangent in zip(
        [o for o in opened if _is_float(o)], placeholders[len(operands) :], strict=True
    ):
        outputs[value] = (
            cotangent if value not in outputs else reverse.build.op("Add", outputs[value], cotangent)
        )
    wrt = [v for v in inner if _is_float(v)]
    found = dict(zip(wrt, reverse.gradients(outputs, wrt), strict=True))
    return [_or_zeros(reverse, found, v) for v in wrt]
