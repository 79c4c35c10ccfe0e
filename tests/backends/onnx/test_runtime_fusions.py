"""ONNX Runtime fuses what we emit: its own optimized graph is the oracle."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from graphwright.backends.onnx import check, emit
from graphwright.graph.ir import Graph, Program, Value, Weights, apply, constant, leaf
from graphwright.graph.types import FLOAT32, TensorType, symbol
from graphwright.passes.manager import PassManager
from graphwright.passes.simplify.family import Simplify
from graphwright.tools.bench.sessions import optimized_operators

B, L, WIDTH = symbol("batch"), symbol("length"), 16


def ints(*numbers: int) -> Value:
    return constant(np.array(numbers, np.int64))


def source(name: str, *dims: object) -> Value:
    return leaf("Input", name, TensorType(FLOAT32, dims))  # type: ignore[arg-type]  # sizes and numbers


def weight(name: str, *dims: int) -> Value:
    return leaf("Weight", name, TensorType(FLOAT32, dims))


def fused(*outputs: Value) -> Counter[str]:
    """How often each operator is in the runtime's graph of the simplified program."""
    graph = Graph((), outputs)
    inputs = tuple(n.outputs[0] for n in graph.nodes if n.outputs[0].role == "Input")
    random = np.random.default_rng(1)
    weights = {
        n.attribute("name"): random.uniform(0.5, 1.5, n.outputs[0].tensor.dims).astype(np.float32)
        for n in graph.nodes
        if n.outputs[0].role == "Weight"
    }
    names = tuple(f"y{i}" for i in range(len(outputs)))
    program = Program("fused", Graph(inputs, outputs), names, weights=Weights(weights))
    model = emit(PassManager().run(program, [Simplify()], verify="each").program)
    check(model)
    return optimized_operators(model.SerializeToString())


@pytest.mark.parametrize("root", ["Reciprocal", "Div"])
def test_root_mean_square_norms(root: str) -> None:
    x = source("x", B, L, WIDTH)
    mean = apply("ReduceMean", apply("Pow", x, constant(np.float32(2))), ints(-1))
    scaled = apply("Sqrt", apply("Add", mean, constant(np.float32(1e-6))))
    one = constant(np.float32(1))
    inverse = apply("Reciprocal", scaled) if root == "Reciprocal" else apply("Div", one, scaled)
    found = fused(apply("Mul", weight("scale", WIDTH), apply("Mul", x, inverse)))
    assert found == {"SimplifiedLayerNormalization": 1}


def test_a_layer_norm_written_out_is_one_operator() -> None:
    x = source("x", B, L, WIDTH)
    centred = apply("Sub", x, apply("ReduceMean", x, ints(-1)))
    variance = apply("ReduceMean", apply("Pow", centred, constant(np.float32(2))), ints(-1))
    scaled = apply("Sqrt", apply("Add", variance, constant(np.float32(1e-5))))
    normed = apply("Mul", centred, apply("Reciprocal", scaled))
    found = fused(apply("Add", apply("Mul", normed, weight("scale", WIDTH)), weight("shift", WIDTH)))
    assert found == {"LayerNormalization": 1}
