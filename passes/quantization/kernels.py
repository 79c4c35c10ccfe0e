"""The choice between forms of a layer by what the runtime does with them, measured."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any

import numpy as np
import onnx

from ...graph.diagnostics import SpecError
from ...graph.ir import Graph, Node, Program, Value, leaf, rebuild
from ...graph.ir.program import Weights
from ...graph.types import FLOAT32, TensorType

Array = np.ndarray[Any, Any]

PROBE_SECONDS = 0.05
"""Wall time that measuring one form may take, after its first run."""
GAIN = 1.02
"""A form other than float must be faster by this factor."""


@dataclass(frozen=True)
class Candidate:
    """A form of a layer's weights: float or nbits."""

    kind: str
    weight: Value


def choose(
    user: Node, candidates: Sequence[Candidate], arrays: Mapping[str, Array], rows: int, forced: str
) -> tuple[str, str]:
    """(the kind that is fastest for so many rows, the milliseconds of each). With one candidate, or one
    that is forced, nothing is measured."""
    kinds = [c.kind for c in candidates]
    if forced in kinds:
        return forced, ""
    if len(candidates) == 1 or user.inputs[0] is None:
        return kinds[0], ""
    times = {c.kind: probe(_program(user, c.weight, arrays, rows), rows) for c in candidates}
    best = min(times, key=lambda k: times[k] * (1.0 if k == "float" else GAIN))
    return best, ", ".join(f"{k} {1000 * t:.3f} ms" for k, t in times.items())


def _program(user: Node, weight: Value, arrays: Mapping[str, Array], rows: int) -> Program:
    """A product of `rows` rows with these weights."""
    x = leaf("Input", "x", TensorType(FLOAT32, (rows, weight.tensor.shape[0])))
    result = rebuild(user, (x, weight, *user.inputs[2:])).outputs[0]
    graph = Graph((x,), (result,))
    names = {v.node.attribute("name") for n in graph.nodes for v in n.outputs[:1] if v.role == "Weight"}
    return Program("probe", graph, ("y",), weights=Weights({n: arrays[n] for n in names}))


def probe(program: Program, rows: int) -> float:
    """The least CPU seconds of a run on ONNX Runtime with one thread; infinity where it refuses."""
    from ...backends.onnx.backend import OnnxBackend

    (x,) = program.inputs.values()
    fed = np.random.default_rng(0).normal(size=(rows, int(str(x.tensor.shape[1])))).astype(np.float32)
    try:
        session = OnnxBackend().load(program).session
        name, outputs = session.get_inputs()[0].name, None
        session.run(outputs, {name: fed})
    except SpecError:
        return float("inf")
    best, stop = float("inf"), perf_counter() + PROBE_SECONDS
    while perf_counter() < stop:
        start = thread_time()
        session.run(outputs, {name: fed})
        best = min(best, thread_time() - start)
    return best


def fused_operators(model: bytes | str) -> Counter[str]:
    """The operators of a model after ONNX Runtime's default optimization, by how often each is there."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimized.onnx"
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        found = onnx.load(str(path), load_external_data=False)
    return Counter(n.op_type for n in found.graph.node)


def missing_kernels(expected: str, found: Mapping[str, int]) -> list[str]:
    """Which of `MatMulNBits=3 QLinearConv=2` an optimized graph has fewer of."""
    short = []
    for item in expected.split():
        name, _, count = item.partition("=")
        have = found.get(name, 0) + sum(found.get(other, 0) for other in _INSTEAD.get(name, ()))
        if have < int(count):
            short.append(f"{name}: {have} of {count}")
    return short


_INSTEAD = {
    "MatMulIntegerToFloat": ("QLinearMatMul",),
    "MatMulInteger": ("MatMulIntegerToFloat",),
    "QGemm": ("QLinearMatMul",),
}
"""Kernels that the runtime takes where the result is quantized too."""
