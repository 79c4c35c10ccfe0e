"""Bodies of If, Loop, Scan and SequenceMap: closed, with what they capture as operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import onnx

from ....graph.diagnostics import fail
from ....graph.ir import Graph, Value, apply, argument, make_node
from ....graph.operators import Attribute, operator
from ....graph.types.dtypes import BOOL, INT64
from ....graph.types.refinement import covers, join_axes
from ....graph.types.types import OptionalType, SequenceType, TensorType, Type
from .calls import Call
from .scope import Captures, Scope

DEEPEST = 24
ReadGraph = Callable[[Scope, onnx.GraphProto], tuple[Value, ...]]

CONTROL = frozenset({"If", "Loop", "Scan", "SequenceMap"})


def close_bodies(call: Call, scope: Scope, read: ReadGraph, name: str) -> None:
    """Replaces the GraphProtos among a call's attributes by closed Graphs, and appends the values
    that they capture to its operands. Raises SpecError G1213 for bodies that don't fit."""
    depth, outer = 1, scope
    while outer.parent is not None:
        depth, outer = depth + 1, outer.parent
    if depth > DEEPEST:
        raise fail("G1213", f"bodies are nested more than {DEEPEST} deep")
    {"If": _if, "Loop": _loop, "Scan": _scan, "SequenceMap": _sequence_map}[call.name](
        call, scope, read, name
    )


def _graph(call: Call, name: str) -> onnx.GraphProto:
    found = call.attributes.get(name)
    if found is None or found.kind != "graph":
        raise fail("G1213", f"{call.name} has no body '{name}'")
    proto: onnx.GraphProto = found.value
    return proto


def _body(
    call: Call,
    scope: Scope,
    read: ReadGraph,
    proto: onnx.GraphProto,
    types: Sequence[Type],
    captures: Captures,
    name: str,
) -> Graph:
    """The body with arguments of these types; `captures` grows by what it captures."""
    initialized = {t.name for t in proto.initializer}
    formals = (
        [i for i in proto.input if i.name not in initialized] if call.name == "If" else list(proto.input)
    )
    if len(formals) != len(types):
        raise fail("G1213", f"a body of {call.name} takes {len(formals)} inputs and is given {len(types)}")
    inner = Scope(
        scope.reading,
        scope.opsets,
        parent=scope,
        captures=captures,
        path=f"{scope.path}{name}/",
        attributes=scope.attributes,
        calls=scope.calls,
        repeated=True,
    )
    arguments = tuple(argument(i, t) for i, t in enumerate(types))
    inner.values.update({f.name: a for f, a in zip(formals, arguments, strict=True)})
    outputs = read(inner, proto)
    for key, value in inner.values.items():
        if isinstance(value, Value):
            scope.reading.names.setdefault(key, value)
    return Graph(arguments, outputs)


def _with_captures(body: Graph, captures: Captures) -> Graph:
    return Graph((*body.inputs, *captures.arguments.values()), body.outputs)


def _finish(call: Call, captures: Captures) -> None:
    call.inputs.extend(captures.arguments)
    if call.name in ("Loop", "Scan"):
        call.attributes["captures"] = Attribute("int", len(captures.arguments))


class _Open(Captures):
    """Of a branch that becomes part of the graph around it: outer values are taken as they are."""

    def take(self, outer: Value) -> Value:
        return outer


def taken_branch(call: Call, scope: Scope, read: ReadGraph, name: str) -> tuple[Value, ...] | None:
    """The results of an If whose condition is known: its branch is read as part of the graph, the
    other one, which need not make sense, not at all. None where the condition is not known."""
    condition = call.inputs[0] if len(call.inputs) == 1 else None
    known = condition.known if condition is not None else None
    if known is None or known[0] not in (0, 1):
        return None
    key = "then_branch" if known[0] else "else_branch"
    inner = Scope(
        scope.reading,
        scope.opsets,
        parent=scope,
        captures=_Open(0),
        path=f"{scope.path}{name}.{key}/",
        attributes=scope.attributes,
        calls=scope.calls,
        repeated=scope.repeated,
    )
    outputs = read(inner, _graph(call, key))
    for label, value in inner.values.items():
        if isinstance(value, Value):
            scope.reading.names.setdefault(label, value)
    return outputs


