"""The evaluator, its float64 shadow, conversions of arrays, and what the backend refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphwright.backends.torch_fx import TorchBackend, TorchEvaluator
from graphwright.backends.torch_fx.arrays import from_torch, to_torch
from graphwright.graph.diagnostics import Source, Span, SpecError
from graphwright.graph.ir import Graph, Origin, Program, Value, apply, apply_all, argument, constant, leaf
from graphwright.graph.types import BOOL, DTYPES, FLOAT32, INT64, TensorType

RNG = np.random.default_rng(5)


def _input(name: str, *dims: Any, dtype: Any = FLOAT32) -> Value:
    return leaf("Input", name, TensorType(dtype, dims))


def _shadow(output: Value, given: dict[Value, Any]) -> np.ndarray[Any, Any]:
    return TorchEvaluator().evaluate([output], given, float64=True)[0]


@pytest.mark.parametrize("name", [n for n in DTYPES if n != "string"])
def test_arrays_of_every_dtype_come_back_bit_for_bit(name: str) -> None:
    dtype = DTYPES[name]
    size = 2**dtype.bits if dtype.bits <= 8 else 50
    if dtype.kind == "bool":
        array = np.array([True, False])
    elif dtype.bits < 8:
        array = np.arange(size).astype(np.uint8).view(dtype.numpy)
    elif dtype.bits == 8:
        array = np.arange(256).astype(np.uint8).view(dtype.numpy)
    else:
        array = RNG.integers(0, 256, size * dtype.bits // 8).astype(np.uint8).view(dtype.numpy)
    back = from_torch(to_torch(array), TensorType(dtype, array.shape))
    assert back.dtype == array.dtype
    if dtype.bits < 8:  # held by value; the bytes above the lowest bits mean nothing
        np.testing.assert_array_equal(back.astype(np.float32), array.astype(np.float32))
    else:
        assert back.tobytes() == array.tobytes()


def test_strings_and_odd_arrays() -> None:
    text = np.array([["a", "é"], ["", "z"]], dtype=object)
    assert from_torch(to_torch(text), TensorType(DTYPES["string"], (2, 2))).tolist() == text.tolist()
    reversed_rows = np.arange(6, dtype=np.float32).reshape(2, 3)[::-1]
    assert from_torch(to_torch(reversed_rows), TensorType(FLOAT32, (2, 3))).tolist() == reversed_rows.tolist()
    frozen = np.ones(3, np.float32)
    frozen.flags.writeable = False
    assert to_torch(frozen).tolist() == [1, 1, 1]


def test_shadow_of_a_product_is_the_product_in_float64() -> None:
    x, w = _input("x", 8, 300), _input("w", 300, 4)
    a, b = (RNG.normal(size=s).astype(np.float32) for s in ((8, 300), (300, 4)))
    got = _shadow(apply("MatMul", x, w), {x: a, w: b})
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, a.astype(np.float64) @ b.astype(np.float64), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    "to", ["float4e2m1", "float6e2m3", "float6e3m2", "float8e4m3fn", "float8e5m2", "bfloat16"]
)
def test_casts_to_narrow_floats_round_as_ml_dtypes_does(to: str) -> None:
    values = np.concatenate([RNG.normal(size=300), RNG.normal(size=300) * 20, [0.0, -0.0, 0.25, 1.25, 5.0]])
    array = values.astype(np.float32)
    x = _input("x", len(array))
    (got,) = TorchEvaluator().evaluate([apply("Cast", x, to=to)], {x: array})
    largest = {"float8e4m3fn": 448.0, "float8e5m2": 57344.0}.get(to)
    clipped = array if largest is None else array.clip(-largest, largest)
    np.testing.assert_array_equal(got.astype(np.float32), clipped.astype(DTYPES[to].numpy).astype(np.float32))


@pytest.mark.parametrize("to", ["float32", "float16", "bfloat16", "float8e4m3fn"])
def test_shadow_rounds_at_no_cast(to: str) -> None:
    x = _input("x", 4)
    array = RNG.normal(size=4).astype(np.float32)
    y = apply("Cast", apply("Cast", apply("Exp", x), to=to), to="float32")
    want = np.exp(array.astype(np.float64))
    np.testing.assert_allclose(_shadow(y, {x: array}), want, rtol=1e-14)


def test_shadow_of_constants_and_stashes() -> None:
    x, scale = _input("x", 2, 64), _input("s", 64)
    array, ones = RNG.normal(size=(2, 64)).astype(np.float32), np.ones(64, np.float32)
    wide = array.astype(np.float64)
    want = (wide - wide.mean(1, keepdims=True)) / np.sqrt(
        wide.var(1, keepdims=True) + float(np.float32(1e-5))
    )
    got = _shadow(apply_all("LayerNormalization", x, scale)[0], {x: array, scale: ones})
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)
    third = constant(np.float32(1 / 3))
    np.testing.assert_allclose(
        _shadow(apply("Mul", x, third), {x: array}), wide * float(np.float32(1 / 3)), rtol=1e-15
    )


def test_shadow_keeps_integers() -> None:
    x = _input("x", 3, dtype=INT64)
    got = _shadow(apply("Div", x, constant(np.array(2))), {x: np.array([-3, 3, 5])})
    assert got.dtype == np.int64
    assert got.tolist() == [-1, 1, 2]


def test_shadow_reaches_into_bodies() -> None:
    x = _input("x", 5)
    state, piece = argument(0, TensorType(FLOAT32, ())), argument(1, TensorType(FLOAT32, ()))
    total = apply("Add", state, apply("Exp", piece))
    zero = constant(np.float32(0))
    last = apply_all("Scan", zero, x, body=Graph((state, piece), (total,)), num_scan_inputs=1)[0]
    array = RNG.normal(size=5).astype(np.float32)
    np.testing.assert_allclose(_shadow(last, {x: array}), np.exp(array.astype(np.float64)).sum(), rtol=1e-15)


def test_inner_values_may_be_given() -> None:
    x = _input("x", 2)
    inner = apply("Exp", x)
    got = TorchEvaluator().evaluate([apply("Neg", inner), inner], {inner: np.array([1.0, 2.0], np.float32)})
    assert [a.tolist() for a in got] == [[-1, -2], [1, 2]]


def test_given_arrays_are_not_changed() -> None:
    x = _input("x", 3)
    array = np.array([1.0, 2.0, 3.0], np.float32)
    TorchEvaluator().evaluate(
        [apply("ScatterElements", x, constant(np.array([0])), constant(np.array([9], np.float32)))],
        {x: array},
    )
    assert array.tolist() == [1, 2, 3]


def test_a_leaf_that_is_not_given() -> None:
    x = _input("missing", 2)
    with pytest.raises(SpecError, match=r"G1104.*'missing'"):
        TorchEvaluator().evaluate([apply("Exp", x)], {})


def _decoding() -> Program:
    """A program with an operator that has no lowering, at line 7 of its spec."""
    data = _input("data", 10, dtype=DTYPES["uint8"])
    image = apply("ImageDecoder", data)
    source = Source("camera.yaml", "\n" * 20)
    origin = Origin((Span(source, 7, 10, 7, 20),))
    return Program("p", Graph((data,), (image,)), ("image",), origins={image: origin})


def test_operators_without_lowering_are_named_with_their_line() -> None:
    backend = TorchBackend()
    (found,) = backend.unsupported(_decoding())
    assert found.code == "G1101"
    assert "ImageDecoder" in found.message
    assert str(found.span) == "camera.yaml:7:10"
    with pytest.raises(SpecError, match="ImageDecoder"):
        backend.load(_decoding())


def test_operators_in_bodies_are_found_too() -> None:
    data = _input("data", 10, dtype=DTYPES["uint8"])
    a = argument(0, data.type)
    branch = Graph((a,), (apply("ImageDecoder", a),))
    image = apply_all("If", constant(True), data, then_branch=branch, else_branch=branch)[0]
    program = Program("p", Graph((data,), (image,)), ("image",))
    assert {d.code for d in TorchBackend().unsupported(program)} == {"G1101"}


def test_an_eager_operator_is_not_exported() -> None:
    x = _input("x", 3)
    program = Program("p", Graph((x,), (apply("NonZero", x),)), ("y",))
    assert TorchBackend().unsupported(program) == []
    with pytest.raises(SpecError, match=r"G1102.*NonZero"):
        TorchBackend().export(program, {"x": np.ones(3, np.float32)})


@pytest.mark.parametrize(
    ("feeds", "code"),
    [
        ({}, "G1103"),
        ({"x": np.ones((2, 3), np.float32)}, "G1103"),
        ({"x": np.ones((2, 3)), "w": np.ones(3, np.float32)}, "G1105"),
        ({"x": np.ones((2, 4), np.float32), "w": np.ones(3, np.float32)}, "G1105"),
        ({"x": np.ones(3, np.float32), "w": np.ones(3, np.float32)}, "G1105"),
    ],
)
def test_feeds_that_do_not_fit(feeds: dict[str, Any], code: str) -> None:
    x, w = _input("x", 2, 3), leaf("Parameter", "w", TensorType(FLOAT32, (3,)))
    program = Program("p", Graph((x, w), (apply("Mul", x, w),)), ("y",))
    with pytest.raises(SpecError, match=code):
        TorchBackend().load(program).run(feeds)


def test_parameters_may_be_fed() -> None:
    x, w = _input("x", 3), leaf("Parameter", "class", TensorType(FLOAT32, (3,)))
    program = Program("p", Graph((x, w), (apply("Mul", x, w),)), ("y",))
    program = program.with_weights({"class": np.ones(3, np.float32)})
    executable = TorchBackend().load(program)
    feeds = {"x": np.arange(3, dtype=np.float32)}
    assert executable.run(feeds)["y"].tolist() == [0, 1, 2]
    assert executable.run({**feeds, "class": np.full(3, 5, np.float32)})["y"].tolist() == [0, 5, 10]
    assert executable.run(feeds)["y"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "operator", ["Add", "Sub", "Mul", "Div", "Mod", "Max", "Min", "Less", "GreaterOrEqual"]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int64])
def test_integer_arithmetic_at_the_ends_of_the_range(operator: str, dtype: Any) -> None:
    """NumPy as the oracle: torch has no arithmetic for uint16, uint32 and uint64."""
    info = np.iinfo(dtype)
    half = info.max // 2
    ends = [info.min, info.min + 1, 1, 2, 7, half, half + 1, info.max - 1, info.max]
    a, b = (m.ravel() for m in np.meshgrid(np.array(ends, dtype), np.array(ends, dtype)))
    if operator in ("Div", "Mod"):
        usable = b != 0
        if info.min < 0:
            usable &= ~((a == info.min) & (b == dtype(-1)))
        a, b = a[usable], b[usable]
    with np.errstate(all="ignore"):
        want = {
            "Add": lambda: a + b,
            "Sub": lambda: a - b,
            "Mul": lambda: a * b,
            "Div": lambda: np.array([_truncated(int(x), int(y)) for x, y in zip(a, b, strict=True)], dtype),
            "Mod": lambda: np.mod(a, b),
            "Max": lambda: np.maximum(a, b),
            "Min": lambda: np.minimum(a, b),
            "Less": lambda: a < b,
            "GreaterOrEqual": lambda: a >= b,
        }[operator]()
    kind = DTYPES[np.dtype(dtype).name]
    x, y = _input("x", len(a), dtype=kind), _input("y", len(a), dtype=kind)
    (got,) = TorchEvaluator().evaluate([apply(operator, x, y)], {x: a, y: b})
    np.testing.assert_array_equal(got, want)
    assert got.dtype == (BOOL.numpy if operator in ("Less", "GreaterOrEqual") else np.dtype(dtype))


def _truncated(x: int, y: int) -> int:
    quotient = abs(x) // abs(y)
    return quotient if (x < 0) == (y < 0) else -quotient


def test_watched_values_are_those_that_are_evaluated() -> None:
    x = leaf("Input", "x", TensorType(FLOAT32, (2, 4)))
    doubled = apply("Mul", x, constant(np.float32(2)))
    parts = apply_all("Split", doubled, axis=1, num_outputs=2)
    total = apply("Add", parts[0], parts[1])
    array = np.arange(8, dtype=np.float32).reshape(2, 4)
    wanted = [x, doubled, parts[1], total, total]
    seen: dict[Value, np.ndarray] = {}
    TorchEvaluator().watch(wanted, {x: array}, lambda v, a: seen.update({v: a.copy()}))
    assert set(seen) == set(wanted)
    for value, found in zip(wanted, TorchEvaluator().evaluate(wanted, {x: array}), strict=True):
        assert np.array_equal(seen[value], found)
    with pytest.raises(SpecError, match="no value"):
        TorchEvaluator().watch([total], {}, lambda *_: None)
