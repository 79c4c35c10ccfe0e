"""The choice between forms of a layer by what the runtime does with them, measured."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ...graph.diagnostics import SpecError
from ...graph.ir import Graph, Node, Program, Value, leaf, rebuild
from ...graph.ir.program import Weights
from ...graph.types import FLOAT32, TensorType
from .clock import least_seconds

Array = np.ndarray[Any, Any]

PROBE_SECONDS = 0.05
"""CPU time that measuring one form may take, after its first runs."""
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
    inner = int(str(candidates[0].weight.tensor.shape[0]))
    x = np.random.default_rng(0).normal(size=(rows, inner))
    found = probe([_program(user, c.weight, arrays, rows) for c in candidates], x.astype(np.float32))
    times = dict(zip(kinds, found, strict=True))
    best = min(times, key=lambda k: times[k] * (1.0 if k == "float" else GAIN))
    return best, ", ".join(f"{k} {1000 * t:.3f} ms" for k, t in times.items())


def _program(user: Node, weight: Value, arrays: Mapping[str, Array], rows: int) -> Program:
    """A product of `rows` rows with these weights."""
    x = leaf("Input", "x", TensorType(FLOAT32, (rows, weight.tensor.shape[0])))
    result = rebuild(user, (x, weight, *user.inputs[2:])).outputs[0]
    graph = Graph((x,), (result,))
    names = {v.node.attribute("name") for n in graph.nodes for v in n.outputs[:1] if v.role == "Weight"}
    return Program("probe", graph, ("y",), weights=Weights({n: arrays[n] for n in names}))


def probe(programs: Sequence[Program], x: Array) -> list[float]:
    """The least CPU seconds of a run of each on x, on ONNX Runtime with one thread; infinity where it
    refuses."""
    runs = [_run(program, x) for program in programs]
    able = [r for r in runs if r is not None]
    times = iter(least_seconds(able, PROBE_SECONDS * len(able)))
    return [float("inf") if r is None else next(times) for r in runs]


def _run(program: Program, x: Array) -> Callable[[], object] | None:
    """A run on x; None where the runtime refuses the program."""
    from ...backends.onnx.backend import OnnxBackend

    try:
        session = OnnxBackend().load(program).session
    except SpecError:
        return None
    names, feeds = [o.name for o in session.get_outputs()], {session.get_inputs()[0].name: x}
    session.run(names, feeds)
    return partial(session.run, names, feeds)


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