def _if(call: Call, scope: Scope, read: ReadGraph, name: str) -> None:
    captures = Captures(0)
    if len(call.inputs) != 1:
        raise fail("G1213", f"If takes one condition, not {len(call.inputs)} inputs")
    branches = {
        key: _body(call, scope, read, _graph(call, key), (), captures, f"{name}.{key}")
        for key in ("then_branch", "else_branch")
    }
    for key, body in branches.items():
        call.attributes[key] = Attribute("graph", _with_captures(body, captures))
    _finish(call, captures)


# --- Loop and Scan: carried values keep one type ------------------------------------------------


def _loop(call: Call, scope: Scope, read: ReadGraph, name: str) -> None:
    while len(call.inputs) < 2:
        call.inputs.append(None)
    proto = _graph(call, "body")
    condition = call.inputs[1]
    fixed: list[Type] = [
        _argument_type(call, proto, 0, TensorType(INT64, ())),
        _argument_type(call, proto, 1, TensorType(BOOL, ()) if condition is None else condition.type),
    ]
    carried = _operand_types(call, call.inputs[2:])
    body, captures = _stable(call, scope, read, proto, fixed, carried, (), 1, name)
    call.attributes["body"] = Attribute("graph", _with_captures(body, captures))
    _finish(call, captures)


def _argument_type(call: Call, proto: onnx.GraphProto, index: int, usual: Type) -> Type:
    """The type of the iteration number or the condition: [] usually, [1] in some models."""
    if index < len(proto.input) and proto.input[index].type.tensor_type.HasField("shape"):
        dims = proto.input[index].type.tensor_type.shape.dim
        if len(dims) == 1 and dims[0].dim_value == 1 and isinstance(usual, TensorType):
            return TensorType(usual.dtype, (1,))
    return usual


def _scan(call: Call, scope: Scope, read: ReadGraph, name: str) -> None:
    found = call.attributes.get("num_scan_inputs")
    scanned = found.value if found is not None else 0
    if not isinstance(scanned, int) or not 0 < scanned <= len(call.inputs):
        raise fail("G1213", f"num_scan_inputs={scanned} of a Scan with {len(call.inputs)} inputs")
    types = _operand_types(call, call.inputs)
    axes = call.attributes.get("scan_input_axes")
    places = axes.value if axes is not None and axes.value else (0,) * scanned
    if len(places) != scanned:
        raise fail("G1213", f"{len(places)} scan_input_axes for {scanned} scanned inputs")
    states, rows = types[: len(types) - scanned], types[len(types) - scanned :]
    slices = [_slice_type(call, t, a) for t, a in zip(rows, places, strict=True)]
    body, captures = _stable(call, scope, read, _graph(call, "body"), [], states, slices, 0, name)
    call.attributes["body"] = Attribute("graph", _with_captures(body, captures))
    _finish(call, captures)


def close_batched_scan(call: Call, scope: Scope, read: ReadGraph, name: str) -> None:
    """A Scan over each member of a batch, as a Scan over the batch whose body is the Scan."""
    members = [_slice_type(call, t, 0) for t in _operand_types(call, call.inputs)]
    arguments: list[Value | None] = [argument(i, t) for i, t in enumerate(members)]
    inner = replace(call, inputs=list(arguments), attributes=dict(call.attributes))
    close_bodies(inner, scope, read, name)
    captured = [v for v in inner.inputs[len(members) :] if v is not None]
    taken = [argument(len(members) + i, v.type, v.known) for i, v in enumerate(captured)]
    node = make_node(operator("Scan"), [*arguments, *taken], inner.attributes, call.outputs)
    body = Graph((*(a for a in arguments if a is not None), *taken), node.outputs)
    call.inputs.extend(captured)
    call.attributes = {
        "body": Attribute("graph", body),
        "num_scan_inputs": Attribute("int", len(members)),
        "captures": Attribute("int", len(captured)),
    }


