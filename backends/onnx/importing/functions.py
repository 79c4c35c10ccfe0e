"""Model-local functions, inlined where they are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx

from ....graph.diagnostics import fail
from ....graph.ir import Value
from ....graph.operators import Attribute
from .attributes import read_attribute
from .reader import node_name, read_nodes
from .scope import PassedOver, Poison, Scope

DEEPEST = 64


def call_function(
    scope: Scope,
    node: onnx.NodeProto,
    function: onnx.FunctionProto,
    inputs: Sequence[Value | None],
    attributes: Mapping[str, Attribute],
) -> Sequence[Value]:
    """The results of a call. Raises SpecError: G1209 for a function that calls itself or expands to
    too much, G1214 for a call that does not fit its function."""
    key = (function.domain, function.name, function.overload)
    if key in scope.calls or len(scope.calls) >= DEEPEST:
        raise fail("G1209", f"the function '{function.name}' calls itself, or calls are too deep")
    inner = Scope(
        scope.reading,
        {e.domain if e.domain != "ai.onnx" else "": e.version for e in function.opset_import},
        path=f"{scope.path}{node_name(node)}/",
        attributes=_actual(scope, function, attributes),
        calls=(*scope.calls, key),
        repeated=scope.repeated,
    )
    if len(inputs) > len(function.input):
        raise fail("G1214", f"'{function.name}' takes {len(function.input)} inputs, not {len(inputs)}")
    inner.values.update({f: v for f, v in zip(function.input, inputs, strict=False) if v is not None})
    inner.absent.update(function.input)
    scope.reading.count_nodes(len(function.node))
    read_nodes(inner, function.node)
    for name, value in inner.values.items():
        if isinstance(value, Value):
            scope.reading.names.setdefault(f"{inner.path}{name}", value)
    return tuple(_result(inner, function, name) for name in function.output)


def _actual(
    scope: Scope, function: onnx.FunctionProto, given: Mapping[str, Attribute]
) -> dict[str, Attribute]:
    defaults = {p.name: read_attribute(p, scope.reading) for p in function.attribute_proto}
    known = {*function.attribute, *defaults}
    unknown = [name for name in given if name not in known]
    if unknown:
        raise fail("G1214", f"the function '{function.name}' has no attribute '{unknown[0]}'")
    return {**defaults, **given}


def _result(inner: Scope, function: onnx.FunctionProto, name: str) -> Value:
    found = inner.values.get(name)
    if isinstance(found, Poison):
        raise PassedOver
    if found is None:
        raise fail("G1214", f"nothing in the function '{function.name}' computes its output '{name}'")
    return found
