"""If, Scan and Loop as cond, scan and while_loop with functions for their bodies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...diagnostics import fail
from ...ir import Graph, Node, Value, apply, constant, substitute
from ...types.dtypes import BOOL
from ...types.types import TensorType
from .. import expressions as ex
from ..documents import Block, Declaration, NodeDefinition, OutputDeclaration
from .dimensions import dimension, writable
from .functions import write_body
from .level import Level
from .syntax import (
    boolean,
    call,
    comparison,
    integers,
    label,
    listed,
    logical,
    name,
    number,
    slice_of,
    subscript,
)


def write_subgraph(level: Level, node: Node) -> None:
    """Adds what a node with bodies computes. Raises SpecError G1221 where a spec can't say it."""
    writer = {"If": _if, "Scan": _scan, "Loop": _loop}.get(node.name)
    if writer is None:
        raise fail("G1221", f"{node.name} has no form in a spec")
    for value in (*node.inputs, *node.outputs):
        if value is not None and not isinstance(value.type, TensorType):
            raise fail("G1221", f"{node.name} over a value of type {value.type} has no form in a spec")
    writer(level, node)


def _wish(level: Level, node: Node, part: str) -> str:
    hint = level.shared.hint(node.outputs[0], level.scope)
    return f"{hint}_{part}" if hint else f"{node.name.lower()}_{part}"


def _captured(level: Level, values: Sequence[Value | None]) -> list[ex.Expression]:
    return [level.refer(v) for v in values if v is not None]


def _partial(function: str, names: Sequence[str], values: Sequence[ex.Expression]) -> ex.Expression:
    if not names:
        return name(function)
    return call("partial", [name(function)], dict(zip(names, values, strict=True)))


def _used_arguments(body: Graph) -> set[int]:
    return {n.attribute("index") for n in body.nodes if n.operator.name == "Argument"}


# --- If ---------------------------------------------------------------------------------------------


def _if(level: Level, node: Node) -> None:
    branches = [node.attribute("then_branch"), node.attribute("else_branch")]
    types = [[v.type for v in b.outputs] for b in branches]
    if types[0] != types[1]:
        raise fail("G1221", "an If whose branches give different types has no form in a spec")
    captures = node.inputs[1:]
    functions: list[ex.Expression] = []
    for key, body in zip(("then", "else"), branches, strict=True):
        used = sorted(_used_arguments(body))
        inner = Graph(tuple(body.inputs[k] for k in used), body.outputs)
        function, names = write_body(level, _wish(level, node, key), inner, [""] * len(used))
        functions.append(_partial(function, names, _captured(level, [captures[k] for k in used])))
    condition = node.inputs[0]
    assert condition is not None
    level.define(node.outputs, level.fitted(lambda: call("cond", [level.refer(condition), *functions])))


# --- Scan -------------------------------------------------------------------------------------------


def _scan(level: Level, node: Node) -> None:
    body: Graph = node.attribute("body")
    captures, scanned = node.attribute("captures", 0), node.attribute("num_scan_inputs")
    states = len(node.inputs) - captures - scanned
    _check_states(node.inputs[:states], body.inputs[:states])
    axes = node.attribute("scan_input_axes") or (0,) * scanned
    out_axes = node.attribute("scan_output_axes") or (0,) * (len(node.outputs) - states)
    directions = node.attribute("scan_input_directions") or (0,) * scanned
    out_directions = node.attribute("scan_output_directions") or (0,) * (len(node.outputs) - states)
    reverse = {*directions, *out_directions} == {1}
    over: list[ex.Expression] = []
    for value, axis, direction in zip(node.inputs[states : states + scanned], axes, directions, strict=True):
        assert value is not None
        over.append(_turned(level.refer(value), value, axis, bool(direction) and not reverse))
    function, names = write_body(level, _wish(level, node, "step"), body, [""] * len(body.inputs))
    held = _captured(level, node.inputs[len(node.inputs) - captures :])
    keywords: dict[str, ex.Expression] = {}
    if states:
        keywords["init"] = listed(_captured(level, node.inputs[:states]))
    keywords["over"] = listed(over)
    if reverse:
        keywords["reverse"] = boolean(True)
    called = call("scan", [_partial(function, names[len(names) - captures :], held)], keywords)
    if not any(out_axes) and (reverse or not any(out_directions)):
        level.define(node.outputs, called)
        return
    _define_turned(level, node, called, states, out_axes, [] if reverse else out_directions)


