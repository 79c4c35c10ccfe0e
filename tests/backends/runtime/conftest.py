"""An evaluator for these tests: each node by the ONNX reference evaluator, one at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from graphwright.graph.ir import Node, Value, topological


class NodeEvaluator:
    """Evaluates standard operators of fixed attributes."""

    def evaluate(
        self, outputs: Sequence[Value], given: Mapping[Value, Any], *, float64: bool = False
    ) -> list[Any]:
        values = dict(given)
        for node in topological(outputs):
            if node.outputs[0] in values:
                continue
            if node.outputs[0].constant is not None:
                values[node.outputs[0]] = node.outputs[0].constant
                continue
            values.update(zip(node.outputs, self._node(node, values), strict=True))
        return [values[v] for v in outputs]

    def _node(self, node: Node, values: Mapping[Value, Any]) -> list[Any]:
        names = [f"i{k}" if v is not None else "" for k, v in enumerate(node.inputs)]
        results = [f"o{k}" for k in range(len(node.outputs))]
        proto = helper.make_node(node.name, names, results)
        for name, attribute in node.attributes.items():
            value = (
                numpy_helper.from_array(attribute.value) if attribute.kind == "tensor" else attribute.value
            )
            proto.attribute.append(helper.make_attribute(name, value))
        feeds = {f"i{k}": np.asarray(values[v]) for k, v in enumerate(node.inputs) if v is not None}
        infos = [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for n, a in feeds.items()
        ]
        graph = helper.make_graph(
            [proto], "node", infos, [helper.make_empty_tensor_value_info(r) for r in results]
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 28)])
        return list(ReferenceEvaluator(model).run(None, feeds))


@pytest.fixture(scope="session")
def evaluator() -> NodeEvaluator:
    return NodeEvaluator()
