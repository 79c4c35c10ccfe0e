"""How long one layer takes on the runtime, in float or quantized: what a budget of milliseconds counts, and
what tells whether rounding its inputs pays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...graph.ir import Graph, Program, leaf, rebuild
from ...graph.ir.program import Weights
from ...graph.types import FLOAT32, TensorType
from ..manager.pass_ import Context
from .kernels import GAIN, probe
from .operands import Layer
from .scheme import QuantScheme

Array = np.ndarray[Any, Any]
Form = tuple[QuantScheme | None, QuantScheme | None]
"""The schemes of a layer's weights and inputs; None for float."""


def layer_program(layer: Layer, x: Array) -> Program:
    """The layer alone, for an input of x's shape."""
    entry = leaf("Input", "x", TensorType(FLOAT32, x.shape))
    name = f"{layer.name}.kernel"
    weight = leaf("Weight", name, TensorType(FLOAT32, layer.array.shape))
    node = rebuild(layer.node, (entry, weight))
    array = np.ascontiguousarray(layer.array, np.float32)
    return Program("probe", Graph((entry,), node.outputs[:1]), ("y",), weights=Weights({name: array}))


def layer_milliseconds(layer: Layer, forms: Sequence[Form], x: Array) -> list[float]:
    """The least CPU milliseconds of one thread for the layer on x in each form, as lowering writes it.
    Infinite where the runtime refuses the form."""
    return [1000 * t for t in probe([_lowered(layer, form, x) for form in forms], x)]


def _lowered(layer: Layer, form: Form, x: Array) -> Program:
    from .lowering import LowerQuantized
    from .quantize import Quantize

    program, context = layer_program(layer, x), Context(data={"calibration": [{"x": x}]})
    weight, activation = form
    if weight is None:
        return program
    chosen = Quantize(weights=weight, activations=activation, rounding="nearest", costs=False)
    rows = int(np.prod(x.shape[:-1]))
    return LowerQuantized(rows=rows).run(chosen.run(program, context).program, context).program


def slower_than_float(layer: Layer, weight: QuantScheme, activation: QuantScheme, x: Array) -> str:
    """What was measured where the layer with rounded inputs is not faster than the float layer; empty
    where it is."""
    plain, rounded = layer_milliseconds(layer, [(None, None), (weight, activation)], x)
    if rounded * GAIN <= plain:
        return ""
    return f"input stays float: {rounded:.3f} ms with {activation.grid} inputs, {plain:.3f} ms in float"
