"""GraphProto -> values: nodes in order, each made as it is read.

This is the hot loop of the importer: it reads protobuf fields directly, touches each once, and
leaves everything unusual (constants, draws, bodies, functions, old opsets) to other files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import onnx

from ....graph.diagnostics import Diagnostic, Note, SpecError, fail
from ....graph.ir import Assumption, Node, Origin, Value, apply, leaf, make_node
from ....graph.operators import Attribute, Operator, RuleError, operator
from ....graph.operators.foreign import RESULT, foreign_operator, is_foreign
from ....graph.operators.schema import OPSET
from ....graph.types.dtypes import FLOAT32
from ....graph.types.types import TensorType, Type
from .attributes import check_kinds, read_attribute
from .bodies import CONTROL, close_bodies, taken_branch
from .calls import Call
from .draws import DRAWS, read_draw
from .ordering import in_order
from .provenance import module_scope, spec_spans
from .scope import POISON, PassedOver, Scope, Unknown
from .tensors import read_sparse, read_tensor
from .types import read_type
from .upgrades import UPGRADES, upgrade

STANDARD = ("", "ai.onnx")
MOST_ERRORS = 100


def read_graph(scope: Scope, graph: onnx.GraphProto) -> tuple[Value, ...]:
    """The output values of a graph whose inputs are in `scope` already. Errors are collected in
    the reading; an output that could not be read raises PassedOver."""
    read_initializers(scope, graph)
    if scope.repeated:
        scope.reading.count_nodes(len(graph.node))
    read_nodes(scope, graph.node)
    return tuple(_output(scope, o.name) for o in graph.output)


def _output(scope: Scope, name: str) -> Value:
    try:
        found = scope.lookup(name)
    except Unknown:
        found = None
    if found is None:
        raise fail("G1203", f"nothing computes the output '{name}'")
    return found


def read_initializers(scope: Scope, graph: onnx.GraphProto) -> None:
    """Initializers as constants and weights. One that is also an input counts as an initializer."""
    reading = scope.reading
    tensors = [(t.name, t) for t in graph.initializer]
    sparse = [(s.values.name, s) for s in graph.sparse_initializer]
    for name, proto in (*tensors, *sparse):
        try:
            if isinstance(proto, onnx.TensorProto):
                array = read_tensor(proto, reading.folder)
            else:
                array = read_sparse(proto, reading.folder)
            if name in scope.values:
                raise fail("G1202", f"the name '{name}' is defined twice")
            scope.values[name] = reading.content(array, f"{scope.path}{name}")
        except SpecError as error:
            reading.diagnostics.extend(error)
            scope.values[name] = POISON


def read_nodes(scope: Scope, nodes: Sequence[onnx.NodeProto]) -> None:
    """Every node, in the model's order; in dependency order where the model's is none."""
    for position, node in enumerate(nodes):
        try:
            read_node(scope, node)
        except Unknown as unknown:
            rest = nodes[position:]
            if any(unknown.name in n.output for n in rest):
                _read_unordered(scope, rest)
                return
            _refuse(scope, node, fail("G1203", f"nothing computes '{unknown.name}'"))


def _read_unordered(scope: Scope, nodes: Sequence[onnx.NodeProto]) -> None:
    ordered, cyclic = in_order(nodes)
    if cyclic:
        names = ", ".join(f"'{node_name(n)}'" for n in cyclic[:8])
        scope.reading.diagnostics.error("G1210", f"these nodes need one another's results: {names}")
        for node in cyclic:
            _poison(scope, node)
    for node in ordered:
        try:
            read_node(scope, node)
        except Unknown as unknown:
            _refuse(scope, node, fail("G1203", f"nothing computes '{unknown.name}'"))


def node_name(node: onnx.NodeProto) -> str:
    """What messages call a node: its name, else its first result's, else its operator's."""
    return node.name or next((o for o in node.output if o), node.op_type)


def _refuse(scope: Scope, node: onnx.NodeProto, error: SpecError) -> None:
    diagnostics = scope.reading.diagnostics
    where = Note(f"at node '{scope.path}{node_name(node)}' ({node.op_type})")
    for found in error.diagnostics:
        diagnostics.add(found if where in found.notes else found.with_notes(where))
    _poison(scope, node)
    if len(diagnostics.items) >= MOST_ERRORS:
        diagnostics.raise_if_errors()


def _poison(scope: Scope, node: onnx.NodeProto) -> None:
    for name in node.output:
        scope.values.setdefault(name, POISON)


def read_node(scope: Scope, node: onnx.NodeProto) -> None:
    """Adds the results of a node to the scope; on an error, poison. Raises Unknown for a name that
    is not defined yet."""
    values = scope.values
    scope.node = node
    try:
        inputs: list[Value | None] = []
        for name in node.input:
            found = values.get(name) if name else None
            if found is None and name:
                found = scope.lookup(name)
            if found is POISON:
                raise PassedOver
            inputs.append(found)  # type: ignore[arg-type]  # POISON is the only Poison
        results = _results(scope, node, inputs)
        _bind(scope, node, results)
    except PassedOver:
        _poison(scope, node)
    except SpecError as error:
        _refuse(scope, node, error)
    except RuleError as error:
        _refuse(scope, node, _spec_error(error))


def _spec_error(error: RuleError) -> SpecError:
    return SpecError([Diagnostic(error.code, error.message, hint=error.hint)])


def _bind(scope: Scope, node: onnx.NodeProto, results: Sequence[Value]) -> None:
    values = scope.values
    names = node.output
    if len(names) > len(results) and any(names[len(results) :]):
        raise fail("G1203", f"{node.op_type} has {len(results)} results; the model names {len(names)}")
    for name, value in zip(names, results, strict=False):
        if name:
            if name in values:
                raise fail("G1202", f"the name '{name}' is defined twice")
            values[name] = value
    if node.name:
        origins = scope.reading.origins
        module = module_scope(node.metadata_props) if node.metadata_props else ""
        origin = Origin((), f"{scope.path}{module}{node.name}")
        for value in results:
            if value not in origins:
                origins[value] = origin
    if node.metadata_props:
        _spans(scope, node, results)


def _spans(scope: Scope, node: onnx.NodeProto, results: Sequence[Value]) -> None:
    spans = spec_spans(node.metadata_props)
    for value in results if spans else ():
        scope.reading.origins[value] = Origin(spans, scope.reading.origins.get(value, Origin()).path)


def _results(scope: Scope, node: onnx.NodeProto, inputs: list[Value | None]) -> Sequence[Value]:
    op_type, domain = node.op_type, node.domain
    protos = node.attribute
    attributes = _attributes(scope, protos) if protos else {}
    reading = scope.reading
    if reading.functions:
        function = reading.functions.get((domain, op_type, node.overload))
        if function is not None:
            from .functions import call_function

            return call_function(scope, node, function, inputs, attributes)
    if domain in STANDARD:
        reader = _SPECIAL.get(op_type)
        if reader is not None:
            return reader(scope, node, inputs, attributes)
        if op_type in UPGRADES and scope.opsets.get("", OPSET) < UPGRADES[op_type][-1][0]:
            return _upgraded(scope, node, inputs, attributes)
    found = find_operator(scope, op_type, domain)
    if is_foreign(found):
        attributes = {**attributes, **_stated_types(scope, node, inputs)}
    return make(scope, found, inputs, attributes, len(node.output)).outputs


def _attributes(scope: Scope, protos: Iterable[onnx.AttributeProto]) -> dict[str, Attribute]:
    found: dict[str, Attribute] = {}
    for proto in protos:
        if proto.ref_attr_name:
            given = (scope.attributes or {}).get(proto.ref_attr_name)
            if given is not None:
                found[proto.name] = given
        else:
            found[proto.name] = read_attribute(proto, scope.reading)
    return found


def find_operator(scope: Scope, name: str, domain: str) -> Operator:
    """Raises SpecError G1201 for an operator or domain that is neither the standard's nor ours."""
    try:
        return operator(name, domain)
    except KeyError:
        if scope.reading.opaque and domain not in (*STANDARD, "graphwright"):
            return foreign_operator(name, domain, scope.opsets.get(domain, 1))
        raise _unknown_operator(scope, name, domain) from None


