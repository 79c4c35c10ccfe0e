"""Signatures of the standard's operators, read from `onnx.defs` at the pinned opset."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import onnx
from onnx import defs

from ..types.dtypes import BY_CODE
from .attributes import Attribute, freeze_array, make_attribute
from .operator import AttributeSpec, Formal

OPSET = 28
"""The pinned opset: the newest of the pinned `onnx` release (a test compares)."""

_SPELLINGS = {
    "float": "float32",
    "double": "float64",
    "float8e4m3fn": "float8e4m3fn",
}
_KINDS = {
    defs.OpSchema.AttrType.INT: "int",
    defs.OpSchema.AttrType.FLOAT: "float",
    defs.OpSchema.AttrType.STRING: "string",
    defs.OpSchema.AttrType.TENSOR: "tensor",
    defs.OpSchema.AttrType.SPARSE_TENSOR: "tensor",
    defs.OpSchema.AttrType.GRAPH: "graph",
    defs.OpSchema.AttrType.INTS: "ints",
    defs.OpSchema.AttrType.FLOATS: "floats",
    defs.OpSchema.AttrType.STRINGS: "strings",
    defs.OpSchema.AttrType.TYPE_PROTO: "type",
}


def schema(name: str, opset: int = OPSET, domain: str = "") -> defs.OpSchema:
    """The standard's schema. Raises KeyError for an unknown operator."""
    try:
        return defs.get_schema(name, opset, domain)
    except Exception as error:  # onnx raises a private C++ exception type
        raise KeyError(name) from error


def tensor_dtypes(type_strings: Iterable[str]) -> frozenset[str] | None:
    """Our dtype names among schema types such as `tensor(float)`; None where none is a tensor."""
    names = [t[len("tensor(") : -1] for t in type_strings if t.startswith("tensor(")]
    return frozenset(_SPELLINGS.get(n, n) for n in names) or None


def formals(entries: Iterable[defs.OpSchema.FormalParameter]) -> tuple[Formal, ...]:
    """The formal inputs or outputs of a schema."""
    option = defs.OpSchema.FormalParameterOption
    return tuple(
        Formal(
            name=e.name,
            variable=e.type_str,
            dtypes=tensor_dtypes(e.types) if all(t.startswith("tensor(") for t in e.types) else None,
            optional=e.option == option.Optional,
            variadic=e.option == option.Variadic,
            homogeneous=e.is_homogeneous,
        )
        for e in entries
    )


def attribute_specs(found: defs.OpSchema) -> dict[str, AttributeSpec]:
    return {
        name: AttributeSpec(name, _KINDS[a.type], a.required, _default(a), a.description)
        for name, a in found.attributes.items()
    }


def _default(attribute: Any) -> Attribute | None:
    proto = attribute.default_value
    if proto is None or proto.type == onnx.AttributeProto.UNDEFINED:
        return None
    value = onnx.helper.get_attribute_value(proto)
    kind = _KINDS[attribute.type]
    if kind == "tensor":
        value = freeze_array(onnx.numpy_helper.to_array(value))
    return make_attribute(kind, value)


@cache
def standard_names() -> frozenset[str]:
    """The names of all operators of the standard at the pinned opset, deprecated ones left out."""
    return frozenset(
        s.name
        for s in defs.get_all_schemas()
        if s.domain == "" and not s.deprecated and s.since_version <= OPSET
    )


def dtype_of_code(code: int) -> str:
    """The dtype's name of a TensorProto.DataType number. Raises KeyError."""
    return BY_CODE[code].name
