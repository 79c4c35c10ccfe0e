"""TypeProto -> type."""

from __future__ import annotations

import onnx

from ....graph.diagnostics import fail
from ....graph.types.dimensions import Dimension
from ....graph.types.dtypes import BY_CODE
from ....graph.types.types import OptionalType, SequenceType, TensorType, Type
from .sizes import Sizes

DEEPEST = 16


def read_type(proto: onnx.TypeProto, sizes: Sizes, name: str, depth: int = 0) -> Type:
    """The type of the value called `name`. A dimension with neither number nor name gets a new
    size named after the value and the axis.

    Raises SpecError G1207 for a type that is missing, unknown (map, sparse tensor) or impossible.
    """
    kind = proto.WhichOneof("value")
    if depth > DEEPEST:
        raise fail("G1207", f"the type of '{name}' is nested more than {DEEPEST} deep")
    if kind == "sequence_type":
        return SequenceType(read_type(proto.sequence_type.elem_type, sizes, name, depth + 1))
    if kind == "optional_type":
        return OptionalType(read_type(proto.optional_type.elem_type, sizes, name, depth + 1))
    if kind != "tensor_type":
        raise fail("G1207", f"'{name}' has {'no type' if kind is None else f'the unsupported type {kind}'}")
    dtype = BY_CODE.get(proto.tensor_type.elem_type)
    if dtype is None:
        raise fail("G1207", f"'{name}' has the unknown dtype number {proto.tensor_type.elem_type}")
    if not proto.tensor_type.HasField("shape"):
        return TensorType(dtype, None)
    dims = [_dimension(d, sizes, name, i) for i, d in enumerate(proto.tensor_type.shape.dim)]
    return TensorType(dtype, tuple(dims))


def _dimension(proto: onnx.TensorShapeProto.Dimension, sizes: Sizes, name: str, axis: int) -> Dimension:
    if proto.HasField("dim_value"):
        if proto.dim_value < 0:
            # Exporters write -1 for a size that they don't know.
            return sizes.fresh(f"{name}_{axis}")
        return proto.dim_value
    if proto.dim_param:
        text: object = proto.dim_param  # bytes, where it is no UTF-8
        return sizes.parse(text if isinstance(text, str) else repr(text))
    return sizes.fresh(f"{name}_{axis}")
