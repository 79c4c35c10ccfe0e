"""Training with rounded layers: gradients as the papers state them, and codes that a compile keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from graphwright.backends.onnx.backend import OnnxBackend
from graphwright.backends.reference.operators import evaluate_node
from graphwright.backends.torch_fx.backend import TorchBackend
from graphwright.backends.torch_fx.lowerings.fake import fake_quantize
from graphwright.graph.diagnostics import SpecError
from graphwright.graph.ir import Graph, Program, Value, apply, leaf
from graphwright.graph.types import FLOAT32, TensorType
from graphwright.graph.types.grids import grid, power
from graphwright.passes.manager.pass_ import Context
from graphwright.passes.quantization.biper import LIMIT, frequency, quantization_error
from graphwright.passes.quantization.exponents import learned_exponent, slope
from graphwright.passes.quantization.lattice import lattice
from graphwright.passes.quantization.layout import Layout
from graphwright.passes.quantization.lowering import LowerQuantized
from graphwright.passes.quantization.reconstruction import Problem
from graphwright.passes.quantization.rounding import nearest
from graphwright.passes.quantization.trained import QuantizeTrained
from graphwright.passes.simplify.family import Simplify
from graphwright.passes.simplify.freezing import FreezeParameters
from graphwright.tools.documents import Overrides, open_unit
from graphwright.tools.programs import load_weights, open_program
from graphwright.tools.training import train_unit

Array = np.ndarray[Any, Any]


# --- the operator ------------------------------------------------------------------------------------


def _fake(name: str, layout: dict[str, int], shape: tuple[int, ...], **more: Any) -> tuple[Program, Value]:
    x = leaf("Input", "x", TensorType(FLOAT32, (6, 40)))
    s = leaf("Input", "s", TensorType(FLOAT32, shape))
    y = apply("FakeQuantize", x, s, domain="graphwright", levels=grid(name).levels, **layout, **more)
    return Program("fake", Graph((x, s), (y,)), ("y",)), y


@pytest.mark.parametrize("name", ["int3", "uint2", "e2m1", "nf4", "power(int4, 0.5)", "binary"])
@pytest.mark.parametrize(
    ("layout", "shape"),
    [({}, ()), ({"axis": 1}, (40,)), ({"axis": 0, "block_size": 4}, (2, 40))],
)
def test_backends_round_alike_and_as_quantize_does(
    name: str, layout: dict[str, int], shape: tuple[int, ...]
) -> None:
    program, y = _fake(name, layout, shape)
    generator = np.random.default_rng(0)
    feeds = {
        "x": generator.normal(size=(6, 40)).astype(np.float32),
        "s": generator.uniform(0.1, 1, shape).astype(np.float32),
    }
    x, s = program.graph.inputs
    codes = apply("Quantize", x, s, domain="graphwright", levels=grid(name).levels, **layout)
    plain = apply("Dequantize", codes, s, domain="graphwright", levels=grid(name).levels, **layout)
    wanted = TorchBackend().load(Program("p", Graph((x, s), (plain,)), ("y",))).run(feeds)["y"]
    assert np.array_equal(TorchBackend().load(program).run(feeds)["y"], wanted)
    assert np.array_equal(OnnxBackend().load(program).run(feeds)["y"], wanted)
    assert np.array_equal(evaluate_node(y.node, [feeds["x"], feeds["s"]])[0], wanted)


@pytest.mark.parametrize("soft", [0, 1])
def test_the_sine_on_all_backends(soft: int) -> None:
    program, y = _fake("binary", {}, (), surrogate="sine", parameter=7.0, soft=soft)
    x = np.random.default_rng(1).normal(size=(6, 40)).astype(np.float32)
    feeds = {"x": x, "s": np.float32(0.3)}
    wave = np.sin(np.float64(7) * x)
    wanted = 0.3 * (wave if soft else np.where(wave < 0, -1, 1))
    for found in (
        TorchBackend().load(program).run(feeds)["y"],
        OnnxBackend().load(program).run(feeds)["y"],
        evaluate_node(y.node, [x, np.float32(0.3)])[0],
    ):
        assert np.allclose(found, wanted, atol=1e-5)


# --- gradients -----------------------------------------------------------------------------------------


def _gradients(surrogate: str, x: Array, s: float, levels: Any, number: float = 0.0) -> tuple[Array, float]:
    tensor = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    scale = torch.tensor(s, dtype=torch.float64, requires_grad=True)
    up = torch.tensor(np.cos(np.arange(len(x))), dtype=torch.float64)
    (fake_quantize(tensor, scale, levels, surrogate=surrogate, parameter=number) * up).sum().backward()
    assert tensor.grad is not None
    return tensor.grad.numpy() / up.numpy(), float(scale.grad) if scale.grad is not None else 0.0


X = np.linspace(-2.05, 2.02, 97)
UP = np.cos(np.arange(97))


def test_lsq_learns_scales_by_its_equations() -> None:
    slope, scale = _gradients("lsq", X, 0.4, grid("int3").levels)
    ratio = X / 0.4
    inside = np.abs(ratio) <= 3
    assert np.array_equal(slope, inside.astype(float))
    each = np.where(inside, np.rint(ratio) - ratio, np.sign(ratio) * 3)  # equation 3 of LSQ
    assert np.isclose(scale, np.sum(UP * each) / np.sqrt(len(X) * 3))


def test_pact_moves_its_clip_by_what_lies_beyond() -> None:
    slope, scale = _gradients("pact", X, 0.2, grid("uint2").levels)
    assert np.array_equal(slope, ((X >= 0) & (X <= 0.6)).astype(float))
    assert np.isclose(scale, np.sum(UP[X > 0.6] * 3))  # d clip / d alpha = 1, alpha = 3 s


@pytest.mark.parametrize("surrogate", ["ste", "identity"])
def test_straight_through_leaves_the_scale(surrogate: str) -> None:
    slope, scale = _gradients(surrogate, X, 0.4, grid("int3").levels)
    assert scale == 0
    assert np.array_equal(slope, np.ones(97) if surrogate == "identity" else (np.abs(X / 0.4) <= 3) * 1.0)


def test_ewgs_scales_each_gradient_by_its_rounding_error() -> None:
    slope, _ = _gradients("ewgs", X, 0.4, grid("int3").levels, 0.3)
    ratio, inside = X / 0.4, np.abs(X / 0.4) <= 3
    wanted = inside * (1 + 0.3 * np.sign(UP) * (ratio - np.clip(np.rint(ratio), -3, 3)))
    assert np.allclose(slope, wanted)


def test_the_soft_staircase_rises_as_much_as_the_levels() -> None:
    fine = np.linspace(-0.5, 0.5, 2001) + 1e-9
    slope, _ = _gradients("dsq", fine, 1.0, grid("int3").levels, 4.0)
    between = (fine > -0.5) & (fine < 0)
    assert abs(np.trapezoid(slope[between], fine[between]) - 0.5) < 1e-2
    assert slope[1000] < slope[10]  # steep half-way between two levels, flat on one


def test_bireal_is_the_derivative_of_its_polynomial() -> None:
    slope, _ = _gradients("bireal", X, 1.0, grid("binary").levels)
    assert np.allclose(slope, np.maximum(0, 2 - 2 * np.abs(X)))


def test_both_stages_of_the_sine_have_one_gradient() -> None:
    found = []
    for soft in (0, 1):
        x = torch.tensor(X, dtype=torch.float64, requires_grad=True)
        s = torch.tensor(0.5, dtype=torch.float64)
        fake_quantize(x, s, (-1.0, 1.0), surrogate="sine", parameter=3.0, soft=soft).sum().backward()
        assert x.grad is not None
        found.append(x.grad.numpy())
    assert np.allclose(found[0], 0.5 * 3 * np.cos(3 * X))
    assert np.array_equal(found[0], found[1])


# --- BiPer's frequency ---------------------------------------------------------------------------------


@pytest.mark.parametrize("u", [0.25, 1.0, 2.5, 10.0])
def test_the_quantization_error_is_that_of_laplace_weights(u: float) -> None:
    wave = np.sin(u * np.random.default_rng(0).laplace(size=2_000_000))
    gamma = np.abs(wave).mean()
    measured = np.mean((wave - gamma * np.sign(wave)) ** 2) / np.mean(wave**2)
    assert abs(quantization_error(u) - measured) < 2e-3


@given(st.floats(1e-4, 10), st.floats(0.02, 0.5))
def test_the_frequency_is_the_least_within_the_excess(magnitude: float, excess: float) -> None:
    u = frequency(magnitude, excess) * magnitude
    assert quantization_error(u) <= LIMIT * (1 + excess) * (1 + 1e-9)
    assert quantization_error(u * 0.98) > LIMIT * (1 + excess)


# --- the lattice ---------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["int2", "int3", "int4", "int8", "e2m1", "binary", "power(int4, 0.5)"]),
    st.integers(0, 2**32 - 1),
)
def test_codes_survive_any_factor_of_a_channel(name: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    levels = np.asarray(grid(name).levels, np.float32)
    codes = generator.integers(0, len(levels), (5, 30))
    codes[:, 0] = len(levels) - 1  # the largest level is there, so that the scale is unique
    factors = (generator.uniform(0.01, 9, (5, 1)) * generator.choice([-1, 1], (5, 1))).astype(np.float32)
    array = levels[codes] * factors
    found = lattice(array, grid(name), Layout(0))
    assert found is not None
    assert np.allclose(found.dequantize(), array, rtol=1e-5, atol=1e-7)
    same = np.where(factors < 0, len(levels) - 1 - codes, codes)
    assert np.array_equal(found.codes, same)


def test_numbers_between_levels_are_refused() -> None:
    assert (
        lattice(np.random.default_rng(0).normal(size=(4, 64)).astype(np.float32), grid("int3"), Layout(0))
        is None
    )


# --- whole trainings -----------------------------------------------------------------------------------

SPEC = """graphwright: 1
kind: graph
name: small
use: [layers/dense.yaml, layers/convolution.yaml, functions/losses.yaml]
inputs:
  image: float32[B, 1, 8, 8] in 0..16
  label: int64[B] in 0..9