def _slice_type(call: Call, given: Type, axis: int) -> Type:
    if not isinstance(given, TensorType):
        raise fail("G1213", f"{call.name} can't scan a value of type {given}")
    if given.axes is None:
        return given
    if not -len(given.axes) <= axis < len(given.axes):
        raise fail("G1213", f"{call.name} can't scan axis {axis} of {given}")
    at = axis % len(given.axes)
    return TensorType.of(given.dtype, given.axes[:at] + given.axes[at + 1 :])


def _operand_types(call: Call, operands: Sequence[Value | None]) -> list[Type]:
    if any(v is None for v in operands):
        raise fail("G1213", f"{call.name} has an absent operand")
    return [v.type for v in operands if v is not None]


_GENTLE_ROUNDS = 3


def _stable(
    call: Call,
    scope: Scope,
    read: ReadGraph,
    proto: onnx.GraphProto,
    fixed: Sequence[Type],
    carried: Sequence[Type],
    slices: Sequence[Type],
    first: int,
    name: str,
) -> tuple[Graph, Captures]:
    """The body with carried types that one step keeps: the sizes that it changes become unknown, and
    where that is not enough after some rounds the rank. `first` is the position of the first carried
    result."""
    types = list(carried)
    for attempt in range(_GENTLE_ROUNDS + len(types) + 1):
        captures = Captures(len(fixed) + len(types) + len(slices))
        body = _body(call, scope, read, proto, [*fixed, *types, *slices], captures, name)
        after = [v.type for v in body.outputs[first : first + len(types)]]
        if len(after) < len(types):
            raise fail("G1213", f"the body of {call.name} has {len(body.outputs)} results")
        gentle = attempt < _GENTLE_ROUNDS
        widened = [_widened(call, a, b, gentle) for a, b in zip(types, after, strict=True)]
        if widened == types:
            break
        types = widened
    return _wrapped(call, body, types, first), captures


def _wrapped(call: Call, body: Graph, types: Sequence[Type], first: int) -> Graph:
    """The body with carried results made optional where the value that is carried in is: a step may
    give what an optional holds. `call.opened` says which results are to be opened again."""
    outputs = list(body.outputs)
    for place, type in enumerate(types):
        result = outputs[first + place]
        if isinstance(type, OptionalType) and not isinstance(result.type, OptionalType):
            outputs[first + place] = apply("Optional", result)
            call.opened.append(place)
    return Graph(body.inputs, tuple(outputs))


def _widened(call: Call, before: Type, after: Type, gentle: bool) -> Type:
    """A type that covers both. Gently, only the sizes that differ are given up, else the rank too."""
    if covers(before, after):
        return before
    if isinstance(before, TensorType) and isinstance(after, TensorType) and before.dtype is after.dtype:
        return TensorType.of(before.dtype, join_axes(before.axes, after.axes) if gentle else None)
    for container in (SequenceType, OptionalType):
        if isinstance(before, container) and isinstance(after, container):
            return container(_widened(call, before.element, after.element, gentle))
    if isinstance(before, OptionalType) and not isinstance(after, OptionalType):
        return OptionalType(_widened(call, before.element, after, gentle))
    raise fail("G1213", f"a value carried by {call.name} starts as {before} and becomes {after}")


def _sequence_map(call: Call, scope: Scope, read: ReadGraph, name: str) -> None:
    types = [t.element if isinstance(t, SequenceType) else t for t in _operand_types(call, call.inputs)]
    captures = Captures(len(types))
    body = _body(call, scope, read, _graph(call, "body"), types, captures, name)
    if any(isinstance(v.type, SequenceType) for v in captures.arguments):
        raise fail("G1213", "the body of SequenceMap captures a sequence")
    call.attributes["body"] = Attribute("graph", _with_captures(body, captures))
    _finish(call, captures)
