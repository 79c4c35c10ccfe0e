"""Smoothing is exact and helps; formats that are searched."""

from __future__ import annotations

import numpy as np
import pytest

from graphwright.backends.torch_fx import TorchEvaluator
from graphwright.graph.ir import Graph, Program, apply, constant, leaf
from graphwright.graph.ir.program import Weights
from graphwright.graph.types import FLOAT32, TensorType
from graphwright.passes.manager.evaluation import leaf_arrays
from graphwright.passes.manager.manager import PassManager
from graphwright.passes.manager.pass_ import Context
from graphwright.passes.quantization.layout import Layout
from graphwright.passes.quantization.quantize import Quantize
from graphwright.passes.quantization.rounding import quantize_array, sqnr
from graphwright.passes.quantization.scheme import weight_scheme
from graphwright.passes.quantization.smooth import Smooth
from graphwright.passes.quantization.weights import best_exponent, weight_grid


def normalized(outliers: float = 30.0) -> Program:
    """Two layers that read x * scale + shift, with three channels far larger than the others."""
    generator = np.random.default_rng(0)
    scale = np.ones(32, np.float32)
    scale[[3, 8, 20]] = outliers
    arrays = {n: generator.normal(size=(32, 16)).astype(np.float32) for n in ("q.kernel", "k.kernel")}
    for array in arrays.values():
        array[[3, 8, 20]] /= outliers
    x = leaf("Input", "x", TensorType(FLOAT32, (2, 20, 32)))
    affine = apply("Add", apply("Mul", x, constant(scale)), constant(np.full(32, 0.1, np.float32)))
    q, k = (
        apply("MatMul", affine, leaf("Weight", n, TensorType(FLOAT32, (32, 16))))
        for n in ("q.kernel", "k.kernel")
    )
    return Program("two", Graph((x,), (apply("Add", q, k),)), ("y",), weights=Weights(arrays))


X = np.random.default_rng(1).normal(size=(2, 20, 32)).astype(np.float32)
CONTEXT = Context(data={"calibration": [{"x": X}]})


def outputs(program: Program) -> np.ndarray:
    return TorchEvaluator().evaluate(program.graph.outputs, leaf_arrays(program, {"x": X}))[0]


@pytest.mark.parametrize("strength", [0.3, 0.5, 0.8])
def test_smoothing_changes_no_result_and_holds_its_contract(strength: float) -> None:
    program = normalized()
    record = PassManager().run(program, [Smooth(strength=strength)], CONTEXT, "each")
    assert record.passes[0].verdict is not None
    assert record.passes[0].verdict.value == "holds"
    assert record.passes[0].sites == 2
    assert np.allclose(outputs(record.program), outputs(program), rtol=1e-5, atol=1e-4)
    names = [n.name for n in record.program.graph.nodes if not n.outputs[0].is_leaf]
    assert "Div" not in names  # all of it went into constants


def test_smoothing_repairs_what_outliers_cost() -> None:
    program = normalized()
    truth = outputs(program)

    def error(start: Program) -> float:
        made = Quantize(weights="int8", activations="int8", costs=False).run(start, CONTEXT).program
        return float(np.mean((outputs(made) - truth) ** 2))

    assert error(Smooth().run(program, CONTEXT).program) < error(program) / 3


def test_without_constants_nothing_moves_unless_everywhere() -> None:
    x = leaf("Input", "x", TensorType(FLOAT32, (2, 20, 32)))
    w = leaf("Weight", "w.kernel", TensorType(FLOAT32, (32, 16)))
    array = np.random.default_rng(0).normal(size=(32, 16)).astype(np.float32)
    program = Program(
        "one",
        Graph((x,), (apply("MatMul", apply("Tanh", x), w),)),
        ("y",),
        weights=Weights({"w.kernel": array}),
    )
    assert Smooth().run(program, CONTEXT).program is program
    record = PassManager().run(program, [Smooth(everywhere=True)], CONTEXT, "each")
    assert "Div" in [n.name for n in record.program.graph.nodes]
    with pytest.raises(ValueError, match="between 0 and 1"):
        Smooth(strength=1.0)


# --- searched grids ---------------------------------------------------------------------------------


def test_the_searched_exponent_is_near_the_best_of_a_dense_search() -> None:
    array = np.random.default_rng(0).laplace(size=(16, 256)).astype(np.float32)
    scheme = weight_scheme({"grid": "power(int4, search)", "clip": "mse"})
    assert scheme is not None
    found = best_exponent(array, scheme, Layout(0))

    def quality(exponent: float) -> float:
        return sqnr(array, quantize_array(array, scheme.levels(exponent), Layout(0), clip="mse").dequantize())

    assert quality(found) >= max(quality(a) for a in np.linspace(0.3, 1.1, 41)) - 0.05
    assert quality(found) > quality(1.0) + 0.5  # Laplace tails want a power


def test_the_searched_format_is_the_best_split() -> None:
    generator = np.random.default_rng(0)
    scheme = weight_scheme({"grid": "float(4, search)", "clip": "mse"})
    assert scheme is not None
    even = weight_grid(generator.uniform(-1, 1, (8, 400)).astype(np.float32), scheme, Layout(0))
    heavy = weight_grid(generator.standard_t(2, (8, 400)).astype(np.float32), scheme, Layout(0))
    assert int(even.name[6]) < int(heavy.name[6])  # heavy tails want more exponent
    assert {even.bits, heavy.bits} == {4}