def _stated_types(scope: Scope, node: onnx.NodeProto, inputs: Sequence[Value | None]) -> dict[str, Attribute]:
    """The types of a foreign node's results: the model's, else a tensor of unknown rank of the first
    operand's dtype."""
    tensors = [v.type for v in inputs if v is not None and isinstance(v.type, TensorType)]
    usual: Type = TensorType(tensors[0].dtype if tensors else FLOAT32, None)
    reading = scope.reading
    found: dict[str, Attribute] = {}
    for i, name in enumerate(node.output):
        stated = reading.declared.get(name)
        type_ = usual if stated is None else read_type(stated, reading.sizes, name)
        found[f"{RESULT}{i}"] = Attribute("type", type_)
    return found


def _unknown_operator(scope: Scope, name: str, domain: str) -> SpecError:
    if domain in STANDARD:
        opset = scope.opsets.get("", OPSET)
        return fail("G1201", f"the standard has no operator '{name}' at opset {opset}")
    return fail(
        "G1201",
        f"operator '{name}' is of the domain '{domain}', which the model does not define",
        hint="export it without operators of one runtime, or as local functions; `compile --opaque` keeps them",
    )


def make(
    scope: Scope,
    found: Operator,
    inputs: Sequence[Value | None],
    attributes: Mapping[str, Attribute],
    outputs: int,
) -> Node:
    """The node. Where two sizes must be equal that the model gives different names, that becomes an
    assumption, and the node is made of stand-ins whose sizes agree (the model is then read again).

    Raises RuleError where operands don't fit, SpecError for an attribute of the wrong kind.
    """
    if attributes:
        attributes = check_kinds(found, attributes)
    try:
        return make_node(found, inputs, attributes, outputs)
    except RuleError as error:
        if error.unequal is None:
            raise
        return _assumed(scope, found, list(inputs), attributes, outputs, error)
    except _MALFORMED as error:
        raise fail(
            "G1215", f"{found.name} can't be read with these operands and attributes ({error or 'malformed'})"
        ) from error


