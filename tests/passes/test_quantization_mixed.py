"""Mixed precision: the best choice within bits, bytes or milliseconds."""

from __future__ import annotations

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

    def milliseconds(layer: Any, weight: Any, activation: Any, x: Array) -> float:
        return 3.0 if weight is None else 1.0

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
    monkeypatch.setattr(timing, "PROBE_SECONDS", 0.001)
    program, context = net()
    layer = find_layers(program)[0][0]
    x = context.data["calibration"][0]["x"]
    found = OnnxBackend().load(layer_program(layer, x)).run({"x": x})["y"]
    assert np.allclose(found, x @ layer.array, atol=1e-4)
    for weight, activation in ((None, None), (weight_scheme("int4"), activation_scheme("int8"))):
        assert 0 < layer_milliseconds(layer, weight, activation, x) < 1000


def test_one_budget_at_a_time() -> None:
    with pytest.raises(ValueError, match="one budget"):
        Quantize(average_bits=3, max_ms=1)
    with pytest.raises(ValueError, match="choose from"):
        Quantize(average_bits=3, choices=())
