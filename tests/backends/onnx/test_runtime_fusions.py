"""ONNX Runtime fuses what we emit: its own optimized graph is the oracle."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest

from graphwright.backends.onnx import check, emit
from graphwright.graph.ir import Graph, Program, Value, Weights, apply, apply_all, constant, leaf
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


def test_a_residual_after_a_reshape_joins_the_layer_norm() -> None:
    """Only where both operands are seen to have one shape, symbolic sizes included."""
    x = source("x", B, L, WIDTH)
    heads = apply("Reshape", apply("Relu", x), ints(0, 0, 4, WIDTH // 4))
    mixed = apply("Reshape", apply("Tanh", heads), ints(0, 0, WIDTH))
    scale, shift = weight("scale", WIDTH), weight("shift", WIDTH)
    normed = apply_all("LayerNormalization", apply("Add", mixed, x), scale, shift)[0]
    assert fused(normed)["SkipLayerNormalization"] == 1


@pytest.mark.parametrize("root", ["Reciprocal", "Div"])
def test_root_mean_square_norms(root: str) -> None:
    x = source("x", B, L, WIDTH)
    mean = apply("ReduceMean", apply("Pow", x, constant(np.float32(2))), ints(-1))
    scaled = apply("Sqrt", apply("Add", mean, constant(np.float32(1e-6))))
    one = constant(np.float32(1))
    inverse = apply("Reciprocal", scaled) if root == "Reciprocal" else apply("Div", one, scaled)
    found = fused(apply("Mul", weight("scale", WIDTH), apply("Mul", x, inverse)))
    assert found == {"SimplifiedLayerNormalization": 1}


def test_symbolic_shapes_that_inference_loses_are_written_down() -> None:
    x = source("x", B, L, WIDTH)
    y = apply("Relu", apply("Reshape", x, ints(0, -1, 4, WIDTH // 4)))
    model = emit(Program("shapes", Graph((x,), (y,)), ("y",)))
    (info,) = model.graph.value_info
    dims = [d.dim_param or d.dim_value for d in info.type.tensor_type.shape.dim]
    assert dims == ["batch", "length", 4, WIDTH // 4]
    onnx.checker.check_model(model, full_check=True)
