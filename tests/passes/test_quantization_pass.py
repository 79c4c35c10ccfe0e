"""The quantize pass: rules, calibration, reconstruction, what it refuses."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.backends.torch_fx import TorchEvaluator
from graphwright.graph.diagnostics import SpecError
from graphwright.graph.ir import Graph, Program, apply, constant, leaf
from graphwright.graph.ir.program import Weights
from graphwright.graph.types import FLOAT32, TensorType
from graphwright.graph.types.grids import grid
from graphwright.passes.manager.evaluation import leaf_arrays
from graphwright.passes.manager.pass_ import Context
from graphwright.passes.quantization.mixed import allocate
from graphwright.passes.quantization.observers import HALF, Observer, clipped_range
from graphwright.passes.quantization.operands import find_layers
from graphwright.passes.quantization.quantize import Quantize
from graphwright.passes.quantization.reconstruction import Problem, damped, descent, gptq, reconstruct
from graphwright.passes.quantization.rounding import nearest
from graphwright.passes.quantization.scheme import QuantScheme, activation_scheme, weight_scheme
from graphwright.passes.quantization.weights import optimised_weights, plain_weights


def network(seed: int = 0) -> Program:
    """conv -> Relu -> two linear layers, the middle one a Gemm."""
    generator = np.random.default_rng(seed)
    shapes = {"c.kernel": (8, 4, 3, 3), "h.kernel": (16, 8 * 16), "logits.kernel": (16, 10)}
    arrays = {n: (generator.normal(size=s) / 6).astype(np.float32) for n, s in shapes.items()}
    weights = {n: leaf("Weight", n, TensorType(FLOAT32, s)) for n, s in shapes.items()}
    x = leaf("Input", "x", TensorType(FLOAT32, (6, 4, 4, 4)))
    c = apply("Relu", apply("Conv", x, weights["c.kernel"], pads=(1, 1, 1, 1)))
    flat = apply("Reshape", c, constant(np.array([6, 128])))
    h = apply("Relu", apply("Gemm", flat, weights["h.kernel"], transB=1))
    logits = apply("Add", apply("MatMul", h, weights["logits.kernel"]), constant(np.zeros(10, np.float32)))
    return Program("net", Graph((x,), (logits,)), ("logits",), weights=Weights(arrays))


def context(batches: int = 3, **changes: Any) -> Context:
    generator = np.random.default_rng(1)
    data = [{"x": generator.normal(size=(6, 4, 4, 4)).astype(np.float32)} for _ in range(batches)]
    return replace(Context(data={"calibration": data}, calibration="calibration"), **changes)


def outputs(program: Program, x: np.ndarray) -> np.ndarray:
    return TorchEvaluator().evaluate(program.graph.outputs, leaf_arrays(program, {"x": x}))[0]


X = np.random.default_rng(2).normal(size=(6, 4, 4, 4)).astype(np.float32)


@pytest.mark.parametrize(
    "activations", ["float", "int8", {"grid": "int8", "dynamic": True}, {"grid": "e4m3", "axis": "tensor"}]
)
def test_eight_bits_hardly_change_the_outputs(activations: object) -> None:
    program = network()
    result = Quantize(weights="int8", activations=activations).run(program, context())
    before, after = outputs(program, X), outputs(result.program, X)
    limit = 0.03 if activations != {"grid": "e4m3", "axis": "tensor"} else 0.15
    assert 0 < np.abs(after - before).max() < limit * np.abs(before).max()
    assert [s.rule for s in result.replacements].count("layer") == 3


def test_the_first_rule_that_matches_wins_and_every_weight_is_reported() -> None:
    rules = (
        {"match": {"name": "h"}, "scheme": "nf4"},
        {"match": {"op": "conv", "operand": "weight"}, "scheme": "small"},
        {"match": {"op": "linear", "operand": "weight", "min_fan_in": 100}, "scheme": "int2"},
    )
    options = Quantize(
        weights="int3", rules=rules, schemes={"small": {"grid": "int4", "block": 2}}, skip=("none",)
    )
    text = "\n".join(options.run(network(), context()).notes)
    assert "Conv int4, block 2" in text
    assert "Gemm nf4" in text
    assert "MatMul int3" in text
    assert "float, read by Add: constant 10" in text
    skipped = Quantize(weights="int4", skip=("h", "c")).run(network(), context())
    assert "left out by skip: c 288, h 2,048" in "\n".join(skipped.notes)
    assert [s.rule for s in skipped.replacements] == ["layer"]


def test_layers_and_their_axes() -> None:
    layers, left = find_layers(network())
    assert [(x.name, x.node.name, x.out_axis, x.in_axis, x.fan_in) for x in layers] == [
        ("c", "Conv", 0, 1, 36),
        ("h", "Gemm", 0, 1, 128),
        ("logits", "MatMul", 1, 0, 16),
    ]
    assert [x.elements for x in left] == [10]
    for layer in layers:
        assert np.array_equal(layer.from_matrix(layer.matrix(layer.array)), layer.array)


def test_weights_that_are_no_layers_say_why() -> None:
    x, arrays = leaf("Input", "x", TensorType(FLOAT32, (2, 12, 8))), dict[str, np.ndarray]()

    def weight(name: str, *shape: int) -> Any:
        arrays[name] = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        return leaf("Weight", name, TensorType(FLOAT32, shape))

    value = apply("MatMul", weight("mix", 10, 12), x)
    value = apply("MatMul", value, weight("stack", 2, 8, 5))
    value = apply(
        "Add", value, apply("Gather", weight("table", 30, 5), constant(np.zeros((2, 10), np.int64)))
    )
    program = Program("odd", Graph((x,), (value,)), ("y",), weights=Weights(arrays))
    text = "\n".join(Quantize(costs=False).run(program, context()).notes)
    assert "float, read by MatMul from the left: mix 120" in text
    assert "float, read by MatMul in a stack of rank 3: stack 80" in text
    assert "float, read by Gather: table 150" in text


def test_rounding_for_the_output_beats_rounding_of_weights() -> None:
    program, given = network(), context(60)
    truth = outputs(program, X)

    def error(**options: Any) -> float:
        made = Quantize(weights={"grid": "int3", "clip": "mse"}, **options).run(program, given).program
        return float(np.mean((outputs(made, X) - truth) ** 2))

    plain = error()
    assert error(rounding="gptq") < plain
    assert error(rounding="descent") < plain
    assert error(bias_correction=True) < plain * 1.05


GRIDS = ("int2", "int4", "int8", "nf4", "e2m1", "e4m3", "binary", "ternary", "power(int4, 0.5)")
LAYOUTS: tuple[dict[str, Any], ...] = (
    {"axis": "tensor"},
    {"axis": "out"},
    {"block": 16},
    {"block": 32, "scale": "float16"},
)


@pytest.mark.parametrize("rounding", ["nearest", "stochastic", "gptq", "adaround", "descent"])
@pytest.mark.parametrize("name", GRIDS)
def test_every_grid_takes_every_rounding_and_layout(name: str, rounding: str) -> None:
    layer = find_layers(network())[0][1]
    rows = np.random.default_rng(3).normal(size=(64, 128))
    rows[:, 1] = rows[:, 0]
    inputs = [(rows.astype(np.float32), rows.astype(np.float32))]
    small = replace(layer, array=layer.array[:4, :64])
    inputs = [(a[:, :64], b[:, :64]) for a, b in inputs]
    for layout in LAYOUTS:
        scheme = weight_scheme({"grid": name, "clip": "mse", "rounding": rounding, **layout})
        assert scheme is not None
        plain = plain_weights(small, scheme)
        found = plain if rounding in ("nearest", "stochastic") else optimised_weights(small, scheme, inputs)
        assert found.codes.max() < len(found.grid.levels)
        wanted = inputs[0][0] @ small.array.T
        if rounding not in ("nearest", "stochastic"):
            errors = [np.sum((inputs[0][0] @ q.dequantize().T - wanted) ** 2) for q in (found, plain)]
            assert errors[0] <= errors[1] * 1.02


@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_gptq_is_no_worse_than_nearest_and_descent_no_worse_than_gptq(seed: int) -> None:
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(40, 12)) @ generator.normal(size=(12, 12))
    problem = Problem(
        generator.normal(size=(5, 12)), np.full((5, 1), 0.4, np.float32), grid("int3"), damped(rows.T @ rows)
    )
    plain = nearest(problem.weight.astype(np.float32), problem.scale, problem.grid)
    codes = gptq(problem)
    assert problem.error(reconstruct(problem, "gptq")) <= problem.error(plain)
    assert problem.error(descent(problem, codes)) <= problem.error(codes) + 1e-9
    assert problem.error(descent(problem, plain)) <= problem.error(plain) + 1e-9


def test_descent_finds_the_best_codes_of_a_small_problem_more_often_than_rounding() -> None:
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(30, 3)) @ np.array([[1, 0.9, 0.8], [0, 0.4, 0.3], [0, 0, 0.2]])
    problem = Problem(
        generator.normal(size=(40, 3)), np.full((40, 1), 0.6, np.float32), grid("int2"), damped(rows.T @ rows)
    )
    combinations = np.stack(np.meshgrid(*[range(3)] * 3), axis=-1).reshape(-1, 3)
    best = sum(
        min(
            Problem(problem.weight[i : i + 1], problem.scale[:1], problem.grid, problem.hessian).error(
                c[None].astype(np.uint8)
            )
            for c in combinations
        )
        for i in range(40)
    )
    plain = problem.error(nearest(problem.weight.astype(np.float32), problem.scale, problem.grid))
    found = problem.error(reconstruct(problem, "descent"))
    assert best <= found + 1e-9
    assert found - best < 0.25 * (plain - best)


# --- observers --------------------------------------------------------------------------------------


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=2, max_size=60), st.integers(1, 59))
@settings(deadline=None)
def test_observing_two_parts_and_merging_is_observing_the_whole(numbers: list[float], cut: int) -> None:
    array = np.float32(numbers)
    whole, first, second = Observer(), Observer(), Observer()
    whole.update(array)
    first.update(array[:cut])
    second.update(array[cut:])
    merged = first.merge(second)
    assert (merged.count, merged.low, merged.high) == (whole.count, whole.low, whole.high)
    assert np.array_equal(merged.histogram, whole.histogram)
    assert whole.histogram is not None
    assert whole.histogram.sum() == array.size
    assert whole.histogram.shape == (2, HALF)
    assert whole.histogram.nbytes < 6000


def test_a_percentile_of_the_histogram_is_that_of_the_numbers() -> None:
    array = np.random.default_rng(0).standard_t(3, size=200_000).astype(np.float32)
    seen = Observer()
    seen.update(array)
    low, high = clipped_range(seen, grid("int8"), "percentile", 99, zero=True)
    assert np.isclose(low, np.percentile(array, 0.5), rtol=0.05)
    assert np.isclose(high, np.percentile(array, 99.5), rtol=0.05)


@pytest.mark.parametrize("clip", ["mse", "entropy", "percentile"])
def test_a_clip_rule_cuts_off_what_is_rare(clip: str) -> None:
    array = np.random.default_rng(0).normal(size=100_000).astype(np.float32)
    array[0] = 40
    seen = Observer()
    seen.update(array)
    low, high = clipped_range(seen, grid("int4"), clip, 99.99, zero=True)
    assert 1.5 < high < 12
    assert low <= 0
    assert clipped_range(seen, grid("int4"), "absmax", 100, zero=True)[1] == 40


# --- what it refuses --------------------------------------------------------------------------------


def _code(options: Quantize, program: Program, given: Context) -> str:
    with pytest.raises(SpecError) as caught:
        options.run(program, given)
    return caught.value.diagnostics[0].code


def test_bad_calibration_data_and_weights_are_diagnostics() -> None:
    program = network()
    static = Quantize(activations="int8")
    assert _code(static, program, Context()) == "G1040"
    assert _code(static, program, context(0)) == "G1040"
    for bad in (np.nan, np.inf):
        broken = {"x": np.where(np.arange(4)[:, None] == 1, np.float32(bad), X)}
        for batches in ([broken], [{"x": X}, broken]):  # NaN in a later batch too
            assert _code(static, program, context(data={"calibration": batches})) == "G1041"
    assert _code(static, program, context(data={"calibration": [{"x": X[:, :2]}]})) in (
        "G1341",
        "G1041",
        "G1042",
    )
    for huge in (1e30, np.inf):
        given = context(data={"calibration": [{"x": np.full_like(X, huge)}]})
        assert _code(Quantize(weights={"grid": "int4", "rounding": "gptq"}), program, given) == "G1041"
    spoilt = dict(program.weights.arrays)
    spoilt["h.kernel"] = np.where(np.arange(128) == 3, np.inf, spoilt["h.kernel"]).astype(np.float32)
    assert _code(Quantize(), replace(program, weights=Weights(spoilt)), context()) == "G1043"
    assert _code(Quantize(skip=("h",), coverage=0.9), program, context()) == "G1044"


def test_names_in_skip_that_no_layer_has_are_told() -> None:
    options = Quantize(weights="int4", skip=("logit", "h"), costs=False)
    said = [n for n in options.run(network(), context()).notes if n.startswith("skip: ")]
    assert len(said) == 1
    assert "'logit'" in said[0]


def test_one_sample_constant_channels_and_long_blocks_are_fine() -> None:
    program = network()
    arrays = dict(program.weights.arrays)
    arrays["h.kernel"] = arrays["h.kernel"].copy()
    arrays["h.kernel"][3] = 0
    arrays["h.kernel"][4] = 0.25
    flat = replace(program, weights=Weights(arrays))
    one = context(data={"calibration": [{"x": np.ones((6, 4, 4, 4), np.float32)}]})
    options = Quantize(
        weights={"grid": "int4", "block": 64, "clip": "mse", "rounding": "descent"}, activations="int8"
    )
    result = options.run(flat, one)
    assert "block 64 is longer than the axis (4)" in "\n".join(result.notes)
    assert np.isfinite(outputs(result.program, X)).all()


@pytest.mark.parametrize(
    "options",
    [
        {"weights": "int44"},
        {"weights": {"grid": "int4", "blok": 32}},
        {"weights": {"grid": "nf4", "zero": True}},
        {"weights": {"grid": "int4", "clip": "best"}},
        {"weights": {"grid": "int4", "axis": "in"}},
        {"weights": {"grid": "int4", "block": 0}},
        {"weights": 4},
        {"rules": ({"match": {"op": "softmax"}, "scheme": "int8"},)},
        {"rules": ({"match": {"ops": "conv"}, "scheme": "int8"},)},
        {"rules": ({"match": {}},)},
        {"weights": "int4", "average_bits": 4, "choices": ("int4", "int9")},
        {"coverage": 2},
        {"coverage": -0.1},
    ],
)
def test_a_scheme_that_is_none_is_refused_when_the_recipe_is_read(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Quantize(**options)


def test_texts_presets_and_defaults_of_schemes() -> None:
    assert weight_scheme("float") is None
    assert weight_scheme("int4") == QuantScheme("int4")
    assert weight_scheme({"grid": "int4", "block": 32}) == QuantScheme("int4", "in", 32)
    assert activation_scheme("int8") == QuantScheme("int8", "tensor", zero=True)
    assert activation_scheme("e4m3") == QuantScheme("e4m3", "tensor")
    preset = weight_scheme("nvfp4")
    assert preset is not None
    assert (preset.grid, preset.block, preset.scale, preset.tensor_scale) == ("e2m1", 16, "e4m3", True)


# --- mixed precision --------------------------------------------------------------------------------


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_the_allocation_is_near_the_best_of_all_and_within_the_budget(seed: int) -> None:
    generator = np.random.default_rng(seed)
    bits = [[n * b for b in (2, 3, 4, 8)] for n in generator.integers(10, 1000, 4)]
    costs = [sorted(generator.exponential(size=4), reverse=True) for _ in bits]
    budget = float(generator.uniform(2.05, 8)) * sum(row[0] for row in bits) / 2
    chosen = allocate(costs, bits, budget)
    assert sum(row[i] for row, i in zip(bits, chosen, strict=True)) <= budget
    best = min(
        sum(costs[k][i] for k, i in enumerate(c))
        for c in itertools.product(range(4), repeat=4)
        if sum(bits[k][i] for k, i in enumerate(c)) <= budget * (1 - 4 / 2000)
    )
    assert sum(costs[k][i] for k, i in enumerate(chosen)) <= best + 1e-12


def test_mixed_precision_keeps_its_average_and_gives_sensitive_layers_more_bits() -> None:
    program, given = network(), context(20)
    options = Quantize(weights={"grid": "int4", "axis": "out"}, average_bits=4.5)
    result = options.run(program, given)
    average = float(result.notes[0].split("quantized, ")[1].split(" bits")[0])
    assert average <= 4.5
    uniform = Quantize(weights="int3").run(program, given)
    wide, narrow = (np.abs(outputs(r.program, X) - outputs(program, X)).mean() for r in (uniform, result))
    assert narrow < wide
    with pytest.raises(SpecError, match="narrowest"):
        Quantize(weights="int4", average_bits=1.0).run(program, given)
