"""Sessions of ONNX Runtime for comparisons: one thread, its optimized graph, its results."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

Array = np.ndarray[Any, Any]


def open_session(model: bytes, *, optimize: bool = True, optimized: Path | None = None) -> Any:
    """An InferenceSession of one thread; writes the graph as the runtime optimized it to `optimized`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def optimized_operators(model: bytes) -> Counter[str]:
    """How often each operator is in the graph that the runtime makes of a model, bodies included."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimized.onnx"
        open_session(model, optimized=path)
        graph = onnx.load(str(path), load_external_data=False).graph
    return Counter(node.op_type for node in nodes_of(graph))


def nodes_of(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes of a graph and of the bodies in it."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from nodes_of(attribute.g)


def difference(wanted: Sequence[Array], found: Sequence[Array]) -> float:
    """The largest difference of two runs' results, relative to the largest number of each result.
    Raises ValueError where shapes or dtypes differ; infinite where one is no number."""
    worst = 0.0
    for left, right in zip(wanted, found, strict=True):
        if left.shape != right.shape or left.dtype != right.dtype:
            raise ValueError(f"{right.dtype}{list(right.shape)} instead of {left.dtype}{list(left.shape)}")
        if left.size:
            gap = np.abs(left.astype(np.float64) - right.astype(np.float64))
            top = float(np.abs(left).max()) or 1.0
            worst = max(worst, float(np.where(np.isfinite(gap), gap, np.inf).max()) / top)
    return worst


def results(session: Any, feeds: Sequence[Mapping[str, Array]]) -> list[list[Array]]:
    return [session.run(None, dict(given)) for given in feeds]