def _turned(expression: ex.Expression, value: Value, axis: int, backwards: bool) -> ex.Expression:
    """The scanned axis in front, in the order of the scan."""
    rank = value.tensor.rank
    axis %= rank
    if axis:
        expression = call("transpose", [expression, integers([axis, *(i for i in range(rank) if i != axis)])])
    return subscript(expression, [slice_of(None, None, -1)]) if backwards else expression


def _define_turned(
    level: Level,
    node: Node,
    called: ex.Expression,
    states: int,
    axes: Sequence[int],
    directions: Sequence[int],
) -> None:
    """Stacked results whose axis is not the first, or that are in another order."""
    targets: list[str] = [level.name_of(v) for v in node.outputs[:states]]
    turned: list[tuple[Value, str]] = []
    for value in node.outputs[states:]:
        targets.append(level.names.take("stacked"))
        turned.append((value, targets[-1]))
    level.put(targets, called)
    for position, (value, target) in enumerate(turned):
        found: ex.Expression = name(target)
        if position < len(directions) and directions[position]:
            found = subscript(found, [slice_of(None, None, -1)])
        axis = axes[position] % value.tensor.rank
        if axis:
            order = [*range(1, axis + 1), 0, *range(axis + 1, value.tensor.rank)]
            found = call("transpose", [found, integers(order)])
        level.define((value,), found)


def _check_states(states: Sequence[Value | None], arguments: Sequence[Value]) -> None:
    """A state keeps its type in a spec: what is known of it at the start is known after every step."""
    for value, inner in zip(states, arguments, strict=True):
        if value is not None and value.type != inner.type:
            raise fail(
                "G1221",
                f"a carried value starts as {value.type} and becomes {inner.type}, which has no form in a spec",
            )


# --- Loop -------------------------------------------------------------------------------------------


def _loop(level: Level, node: Node) -> None:
    body: Graph = node.attribute("body")
    captures = node.attribute("captures", 0)
    states = node.inputs[2 : len(node.inputs) - captures]
    _check_states(states, body.inputs[2 : 2 + len(states)])
    if (
        any(v.type != TensorType(BOOL, ()) for v in (body.inputs[1], body.outputs[0]))
        or body.inputs[0].tensor.rank
    ):
        raise fail("G1221", "a Loop whose condition or counter is no scalar has no form in a spec")
    times = _trip_count(level, node)
    if times is not None and _always_goes_on(node, body):
        _counted(level, node, body, times)
        return
    _while(level, node, body)


def _trip_count(level: Level, node: Node) -> ex.Expression | None:
    """The number of steps as an expression over sizes, where that is known."""
    count = node.inputs[0]
    if count is None or count.known is None or len(count.known) != 1 or count.known[0] is None:
        return None
    if not writable(count.known[0], level.shared.sizes):
        return None
    if isinstance(count.known[0], int) and not 0 < count.known[0] < 2**31:
        return None
    return dimension(count.known[0], level.shared.sizes)


def _always_goes_on(node: Node, body: Graph) -> bool:
    start, after = node.inputs[1], body.outputs[0]
    begins = start is None or (start.constant is not None and bool(start.constant.all()))
    return begins and (after is body.inputs[1] or (after.constant is not None and bool(after.constant.all())))


