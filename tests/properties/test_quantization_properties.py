"""What holds for every quantized type: grids, layouts, scale formats, packing, lowering."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.backends.onnx.backend import OnnxBackend
from graphwright.backends.onnx.emitting.emission import emit
from graphwright.backends.torch_fx import TorchEvaluator
from graphwright.graph.ir import Graph, Program, apply, apply_all, constant, leaf
from graphwright.graph.ir.program import Weights
from graphwright.graph.types import DTYPES, FLOAT32, TensorType
from graphwright.graph.types.grids import grid, power
from graphwright.passes.manager.evaluation import leaf_arrays
from graphwright.passes.manager.pass_ import Context
from graphwright.passes.quantization.kernels import fused_operators
from graphwright.passes.quantization.layout import Layout
from graphwright.passes.quantization.lowering import LowerQuantized
from graphwright.passes.quantization.quantize import Quantize
from graphwright.passes.quantization.rotation import Hadamard
from graphwright.passes.quantization.rounding import (
    STOCHASTIC_BITS,
    decode,
    nearest,
    quantize_array,
    sqnr,
    stochastic,
)

Array = np.ndarray[Any, Any]

GRIDS = ("int2", "int3", "int4", "int5", "int6", "int7", "int8", "uint4", "binary", "ternary", "nf4", "e2m1", "e1m2",
         "e2m3", "e3m2", "e4m3", "e5m2", "power(int4, 0.5)", "power(uint4, 0.7)", "float(2, 1, 1.3)")  # fmt: skip
LAYOUTS = (Layout(), Layout(0), Layout(1), Layout(1, 8), Layout(0, 5))
SCALES = (
    ("float32", False),
    ("float16", False),
    ("e8m0", False),
    ("e4m3", True),
    ("ue5m3", True),
    ("ue5m3", False),
)

grids = st.sampled_from(GRIDS)
layouts = st.sampled_from(LAYOUTS)
scales = st.sampled_from(SCALES)
seeds = st.integers(0, 2**16)


def _numbers(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_t(4, size=shape).astype(np.float32)


@given(grids, st.floats(2.0**-60, 2.0**60, width=32))
@settings(deadline=None)
def test_every_code_is_the_nearest_to_what_it_stands_for(name: str, scale: float) -> None:
    """quantize(dequantize(c)) = c, with and without a zero point."""
    found, wide = grid(name), np.float32(scale)
    codes = np.arange(len(found.levels), dtype=np.uint8)
    assert np.array_equal(nearest(decode(codes, wide, found), wide, found), codes)
    if found.integer:
        for zero in np.float32(found.levels):
            assert np.array_equal(nearest(decode(codes, wide, found, zero), wide, found, zero), codes)


@given(grids, layouts, scales, seeds)
@settings(deadline=None)
def test_rounding_is_monotone_within_a_group(
    name: str, layout: Layout, form: tuple[str, bool], seed: int
) -> None:
    array = _numbers(seed, 15, 16)
    made = quantize_array(array, grid(name), layout, scale=form[0], tensor_scale=form[1])
    for row, codes in zip(layout.groups(array), layout.groups(made.codes), strict=True):
        assert (np.diff(codes[np.argsort(row, kind="stable")].astype(int)) >= 0).all()


@given(grids.filter(lambda n: 0.0 in grid(n).levels), layouts, scales, st.booleans(), seeds)
@settings(deadline=None)
def test_zero_stays_zero(name: str, layout: Layout, form: tuple[str, bool], zero: bool, seed: int) -> None:
    array = _numbers(seed, 15, 16)
    array[np.random.default_rng(seed).random(array.shape) < 0.3] = 0
    array[3] = 0
    with_zero = zero and grid(name).integer
    made = quantize_array(array, grid(name), layout, scale=form[0], tensor_scale=form[1], zero=with_zero)
    assert (made.dequantize()[array == 0] == 0).all()


@given(grids, layouts, st.floats(1e-6, 1e6), seeds)
@settings(deadline=None)
def test_a_factor_of_the_numbers_is_one_of_the_scales(
    name: str, layout: Layout, factor: float, seed: int
) -> None:
    """Exact up to the rounding of the scale: no code moves but on ties."""
    array = _numbers(seed, 15, 16)
    one, other = (quantize_array(a, grid(name), layout) for a in (array, array * np.float32(factor)))
    assert np.allclose(other.scale, one.scale * np.float32(factor), rtol=1e-6)
    moved = one.codes != other.codes
    assert moved.mean() < 0.02
    assert (np.abs(one.codes.astype(int) - other.codes) <= 1).all()


@given(grids.filter(lambda n: n != "binary"), seeds)
@settings(deadline=None, max_examples=60)
def test_the_error_is_at_most_half_the_local_step(name: str, seed: int) -> None:
    found, x = grid(name), _numbers(seed, 200)
    x = np.clip(x, *np.float32((found.levels[0], found.levels[-1]))).astype(np.float32)
    levels, codes = np.asarray(found.levels), nearest(x, np.float32(1), found)
    at = np.clip(np.searchsorted(levels, x, side="right") - 1, 0, len(levels) - 2)
    assert (np.abs(levels[codes] - x) <= np.diff(levels)[at] / 2 * (1 + 1e-6)).all()


@given(
    layouts, st.sampled_from([("float32", False), ("float16", False), ("e8m0", False)]), st.booleans(), seeds
)
@settings(deadline=None, max_examples=30)
def test_more_bits_never_lose_with_an_mse_clip(
    layout: Layout, form: tuple[str, bool], zero: bool, seed: int
) -> None:
    array, last = _numbers(seed, 15, 16), -np.inf
    for name in ("int2", "int3", "int4", "int5", "int6", "int7", "int8"):
        made = quantize_array(array, grid(name), layout, scale=form[0], clip="mse", zero=zero)
        assert sqnr(array, made.dequantize()) >= last - 1e-2  # scales are searched, not solved for
        last = sqnr(array, made.dequantize())


@given(grids.filter(lambda n: len(grid(n).levels) > 2), st.floats(0.01, 0.99), seeds)
@settings(deadline=None, max_examples=25)
def test_stochastic_rounding_is_unbiased(name: str, share: float, seed: int) -> None:
    """Over all draws: an even sample of them gives the number back."""
    found = grid(name)
    at = seed % (len(found.levels) - 1)
    low, high = found.levels[at : at + 2]
    x = np.float32(low + share * (high - low))

    class Even:
        def integers(self, first: int, last: int, shape: tuple[int, ...]) -> Array:
            assert (first, last) == (0, 2**STOCHASTIC_BITS)
            return np.linspace(0, last - 1, shape[0]).round().astype(np.int64)

    codes = stochastic(np.full(4096, x), np.float32(1), found, Even())  # type: ignore[arg-type]  # a generator's only method in use
    mean = np.asarray(found.levels)[codes].mean()
    assert abs(mean - float(x)) <= (high - low) / 4096 + 1e-6 * abs(float(x))


@given(st.sampled_from([0.3, 0.5, 0.65, 1.0, 1.2]), st.integers(3, 8))
def test_powers_are_symmetric_and_contain_their_limits(exponent: float, bits: int) -> None:
    levels = np.asarray(power(bits, exponent).levels)
    q = 2 ** (bits - 1) - 1
    assert np.allclose(np.sign(levels) * np.abs(levels) ** exponent * q, np.arange(-q, q + 1), atol=1e-3)
    assert np.array_equal(levels, -levels[::-1])
    if exponent == 1.0:
        assert np.allclose(levels * q, grid(f"int{bits}").levels, rtol=1e-6)
    if exponent == 0.5:
        assert np.allclose(levels * q * q, [c * abs(c) for c in range(-q, q + 1)], rtol=1e-6)


# --- models -------------------------------------------------------------------------------------------------


def _product(seed: int, rows: int = 3) -> tuple[Program, Array]:
    generator = np.random.default_rng(seed)
    x, w = (
        leaf("Input", "x", TensorType(FLOAT32, (rows, 32))),
        leaf("Weight", "w.kernel", TensorType(FLOAT32, (32, 24))),
    )
    program = Program(
        "p",
        Graph((x,), (apply("MatMul", x, w),)),
        ("y",),
        weights=Weights({"w.kernel": _numbers(seed, 32, 24)}),
    )
    return program, generator.normal(size=(rows, 32)).astype(np.float32)


def _by_torch(program: Program, x: Array) -> Array:
    return TorchEvaluator().evaluate(program.graph.outputs, leaf_arrays(program, {"x": x}))[0]


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
@given(seeds)
@settings(deadline=None, max_examples=4)
def test_packed_codes_give_the_bits_of_int8(bits: int, seed: int) -> None:
    """The file of packed codes and a table, and the product of the int8 codes, on the runtime."""
    program, x = _product(seed)
    name = {1: "binary"}.get(bits, f"int{bits}")
    options = {"activations": {"grid": "int8", "dynamic": True}, "costs": False}
    made = Quantize(weights=name, **options).run(program, Context()).program
    lowered = LowerQuantized().run(made, Context()).program
    found = OnnxBackend().load(lowered).run({"x": x})["y"]
    layer = quantize_array(program.weights.arrays["w.kernel"], grid(name), Layout(1))
    codes = np.asarray(layer.grid.levels, np.int8)[layer.codes]
    wide = _int8_model(codes, layer.scale)
    assert np.array_equal(OnnxBackend().load(wide).run({"x": x})["y"], found)


def _int8_model(codes: Array, scale: Array) -> Program:
    """The same product written by hand with int8 codes."""
    x = leaf("Input", "x", TensorType(FLOAT32, (3, codes.shape[0])))
    w = leaf("Weight", "codes", TensorType(DTYPES["int8"], codes.shape))
    a, a_scale, a_zero = apply_all("DynamicQuantizeLinear", x)
    total = apply("Cast", apply("MatMulInteger", a, w, a_zero), to=FLOAT32.code)
    y = apply("Mul", total, apply("Mul", a_scale, constant(scale)))
    return Program("int8", Graph((x,), (y,)), ("y",), weights=Weights({"codes": codes}))


@given(st.sampled_from([2, 4, 8, 16, 32]), seeds)
@settings(deadline=None, max_examples=15)
def test_a_rotation_preserves_the_function(block: int, seed: int) -> None:
    program, x = _product(seed)
    turned = Hadamard(block=block, seed=seed).run(program, Context()).program
    wanted = _by_torch(program, x)
    assert np.allclose(_by_torch(turned, x), wanted, atol=2e-5 * np.abs(wanted).max())


granularities = st.sampled_from([{"axis": "tensor"}, {"axis": "out"}, {"block": 8}, {"block": 16}])
inputs = st.sampled_from(["float", "int8", "int4", "uint2", {"grid": "int8", "dynamic": True}, "nvfp4"])


@given(grids, granularities, scales, st.booleans(), inputs, seeds)
@settings(deadline=None, max_examples=25)
def test_every_model_loads_at_default_optimization(
    name: str, layout: dict[str, Any], form: tuple[str, bool], zero: bool, activations: object, seed: int
) -> None:
    program, x = _product(seed)
    scheme = {
        "grid": name,
        "scale": form[0],
        "tensor_scale": form[1],
        "zero": zero and grid(name).integer,
        **layout,
    }
    context = Context(data={"calibration": [{"x": x}]})
    made = Quantize(weights=scheme, activations=activations, costs=False).run(program, context).program
    lowered = LowerQuantized(carrier="lut").run(made, Context()).program
    assert fused_operators(emit(lowered).SerializeToString())  # a session at default optimization
    found, wanted = OnnxBackend().load(lowered).run({"x": x})["y"], _by_torch(lowered, x)
    assert np.allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())


def test_the_grids_of_the_properties_are_all_there_are() -> None:
    fixed = ("binary", "ternary", "nf4", "e2m1", "e1m2", "e2m3", "e3m2", "e4m3", "e5m2")
    assert set(fixed) <= set(GRIDS)
    assert all(
        any(n.startswith(p) for n in GRIDS) for p in ("int", "uint", "power(int", "power(uint", "float(")
    )
    assert len(set(itertools.chain(GRIDS))) == len(GRIDS)
