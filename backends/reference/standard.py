"""Operators without a kernel here, through the standard's own reference evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ...graph.ir import Node
from ...graph.ir.opaque import type_proto
from ...graph.operators.schema import OPSET
from ...graph.types.dtypes import from_numpy
from ...graph.types.types import OptionalType, SequenceType, TensorType, Type
from .kernel import Datum


def evaluate_standard(node: Node, inputs: Sequence[Datum]) -> list[Datum]:
    """The results by `onnx.reference`, of a model that holds this node alone."""
    session = _session(_model(node, inputs).SerializeToString(deterministic=True))
    feeds = {f"i{k}": x for k, x in enumerate(inputs) if x is not None}
    results = session.run(None, feeds)
    return [_result(r, v.type) for r, v in zip(results, node.outputs, strict=True)]


@lru_cache(maxsize=256)
def _session(serialized: bytes) -> Any:
    import onnx
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(onnx.load_model_from_string(serialized))


def _model(node: Node, inputs: Sequence[Datum]) -> Any:
    from onnx import helper

    names = [f"i{k}" if x is not None else "" for k, x in enumerate(inputs)]
    results = [f"o{k}" for k in range(len(node.outputs))]
    proto = helper.make_node(node.operator.name, names, results, domain=node.operator.domain)
    proto.attribute.extend(_attribute(n, a) for n, a in sorted(node.attributes.items()))
    declared = [
        helper.make_value_info(f"i{k}", type_proto(_given_type(x, v.type)))
        for k, (x, v) in enumerate(zip(inputs, node.inputs, strict=False))
        if x is not None and v is not None
    ]
    outputs = [helper.make_empty_tensor_value_info(name) for name in results]
    graph = helper.make_graph([proto], "node", declared, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid(node.operator.domain, OPSET)])


def _given_type(datum: Datum, declared: Type) -> Type:
    """The type of the array at hand, which in a shadow run is wider than the declared one."""
    if isinstance(declared, SequenceType | OptionalType) or not isinstance(datum, np.ndarray):
        return declared
    return TensorType(from_numpy(datum.dtype), datum.shape)


def _attribute(name: str, attribute: Any) -> Any:
    from onnx import helper, numpy_helper

    value = attribute.value
    if attribute.kind == "tensor":
        value = numpy_helper.from_array(value)
    if attribute.kind == "type":
        value = type_proto(value)
    return helper.make_attribute(name, value)


def _result(found: Any, declared: Type) -> Datum:
    if not isinstance(declared, TensorType):
        return found
    array = np.asarray(found)
    if declared.dtype.kind == "string":
        return array.astype(object)
    return array
