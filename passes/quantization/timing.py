"""How long one layer takes on the runtime, in float or quantized: what a budget of milliseconds counts."""

from __future__ import annotations

from time import perf_counter, thread_time
from typing import Any

import numpy as np

from ...graph.diagnostics import SpecError
from ...graph.ir import Graph, Program, leaf, rebuild
from ...graph.ir.program import Weights
from ...graph.types import FLOAT32, TensorType
from ..manager.pass_ import Context
from .kernels import PROBE_SECONDS
from .operands import Layer
from .scheme import QuantScheme

Array = np.ndarray[Any, Any]


def layer_program(layer: Layer, x: Array) -> Program:
    """The layer alone, for an input of x's shape."""
    entry = leaf("Input", "x", TensorType(FLOAT32, x.shape))
    name = f"{layer.name}.kernel"
    weight = leaf("Weight", name, TensorType(FLOAT32, layer.array.shape))
    node = rebuild(layer.node, (entry, weight))
    array = np.ascontiguousarray(layer.array, np.float32)
    return Program("probe", Graph((entry,), node.outputs[:1]), ("y",), weights=Weights({name: array}))


def layer_milliseconds(
    layer: Layer, weight: QuantScheme | None, activation: QuantScheme | None, x: Array
) -> float:
    """The least CPU milliseconds of one thread for the layer on x, in the form that lowering gives it; float
    without a scheme. Infinite where the runtime refuses the form."""
    from .lowering import LowerQuantized
    from .quantize import Quantize

    program, context = layer_program(layer, x), Context(data={"calibration": [{"x": x}]})
    if weight is not None:
        chosen = Quantize(weights=weight, activations=activation, costs=False)
        rows = int(np.prod(x.shape[:-1]))
        program = LowerQuantized(rows=rows).run(chosen.run(program, context).program, context).program
    return 1000 * _least(program, x)


def _least(program: Program, x: Array) -> float:
    from ...backends.onnx.backend import OnnxBackend

    try:
        loaded = OnnxBackend().load(program)
        loaded.run({"x": x})
    except SpecError:
        return float("inf")
    best, stop = float("inf"), perf_counter() + PROBE_SECONDS
    while perf_counter() < stop:
        start = thread_time()
        loaded.run({"x": x})
        best = min(best, thread_time() - start)
    return best
