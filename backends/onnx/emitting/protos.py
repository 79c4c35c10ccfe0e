"""Types, arrays and attributes as protobuf messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, numpy_helper

from ....graph.diagnostics import fail
from ....graph.operators import Attribute
from ....graph.types.dtypes import from_numpy
from ....graph.types.types import OptionalType, SequenceType, TensorType, Type

Array = np.ndarray[Any, Any]


def write_type(type: Type, proto: onnx.TypeProto) -> None:
    """Fills a TypeProto; a symbolic dimension becomes its text, an unknown one has neither number nor
    text. Raises SpecError G1112 for a type that ONNX has not."""
    if isinstance(type, TensorType):
        tensor = proto.tensor_type
        tensor.elem_type = type.dtype.code
        if type.axes is None:
            return
        tensor.shape.SetInParent()
        for size in type.axes:
            dim = tensor.shape.dim.add()
            if isinstance(size, int):
                dim.dim_value = size
            elif size is not None:
                dim.dim_param = str(size)
    elif isinstance(type, SequenceType):
        write_type(type.element, proto.sequence_type.elem_type)
    elif isinstance(type, OptionalType):
        write_type(type.element, proto.optional_type.elem_type)
    else:
        raise fail("G1112", f"ONNX has no values of type {type}")


def write_value_info(name: str, type: Type, info: onnx.ValueInfoProto) -> None:
    info.name = name
    write_type(type, info.type)


def write_tensor(array: Array, name: str, proto: TensorProto) -> None:
    """Fills a TensorProto with a copy of the array, packed where an element is below a byte."""
    dtype = from_numpy(array.dtype)
    if dtype.kind == "string":
        proto.string_data.extend(str(s).encode() for s in array.ravel())
    elif dtype.bits < 8:
        proto.raw_data = numpy_helper.from_array(np.asarray(array)).raw_data
    else:
        proto.raw_data = _source_bytes(array) or array.tobytes()
    proto.data_type = dtype.code
    proto.dims.extend(array.shape)
    if name:
        proto.name = name


def _source_bytes(array: Array) -> bytes | None:
    """The bytes that the array was read from and still shows, whole and in order: no copy of it."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    whole = isinstance(base, bytes) and len(base) == array.nbytes and array.flags.c_contiguous
    return base if whole and not array.flags.writeable else None


def stored_bytes(array: Array) -> int:
    """The bytes that `write_tensor` and external data take."""
    return (array.size * from_numpy(array.dtype).bits + 7) // 8


def _set(field: str, kind: int) -> Callable[[AttributeProto, Any], None]:
    def write(proto: AttributeProto, value: Any) -> None:
        proto.type = kind  # type: ignore[assignment]  # the enum's number
        setattr(proto, field, value)

    return write


def _extend(field: str, kind: int) -> Callable[[AttributeProto, Any], None]:
    def write(proto: AttributeProto, value: Any) -> None:
        proto.type = kind  # type: ignore[assignment]  # the enum's number
        getattr(proto, field).extend(value)

    return write


def _string(proto: AttributeProto, value: str) -> None:
    proto.type = AttributeProto.STRING
    proto.s = value.encode()


def _strings(proto: AttributeProto, value: tuple[str, ...]) -> None:
    proto.type = AttributeProto.STRINGS
    proto.strings.extend(s.encode() for s in value)


def _tensor(proto: AttributeProto, value: Array) -> None:
    proto.type = AttributeProto.TENSOR
    write_tensor(value, "", proto.t)


def _type(proto: AttributeProto, value: Type) -> None:
    proto.type = AttributeProto.TYPE_PROTO
    write_type(value, proto.tp)


_WRITERS: Mapping[str, Callable[[AttributeProto, Any], None]] = {
    "int": _set("i", AttributeProto.INT),
    "float": _set("f", AttributeProto.FLOAT),
    "ints": _extend("ints", AttributeProto.INTS),
    "floats": _extend("floats", AttributeProto.FLOATS),
    "string": _string,
    "strings": _strings,
    "tensor": _tensor,
    "type": _type,
}


def write_attribute(name: str, attribute: Attribute, proto: AttributeProto) -> None:
    """Fills an AttributeProto; graphs are the emitter's."""
    proto.name = name
    _WRITERS[attribute.kind](proto, attribute.value)
