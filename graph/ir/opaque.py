"""Types of operators without a rule of ours, through `onnx.shape_inference`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..operators.foreign import is_foreign, result_types
from ..operators.operator import Call, RuleError
from ..types.dimensions import Dim, Dimension, symbol
from ..types.dtypes import BY_CODE
from ..types.types import Axis, OptionalType, SequenceType, TensorType, Type


def infer_opaque(call: Call) -> Sequence[Type]:
    """The result types by ONNX's own inference of a one-node model (of a foreign operator, those that
    the model gives). Dimensions that it can't tell are unknown. Raises RuleError where ONNX refuses the
    operands."""
    if is_foreign(call.operator):
        return result_types(call.attributes)
    import onnx
    from onnx import helper, shape_inference

    from ..operators.schema import OPSET

    names = [f"i{k}" if v is not None else "" for k, v in enumerate(call.inputs)]
    count = call.outputs or sum(1 for o in call.operator.outputs if not o.variadic) or 1
    node = helper.make_node(
        call.operator.name, names, [f"o{k}" for k in range(count)], domain=call.operator.domain
    )
    node.attribute.extend(_attribute_proto(name, a) for name, a in call.attributes.items())
    inputs = [
        helper.make_value_info(f"i{k}", type_proto(v.type))
        for k, v in enumerate(call.inputs)
        if v is not None
    ]
    outputs = [helper.make_empty_tensor_value_info(f"o{k}") for k in range(count)]
    graph = helper.make_graph([node], "opaque", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid(call.operator.domain, OPSET)])
    try:
        inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        raise RuleError("G0407", f"{call.operator.name} refuses its operands: {_reason(error)}") from error
    found = {v.name: v.type for v in inferred.graph.output}
    dims = _dimensions(v.type for v in call.inputs if v is not None)
    return tuple(from_type_proto(found[f"o{k}"], dims) for k in range(count))


def _dimensions(types: Iterable[Type]) -> dict[str, Dimension]:
    """The symbolic dimensions of the operands by their text. ONNX makes up names such as `unk__0`
    for what it can't tell, the same ones for every node: those must not be taken for sizes."""
    found: dict[str, Dimension] = {}
    waiting = list(types)
    while waiting:
        type = waiting.pop()
        if isinstance(type, SequenceType | OptionalType):
            waiting.append(type.element)
        elif isinstance(type, TensorType):
            found.update({str(d): d for d in type.axes or () if isinstance(d, Dim)})
    return found


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def _attribute_proto(name: str, attribute: Any) -> Any:
    from onnx import helper, numpy_helper

    value = attribute.value
    if attribute.kind == "tensor":
        value = numpy_helper.from_array(value)
    return helper.make_attribute(name, value)


def type_proto(type: Type) -> Any:
    """The ONNX TypeProto. Raises ValueError for a type that ONNX has not."""
    from onnx import helper

    if isinstance(type, TensorType):
        dims = None if type.axes is None else [str(d) if isinstance(d, Dim) else d for d in type.axes]
        return helper.make_tensor_type_proto(type.dtype.code, dims)
    if isinstance(type, SequenceType):
        return helper.make_sequence_type_proto(type_proto(type.element))
    if isinstance(type, OptionalType):
        return helper.make_optional_type_proto(type_proto(type.element))
    raise ValueError(f"ONNX has no type {type}")


def from_type_proto(proto: Any, dimensions: Mapping[str, Dimension] | None = None) -> Type:
    """The type of a TypeProto. A dimension without value or name is unknown, and with `dimensions` so is
    a name that is not among them (without, names are sizes)."""
    kind = proto.WhichOneof("value")
    if kind == "sequence_type":
        return SequenceType(from_type_proto(proto.sequence_type.elem_type, dimensions))
    if kind == "optional_type":
        return OptionalType(from_type_proto(proto.optional_type.elem_type, dimensions))
    if kind != "tensor_type":
        raise ValueError(f"a value of kind {kind} is not supported")
    tensor = proto.tensor_type
    dtype = BY_CODE[tensor.elem_type]
    if not tensor.HasField("shape"):
        return TensorType(dtype, None)
    axes: list[Axis] = []
    for d in tensor.shape.dim:
        if d.HasField("dim_value"):
            axes.append(d.dim_value)
        elif dimensions is not None:
            axes.append(dimensions.get(d.dim_param))
        else:
            axes.append(symbol(d.dim_param) if d.dim_param.isidentifier() else None)
    return TensorType.of(dtype, tuple(axes))
