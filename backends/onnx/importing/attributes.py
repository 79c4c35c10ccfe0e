"""AttributeProto -> attribute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from onnx import AttributeProto

from ....graph.diagnostics import fail
from ....graph.operators import Attribute, AttributeSpec, Operator
from ....graph.operators.attributes import freeze_array, make_attribute
from .tensors import read_sparse, read_tensor
from .types import read_type

if TYPE_CHECKING:
    from .scope import Reading

_READERS: Mapping[int, tuple[str, Callable[[AttributeProto, Reading], Any]]] = {
    AttributeProto.FLOAT: ("float", lambda a, r: a.f),
    AttributeProto.INT: ("int", lambda a, r: a.i),
    AttributeProto.STRING: ("string", lambda a, r: a.s.decode("utf-8")),
    AttributeProto.TENSOR: ("tensor", lambda a, r: freeze_array(read_tensor(a.t, r.folder, a.name))),
    AttributeProto.SPARSE_TENSOR: (
        "tensor",
        lambda a, r: freeze_array(read_sparse(a.sparse_tensor, r.folder, a.name)),
    ),
    AttributeProto.FLOATS: ("floats", lambda a, r: tuple(a.floats)),
    AttributeProto.INTS: ("ints", lambda a, r: tuple(a.ints)),
    AttributeProto.STRINGS: ("strings", lambda a, r: tuple(s.decode("utf-8") for s in a.strings)),
    AttributeProto.GRAPH: ("graph", lambda a, r: a.g),
    AttributeProto.TYPE_PROTO: ("type", lambda a, r: read_type(a.tp, r.sizes, a.name)),
}


def read_attribute(proto: AttributeProto, reading: Reading) -> Attribute:
    """The attribute; of a graph, the GraphProto still. Raises SpecError G1208 for a kind that no
    operator of the standard has, and for text that is no UTF-8."""
    found = _READERS.get(proto.type)
    if found is None:
        raise fail("G1208", f"attribute '{proto.name}' has the unsupported kind {proto.type}")
    kind, read = found
    try:
        return Attribute(kind, read(proto, reading))
    except UnicodeDecodeError as error:
        raise fail("G1208", f"attribute '{proto.name}' is no UTF-8 text") from error


def check_kinds(operator: Operator, attributes: Mapping[str, Attribute]) -> Mapping[str, Attribute]:
    """The attributes, an int given for a float converted. Raises SpecError G1208 where a value is
    of another kind than the operator's schema says."""
    changed: dict[str, Attribute] = {}
    for name, attribute in attributes.items():
        spec = operator.attributes.get(name)
        if spec is not None and spec.kind != attribute.kind:
            changed[name] = _converted(operator, spec, attribute)
    return {**attributes, **changed} if changed else attributes


def _converted(operator: Operator, spec: AttributeSpec, attribute: Attribute) -> Attribute:
    if (attribute.kind, spec.kind) in (("int", "float"), ("ints", "floats")):
        return make_attribute(spec.kind, attribute.value)
    if attribute.kind.endswith("s") and not attribute.value and spec.kind.endswith("s"):
        return Attribute(spec.kind, ())
    raise fail(
        "G1208",
        f"attribute '{spec.name}' of {operator.name} takes {spec.kind}; the model has {attribute.kind}",
    )
