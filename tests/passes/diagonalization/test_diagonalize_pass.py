"""The passes under the manager: certificates as contracts, declines with reasons, nothing silent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.signal

from graphwright.backends.onnx.backend import OnnxBackend
from graphwright.backends.reference import ReferenceEvaluator
from graphwright.graph.build.prelude.hippo import legs
from graphwright.graph.ir import Graph, Program, Value, Weights, apply_all, leaf
from graphwright.graph.types import FLOAT32, TensorType, from_numpy, symbol
from graphwright.passes.diagonalization.chunking import ChunkSsm
from graphwright.passes.diagonalization.diagonalize import Diagonalize
from graphwright.passes.manager.failure import ContractBroken
from graphwright.passes.manager.manager import PassManager
from graphwright.passes.manager.pass_ import Context
from graphwright.passes.manager.verdict import Verdict

Array = np.ndarray[Any, Any]


def program(
    matrices: dict[str, Array],
    channels: int,
    length: int,
    *,
    disc: str = "none",
    states: bool = False,
    dtype: str = "float32",
) -> Program:
    """A dense layer with constant matrices over u[2, channels, length]; with `states` it starts from
    an initial state and gives its last one."""
    weights = {n: a.astype(dtype) for n, a in matrices.items()}
    kind = from_numpy(np.dtype(dtype))
    u = leaf("Input", "u", TensorType(kind, (2, channels, length)))
    groups, n = matrices["A"].shape[:2]
    start = leaf("Input", "start", TensorType(kind, (2, groups, n)))
    w = {k: leaf("Weight", k, TensorType(kind, v.shape)) for k, v in weights.items()}
    results = apply_all(
        "LtiSsm",
        u,
        *(w.get(k) for k in ("A", "B", "C", "D", "dt")),
        start if states else None,
        domain="graphwright",
        form="dense",
        disc=disc,
    )
    outputs = results if states else results[:1]
    names = ("y", "last")[: len(outputs)]
    return Program("p", Graph((u, start) if states else (u,), outputs), names, weights=Weights(weights))


def hippo(heads: int, n: int) -> dict[str, Array]:
    a, b = legs(n)
    draw = np.random.default_rng(0).standard_normal
    step = np.geomspace(0.01, 0.1, heads)
    return {
        "A": np.stack([a] * heads),
        "B": np.stack([b[:, None]] * heads),
        "C": draw((heads, 1, n)),
        "dt": step,
    }


@pytest.mark.parametrize("states", [False, True])
def test_a_hippo_layer_keeps_its_certificate(states: bool) -> None:
    before = program(hippo(2, 16), 2, 200, disc="zoh", states=states)
    record = PassManager().run(before, [Diagonalize(always=True), ChunkSsm(chunk=40)])
    first = record.passes[0]
    assert first.verdict is Verdict.HOLDS
    assert first.sites == 1
    assert "certified max |Δy|" in first.notes[0]
    assert "rank-one" in first.notes[0]
    draw = np.random.default_rng(1)
    feeds = {"u": draw.uniform(-1, 1, (2, 2, 200)).astype(np.float32)}
    if states:
        feeds["start"] = draw.uniform(-1, 1, (2, 2, 16)).astype(np.float32)
    given = {v: feeds[v.node.attribute("name")] for v in before.graph.inputs}
    given |= {
        v: before.weights[v.node.attribute("name")]
        for n in before.graph.nodes
        for v in n.outputs
        if v.role == "Weight"
    }
    exact = ReferenceEvaluator().evaluate(before.graph.outputs, given, float64=True)
    found = OnnxBackend().load(record.program).run(feeds)
    certified = float(first.notes[0].split("max |Δy| ")[1].split()[0])
    error = np.abs(found["y"] - exact[0]).max()
    if not states:  # what an initial state adds is in the site's bound, which the manager held
        assert error <= certified + 1e-5


def test_a_multi_input_state_and_its_last_one() -> None:
    draw = np.random.default_rng(2).standard_normal
    a = draw((1, 12, 12))
    a = 0.9 * a / np.abs(np.linalg.eigvals(a)).max()
    before = program({"A": a, "B": draw((1, 12, 3)), "C": draw((1, 3, 12))}, 3, 50, states=True)
    record = PassManager().run(before, [Diagonalize(always=True)])
    assert record.passes[0].verdict is Verdict.HOLDS
    assert "eig" in record.passes[0].notes[0]


def test_a_wrong_certificate_breaks_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    from graphwright.passes.diagonalization import diagonalize as module

    def too_good(*arguments: Any, **keywords: Any) -> Any:
        found = diagonalise(*arguments, **keywords)
        assert found.certificate is not None
        return replace(found, certificate=replace(found.certificate, gain=1e-12, rounding=0.0))

    diagonalise = module.diagonalise
    monkeypatch.setattr(module, "diagonalise", too_good)
    with pytest.raises(ContractBroken) as caught:
        PassManager().run(program(hippo(1, 8), 1, 64, disc="zoh"), [Diagonalize(always=True)])
    assert "diagonalized" in str(caught.value)


DECLINED = {
    "unstable": (np.eye(4)[None] * 1.2, "unstable"),
    "on the circle": (np.eye(4)[None], "unstable"),
    "NaN": (np.full((1, 4, 4), np.nan), "NaN"),
    "infinite": (np.full((1, 4, 4), np.inf), "NaN or infinities"),
}


@pytest.mark.parametrize("name", DECLINED)
def test_declines_are_printed_and_change_nothing(name: str) -> None:
    a, reason = DECLINED[name]
    before = program({"A": a, "B": np.ones((1, 4, 1)), "C": np.ones((1, 1, 4))}, 1, 8)
    result = Diagonalize().run(before, Context())
    assert result.program is before or result.program.graph == before.graph
    assert reason in result.notes[0]


def test_parameters_must_be_frozen_first() -> None:
    before = program(hippo(1, 4), 1, 8, disc="zoh")
    u = before.graph.inputs[0]
    kind = from_numpy(np.dtype("float32"))
    p = [leaf("Parameter", n, TensorType(kind, before.weights[n].shape)) for n in ("A", "B", "C", "dt")]
    y = apply_all("LtiSsm", u, *p[:3], None, p[3], domain="graphwright", form="dense", disc="zoh")[0]
    result = Diagonalize().run(replace(before, graph=Graph((u, *p), (y,))), Context())
    assert "freeze" in result.notes[0]


def test_the_cost_model_may_decline() -> None:
    draw = np.random.default_rng(3).standard_normal
    a = 0.1 * draw((1, 16, 16))
    before = program({"A": a, "B": draw((1, 16, 4)), "C": draw((1, 4, 16))}, 4, 1)
    assert "dense form costs" in Diagonalize().run(before, Context()).notes[0]


@pytest.mark.parametrize("length", [1, 7, 64, 65])
@pytest.mark.parametrize("n", [1, 5])
def test_chunks_of_any_length_are_the_recurrence(length: int, n: int) -> None:
    """In float64, where the tables are not rounded: against scipy.signal.dlsim's recurrence."""
    draw = np.random.default_rng(n).standard_normal
    a = 0.8 * draw((n, n)) / np.sqrt(n)
    b, c, d = draw((n, 1)), draw((1, n)), draw((1, 1))
    matrices = {"A": a[None], "B": b.reshape(1, -1, 1), "C": c[None], "D": d[None]}
    before = program(matrices, 1, length, dtype="float64")
    record = PassManager().run(before, [ChunkSsm(chunk=16)])
    u = draw((2, 1, length))
    found = OnnxBackend().load(record.program).run({"u": u})["y"]
    # y[t] = C x[t] + D u[t] with x[t] = A x[t-1] + B u[t]: SciPy's state is one step behind
    wanted = scipy.signal.dlsim((a, b, c @ a, c @ b + d, 1.0), u[0, 0])[1]
    np.testing.assert_allclose(found[0, 0], wanted[:, 0], rtol=1e-10, atol=1e-10)


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="no candidate"):
        Diagonalize(candidates=("jordan",))
    with pytest.raises(ValueError, match="tolerance"):
        Diagonalize(tolerance=0.0)
    with pytest.raises(ValueError, match="target"):
        ChunkSsm(target="tpu")


