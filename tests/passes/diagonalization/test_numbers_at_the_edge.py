"""Layers and recurrences whose numbers are at an edge: poles at zero and too small to take powers of, infinities and
NaN in a layer or in an imported recurrence, one state, one step."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from graphwright.backends.onnx.backend import OnnxBackend
from graphwright.backends.onnx.importing import import_model
from graphwright.backends.reference import ReferenceEvaluator
from graphwright.graph.ir import Graph, Program, Weights, apply_all, leaf
from graphwright.graph.types import TensorType, from_numpy
from graphwright.passes.diagonalization.chunking import ChunkSsm
from graphwright.passes.diagonalization.recognition import RaiseSsm
from graphwright.passes.manager.manager import PassManager
from graphwright.passes.manager.pass_ import Context
from graphwright.passes.manager.verdict import Verdict

Array = np.ndarray[Any, Any]


def layer(
    matrices: dict[str, Array], length: int, form: str, dtype: str = "float32", batch: int = 1
) -> Program:
    """Of one input and output a group, without a last state."""
    kind = from_numpy(np.dtype(dtype))
    weights = {n: a.astype(dtype) for n, a in matrices.items()}
    u = leaf("Input", "u", TensorType(kind, (batch, len(matrices["A"]), length)))
    w = [leaf("Weight", n, TensorType(kind, a.shape)) for n, a in weights.items()]
    y = apply_all("LtiSsm", u, *w, domain="graphwright", form=form)[0]
    return Program("p", Graph((u,), (y,)), ("y",), weights=Weights(weights))


def diagonal(poles: Array) -> dict[str, Array]:
    draw = np.random.default_rng(len(poles)).standard_normal
    pairs = np.stack([poles.real, poles.imag], -1)
    rest = {
        n: draw((len(poles), *s)) for n, s in (("B", (poles.shape[1], 1, 2)), ("C", (1, poles.shape[1], 2)))
    }
    return {"A": pairs, **rest}


def recurrence(given: dict[str, Array], u: Array) -> Array:
    a, b, c = (given[n][..., 0] + 1j * given[n][..., 1] for n in "ABC")
    x, y = np.zeros((len(u), *a.shape), complex), np.zeros(u.shape)
    for t in range(u.shape[2]):
        x = a * x + b[..., 0] * u[:, :, t, None]
        y[:, :, t] = 2 * (c[:, 0] * x).sum(-1).real
    return y


EDGES = {
    "at zero": np.array([[0.0, 0.9, 0.5j]]),
    "powers below the smallest number": np.array([[1e-30, 0.3 + 0.4j, 1e-3j]]),
    "on the circle": np.array([[1.0, 1j, np.exp(0.3j)]]),
    "one state": np.array([[0.7]]),
    "two heads": np.array([[0.999j, 1e-9], [0.2, -0.8]]),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("length", [1, 32, 96, 101])
@pytest.mark.parametrize("name", EDGES)
def test_chunks_read_the_states_of_every_pole(name: str, length: int, dtype: str) -> None:
    """Outputs are read from states one chunk ahead: also of poles whose powers vanish within a chunk."""
    given = {n: a.astype(np.float32).astype(np.float64) for n, a in diagonal(EDGES[name]).items()}
    before = layer(given, length, "diagonal", dtype, batch=2)
    record = PassManager().run(before, [ChunkSsm(chunk=32)])
    assert record.passes[0].verdict is Verdict.HOLDS
    assert any(n.name == "LtiSsm" for n in record.program.graph.nodes) == (length == 1)
    u = np.random.default_rng(0).uniform(-1, 1, (2, len(EDGES[name]), length)).astype(dtype)
    wanted = recurrence(given, u.astype(np.float64))
    close = {"float32": 2e-6, "float64": 1e-14}[dtype]
    for program in (before, record.program):
        found = OnnxBackend().load(program).run({"u": u})["y"]
        size = max(1.0, float(np.abs(wanted).max()))
        np.testing.assert_allclose(found, wanted, rtol=0, atol=4 * close * size)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("form", ["dense", "diagonal"])
@pytest.mark.parametrize("wrong", [np.inf, np.nan, 1e30])
def test_a_layer_without_finite_tables_is_left_and_says_why(wrong: float, form: str) -> None:
    given = diagonal(np.array([[0.5, 0.3j]]))
    if form == "dense":
        given = {"A": np.full((1, 3, 3), 0.1), "B": np.ones((1, 3, 1)), "C": np.ones((1, 1, 3))}
    given["A"].flat[0] = wrong
    before = layer(given, 12, form)
    context = Context()
    result = ChunkSsm(chunk=4).run(before, context)
    assert result.program.graph == before.graph
    found = OnnxBackend().load(result.program).run({"u": np.ones((1, 1, 12), np.float32)})["y"]
    assert not np.isfinite(found[0, 0, -1])  # as the recurrence itself: nothing is hidden


def imported(matrix: Array) -> Program:
    """x = A x + u over 6 steps, as an ONNX file has it."""
    n = len(matrix)
    value = onnx.helper.make_tensor_value_info
    kind = onnx.TensorProto.FLOAT
    body = onnx.helper.make_graph(
        [
            onnx.helper.make_node("MatMul", ["x", "A"], ["ax"]),
            onnx.helper.make_node("Add", ["ax", "u"], ["next"]),
            onnx.helper.make_node("Identity", ["next"], ["out"]),
        ],
        "step",
        [value("x", kind, [1, n]), value("u", kind, [1, n])],
        [value("next", kind, [1, n]), value("out", kind, [1, n])],
    )
    scan = onnx.helper.make_node("Scan", ["x0", "us"], ["last", "y"], body=body, num_scan_inputs=1)
    graph = onnx.helper.make_graph(
        [scan],
        "g",
        [value("x0", kind, [1, n]), value("us", kind, [6, 1, n])],
        [value("last", kind, [1, n]), value("y", kind, [6, 1, n])],
        [onnx.numpy_helper.from_array(matrix.astype(np.float32), "A")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)], ir_version=10)
    return import_model(model)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n", [1, 3])
def test_an_imported_recurrence_with_such_numbers_stays_as_it_is(n: int, wrong: float) -> None:
    matrix = 0.1 * np.ones((n, n))
    matrix[-1, 0] = wrong
    program = imported(matrix)
    result = RaiseSsm().run(program, Context())
    assert result.program.graph == program.graph
    assert "not all finite" in result.notes[0]
    whole = RaiseSsm().run(imported(0.1 * np.ones((n, n))), Context()).program
    assert any(node.name == "LtiSsm" for node in whole.graph.nodes)
    feeds = {"x0": np.ones((1, n), np.float32), "us": np.ones((6, 1, n), np.float32)}
    given = {v: feeds[v.node.attribute("name")] for v in program.graph.inputs}
    found = ReferenceEvaluator().evaluate(program.graph.outputs, given)
    assert not np.isfinite(found[1]).all()
