"""Small ONNX models, and ONNX Runtime as the oracle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

Array = np.ndarray[Any, Any]
ModelMaker = Callable[..., onnx.ModelProto]
Runner = Callable[[onnx.ModelProto, Mapping[str, Array]], list[Array]]


def _model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, tuple[str, Sequence[Any] | None]],
    outputs: Sequence[str],
    initializers: Mapping[str, Array] | None = None,
    opset: int = 21,
    functions: Sequence[onnx.FunctionProto] = (),
    domains: Sequence[str] = (),
) -> onnx.ModelProto:
    """A model; outputs get no type, so nothing but the reader infers it."""
    graph = helper.make_graph(
        list(nodes),
        "small",
        [helper.make_tensor_value_info(n, getattr(onnx.TensorProto, t), d) for n, (t, d) in inputs.items()],
        [helper.make_empty_tensor_value_info(n) for n in outputs],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in (initializers or {}).items()],
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10, functions=list(functions))


def _run(model: onnx.ModelProto, feeds: Mapping[str, Array]) -> list[Array]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return list(session.run(None, dict(feeds)))


@pytest.fixture(scope="session")
def model() -> ModelMaker:
    return _model


@pytest.fixture(scope="session")
def ort() -> Runner:
    """Runs a model in ONNX Runtime: outputs in order."""
    return _run
