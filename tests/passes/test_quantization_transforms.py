"""Rotation and equalization change no result and help coarse grids."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.backends.torch_fx.backend import TorchBackend
from graphwright.graph.ir import Graph, Program, apply, constant, leaf
from graphwright.graph.ir.program import Weights
from graphwright.graph.types import FLOAT32, TensorType
from graphwright.passes.manager.manager import PassManager
from graphwright.passes.manager.pass_ import Context
from graphwright.passes.quantization.equalize import Equalize, find_chains
from graphwright.passes.quantization.operands import find_layers
from graphwright.passes.quantization.quantize import Quantize
from graphwright.passes.quantization.rotation import Hadamard, signed_hadamard

Array = np.ndarray[Any, Any]


def product(outlier: float = 40.0) -> tuple[Program, Array]:
    """Two layers on one value with three large channels."""
    generator = np.random.default_rng(0)
    arrays = {n: generator.normal(size=(64, 32)).astype(np.float32) for n in ("q.kernel", "k.kernel")}
    x = leaf("Input", "x", TensorType(FLOAT32, (16, 64)))
    q, k = (apply("MatMul", x, leaf("Weight", n, TensorType(FLOAT32, (64, 32)))) for n in arrays)
    program = Program("two", Graph((x,), (apply("Add", q, k),)), ("y",), weights=Weights(arrays))
    array = generator.normal(size=(16, 64)).astype(np.float32)
    array[:, [3, 20, 50]] *= outlier
    return program, array


def run(program: Program, x: Array) -> Array:
    found: Array = TorchBackend().load(program).run({"x": x})[program.output_names[0]]
    return found


@pytest.mark.parametrize("block", [2, 16, 64])
def test_rotation_holds_its_contract_and_is_shared(block: int) -> None:
    program, x = product()
    record = PassManager().run(program, [Hadamard(block=block)], Context(), "each")
    assert record.passes[0].verdict is not None
    assert record.passes[0].verdict.value == "holds"
    assert np.allclose(run(record.program, x), run(program, x), rtol=1e-4, atol=1e-3)
    assert sum(n.name == "Reshape" for n in record.program.graph.nodes) == 2  # one rotation for both
    assert len(find_layers(record.program)[0]) == 2  # which is no layer itself


@given(st.sampled_from([2, 4, 8, 32, 128]), st.integers(0, 1000))
def test_the_rotation_is_orthogonal(size: int, seed: int) -> None:
    matrix = signed_hadamard(size, seed).astype(np.float64)
    assert np.allclose(matrix @ matrix.T, np.eye(size), atol=1e-5)


def test_rotation_helps_integers_where_channels_are_outliers() -> None:
    program, x = product()
    rotated = Hadamard(block=64).run(program, Context()).program
    wanted, errors = run(program, x), []
    for start in (program, rotated):
        made = Quantize(
            weights="int8", activations={"grid": "int4", "axis": "out", "dynamic": True}, costs=False
        )
        errors.append(float(np.abs(run(made.run(start, Context()).program, x) - wanted).mean()))
    assert errors[1] < 0.7 * errors[0]


def test_a_block_that_does_not_divide_leaves_the_layer() -> None:
    program, _ = product()
    result = Hadamard(block=128).run(program, Context())
    assert result.program is program
    assert "128" in result.notes[0]


@pytest.mark.parametrize("block", [0, 12])
def test_a_block_is_a_power_of_two(block: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        Hadamard(block=block)


# --- equalization --------------------------------------------------------------------------------------


def net(seed: int = 0) -> tuple[Program, Array]:
    """conv - relu - depthwise - relu - pool - flatten - linear - bias - relu - linear, ranges far apart."""
    generator = np.random.default_rng(seed)
    shapes = {
        "a.kernel": (8, 1, 3, 3),
        "a.bias": (8,),
        "d.kernel": (8, 1, 3, 3),
        "l.kernel": (8 * 4, 16),
        "l.bias": (16,),
        "m.kernel": (16, 4),
    }
    arrays = {n: generator.normal(size=s).astype(np.float32) for n, s in shapes.items()}
    arrays["a.kernel"] *= np.exp(2 * generator.normal(size=(8, 1, 1, 1))).astype(np.float32)
    arrays["l.kernel"] *= np.exp(2 * generator.normal(size=(16,))).astype(np.float32)
    leaves = {
        n: constant(a) if a.size <= 64 else leaf("Weight", n, TensorType(FLOAT32, a.shape))
        for n, a in arrays.items()
    }
    x = leaf("Input", "x", TensorType(FLOAT32, (4, 1, 4, 4)))
    value = apply("Relu", apply("Conv", x, leaves["a.kernel"], leaves["a.bias"], pads=(1, 1, 1, 1)))
    value = apply("Relu", apply("Conv", value, leaves["d.kernel"], group=8, pads=(1, 1, 1, 1)))
    value = apply("MaxPool", value, kernel_shape=(2, 2), strides=(2, 2))
    value = apply("Reshape", value, constant(np.array([4, 32])))
    value = apply("Relu", apply("Add", apply("MatMul", value, leaves["l.kernel"]), leaves["l.bias"]))
    value = apply("MatMul", value, leaves["m.kernel"])
    stored = {n: a for n, a in arrays.items() if a.size > 64}
    program = Program("net", Graph((x,), (value,)), ("y",), weights=Weights(stored))
    return program, generator.normal(size=(4, 1, 4, 4)).astype(np.float32)


def test_the_whole_net_is_one_chain() -> None:
    (chain,) = find_chains(net()[0])
    assert [x.layer.node.name for x in chain] == ["Conv", "Conv", "MatMul", "MatMul"]
    assert [x.spread for x in chain[:-1]] == [1, 4, 1]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_equalization_changes_no_bit_of_products(seed: int) -> None:
    program, x = net(seed)
    made = Equalize().run(program, Context()).program
    assert made is not program
    assert np.allclose(run(made, x), run(program, x), rtol=1e-5, atol=1e-5)


def test_equalization_holds_its_contract_and_evens_ranges_out() -> None:
    program, x = net()
    record = PassManager().run(program, [Equalize()], Context(), "each")
    assert record.passes[0].verdict is not None
    assert record.passes[0].verdict.value == "holds"
    wanted, errors = run(program, x), []
    for start in (program, record.program):
        quantized = (
            Quantize(weights={"grid": "int8", "axis": "tensor"}, costs=False).run(start, Context()).program
        )
        errors.append(float(np.abs(run(quantized, x) - wanted).mean()))
    assert errors[1] < 0.6 * errors[0]


def test_a_value_that_others_read_is_no_joint() -> None:
    generator = np.random.default_rng(0)
    arrays = {n: generator.normal(size=(16, 16)).astype(np.float32) for n in ("a.kernel", "b.kernel")}
    x = leaf("Input", "x", TensorType(FLOAT32, (2, 16)))
    a, b = (leaf("Weight", n, TensorType(FLOAT32, (16, 16))) for n in arrays)
    h = apply("Relu", apply("MatMul", x, a))
    y = apply("Add", apply("MatMul", h, b), h)
    assert find_chains(Program("p", Graph((x,), (y,)), ("y",), weights=Weights(arrays))) == []
    shifted = apply("MatMul", apply("Sigmoid", apply("MatMul", x, a)), b)  # a factor does not pass
    assert find_chains(Program("p", Graph((x,), (shifted,)), ("y",), weights=Weights(arrays))) == []
