"""Integer kernels: exact products and convolutions of codes, and programs made ready to run on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.backends.onnx.backend import OnnxBackend
from graphwright.backends.torch_fx.backend import TorchBackend
from graphwright.backends.torch_fx.evaluator import TorchEvaluator
from graphwright.backends.torch_fx.lowerings.integers import convolves_integers, int8_convolution
from graphwright.backends.torch_fx.preparing import prepared
from graphwright.graph.ir import Graph, Program, Value, apply, constant, leaf
from graphwright.graph.ir.program import Weights
from graphwright.graph.types import DTYPES, FLOAT32, TensorType

Array = np.ndarray[Any, Any]

needs_kernel = pytest.mark.skipif(not convolves_integers(), reason="the processor has no VNNI")


@needs_kernel
@given(
    st.sampled_from(
        [(1, 3, 7, 6, 4, 3, 1), (2, 8, 9, 9, 6, 3, 2), (1, 16, 6, 6, 16, 3, 16), (2, 5, 11, 8, 7, 1, 1)]
    ),
    st.sampled_from(["uint8", "int8"]),
    st.integers(0, 255),
    st.sampled_from([(1, 1, 1, 1), (0, 0, 0, 0), (2, 0, 1, 1)]),
    st.integers(1, 2),
    st.integers(1, 2),
    st.integers(0, 2**16),
)
@settings(deadline=None, max_examples=60)
def test_convolutions_of_codes_are_exact(
    sizes: tuple[int, ...],
    dtype: str,
    zero: int,
    pads: tuple[int, ...],
    stride: int,
    dilation: int,
    seed: int,
) -> None:
    n, c, h, w, out, k, group = sizes
    generator, limits = np.random.default_rng(seed), np.iinfo(dtype)
    x = generator.integers(limits.min, limits.max + 1, (n, c, h, w)).astype(dtype)
    kernel = generator.integers(-128, 128, (out, c // group, k, k)).astype(np.int8)
    point = zero + limits.min
    found = int8_convolution(
        torch.from_numpy(x),
        torch.from_numpy(kernel),
        torch.tensor(point, dtype=torch.int16),
        "NOTSET",
        (dilation, dilation),
        group,
        pads,
        (stride, stride),
    )
    assert found is not None
    padded = np.pad(x.astype(np.float64) - point, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    wanted = torch.nn.functional.conv2d(
        torch.from_numpy(padded),
        torch.from_numpy(kernel.astype(np.float64)),
        None,
        stride,
        0,
        dilation,
        group,
    )
    assert np.array_equal(found.numpy(), wanted.numpy())


@needs_kernel
def test_sums_that_float32_does_not_hold_are_left_to_others() -> None:
    x, w = (
        torch.full((1, 600, 3, 3), 255, dtype=torch.uint8),
        torch.full((1, 600, 1, 1), 127, dtype=torch.int8),
    )
    assert int8_convolution(x, w, None, "NOTSET", None, 1, None, None) is None
    total = apply(
        "ConvInteger",
        leaf("Input", "x", TensorType(DTYPES["uint8"], x.shape)),
        leaf("Input", "w", TensorType(DTYPES["int8"], w.shape)),
    )
    given = {total.node.inputs[0]: x.numpy(), total.node.inputs[1]: w.numpy()}
    assert (TorchEvaluator().evaluate([total], given)[0] == 600 * 255 * 127).all()  # type: ignore[arg-type]  # present


# --- programs ------------------------------------------------------------------------------------------------


def _decoded(codes: Array, scale: Array, name: str, arrays: dict[str, Array]) -> Value:
    arrays[name] = codes
    held = leaf("Weight", name, TensorType(DTYPES["int8"], codes.shape))
    return apply("DequantizeLinear", held, constant(scale.astype(np.float32)), axis=0)


def _rounded(x: Value, scale: float, zero: int) -> Value:
    number, point = constant(np.float32(scale)), constant(np.uint8(zero))
    return apply("DequantizeLinear", apply("QuantizeLinear", x, number, point), number, point)


def _net(bias: bool, relu: bool, zero: int) -> tuple[Program, Array]:
    """Two convolutions of codes, each quantized."""
    generator, arrays = np.random.default_rng(0), dict[str, Array]()
    x = leaf("Input", "x", TensorType(FLOAT32, (2, 8, 20, 20)))
    value = _rounded(x, 0.02, 128)
    for name in ("a", "b"):
        codes = generator.integers(-127, 128, (8, 8, 3, 3)).astype(np.int8)
        scale = generator.uniform(1e-3, 3e-3, 8).astype(np.float32)
        weight = _decoded(codes, scale, name, arrays)
        entry = value.node.inputs[1]
        assert entry is not None
        assert entry.constant is not None
        unit = scale.astype(np.float64) * float(entry.constant)
        offset = constant((generator.integers(-9999, 9999, 8) * unit).astype(np.float32)) if bias else None
        value = apply("Conv", value, weight, offset, pads=(1, 1, 1, 1))
        value = _rounded(apply("Relu", value) if relu else value, 0.031, zero)
    program = Program("net", Graph((x,), (value,)), ("y",), weights=Weights(arrays))
    return program, generator.normal(size=(2, 8, 20, 20)).astype(np.float32)


@needs_kernel
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("relu", "zero", "fused"), [(True, 0, 2), (False, 120, 2), (True, 120, 0)])
def test_convolutions_between_codes_have_the_runtimes_codes(
    bias: bool, relu: bool, zero: int, fused: int
) -> None:
    program, x = _net(bias, relu, zero)
    names = [n.name for n in prepared(program).graph.nodes]
    assert names.count("QLinearConv") == fused
    assert names.count("ConvInteger") == 2 - fused
    assert "Conv" not in names
    found = TorchBackend().load(program).run({"x": x})["y"]
    wanted = OnnxBackend().load(program).run({"x": x})["y"]
    if fused:
        assert np.array_equal(found, wanted)
    else:  # the runtime convolves floats, so ties differ
        assert np.mean(found != wanted) < 0.01
        assert np.abs(found - wanted).max() < 0.032


def test_a_convolution_that_others_read_is_not_computed_twice() -> None:
    program, x = _net(True, False, 120)
    conv = next(n for n in program.graph.nodes if n.name == "Conv")
    both = Program(
        "two",
        Graph(program.graph.inputs, (*program.graph.outputs, conv.outputs[0])),
        ("y", "c"),
        weights=program.weights,
    )
    names = [n.name for n in prepared(both).graph.nodes]
    assert names.count("QLinearConv") + names.count("ConvInteger") + names.count("Conv") == 2
    found = TorchBackend().load(both).run({"x": x})
    assert np.allclose(found["c"], OnnxBackend().load(both).run({"x": x})["c"], rtol=1e-5, atol=1e-5)


def test_what_constants_decide_is_computed_once() -> None:
    arrays = {"packed": np.arange(200, dtype=np.uint8)}
    packed, x = (
        leaf("Weight", "packed", TensorType(DTYPES["uint8"], (200,))),
        leaf("Input", "x", TensorType(FLOAT32, (3, 1))),
    )
    low = apply("BitwiseAnd", packed, constant(np.uint8(15)))
    high = apply("BitShift", packed, constant(np.uint8(4)), direction="RIGHT")
    wide = apply("Cast", apply("Concat", low, high, axis=0), to=1)
    trained = leaf("Parameter", "p", TensorType(FLOAT32, (400,)))
    y = apply("Add", apply("Mul", x, wide), apply("Neg", trained))
    program = Program(
        "p",
        Graph((x, trained), (y, wide)),
        ("y", "w"),
        weights=Weights({**arrays, "p": np.ones(400, np.float32)}),
    )
    ready = prepared(program)
    assert sorted(n.name for n in ready.graph.nodes if not n.outputs[0].is_leaf) == ["Add", "Mul", "Neg"]
    assert "packed" not in ready.weights.arrays
    given = np.float32([[1], [2], [3]])
    found = TorchBackend().load(program).run({"x": given})
    number = np.arange(200)
    decoded = np.concatenate([number & 15, number >> 4]).astype(np.float32)
    assert np.array_equal(found["w"], decoded)
    assert np.array_equal(found["y"], given * decoded - 1)
    moved = TorchBackend().load(program).run({"x": given, "p": np.zeros(400, np.float32)})
    assert np.array_equal(moved["y"], given * decoded)  # parameters are still fed


def test_views_of_weights_take_no_memory() -> None:
    x, w = (
        leaf("Input", "x", TensorType(FLOAT32, (3, 20))),
        leaf("Weight", "w", TensorType(FLOAT32, (30, 20))),
    )
    turned = apply("Transpose", w, perm=(1, 0))
    array = np.random.default_rng(0).normal(size=(30, 20)).astype(np.float32)
    program = Program("p", Graph((x,), (apply("MatMul", x, turned),)), ("y",), weights=Weights({"w": array}))
    assert prepared(program) is program
    halved = apply("Transpose", apply("Mul", w, constant(np.float32(0.5))), perm=(1, 0))
    other = Program("q", Graph((x,), (apply("MatMul", x, halved),)), ("y",), weights=Weights({"w": array}))
    assert [n.name for n in prepared(other).graph.nodes if not n.outputs[0].is_leaf] == ["MatMul"]
