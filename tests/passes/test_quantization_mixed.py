"""Mixed precision: the best choice within bits, bytes or milliseconds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from graphwright.backends.onnx.backend import OnnxBackend
from graphwright.graph.diagnostics import SpecError
from graphwright.graph.ir import Graph, Program, apply, leaf
from graphwright.graph.ir.program import Weights
from graphwright.graph.types import FLOAT32, TensorType
from graphwright.passes.manager.pass_ import Context
from graphwright.passes.quantization import kernels, quantize, timing
from graphwright.passes.quantization.mixed import allocate
from graphwright.passes.quantization.operands import find_layers
from graphwright.passes.quantization.quantize import Quantize
from graphwright.passes.quantization.scheme import activation_scheme, weight_scheme
from graphwright.passes.quantization.timing import layer_milliseconds, layer_program

Array = np.ndarray[Any, Any]


def net() -> tuple[Program, Context]:
    """Two layers: the first matters much, the second little."""
    generator = np.random.default_rng(0)
    arrays = {n: (generator.normal(size=(32, 32)) / 4).astype(np.float32) for n in ("a.kernel", "b.kernel")}
    arrays["b.kernel"] /= 50
    x = leaf("Input", "x", TensorType(FLOAT32, (40, 32)))
    a, b = (leaf("Weight", n, TensorType(FLOAT32, (32, 32))) for n in arrays)
    y = apply("Add", apply("MatMul", x, a), apply("MatMul", apply("Relu", x), b))
    program = Program("net", Graph((x,), (y,)), ("y",), weights=Weights(arrays))
    batch = {"x": generator.normal(size=(40, 32)).astype(np.float32)}
    return program, Context(data={"calibration": [batch]})


def grids(notes: tuple[str, ...]) -> dict[str, str]:
    """Layer -> the grid that the sensitivity lines say was taken."""
    lines = [n for n in notes if n.startswith("sensitivity of ")]
    return {n.split()[2]: n.rpartition("-> ")[2] for n in lines}


def test_forms_that_the_runtime_refuses_are_never_taken() -> None:
    assert allocate([[0.0, 5.0]], [[float("inf"), 1.0]], 3.0, "ms") == [1]
    with pytest.raises(ValueError, match="fastest"):
        allocate([[0.0]], [[2.0]], 1.0, "ms")


def test_bytes_go_where_they_matter() -> None:
    program, context = net()
    whole = 2 * 1024
    options = Quantize(weights="int4", max_bytes=int(whole * 5.5 / 8) + 2 * 32 * 4)
    result = options.run(program, context)
    taken = grids(result.notes)
    assert taken["a"] == "int8"
    assert taken["b"] in ("int2", "int3")
    with pytest.raises(SpecError, match="narrowest"):
        Quantize(weights="int4", max_bytes=200).run(program, context)


def test_milliseconds_are_kept_and_float_is_a_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    program, context = net()

    def milliseconds(layer: Any, forms: Any, x: Array) -> list[float]:
        return [3.0 if weight is None else 1.0 for weight, _ in forms]

    monkeypatch.setattr(quantize, "layer_milliseconds", milliseconds)
    loose = Quantize(weights="int4", activations="int8", max_ms=6.0).run(program, context)
    assert set(grids(loose.notes).values()) == {"float"}
    tight = Quantize(weights="int4", activations="int8", max_ms=4.0).run(program, context)
    assert grids(tight.notes) == {"a": "float", "b": "int8"}
    assert any("float is best" in n and "a 1,024" in n for n in tight.notes)
    with pytest.raises(SpecError, match="fastest"):
        Quantize(weights="int4", max_ms=1.0).run(program, context)


def test_the_layer_that_is_timed_is_the_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "PROBE_SECONDS", 0.001)
    program, context = net()
    layer = find_layers(program)[0][0]
    x = context.data["calibration"][0]["x"]
    found = OnnxBackend().load(layer_program(layer, x)).run({"x": x})["y"]
    assert np.allclose(found, x @ layer.array, atol=1e-4)
    forms = [(None, None), (weight_scheme("int4"), activation_scheme("int8"))]
    assert all(0 < found < 1000 for found in layer_milliseconds(layer, forms, x))


def test_inputs_stay_float_where_rounding_them_does_not_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    program, context = net()

    def slower(layer: Any, weight: Any, activation: Any, x: Array) -> str:
        return "input stays float: measured" if layer.name == "a" else ""

    monkeypatch.setattr(quantize, "slower_than_float", slower)
    options = {"weights": "int4", "activations": "int8", "costs": False}

    def rounded(given: Quantize, backend: str) -> int:
        result = given.run(program, replace(context, backend=backend))
        noted = any(n.startswith("a ") and "stays float: measured" in n for n in result.notes)
        found = sum(n.name == "QuantizeLinear" for n in result.program.graph.nodes)
        assert noted == (found == 1)
        return found

    assert rounded(Quantize(**options), "torch") == 2
    assert rounded(Quantize(**options), "onnx") == 1
    assert rounded(Quantize(**options, never_slower=True), "torch") == 1
    assert rounded(Quantize(**options, never_slower=False), "onnx") == 2


def test_a_small_product_is_found_to_be_slower_with_rounded_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    program, _ = net()
    layer, x = find_layers(program)[0][0], np.zeros((1, 32), np.float32)
    times = iter([[1.0, 1.5], [1.0, 1.0], [1.0, 0.5], [1.0, float("inf")]])
    monkeypatch.setattr(timing, "layer_milliseconds", lambda *_: next(times))
    weight, activation = weight_scheme("int4"), activation_scheme("int8")
    assert weight is not None
    assert activation is not None
    texts = [timing.slower_than_float(layer, weight, activation, x) for _ in range(4)]
    assert [bool(t) for t in texts] == [True, True, False, True]
    assert "1.500 ms with int8 inputs, 1.000 ms in float" in texts[0]


def test_one_budget_at_a_time() -> None:
    with pytest.raises(ValueError, match="one budget"):
        Quantize(average_bits=3, max_ms=1)
    with pytest.raises(ValueError, match="choose from"):
        Quantize(average_bits=3, choices=())
