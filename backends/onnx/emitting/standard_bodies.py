"""The standard's own function bodies, read as IR."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx

from ....graph.ir import Node, Value
from ....graph.ir.opaque import type_proto
from ....graph.operators import Attribute
from ....graph.operators.schema import schema
from ..importing.functions import call_function
from ..importing.scope import Reading, Scope
from ..importing.sizes import Sizes
from .protos import write_attribute


def standard_body(node: Node) -> Sequence[Value] | None:
    """The results of a function operator by its body; None where it is primitive. The body may be
    of an older opset: it is read like a model's."""
    operator = node.operator
    if operator.domain != "" or any(a.kind == "graph" for a in node.attributes.values()):
        return None
    try:
        found = schema(operator.name)
    except KeyError:
        return None
    proto = _call(node)
    function = _function(found, node, proto)
    if function is None:
        return None
    reading = Reading(None, Sizes(), {})
    scope = Scope(reading, {"": operator.since}, repeated=True)
    results = call_function(scope, proto, function, list(node.inputs), _attributes(node, function))
    reading.diagnostics.raise_if_errors()
    return results


def _call(node: Node) -> onnx.NodeProto:
    proto = onnx.NodeProto(op_type=node.operator.name, name=node.operator.name)
    proto.input.extend("" if v is None else f"i{k}" for k, v in enumerate(node.inputs))
    proto.output.extend(f"o{k}" for k in range(len(node.outputs)))
    for name, attribute in node.attributes.items():
        write_attribute(name, attribute, proto.attribute.add())
    return proto


def _function(found: Any, node: Node, proto: onnx.NodeProto) -> onnx.FunctionProto | None:
    """The body by an OpSchema, some of whose methods onnx's stubs leave out."""
    if found.has_function:
        body: onnx.FunctionProto = found.function_body
        return body
    if not found.has_context_dependent_function:
        return None
    types = [type_proto(v.type).SerializeToString() if v is not None else b"" for v in node.inputs]
    function = onnx.FunctionProto()
    content = found.get_context_dependent_function(proto.SerializeToString(), types)
    function.ParseFromString(content)
    return function if function.node else None


def _attributes(node: Node, function: onnx.FunctionProto) -> dict[str, Attribute]:
    """What the body may refer to: the attributes given, else the schema's defaults."""
    wanted = set(function.attribute)
    defaults = {
        name: spec.default
        for name, spec in node.operator.attributes.items()
        if name in wanted and spec.default is not None
    }
    return {**defaults, **{n: a for n, a in node.attributes.items() if n in wanted}}