nodes:
  c: conv_norm_act(image / 16, width=8)
  p: MaxPool(c, kernel_shape=[2, 2], strides=[2, 2])
  h: Relu(linear(reshape(p, [B, 128]), width=32))
  logits: linear(h, width=10)
  loss: cross_entropy(logits, label)
outputs: [logits]
training:
  data: digits
  loss: loss
  optimizer: adamw(lr=3e-3)
  epochs: 2
  batch: 50
  quantize: QUANTIZE
  metrics:
    accuracy: argmax(logits, axis=-1) == label
"""


def _spec(folder: Path, quantize: str) -> str:
    path = folder / "small.yaml"
    path.write_text(SPEC.replace("QUANTIZE", quantize), encoding="utf-8")
    return str(path)


def _compiled(program: Program) -> tuple[Program, Program]:
    """(quantized, lowered)."""
    context = Context()
    ready = Simplify().run(FreezeParameters().run(program, context).program, context).program
    made = QuantizeTrained().run(ready, context).program
    return made, LowerQuantized().run(made, context).program


@pytest.mark.parametrize(
    "quantize",
    [
        "{weights: int3, activations: int3}",
        '{weights: {grid: "power(int4, 0.5)"}, activations: {grid: uint4, surrogate: pact}, skip: [logits]}',
        "{weights: {grid: binary, surrogate: sine(auto)}, stages: 0.5}",
    ],
)
def test_a_compile_keeps_the_codes_of_the_training(tmp_path: Path, quantize: str) -> None:
    spec = _spec(tmp_path, quantize)
    result = train_unit(open_unit(spec, Overrides()), out=tmp_path / "out", progress=False)
    assert result.history[-1]["test"]["accuracy"] > 0.6
    program = load_weights(open_program(spec), str(tmp_path / "out" / "weights.safetensors"))
    made, lowered = _compiled(program)
    x = np.random.default_rng(0).uniform(0, 16, (64, 1, 8, 8)).astype(np.float32)
    before = TorchBackend().load(program).run({"image": x})["logits"]
    after = TorchBackend().load(made).run({"image": x})["logits"]
    emitted = OnnxBackend().load(lowered).run({"image": x})["logits"]
    assert np.mean(np.abs(after - before).max(axis=1) < 1e-4) > 0.9  # but for the convolution's whole biases
    assert np.mean(np.abs(emitted - after).max(axis=1) < 1e-3) > 0.9
    if "int3" in quantize:
        weight, scale = (result.program.weights[n] for n in ("h.kernel", "h.kernel_scale"))
        wide = (
            np.abs(scale).reshape(1, -1)
            if scale.shape[0] == weight.shape[1]
            else np.abs(scale).reshape(-1, 1)
        )
        wanted = np.clip(np.rint(weight / wide), -3, 3)
        stored = next(v for n, v in made.weights.arrays.items() if n.startswith("h_codes"))
        stored = stored.astype(np.int64)
        assert np.array_equal(
            np.sort(np.abs(stored).ravel()), np.sort(np.abs(wanted).ravel().astype(np.int64))
        )


@pytest.mark.parametrize(
    ("quantize", "said"),
    [
        ("{weights: int44}", "int44"),
        ("{weights: {grid: int4, zero: true}}", "zero point"),
        ("{weights: {grid: int4, surrogate: sine(auto)}}", "binary"),
        ("{weights: int4, activations: {grid: int8, dynamic: true}}", "one learned number"),
        ("{weights: {grid: int4, surrogate: lsqq}}", "surrogate"),
        ("{weights: float}", "no layer is rounded"),
        ("{weights: nvfp4, stochastic: gradients}", "needs a grid"),
        ("{weights: int4, hadamard: 12}", "power of two"),
        ("{weights: {grid: int4, rounding: gptq}}", "rounding 'gptq' is for compiling"),
        ("{weights: {grid: int4, clip: percentile}}", "scales are learned"),
        ("{weights: {grid: nvfp4, clip: entropy}}", "nvfp4"),
        ("{weights: {grid: int4, scale: float16}}", "float32"),
        ("{weights: {grid: nf4, table: true}}", "a table is for compiling"),
        ("{weights: int4, activations: {grid: int4, scale: e8m0}}", "float32"),
        ("{weights: {grid: e2m1, scale: e4m3, axis: tensor}}", "give a block"),
        ("{weights: {grid: e2m1, block: 16, scale: e4m3, clip: mse}}", "simulated products take absmax"),
        ("{weights: nvfp4, gradients: {grid: e2m1, block: 32}}", "a grid only"),
    ],
)
def test_schemes_that_training_cannot_have(tmp_path: Path, quantize: str, said: str) -> None:
    unit = open_unit(_spec(tmp_path, quantize), Overrides())
    with pytest.raises(SpecError) as caught:
        train_unit(unit, progress=False)
    (found,) = caught.value.diagnostics
    assert found.code == "G0973"
    assert said in found.message
    assert found.span is not None


def test_an_unknown_option_is_found_when_the_spec_is_read(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        open_unit(_spec(tmp_path, "{weight: int4}"), Overrides())
    assert "weights" in str(caught.value.diagnostics[0].hint)


def test_weights_of_no_such_training_are_refused() -> None:
    x = leaf("Input", "x", TensorType(FLOAT32, (2, 3)))
    with pytest.raises(SpecError) as caught:
        QuantizeTrained().run(Program("p", Graph((x,), (apply("Relu", x),)), ("y",)), Context())
    assert caught.value.diagnostics[0].code == "G1047"


# --- learned exponents ------------------------------------------------------------------------------


def test_the_slope_of_an_exponent_is_its_derivative() -> None:
    codes = np.arange(15)[None]
    restored = np.asarray(power(4, 0.6).levels)[codes] * 1.7
    near = (np.asarray(power(4, 0.6 + 1e-4).levels) - np.asarray(power(4, 0.6 - 1e-4).levels))[codes] / 2e-4
    assert np.allclose(slope(codes, restored, 4, 0.6), 1.7 * near, atol=2e-3)
    assert slope(codes, restored, 4, 0.6)[0, 7] == 0  # the code 0, whose logarithm has no value


@settings(max_examples=15, deadline=None)
@example(0, 1.0)
@example(3720, 0.6)  # codes that a rounded exponent moves
@given(st.integers(0, 10_000), st.sampled_from([0.35, 0.6, 1.0]))
def test_learning_an_exponent_lowers_the_output_error(seed: int, first: float) -> None:
    generator = np.random.default_rng(seed)
    weight = generator.standard_t(4, size=(16, 40))
    rows = generator.normal(size=(200, 40)) * np.exp(generator.normal(size=40))
    scale = np.abs(weight).max(axis=1, keepdims=True).astype(np.float32)
    problem = Problem(weight, scale, power(4, first), rows.T @ rows)
    found = learned_exponent(problem, 4, first)

    def error(exponent: float) -> float:
        moved = replace(problem, grid=power(4, exponent))
        return moved.error(nearest(weight.astype(np.float32), scale, moved.grid))

    assert error(found) <= error(first) * (1 + 1e-4)
    if seed == 0 and first == 1.0:  # tails of four degrees of freedom want an exponent below 1
        assert error(found) < 0.95 * error(first)