ILL_POSED = {
    "order 1": np.array([[0.5]]),
    "nilpotent": np.eye(6, k=-1),
    "defective": 0.9 * np.eye(6) + 0.1 * np.eye(6, k=-1),
    "kappa beyond 1/u": np.array([[0.5, 1e6], [0.0, 0.5 + 1e-6]]),
    "zero": np.zeros((3, 3)),
}


@pytest.mark.parametrize("name", ILL_POSED)
@pytest.mark.parametrize("length", [1, 37])
def test_ill_posed_layers_keep_a_certificate_or_are_left(name: str, length: int) -> None:
    """A certificate that a run keeps, or a reason; never a NaN. 37 is no multiple of the chunk."""
    a = ILL_POSED[name]
    n = len(a)
    before = program({"A": a[None], "B": np.ones((1, n, 1)), "C": np.ones((1, 1, n))}, 1, length)
    record = PassManager().run(before, [Diagonalize(always=True, length=64), ChunkSsm(chunk=8)])
    assert all(p.verdict is Verdict.HOLDS for p in record.passes)
    assert "certified" in record.passes[0].notes[0] or "left as it is" in record.passes[0].notes[0]
    u = np.random.default_rng(0).uniform(-1, 1, (2, 1, length)).astype(np.float32)
    found, wanted = (OnnxBackend().load(p).run({"u": u})["y"] for p in (record.program, before))
    assert np.isfinite(found).all()
    gain = np.abs(np.stack([np.linalg.matrix_power(a, k).sum() for k in range(64)])).sum()
    assert np.abs(found - wanted).max() <= 2e-3 * gain


