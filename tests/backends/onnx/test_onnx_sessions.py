"""The ONNX Runtime backend: what it runs, what it says when it can't."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphwright.backends.onnx.backend import OnnxBackend
from graphwright.backends.onnx.capabilities import RuntimeKernels
from graphwright.graph.diagnostics import SpecError
from graphwright.graph.ir import Graph, Program, Weights, apply, constant, leaf
from graphwright.graph.types import DTYPES, FLOAT32, INT64, TensorType, symbol
from graphwright.tools import api

SPEC = """\
graphwright: 1
kind: graph
name: picked
sizes:
  n: 1..64
inputs:
  x: float32[n]
  i: int64[]
nodes:
  y: Gather(x, i)
outputs: [y]
"""


@pytest.fixture
def picked(tmp_path: Path) -> Program:
    (tmp_path / "picked.yaml").write_text(SPEC)
    return api.load(tmp_path / "picked.yaml")


def test_a_run_that_fails_points_at_the_spec_line(picked: Program) -> None:
    executable = OnnxBackend().load(picked)
    x = np.arange(3, dtype=np.float32)
    assert executable.run({"x": x, "i": np.array(2)})["y"] == 2
    with pytest.raises(SpecError) as error:
        executable.run({"x": x, "i": np.array(7)})
    (found,) = error.value.diagnostics
    assert found.code == "G1120"
    assert found.span is not None
    assert found.span.line == 10


def test_feeds_are_checked(picked: Program) -> None:
    executable = OnnxBackend().load(picked)
    x = np.arange(3, dtype=np.float32)
    for feeds, code in (
        ({"x": x}, "G1103"),
        ({"x": x.astype(np.float64), "i": np.array(0)}, "G1105"),
        ({"x": x[None], "i": np.array(0)}, "G1341"),
    ):
        with pytest.raises(SpecError) as error:
            executable.run(feeds)
        assert error.value.diagnostics[0].code == code


def test_sizes_must_agree() -> None:
    n = symbol("n")
    a, b = leaf("Input", "a", TensorType(FLOAT32, (n, 1))), leaf("Input", "b", TensorType(FLOAT32, (n, 1)))
    executable = OnnxBackend().load(Program("p", Graph((a, b), (apply("Add", a, b),)), ("y",)))
    with pytest.raises(SpecError) as error:
        executable.run({"a": np.ones((3, 1), np.float32), "b": np.ones((1, 1), np.float32)})
    assert error.value.diagnostics[0].code == "G1331"


@pytest.mark.parametrize("size", [3, 600_000])
def test_parameters_come_from_weights_or_feeds(size: int) -> None:
    """A large one is shared with the session instead of being copied into a model."""
    x, w = (leaf(r, n, TensorType(FLOAT32, (size,))) for r, n in (("Input", "x"), ("Parameter", "w")))
    program = Program("p", Graph((x, w), (apply("Mul", x, w),)), ("y",))
    two = np.full(size, 2, np.float32)
    with_value = OnnxBackend().load(program.with_weights({"w": two}))
    ones = np.ones(size, np.float32)
    assert np.array_equal(with_value.run({"x": ones})["y"], two)
    assert np.array_equal(with_value.run({"x": ones, "w": 3 * ones})["y"], 3 * ones)
    assert np.array_equal(with_value.run({"x": ones})["y"], two)
    without = OnnxBackend().load(program)
    assert np.array_equal(without.run({"x": ones, "w": two})["y"], two)
    with pytest.raises(SpecError) as error:
        without.run({"x": ones})
    assert error.value.diagnostics[0].code == "G1103"


def test_states_come_back_under_their_names() -> None:
    x, s = leaf("Input", "x", TensorType(FLOAT32, (2,))), leaf("State", "s", TensorType(FLOAT32, (2,)))
    total = apply("Add", x, s)
    program = Program("p", Graph((x, s), (apply("Neg", total), total)), ("y",), ("s",))
    ones = np.ones(2, np.float32)
    found = OnnxBackend().load(program).run({"x": ones, "s": ones})
    assert {k: v.tolist() for k, v in found.items()} == {"y": [-2, -2], "s": [2, 2]}


@pytest.mark.parametrize("dtype", ["bfloat16", "float8e4m3fn", "float16"])
def test_dtypes_that_numpy_lacks_go_in_and_out(dtype: str) -> None:
    kind = DTYPES[dtype]
    x = leaf("Input", "x", TensorType(kind, (3,)))
    y = apply("Cast", apply("Mul", apply("Cast", x, to=FLOAT32.code), constant(np.float32(2))), to=kind.code)
    given = np.array([1, -2, 0.5], kind.numpy)
    found = OnnxBackend().load(Program("p", Graph((x,), (y,)), ("y",))).run({"x": given})["y"]
    assert found.dtype == kind.numpy
    assert found.astype(np.float32).tolist() == [2, -4, 1]


LACKING = [
    ("Add", "bfloat16", {}, 2),
    ("MatMul", "bfloat16", {}, 2),
    ("Max", "int16", {}, 2),
    ("ReduceSum", "uint32", {}, 1),
    ("Where", "bool", {}, 3),
    ("Mean", "float64", {}, 2),
    ("LeakyRelu", "float64", {"alpha": 0.1}, 1),
    ("Gelu", "float64", {}, 1),
    ("GlobalAveragePool", "float64", {}, 1),
]


@pytest.mark.parametrize(("operator", "dtype", "attributes", "count"), LACKING)
def test_kernels_that_are_missing_are_made_of_others(
    operator: str, dtype: str, attributes: dict[str, Any], count: int
) -> None:
    """Against the reference evaluator. That the kernel is missing is asked of the runtime."""
    from graphwright.backends.reference import ReferenceEvaluator

    kind, shape = DTYPES[dtype], (2, 3, 3)
    kinds = [DTYPES["bool"] if operator == "Where" and k == 0 else kind for k in range(count)]
    leaves = [leaf("Input", f"i{k}", TensorType(d, shape)) for k, d in enumerate(kinds)]
    y = apply(operator, *leaves, **attributes)
    assert not RuntimeKernels().has(y.node, 21)
    random = np.random.default_rng(0)
    arrays = [(random.normal(size=shape) * 3).astype(d.numpy) for d in kinds]
    found = (
        OnnxBackend()
        .load(Program("p", Graph(tuple(leaves), (y,)), ("y",)))
        .run({f"i{k}": a for k, a in enumerate(arrays)})["y"]
    )
    (expected,) = ReferenceEvaluator().evaluate([y], dict(zip(leaves, arrays, strict=True)))
    assert found.dtype == expected.dtype
    tolerance = 2e-2 if dtype == "bfloat16" else 1e-14
    np.testing.assert_allclose(
        found.astype(np.float64), expected.astype(np.float64), rtol=tolerance, atol=tolerance
    )


def test_what_has_no_kernel_is_refused_before_anything_runs() -> None:
    x = leaf("Input", "x", TensorType(DTYPES["float64"], (1, 1, 4, 4)))
    w = leaf("Input", "w", TensorType(DTYPES["float64"], (1, 1, 2, 2)))
    program = Program("p", Graph((x, w), (apply("Conv", x, w),)), ("y",))
    (found,) = OnnxBackend().unsupported(program)
    assert found.code == "G1115"
    assert "Conv" in found.message
    with pytest.raises(SpecError) as error:
        OnnxBackend().load(program)
    assert error.value.diagnostics == (found,)


def test_operators_of_newer_opsets_take_a_newer_opset() -> None:
    x = leaf("Input", "x", TensorType(FLOAT32, (2,)))
    program = Program("p", Graph((x,), (apply("BitCast", x, to=INT64.code - 1),)), ("y",))
    assert OnnxBackend().unsupported(program) == []
    found = OnnxBackend().load(program).run({"x": np.ones(2, np.float32)})["y"]
    assert found.tolist() == [0x3F800000] * 2


def test_weights_that_no_input_names_are_found() -> None:
    x, w = leaf("Input", "x", TensorType(FLOAT32, (70,))), leaf("Weight", "w", TensorType(FLOAT32, (70,)))
    weights = Weights({"w": np.full(70, 5, np.float32)})
    program = Program("p", Graph((x,), (apply("Add", x, w),)), ("y",), weights=weights)
    assert OnnxBackend().load(program).run({"x": np.zeros(70, np.float32)})["y"].tolist() == [5] * 70
