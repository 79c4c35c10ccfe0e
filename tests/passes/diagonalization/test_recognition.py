"""Recurrences raised to LtiSsm, each checked by the manager and against NumPy or SciPy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.signal

from graphwright.backends.reference import ReferenceEvaluator
from graphwright.graph.ir import (
    Graph,
    Program,
    Value,
    Weights,
    apply,
    apply_all,
    argument,
    constant,
    leaf,
)
from graphwright.graph.types import BOOL, FLOAT32, INT64, TensorType, symbol
from graphwright.passes.diagonalization.recognition import RaiseSsm
from graphwright.passes.manager.manager import PassManager
from graphwright.passes.manager.pass_ import Context
from graphwright.passes.manager.verdict import Verdict

Array = np.ndarray[Any, Any]
DRAW = np.random.default_rng(0)


def kind(*dims: Any) -> TensorType:
    return TensorType(FLOAT32, dims)


def normal(*dims: int) -> Array:
    return DRAW.standard_normal(dims).astype(np.float32)


def weight(weights: dict[str, Array], name: str, array: Array) -> Value:
    weights[name] = array.astype(np.float32)
    return leaf("Weight", name, kind(*array.shape))


def names(program: Program) -> set[str]:
    return {n.name for n in program.graph.nodes}


def raised(program: Program, **options: Any) -> Program:
    record = PassManager().run(program, [RaiseSsm(**options)])
    assert record.passes[0].verdict is Verdict.HOLDS, record.passes[0].reason
    return record.program


def values(program: Program, feeds: dict[str, Array]) -> list[Array]:
    given = {}
    for node in program.graph.nodes:
        for v in node.outputs:
            if v.role in ("Input", "Weight"):
                name = v.node.attribute("name")
                given[v] = feeds[name] if v.role == "Input" else program.weights[name]
    return ReferenceEvaluator().evaluate(program.graph.outputs, given)


def scan_program(batch: Any, *, activation: str = "") -> Program:
    weights: dict[str, Array] = {}
    w = [
        weight(weights, n, a)
        for n, a in (("A", 0.3 * normal(5, 5)), ("B", normal(3, 5)), ("C", normal(5, 2)))
    ]
    x0, u = leaf("Input", "x0", kind(batch, 5)), leaf("Input", "u", kind(9, batch, 3))
    x, fed = argument(0, kind(batch, 5)), argument(1, kind(batch, 3))
    a, b, c = (argument(2 + i, v.type) for i, v in enumerate(w))
    new = apply("Add", apply("MatMul", x, a), apply("MatMul", fed, b))
    new = apply(activation, new) if activation else new
    body = Graph((x, fed, a, b, c), (new, apply("MatMul", new, c)))
    outputs = apply_all("Scan", x0, u, *w, outputs=2, body=body, num_scan_inputs=1, captures=3)
    return Program("p", Graph((x0, u), outputs), ("last", "y"), weights=Weights(weights))


@pytest.mark.parametrize("batch", [4, symbol("b")])
def test_a_linear_scan_is_a_layer(batch: Any) -> None:
    before = scan_program(batch)
    after = raised(before)
    assert "LtiSsm" in names(after)
    assert "Scan" not in names(after)
    feeds = {"x0": normal(4, 5), "u": normal(9, 4, 3)}
    x, w, outputs = feeds["x0"], before.weights.arrays, []
    for fed in feeds["u"]:
        x = x @ w["A"] + fed @ w["B"]
        outputs.append(x @ w["C"])
    last, y = values(after, feeds)
    np.testing.assert_allclose(last, x, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(y, np.stack(outputs), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("activation", ["Tanh", "Abs", "Round"])
def test_what_is_not_linear_is_left(activation: str) -> None:
    before = scan_program(4, activation=activation)
    assert RaiseSsm().run(before, Context()).program.graph == before.graph


@pytest.mark.parametrize("batch", [4, symbol("b")])
@pytest.mark.parametrize(
    ("entry", "reason"), [(np.nan, "not all finite"), (-np.inf, "not all finite"), (1e30, "overflows")]
)
def test_what_is_left_is_told_with_its_reason(batch: Any, entry: float, reason: str) -> None:
    before = scan_program(batch)
    arrays = {n: a.copy() for n, a in before.weights.arrays.items()}
    arrays["A"][1, 2] = arrays["A"][2, 1] = entry
    before = replace(before, weights=Weights(arrays))
    result = RaiseSsm().run(before, Context())
    assert result.program.graph == before.graph
    (note,) = result.notes
    assert note.startswith("Scan ")
    assert reason in note


def test_outputs_of_the_old_state_become_states() -> None:
    """y[t] reads x[t-1] of a nilpotent matrix: no C of the new state gives it."""
    weights: dict[str, Array] = {}
    a = weight(weights, "A", np.eye(3, k=1))
    x0, u = leaf("Input", "x0", kind(2, 3)), leaf("Input", "u", kind(6, 2, 3))
    x, fed, inner = argument(0, kind(2, 3)), argument(1, kind(2, 3)), argument(2, a.type)
    body = Graph((x, fed, inner), (apply("Add", apply("MatMul", x, inner), fed), apply("Identity", x)))
    outputs = apply_all("Scan", x0, u, a, outputs=2, body=body, num_scan_inputs=1, captures=1)
    before = Program("p", Graph((x0, u), outputs), ("last", "y"), weights=Weights(weights))
    after = raised(before)
    assert "LtiSsm" in names(after)
    feeds = {"x0": normal(2, 3), "u": normal(6, 2, 3)}
    for found, wanted in zip(values(after, feeds), values(before, feeds), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_a_loop_of_known_length() -> None:
    weights: dict[str, Array] = {}
    s = weight(weights, "S", 0.4 * normal(4, 4))
    h = leaf("Input", "h", kind(4, 3))
    index, keep, x = (
        argument(0, TensorType(INT64, ())),
        argument(1, TensorType(BOOL, ())),
        argument(2, kind(4, 3)),
    )
    inner, teleport = argument(3, s.type), argument(4, h.type)
    body = Graph(
        (index, keep, x, inner, teleport),
        (apply("Identity", keep), apply("Add", apply("MatMul", inner, x), teleport)),
    )
    trips = constant(np.int64(12))
    outputs = apply_all("Loop", trips, constant(np.array(True)), h, s, h, outputs=1, body=body, captures=2)
    before = Program("p", Graph((h,), outputs), ("y",), weights=Weights(weights))
    after = raised(before)
    assert "LtiSsm" in names(after)
    x_, start = normal(4, 3), None
    start = x_
    wanted = x_.astype(np.float64)
    for _ in range(12):
        wanted = weights["S"] @ wanted + start
    np.testing.assert_allclose(values(after, {"h": x_})[0], wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("teleport", [False, True])
def test_diffusion_written_out(teleport: bool) -> None:
    """APPNP and SGC: K equal steps on a graph's normalised adjacency."""
    weights: dict[str, Array] = {}
    adjacency = DRAW.random((6, 6))
    s = weight(weights, "S", adjacency / adjacency.sum(1, keepdims=True))
    h = leaf("Input", "h", kind(6, 4))
    x = h
    for _ in range(7):
        x = apply("MatMul", s, x)
        if teleport:
            x = apply(
                "Add", apply("Mul", x, constant(np.float32(0.9))), apply("Mul", h, constant(np.float32(0.1)))
            )
    before = Program("p", Graph((h,), (x,)), ("y",), weights=Weights(weights))
    after = raised(before)
    assert "LtiSsm" in names(after)
    feeds = {"h": normal(6, 4)}
    np.testing.assert_allclose(values(after, feeds)[0], values(before, feeds)[0], rtol=1e-5, atol=1e-5)
    assert "LtiSsm" not in names(RaiseSsm(least=8).run(before, Context()).program)


