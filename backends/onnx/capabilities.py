"""What ONNX Runtime has kernels for: asked of the runtime itself, once for each kind of node."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import onnx
from onnx import helper

from ...graph.ir import Node, bodies
from ...graph.types.types import OptionalType, SequenceType, TensorType, Type
from .emitting.protos import write_attribute, write_value_info


@dataclass(frozen=True)
class RuntimeKernels:
    """The kernels of ONNX Runtime's CPU provider."""

    def has(self, node: Node, opset: int) -> bool:
        """Whether a session takes a model of just this node. Operators with bodies count as taken:
        what is in their bodies is asked about node by node."""
        if any(True for _ in bodies(node)):
            return True
        return _loads(_probe(node, opset))


def _probe(node: Node, opset: int) -> bytes:
    """A serialized one-node model: operands of the node's types, with sizes left open."""
    model = onnx.ModelProto()
    imports = [helper.make_opsetid("", opset)]
    model.ir_version = max(helper.find_min_ir_version_for(imports), 10)
    model.opset_import.extend(imports)
    graph = model.graph
    graph.name = "probe"
    proto = graph.node.add(op_type=node.operator.name, name="probe")
    for position, value in enumerate(node.inputs):
        name = f"i{position}" if value is not None else ""
        proto.input.append(name)
        if value is not None:
            write_value_info(name, _unshaped(value.type), graph.input.add())
    for position, value in enumerate(node.outputs):
        proto.output.append(f"o{position}")
        write_value_info(f"o{position}", _unshaped(value.type), graph.output.add())
    for name in sorted(node.attributes):
        write_attribute(name, node.attributes[name], proto.attribute.add())
    content: bytes = model.SerializeToString()
    return content


def _unshaped(type: Type) -> Type:
    if isinstance(type, TensorType):
        return TensorType(type.dtype, None)
    if isinstance(type, SequenceType):
        return SequenceType(_unshaped(type.element))
    if isinstance(type, OptionalType):
        return OptionalType(_unshaped(type.element))
    return type


@lru_cache(maxsize=8192)
def _loads(model: bytes) -> bool:
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except errors.NotImplemented:
        return False
    except Exception as error:  # onnxruntime raises private C++ exception types
        # A kernel may also refuse its attributes when it is made.
        return "NOT_IMPLEMENTED" not in str(error) and "during initialization" not in str(error)
    return True
