"""Narrow floating point with learned rounding (Chen et al., arXiv 2408.06995), and squares in integers (NUPES)."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.backends.onnx.backend import OnnxBackend
from graphwright.backends.onnx.emitting.emission import emit
from graphwright.backends.torch_fx import TorchEvaluator
from graphwright.graph.ir import Graph, Program, apply, leaf
from graphwright.graph.ir.program import Weights
from graphwright.graph.types import FLOAT32, TensorType
from graphwright.graph.types.grids import grid, whole_levels
from graphwright.passes.manager.evaluation import leaf_arrays
from graphwright.passes.manager.manager import PassManager
from graphwright.passes.manager.pass_ import Context
from graphwright.passes.quantization.kernels import fused_operators
from graphwright.passes.quantization.lowering import KERNELS_KEY, LowerQuantized
from graphwright.passes.quantization.operands import find_layers
from graphwright.passes.quantization.quantize import Quantize
from graphwright.passes.quantization.reconstruction import Problem, adaround, damped
from graphwright.passes.quantization.rounding import decode, nearest, neighbours
from graphwright.passes.quantization.scheme import weight_scheme
from graphwright.passes.quantization.squares import square_levels
from graphwright.passes.quantization.weights import plain_weights

Array = np.ndarray[Any, Any]

FLOATS = ("e2m1", "e1m2", "e3m2", "e2m3", "e4m3", "e5m2", "float(2, 1, 1.3)", "float(1, 2, 0.7)")


# --- formats ----------------------------------------------------------------------------------------------


def _by_formula(x: Array, exponent: int, mantissa: int, bias: float) -> Array:
    """s round(x / s) with s = 2^(floor(log2|x| + b) - b - m), the smallest step below the normals."""
    largest = (2 - 2.0**-mantissa) * 2.0 ** (2**exponent - 1 - bias)
    clipped = np.clip(x.astype(np.float64), -largest, largest)
    with np.errstate(divide="ignore"):
        place = np.maximum(np.floor(np.log2(np.abs(clipped)) + bias), 1)
    step = 2.0 ** (place - bias - mantissa)
    return step * np.rint(clipped / step)


@given(st.sampled_from([(2, 1), (1, 2), (3, 2), (2, 3), (4, 3)]), st.floats(-2, 4), st.integers(0, 2**16))
@settings(max_examples=40, deadline=None)
def test_a_float_with_a_real_bias_rounds_by_the_papers_formula(
    split: tuple[int, int], bias: float, seed: int
) -> None:
    exponent, mantissa = split
    found = grid(f"float({exponent}, {mantissa}, {bias})")
    x = np.random.default_rng(seed).standard_t(3, 300).astype(np.float32) * np.float32(found.largest / 3)
    wanted = _by_formula(x, exponent, mantissa, bias)
    codes = nearest(x, np.float32(1), found)
    restored = decode(codes, np.float32(1), found)
    assert np.mean(~np.isclose(restored, wanted, rtol=1e-5, atol=1e-9)) < 0.01  # ties, by a last bit


@pytest.mark.parametrize("bits", [4, 6, 8])
def test_split_and_bias_are_near_the_best_of_all(bits: int) -> None:
    array = np.random.default_rng(bits).standard_t(4, (32, 32)).astype(np.float32)
    layer = _layer(array)
    scheme = weight_scheme({"grid": f"float({bits}, search)", "axis": "tensor", "clip": "mse"})
    assert scheme is not None
    found = float(np.sum((plain_weights(layer, scheme).dequantize() - array) ** 2))
    best = np.inf
    for exponent in range(1, bits):
        mantissa = bits - 1 - exponent
        for largest in np.geomspace(0.1, 1, 100) * np.abs(array).max():
            bias = np.log2((2 - 2.0**-mantissa) / largest) + 2**exponent - 1
            best = min(best, float(np.sum((_by_formula(array, exponent, mantissa, bias) - array) ** 2)))
    assert found <= best * 1.02


# --- learned rounding ---------------------------------------------------------------------------------------


def _layer(array: Array) -> Any:
    x = leaf("Input", "x", TensorType(FLOAT32, (4, array.shape[0])))
    w = leaf("Weight", "w.kernel", TensorType(FLOAT32, array.shape))
    program = Program(
        "p", Graph((x,), (apply("MatMul", x, w),)), ("y",), weights=Weights({"w.kernel": array})
    )
    return find_layers(program)[0][0]


@pytest.mark.parametrize("name", FLOATS)
def test_learned_rounding_finds_most_of_what_neighbours_can_give(name: str) -> None:
    """Against all 2^6 choices of the two levels around each of six weights."""
    generator, found = np.random.default_rng(0), grid(name)
    rows = generator.normal(size=(40, 6)) @ generator.normal(size=(6, 6))
    weight = generator.normal(size=(30, 6))
    scale = np.full((30, 1), 3 / found.largest, np.float32)
    problem = Problem(weight, scale, found, damped(rows.T @ rows))
    low, _ = neighbours(weight.astype(np.float32), scale, found)
    codes = adaround(problem)
    assert ((codes == low) | (codes == low + 1)).all()
    plain = problem.error(nearest(weight.astype(np.float32), scale, found))
    best = 0.0
    for i in range(len(weight)):
        row = replace(problem, weight=weight[i : i + 1], scale=scale[i : i + 1])
        best += min(
            row.error(low[i : i + 1] + np.uint8(c)[None]) for c in itertools.product((0, 1), repeat=6)
        )
    assert best < 0.8 * plain
    assert problem.error(codes) - best < 0.35 * (plain - best)


@pytest.mark.parametrize("name", ["float(4, search)", "float(3, search)", "e2m1", "float(2, 1, 1.3)"])
def test_learned_rounding_helps_a_layer_by_its_output(name: str) -> None:
    generator = np.random.default_rng(1)
    array = generator.normal(size=(48, 24)).astype(np.float32)
    rows = (generator.normal(size=(200, 48)) @ generator.normal(size=(48, 48)) / 7).astype(np.float32)
    x = leaf("Input", "x", TensorType(FLOAT32, (200, 48)))
    w = leaf("Weight", "w.kernel", TensorType(FLOAT32, array.shape))
    program = Program(
        "p", Graph((x,), (apply("MatMul", x, w),)), ("y",), weights=Weights({"w.kernel": array})
    )
    given, errors = Context(data={"calibration": [{"x": rows}]}), {}
    for rounding in ("nearest", "adaround"):
        scheme = {"grid": name, "axis": "tensor", "clip": "mse", "rounding": rounding}
        made = Quantize(weights=scheme, costs=False).run(program, given).program
        y = TorchEvaluator().evaluate(made.graph.outputs, leaf_arrays(made, {"x": rows}))[0]
        errors[rounding] = float(np.sum((y - rows @ array) ** 2))
    assert errors["adaround"] < 0.7 * errors["nearest"]


# --- squares ------------------------------------------------------------------------------------------------

SQUARES = {"grid": "power(int4, 0.5)", "table": True}


def _product(positive: bool) -> tuple[Program, Array]:
    generator = np.random.default_rng(2)
    x = leaf("Input", "x", TensorType(FLOAT32, (40, 64)))
    w = leaf("Weight", "w.kernel", TensorType(FLOAT32, (64, 32)))
    y = apply("MatMul", apply("Relu", x) if positive else x, w)
    arrays = {"w.kernel": generator.normal(size=(64, 32)).astype(np.float32)}
    program = Program("p", Graph((x,), (y,)), ("y",), weights=Weights(arrays))
    return program, generator.normal(size=(40, 64)).astype(np.float32)


@pytest.mark.parametrize("positive", [False, True])
def test_squares_on_both_sides_are_a_product_of_integers(positive: bool) -> None:
    program, x = _product(positive)
    given = Context(data={"calibration": [{"x": x}]})
    made = Quantize(weights=SQUARES, activations=SQUARES, costs=False).run(program, given).program
    record = PassManager().run(made, [LowerQuantized()], Context(), "each")
    assert record.passes[0].verdict is not None
    assert record.passes[0].verdict.value == "holds"  # the same function, in real arithmetic
    lowered = record.program
    assert lowered.metadata[KERNELS_KEY] == "MatMulInteger=1"
    assert fused_operators(emit(lowered).SerializeToString())["MatMulInteger"] == 1
    node = next(n for n in lowered.graph.nodes if n.name == "MatMulInteger")
    probe = replace(
        lowered.with_graph((node.inputs[0], node.outputs[0])), output_names=("a", "i"), metadata={}
    )  # type: ignore[arg-type]  # present
    by_runtime = OnnxBackend().load(probe).run({"x": x})
    by_torch = TorchEvaluator().evaluate(probe.graph.outputs, leaf_arrays(probe, {"x": x}))
    assert np.array_equal(by_runtime["a"], by_torch[0])
    assert np.array_equal(by_runtime["i"], by_torch[1])
    numbers = np.unique(by_torch[0].astype(int) - (0 if positive else 128))
    most = 15 if positive else 7
    assert set(numbers.tolist()) <= {c * abs(c) for c in range(-most, most + 1)}
    assert len(numbers) > most  # all of them are in use


def test_codes_of_squares_are_the_nearest_levels() -> None:
    """Every float near a threshold, on the operators of the lowering and on those of the grid."""
    for name in ("power(int4, 0.5)", "power(uint4, 0.5)", "power(int3, 0.5)"):
        found = whole_levels(grid(name))
        q = square_levels(found.levels)
        assert q is not None
        middles = np.asarray([(a + b) / 2 for a, b in itertools.pairwise(found.levels)])
        x = np.concatenate([middles + d for d in (-1e-3, 1e-3)] + [np.linspace(-300, 300, 999)]).astype(
            np.float32
        )
        code = np.rint(np.sqrt(np.clip(np.abs(x) - 0.25, 0, q * q)))
        by_root = code * code * (np.sign(x) if found.levels[0] < 0 else x > 0)
        assert np.array_equal(by_root, np.asarray(found.levels)[nearest(x, np.float32(1), found)])
    for name in ("power(int4, 0.6)", "int4", "e2m1", "power(uint5, 0.5)"):
        assert square_levels(whole_levels(grid(name)).levels) is None