_MALFORMED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    MemoryError,
)
"""What rules raise that trust their operands: an empty vector where one axis should be, a number
that no array can hold. A model from outside may have any of that."""


def _assumed(
    scope: Scope,
    found: Operator,
    inputs: list[Value | None],
    attributes: Mapping[str, Attribute],
    outputs: int,
    error: RuleError,
) -> Node:
    reading = scope.reading
    for _ in range(64):
        assert error.unequal is not None
        left, right = error.unequal
        known = reading.sizes.resolve(left) == reading.sizes.resolve(right)
        if not reading.sizes.equate(left, right):
            raise error
        if not known:
            reading.assumptions.append(Assumption(left, "==", right, _reason(scope)))
        inputs = [_stand_in(scope, v) if v is not None else None for v in inputs]
        try:
            return make_node(found, inputs, attributes, outputs)
        except RuleError as again:
            if again.unequal is None or again.unequal == error.unequal:
                raise
            error = again
    raise error


def _reason(scope: Scope) -> str:
    node = scope.node
    return f"node '{node_name(node)}' ({node.op_type}) needs it" if node is not None else ""


def _stand_in(scope: Scope, value: Value) -> Value:
    """A leaf of the value's type with all assumptions put in; the value itself where it has it."""
    sizes = scope.reading.sizes
    type = sizes.resolve_type(value.type)
    if type == value.type:
        return value
    known = value.known
    if known is not None:
        known = tuple(None if k is None else sizes.resolve(k) for k in known)
    scope.reading.stand_ins += 1
    return leaf("Input", f"?{scope.reading.stand_ins}", type, known=known)