def test_a_nan_of_a_parameter_shows_in_every_mode() -> None:
    """A layer that is not touched gives NaN where its numbers are; it is not hidden by padding."""
    before = program(
        {"A": np.full((1, 2, 2), np.nan), "B": np.ones((1, 2, 1)), "C": np.ones((1, 1, 2))}, 1, 9
    )
    result = ChunkSsm(chunk=4).run(before, Context()).program
    found = OnnxBackend().load(result).run({"u": np.ones((2, 1, 9), np.float32)})["y"]
    assert np.isnan(found[..., 1:]).all()


@pytest.mark.parametrize("steps", [2048, symbol("L")])
def test_certificates_are_for_the_steps_that_a_layer_gets(steps: Any) -> None:
    """A readout fitted to the first 1024 steps of HiPPO-LegS is off by a tenth of the output after them."""
    a, b = legs(64)
    u = leaf("Input", "u", TensorType(FLOAT32, (2, 1, steps)))
    arrays = {"A": a[None], "B": b.reshape(1, -1, 1), "C": np.full((1, 1, 64), 0.125), "dt": np.full(1, 1e-3)}
    weights = {n: x.astype(np.float32) for n, x in arrays.items()}
    w = {n: leaf("Weight", n, TensorType(FLOAT32, x.shape)) for n, x in weights.items()}
    operands = (u, w["A"], w["B"], w["C"], None, w["dt"])
    y, _ = apply_all("LtiSsm", *operands, domain="graphwright", form="dense", disc="zoh")
    program = Program("p", Graph((u,), (y,)), ("y",), weights=Weights(weights))
    result = Diagonalize().run(program, Context())
    (note,) = result.notes
    assert not isinstance(steps, int) or f"up to {steps} steps" in note
    feeds = np.sign(
        np.random.default_rng(0).standard_normal((2, 1, 8192 if not isinstance(steps, int) else steps))
    )
    found, wanted = (_float64(p, {u: feeds.astype(np.float32)}) for p in (result.program, program))
    assert np.abs(found - wanted).max() <= 1e-3 * np.abs(wanted).max()


def _float64(program: Program, feeds: dict[Value, Array]) -> Array:
    held = {v: program.weights[v.node.attribute("name")] for v in _weights(program)}
    return ReferenceEvaluator().evaluate(program.graph.outputs, {**feeds, **held}, float64=True)[0]


def _weights(program: Program) -> list[Value]:
    return [v for n in program.graph.nodes for v in n.outputs if v.role == "Weight"]