def test_an_affine_rnn() -> None:
    weights: dict[str, Array] = {}
    w = [
        weight(weights, n, a)
        for n, a in (("W", normal(1, 5, 3)), ("R", 0.3 * normal(1, 5, 5)), ("bias", normal(1, 10)))
    ]
    u = leaf("Input", "u", kind(9, 2, 3))
    fields = {"activations": ["Affine"], "activation_alpha": [0.5], "activation_beta": [0.1]}
    outputs = apply_all("RNN", u, *w, hidden_size=5, **fields)
    before = Program("p", Graph((u,), outputs), ("y", "h"), weights=Weights(weights))
    after = raised(before)
    assert "RNN" not in names(after)
    feeds = {"u": normal(9, 2, 3)}
    x, b = np.zeros((2, 5)), weights["bias"][0, :5] + weights["bias"][0, 5:]
    for fed in feeds["u"]:
        x = 0.5 * (fed @ weights["W"][0].T + x @ weights["R"][0].T + b) + 0.1
    y, last = values(after, feeds)
    np.testing.assert_allclose(last[0], x, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(y[-1, 0], x, rtol=1e-4, atol=1e-5)
    tanh = Program(
        "p", Graph((u,), apply_all("RNN", u, *w, hidden_size=5)), ("y", "h"), weights=Weights(weights)
    )
    assert "RNN" in names(RaiseSsm().run(tanh, Context()).program)


def test_biquads_in_a_row_are_one_filter() -> None:
    sections = scipy.signal.butter(6, 0.3, output="sos")
    weights: dict[str, Array] = {}
    u = leaf("Input", "u", kind(1, 1, 40))
    y = u
    for i, section in enumerate(sections):
        a, b, c, d = scipy.signal.tf2ss(section[:3], section[3:])
        c_now = c @ np.linalg.inv(a)  # x[t] = A x[t-1] + B u[t] reads its input at once
        matrices = {"A": a, "B": b, "C": c_now, "D": d - c_now @ b}
        w = [weight(weights, f"{n}{i}", m[None]) for n, m in matrices.items()]
        y = apply("LtiSsm", y, *w, domain="graphwright", form="dense")
    before = Program("p", Graph((u,), (y,)), ("y",), weights=Weights(weights))
    after = raised(before)
    assert sum(n.name == "LtiSsm" for n in after.graph.nodes) == 1
    feed = normal(1, 1, 40)
    wanted = scipy.signal.sosfilt(sections, feed[0, 0])
    np.testing.assert_allclose(values(after, {"u": feed})[0][0, 0], wanted, rtol=1e-4, atol=1e-4)