# --- special operators ------------------------------------------------------------------------

Reader = Callable[[Scope, onnx.NodeProto, list[Value | None], dict[str, Attribute]], Sequence[Value]]


def _constant(
    scope: Scope, node: onnx.NodeProto, inputs: list[Value | None], attributes: dict[str, Attribute]
) -> Sequence[Value]:
    if len(attributes) != 1:
        raise fail("G1203", f"Constant has {len(attributes)} attributes; it takes exactly one")
    ((name, attribute),) = attributes.items()
    kind, dtype = _CONSTANTS.get(name, ("", None))
    if kind != attribute.kind:
        raise fail("G1208", f"Constant has an attribute '{name}' of kind {attribute.kind}")
    array = attribute.value if kind == "tensor" else np.array(attribute.value, dtype)
    return (scope.reading.content(array, f"{scope.path}{node.output[0] if node.output else node.name}"),)


_CONSTANTS: Mapping[str, tuple[str, type | None]] = {
    "value": ("tensor", None),
    "sparse_value": ("tensor", None),
    "value_int": ("int", np.int64),
    "value_ints": ("ints", np.int64),
    "value_float": ("float", np.float32),
    "value_floats": ("floats", np.float32),
    "value_string": ("string", object),
    "value_strings": ("strings", object),
}


def _call(
    scope: Scope, node: onnx.NodeProto, inputs: list[Value | None], attributes: dict[str, Attribute]
) -> Call:
    named = max((i + 1 for i, o in enumerate(node.output) if o), default=0)
    return Call(
        node.op_type,
        inputs,
        attributes,
        named,
        lambda array: scope.reading.content(array, f"{scope.path}{node_name(node)}.operand"),
    )


def _upgrade(scope: Scope, call: Call) -> None:
    """As `upgrade`, whose rules trust the attributes. Raises SpecError G1208 where one is of a kind
    that the operator never had."""
    try:
        upgrade(call, scope.opsets.get("", OPSET))
    except _MALFORMED as error:
        raise fail("G1208", f"an attribute of {call.name} is not of the kind that it should be") from error


def _upgraded(
    scope: Scope, node: onnx.NodeProto, inputs: list[Value | None], attributes: dict[str, Attribute]
) -> Sequence[Value]:
    call = _call(scope, node, inputs, attributes)
    _upgrade(scope, call)
    found = find_operator(scope, call.name, node.domain)
    results = make(scope, found, call.inputs, call.attributes, len(node.output)).outputs
    return (call.finish(results[0]),) if call.finish is not None else results


def _drawn(
    scope: Scope, node: onnx.NodeProto, inputs: list[Value | None], attributes: dict[str, Attribute]
) -> Sequence[Value]:
    call = _call(scope, node, inputs, attributes)
    _upgrade(scope, call)
    check_kinds(find_operator(scope, call.name, ""), call.attributes)
    found = read_draw(call, scope, node_name(node))
    if found is not None:
        return found
    return make(scope, operator(call.name), call.inputs, call.attributes, len(node.output)).outputs


def _controlled(
    scope: Scope, node: onnx.NodeProto, inputs: list[Value | None], attributes: dict[str, Attribute]
) -> Sequence[Value]:
    call = _call(scope, node, inputs, attributes)
    _upgrade(scope, call)
    if call.name == "If":
        found = taken_branch(call, scope, read_graph, node_name(node))
        if found is not None:
            return found
    close_bodies(call, scope, read_graph, node_name(node))
    results = make(scope, operator(call.name), call.inputs, call.attributes, len(node.output)).outputs
    return [apply("OptionalGetElement", r) if i in call.opened else r for i, r in enumerate(results)]


_SPECIAL: Mapping[str, Reader] = {
    "Constant": _constant,
    **dict.fromkeys(DRAWS, _drawn),
    **dict.fromkeys(CONTROL, _controlled),
}

__all__ = ["node_name", "read_graph", "read_nodes"]
