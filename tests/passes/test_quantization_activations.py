"""Activations: scales computed when the model runs are those of the pass's own arrays, fixed ones those of what
was observed, and options that activations can't have are refused."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from graphwright.backends.onnx.backend import OnnxBackend
from graphwright.backends.torch_fx import TorchEvaluator
from graphwright.graph.ir import Graph, Program, apply, leaf
from graphwright.graph.ir.program import Weights
from graphwright.graph.types import FLOAT32, TensorType
from graphwright.graph.types.grids import grid
from graphwright.passes.manager.evaluation import leaf_arrays
from graphwright.passes.manager.pass_ import Context
from graphwright.passes.quantization.codes import static_activation
from graphwright.passes.quantization.dynamic import dynamic_activation
from graphwright.passes.quantization.layout import Layout
from graphwright.passes.quantization.lowering import KERNELS_KEY, LowerQuantized
from graphwright.passes.quantization.observers import Observer
from graphwright.passes.quantization.quantize import Quantize
from graphwright.passes.quantization.rounding import quantize_array
from graphwright.passes.quantization.scheme import activation_scheme, searched_grids

Array = np.ndarray[Any, Any]


def _numbers(*shape: int) -> Array:
    return np.random.default_rng(0).standard_t(4, size=shape).astype(np.float32)


def _both(options: object, x: Array) -> list[Array]:
    """x through the dynamic quantization, on torch and on ONNX Runtime."""
    scheme = activation_scheme(options)
    assert scheme is not None
    entry = leaf("Input", "x", TensorType(FLOAT32, x.shape))
    program = Program("p", Graph((entry,), (dynamic_activation(entry, scheme),)), ("y",))
    by_torch = TorchEvaluator().evaluate(program.graph.outputs, {entry: x})[0]
    return [by_torch, OnnxBackend().load(program).run({"x": x})["y"]]


GRIDS = ("int8", "int4", "int3", "e2m1", "e4m3", "nf4", "power(int4, 0.5)")
LAYOUTS: tuple[dict[str, Any], ...] = ({"axis": "tensor"}, {"axis": "out"}, {"block": 16})
SCALES = ("float32", "float16", "e8m0", "e4m3", "ue5m3")


@pytest.mark.parametrize("name", GRIDS)
def test_dynamic_scales_are_those_of_arrays_on_all_backends(name: str) -> None:
    x = _numbers(3, 5, 32)
    x[1, 2] = 0  # rows of zeros have the scale 1
    for layout, scale, zero in itertools.product(LAYOUTS, SCALES, (False, True)):
        if zero and not grid(name).integer:
            continue
        tensor_scale = scale in ("e4m3", "ue5m3")
        options = {"grid": name, "dynamic": True, "zero": zero, "scale": scale, "tensor_scale": tensor_scale}
        block = {"out": 32}.get(layout.get("axis", ""), layout.get("block"))
        wanted = quantize_array(
            x,
            grid(name),
            Layout() if block is None else Layout(2, block),
            scale=scale,
            zero=zero,
            tensor_scale=tensor_scale and not zero,
        ).dequantize()
        if zero and scale not in ("float32", "float16"):
            continue  # the range of a group, not its magnitude, sets the scale of the tensor
        for found in _both({**options, **layout}, x):
            step = np.abs(x).max() / grid(name).largest
            off = np.abs(found - wanted)
            assert np.mean(off > 1e-5 * np.abs(x).max()) < 0.005, (layout, scale, zero)  # ties, by a last bit
            assert off.max() <= 2 * step


@pytest.mark.parametrize("scale", ["float32", "e4m3"])
def test_four_over_six_takes_the_better_scale_of_each_block(scale: str) -> None:
    x = _numbers(40, 32)
    options = {"grid": "e2m1", "block": 16, "scale": scale, "tensor_scale": scale == "e4m3"}
    plain, better = (_both({**options, "clip": clip}, x) for clip in ("absmax", "four_over_six"))
    wanted = quantize_array(
        x, grid("e2m1"), Layout(1, 16), scale=scale, tensor_scale=scale == "e4m3", clip="four_over_six"
    ).dequantize()
    errors = [[np.sum((y - x).reshape(-1, 16) ** 2, axis=1) for y in pair] for pair in (plain, better)]
    for before, after, found in zip(*errors, better, strict=True):
        assert (after <= before + 1e-6).all()
        assert (after < before - 1e-6).any()
        assert np.mean(np.abs(found - wanted) > 1e-5) < 0.005


def _seen(x: Array) -> Observer:
    found = Observer()
    found.update(x)
    return found


def _static(options: object, x: Array) -> tuple[Array, Any]:
    scheme = activation_scheme(options)
    assert scheme is not None
    entry = leaf("Input", "x", TensorType(FLOAT32, x.shape))
    value = static_activation(entry, scheme, _seen(x))
    return TorchEvaluator().evaluate([value], {entry: x})[0], value.node


def test_a_fixed_scale_lies_on_the_scale_grid() -> None:
    x = _numbers(200)
    for name, levels in (("e8m0", grid("e8m0").levels), ("e4m3", grid("e4m3_scale").levels)):
        for options in ({"grid": "e2m1"}, {"grid": "int8"}, {"grid": "int4", "zero": False}):
            _, node = _static({**options, "scale": name}, x)
            assert float(node.inputs[1].constant) in levels
    _, node = _static({"grid": "int8", "scale": "float16"}, x)
    assert float(np.float16(node.inputs[1].constant)) == float(node.inputs[1].constant)


@pytest.mark.parametrize("name", ["power(int4, search)", "float(6, search)", "float(4, search)"])
@pytest.mark.parametrize("clip", ["absmax", "mse"])
def test_a_search_on_activations_is_no_worse_than_any_of_its_grids(name: str, clip: str) -> None:
    x = _numbers(5000)
    scheme = activation_scheme({"grid": name, "clip": clip})
    assert scheme is not None
    found = float(np.sum((_static({"grid": name, "clip": clip}, x)[0] - x) ** 2))
    every = [
        float(np.sum((_static({"grid": g.name, "clip": clip}, x)[0] - x) ** 2))
        for g in searched_grids(scheme)
    ]
    assert len(every) > 2
    assert found <= min(every) * 1.03  # the histogram's bins are 1/8 of a power of two
    assert found < 0.95 * max(every)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"grid": "int4", "rounding": "gptq"}, "nearest when the model runs"),
        ({"grid": "int4", "block": 16, "dynamic": False}, "rows and blocks are dynamic"),
        ({"grid": "float(4, search)", "dynamic": True}, "needs calibration"),
        ({"grid": "int8", "dynamic": True, "clip": "mse"}, "absmax or four_over_six"),
        ({"grid": "int4", "dynamic": True, "clip": "four_over_six"}, "not for integers"),
    ],
)
def test_what_activations_can_not_have_is_refused_when_the_recipe_is_read(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        Quantize(activations=options)


def test_blocks_and_presets_of_activations_are_dynamic() -> None:
    for given in ("nvfp4", {"grid": "int4", "block": 16}, {"grid": "int8", "axis": "out"}):
        scheme = activation_scheme(given)
        assert scheme is not None
        assert scheme.dynamic
        assert not scheme.zero
    scheme = activation_scheme("int8")
    assert scheme is not None
    assert not scheme.dynamic
    assert scheme.zero


@pytest.mark.parametrize(
    ("activations", "kernel"),
    [
        ({"grid": "int4", "dynamic": True}, "MatMulInteger=1"),
        ({"grid": "int8", "dynamic": True, "zero": False}, "MatMulInteger=1"),
        ({"grid": "int8", "axis": "out"}, None),
        ({"grid": "int4", "block": 16, "zero": True}, None),
    ],
)
def test_dynamic_integers_run_on_integer_kernels_where_one_scale_is_enough(
    activations: dict[str, Any], kernel: str | None
) -> None:
    x = _numbers(6, 64)
    entry, weight = (
        leaf(*n, TensorType(FLOAT32, s))
        for n, s in ((("Input", "x"), (6, 64)), (("Weight", "w.kernel"), (64, 32)))
    )
    arrays = {"w.kernel": _numbers(64, 32)}
    program = Program(
        "p", Graph((entry,), (apply("MatMul", entry, weight),)), ("y",), weights=Weights(arrays)
    )
    made = Quantize(weights="int8", activations=activations, costs=False).run(program, Context()).program
    lowered = LowerQuantized().run(made, Context()).program
    assert lowered.metadata.get(KERNELS_KEY) == kernel
    wanted = x @ arrays["w.kernel"]
    found = OnnxBackend().load(lowered).run({"x": x})["y"]
    again = TorchEvaluator().evaluate(lowered.graph.outputs, leaf_arrays(lowered, {"x": x}))[0]
    assert np.allclose(found, again, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())
    limit = 0.02 if activations["grid"] == "int8" else 0.25
    assert 0 < np.abs(found - wanted).max() < limit * np.abs(wanted).max()