def _counted(level: Level, node: Node, body: Graph, times: ex.Expression) -> None:
    """A Loop of a known number of steps as a scan, over the step's number where that is read."""
    captures = node.attribute("captures", 0)
    states = list(node.inputs[2 : len(node.inputs) - captures])
    counted = 0 in _used_arguments(body)
    carried = list(body.inputs[2 : 2 + len(states)])
    inputs = [*carried, *([body.inputs[0]] if counted else []), *body.inputs[2 + len(states) :]]
    results = substitute(body.outputs[1:], {body.inputs[1]: constant(np.bool_(True))})
    inner = Graph(tuple(inputs), results)
    wishes = [*[""] * len(carried), *(["step"] if counted else []), *[""] * captures]
    function, names = write_body(level, _wish(level, node, "step"), inner, wishes)
    held = _captured(level, node.inputs[len(node.inputs) - captures :])
    keywords: dict[str, ex.Expression] = {}
    if states:
        keywords["init"] = listed(_captured(level, states))
    if counted:
        keywords["over"] = listed([call("Range", [number(0), times, number(1)])])
    else:
        keywords["times"] = times
    level.define(
        node.outputs, call("scan", [_partial(function, names[len(names) - captures :], held)], keywords)
    )


def _while(level: Level, node: Node, body: Graph) -> None:
    """A Loop that data end. Whether to go on is carried, and so is the step's number where the body or
    a limit that is only known at run time needs it."""
    captures = node.attribute("captures", 0)
    states = node.inputs[2 : len(node.inputs) - captures]
    times = _trip_count(level, node)
    limit = node.inputs[0] if times is None else None
    used = _used_arguments(body)
    number_, going = body.inputs[0], body.inputs[1]
    counted = 0 in used or limit is not None
    after = body.outputs[0] if 1 in used else apply("And", going, body.outputs[0])
    inputs = [going, *([number_] if counted else []), *body.inputs[2:]]
    following = [apply("Add", number_, constant(np.int64(1)))] if counted else []
    outputs = [after, *following, *body.outputs[1:]]
    wishes = ["going", *(["step"] if counted else []), *[""] * (len(body.inputs) - 2)]
    inner = Graph(tuple(inputs), tuple(outputs))
    function, names = write_body(level, _wish(level, node, "step"), inner, wishes)
    carried = names[: len(names) - captures]
    test = _test(level, node, carried, limit)
    held = _captured(level, node.inputs[len(node.inputs) - captures :])
    begins: ex.Expression = boolean(True) if node.inputs[1] is None else level.refer(node.inputs[1])
    start = [begins, *([number(0)] if counted else []), *_captured(level, states)]
    keywords = {"init": listed(start), "max_times": times if times is not None else number(2**62)}
    called = call("while_loop", [test, _partial(function, names[len(carried) :], held)], keywords)
    targets = ["_" if v not in level.wanted and not level.uses[v] else level.name_of(v) for v in node.outputs]
    level.put([*["_"] * (2 if counted else 1), *targets], called)


def _test(level: Level, node: Node, carried: Sequence[str], limit: Value | None) -> ex.Expression:
    """The function that says whether a step follows: `test(going, step, …): going`."""
    found = level.shared.functions.take(_wish(level, node, "test"))
    while found in level.names:
        found = level.shared.functions.take(found)
    level.names.reserve((found,))
    going, condition = carried[0], name(carried[0])
    inputs = list(carried)
    if limit is not None:
        inputs.append("limit" if "limit" not in carried else "step_limit")
        condition = logical("and", [name(going), comparison("<", name(carried[1]), name(inputs[-1]))])
    level.shared.blocks.append(
        Block(
            label(found),
            inputs=tuple(Declaration(label(i), None) for i in inputs),
            nodes=(NodeDefinition((label("y"),), None, condition),),
            outputs=(OutputDeclaration(label("y")),),
            one_line=True,
        )
    )
    return _partial(found, inputs[len(carried) :], [] if limit is None else [level.refer(limit)])
