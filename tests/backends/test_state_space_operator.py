"""LtiSsm on every backend and in every mode against SciPy's discretisation and a plain recurrence."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.signal
import torch

from graphwright.backends.onnx.backend import OnnxBackend
from graphwright.backends.onnx.emitting import state_space as emitting
from graphwright.backends.reference import ReferenceEvaluator
from graphwright.backends.runtime import state_space_cost
from graphwright.backends.runtime.state_space_cost import Layer, best_plan, plans
from graphwright.backends.torch_fx.emitter import emit
from graphwright.backends.torch_fx.evaluator import TorchEvaluator
from graphwright.graph.ir import Graph, Program, Value, apply_all, leaf
from graphwright.graph.operators import RuleError
from graphwright.graph.types import FLOAT64, TensorType, from_numpy, symbol

Array = np.ndarray[Any, Any]
NAMES = "u A B C D dt initial P Q".split()
FORMS = ("dense", "diagonal", "dplr", "block")
MODES = [("step", 0), ("chunk", 4), ("chunk", 16), ("fft", 0), ("associative", 0), ("auto", 0)]


def operands(
    form: str, disc: str, inputs: int, outputs: int, length: int, initial: bool = True
) -> dict[str, Array]:
    """Two groups of a stable system, float64."""
    draw = np.random.default_rng(length + 10 * inputs).standard_normal
    still = -1.0 if disc != "none" else 0.0
    found: dict[str, Array] = {"u": draw((2, 2 * inputs, length))}
    state: tuple[int, ...] = (3, 2)
    if form == "dense":
        found |= {"A": draw((2, 5, 5)) * 0.2 + still * np.eye(5)}
        found |= {"B": draw((2, 5, inputs)), "C": draw((2, outputs, 5))}
        state = (5,)
    elif form == "block":
        found |= {"A": draw((2, 3, 2, 2)) * 0.3 + still * np.eye(2)}
        found |= {"B": draw((2, 3, 2, inputs)), "C": draw((2, outputs, 3, 2))}
    else:
        found |= {"A": 0.6 * np.stack([-np.abs(draw((2, 3))) / 2, draw((2, 3)) / 2], -1)}
        found |= {"B": draw((2, 3, inputs, 2)), "C": draw((2, outputs, 3, 2))}
    found["D"] = draw((2, outputs, inputs)) if inputs != outputs else draw(2 * inputs)
    if disc != "none":
        found["dt"] = np.array([0.1, 0.7])
    if initial:
        found["initial"] = draw((2, 2, *state))
    if form == "dplr":
        found |= {"P": draw((2, 3, 1, 2)) * 0.3, "Q": draw((2, 3, 1, 2)) * 0.3}
    return found


def call(given: dict[str, Array], form: str, disc: str, mode: str = "auto", chunk: int = 0) -> Any:
    leaves = {n: leaf("Input", n, TensorType(from_numpy(a.dtype), a.shape)) for n, a in given.items()}
    results = apply_all(
        "LtiSsm",
        *(leaves.get(n) for n in NAMES),
        domain="graphwright",
        form=form,
        disc=disc,
        mode=mode,
        chunk=chunk,
    )
    return results, leaves


def pairs(array: Array) -> Array:
    return np.asarray(array[..., 0] + 1j * array[..., 1])


def expected(given: dict[str, Array], form: str, disc: str) -> tuple[Array, Array]:
    """By scipy.signal.cont2discrete or scipy.linalg.expm over all states at once, then a loop."""
    u = given["u"]
    batch, _, length = u.shape
    outputs = given["C"].shape[1]
    inputs = u.shape[1] // 2
    y = np.zeros((batch, 2 * outputs, length))
    state = {"dense": (5,)}.get(form, (3, 2))
    last = np.zeros((batch, 2, *state))
    for g in range(2):
        a, b, c = whole(given, form, g)
        if disc != "none":
            dt = given["dt"][g]
            if disc == "zoh":
                n = len(a)
                wide = np.zeros((n + inputs, n + inputs), complex)
                wide[:n, :n], wide[:n, n:] = a * dt, b * dt
                power = scipy.linalg.expm(wide)
                a, b = power[:n, :n], power[:n, n:]
            else:
                left = np.eye(len(a)) - a * dt / 2
                a, b = scipy.linalg.solve(left, np.eye(len(a)) + a * dt / 2), scipy.linalg.solve(left, b * dt)
        x = start(given, form, g)
        for t in range(length):
            fed = u[:, g * inputs : (g + 1) * inputs, t]
            x = x @ a.T + fed @ b.T
            y[:, g * outputs : (g + 1) * outputs, t] = (x @ c.T).real + through(given, g, fed)
        last[:, g] = end(x, last[:, g].shape, form)
    return y, last


def whole(given: dict[str, Array], form: str, g: int) -> tuple[Array, Array, Array]:
    a, b, c = (given[n][g] for n in "ABC")
    if form == "dense":
        return a, b, c
    if form == "block":
        return scipy.linalg.block_diag(*a), b.reshape(-1, b.shape[-1]), c.reshape(len(c), -1)
    poles = pairs(a)
    matrix = np.diag(np.concatenate([poles, poles.conj()]))
    if form == "dplr":
        p, q = pairs(given["P"][g]), pairs(given["Q"][g])
        matrix = matrix - np.concatenate([p, p.conj()]) @ np.concatenate([q, q.conj()]).conj().T
    b, c = pairs(b), pairs(c)
    return matrix, np.concatenate([b, b.conj()]), np.concatenate([c, c.conj()], axis=1)


def start(given: dict[str, Array], form: str, g: int) -> Array:
    first = given["initial"][:, g] if "initial" in given else np.zeros((2, *given["A"].shape[1:3]))
    if "initial" not in given:
        return np.zeros((2, whole(given, form, g)[0].shape[0]))
    if form in ("diagonal", "dplr"):
        return np.concatenate([pairs(first), pairs(first).conj()], axis=1)
    return first.reshape(len(first), -1)


def through(given: dict[str, Array], g: int, fed: Array) -> Array:
    d = given["D"]
    if d.ndim == 3:
        return np.asarray(fed @ d[g].T)
    width = fed.shape[1]
    return np.asarray(fed * d[g * width : (g + 1) * width])


def end(x: Array, shape: tuple[int, ...], form: str) -> Array:
    if form in ("diagonal", "dplr"):
        half = x[:, : x.shape[1] // 2]
        return np.stack([half.real, half.imag], -1)
    return x.real.reshape(shape)


@pytest.mark.parametrize(("form", "disc"), list(product(FORMS, ("none", "zoh", "bilinear"))))
@pytest.mark.parametrize(("inputs", "outputs", "length"), [(1, 1, 11), (2, 3, 11), (1, 1, 1)])
def test_every_mode_is_the_recurrence(form: str, disc: str, inputs: int, outputs: int, length: int) -> None:
    given = operands(form, disc, inputs, outputs, length)
    wanted = expected(given, form, disc)
    results, leaves = call(given, form, disc)
    arrays = {leaves[n]: a for n, a in given.items()}
    for found, right in zip(ReferenceEvaluator().evaluate(results, arrays), wanted, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-11, atol=1e-11)
    for mode, chunk in MODES:
        results, leaves = call(given, form, disc, mode, chunk)
        found_pair = TorchEvaluator().evaluate(results, {leaves[n]: a for n, a in given.items()})
        for found, right in zip(found_pair, wanted, strict=True):
            np.testing.assert_allclose(found, right, rtol=1e-10, atol=1e-10, err_msg=mode)


def onnx_run(
    given: dict[str, Array], form: str, disc: str, mode: str, chunk: int, symbolic: bool
) -> tuple[Array, Array]:
    dims: dict[str, Any] = {n: a.shape for n, a in given.items()}
    if symbolic:
        dims["u"] = (symbol("batch"), given["u"].shape[1], symbol("length"))
        if "initial" in dims:
            dims["initial"] = (symbol("batch"), *dims["initial"][1:])
    leaves = {n: leaf("Input", n, TensorType(from_numpy(a.dtype), dims[n])) for n, a in given.items()}
    results = apply_all(
        "LtiSsm",
        *(leaves.get(n) for n in NAMES),
        domain="graphwright",
        form=form,
        disc=disc,
        mode=mode,
        chunk=chunk,
    )
    program = Program("p", Graph(tuple(leaves.values()), results), ("y", "last"))
    found = OnnxBackend().load(program).run(given)
    return found["y"], found["last"]


@pytest.mark.parametrize(
    ("form", "disc"), [*product(FORMS, ["bilinear"]), ("dense", "zoh"), ("diagonal", "zoh")]
)
@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("initial", [False, True])
def test_onnx_runtime_agrees(form: str, disc: str, symbolic: bool, initial: bool) -> None:
    given = operands(form, disc, 2, 3, 11, initial)
    wanted = expected(given, form, disc)
    for mode, chunk in (("step", 0), ("chunk", 4)):
        for found, right in zip(onnx_run(given, form, disc, mode, chunk, symbolic), wanted, strict=True):
            np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-9, err_msg=mode)


@pytest.mark.parametrize("opset", [21, 23])
@pytest.mark.parametrize("inputs", [1, 2])
@pytest.mark.parametrize("form", ["dense", "diagonal"])
def test_either_opset_and_any_length_in_float32(form: str, inputs: int, opset: int) -> None:
    """RotaryEmbedding multiplies complex numbers where the opset has it; one step and one chunk need no Scan."""
    for mode, chunk, length in (("step", 0, 1), ("step", 0, 9), ("chunk", 8, 8), ("chunk", 4, 12)):
        given = operands(form, "none", inputs, inputs, length)
        wanted = expected(given, form, "none")
        given = {n: a.astype(np.float32) for n, a in given.items()}
        results, leaves = call(given, form, "none", mode, chunk)
        program = Program("p", Graph(tuple(leaves.values()), results), ("y", "last"))
        found = OnnxBackend((opset,)).load(program).run(given)
        for left, right in zip((found["y"], found["last"]), wanted, strict=True):
            np.testing.assert_allclose(left, right, rtol=2e-5, atol=2e-5, err_msg=f"{mode} {length}")
        written = Graph(program.graph.inputs, emitting.lti_ssm(results[0].node)).nodes
        assert any(n.name == "Scan" for n in written) == (length not in (1, chunk))


def test_no_array_holds_the_states_of_all_steps_of_heads() -> None:
    """Of 50 steps, 2 heads and 5 states: 500 numbers, and 100 that enter."""
    given = operands("dense", "none", 1, 1, 50)
    results, leaves = call(given, "dense", "none", "step")
    nodes = Graph(tuple(leaves.values()), emitting.lti_ssm(results[0].node)).nodes
    sizes = [int(np.prod(v.tensor.shape)) for n in nodes for v in n.outputs]
    assert max(sizes) <= 2 * 2 * 50


@pytest.mark.parametrize("form", FORMS)
def test_streaming_in_two_parts_is_one_run(form: str) -> None:
    given = operands(form, "zoh", 1, 1, 14)
    results, leaves = call(given, form, "zoh", "chunk", 4)
    whole_run = TorchEvaluator().evaluate(results, {leaves[n]: a for n, a in given.items()})
    state, parts = given["initial"], []
    for piece in (given["u"][..., :5], given["u"][..., 5:]):
        part = {**given, "u": piece, "initial": state}
        results, leaves = call(part, form, "zoh", "chunk", 4)
        y, state = TorchEvaluator().evaluate(results, {leaves[n]: a for n, a in part.items()})
        parts.append(y)
    np.testing.assert_allclose(np.concatenate(parts, -1), whole_run[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(state, whole_run[1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("form", "disc"), list(product(FORMS, ("zoh", "bilinear"))))
def test_torch_gradients_match_finite_differences(form: str, disc: str) -> None:
    given = operands(form, disc, 1, 1, 5)
    results, leaves = call(given, form, disc, "chunk", 2)
    module = emit(Program("p", Graph(tuple(leaves.values()), results), ("y", "last")))
    subjects = [torch.tensor(a, requires_grad=True) for a in given.values()]

    def run(*arrays: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = module(*arrays)
        return found["y"], found["last"]

    assert torch.autograd.gradcheck(run, subjects)


@pytest.mark.parametrize("disc", ["zoh", "bilinear"])
def test_a_pole_at_zero_integrates(disc: str) -> None:
    """exp(0) is 1 and (exp(z) - 1) / z is 1: no 0 / 0, in values or in gradients."""
    u = torch.ones(1, 1, 4, dtype=torch.float64)
    a = torch.zeros(1, 1, 2, dtype=torch.float64, requires_grad=True)
    given = {"u": u.numpy(), "A": np.zeros((1, 1, 2)), "B": np.array([[[[1.0, 0]]]])}
    given |= {"C": np.array([[[[0.5, 0]]]]), "dt": np.array([0.25])}
    results, leaves = call(given, "diagonal", disc)
    module = emit(Program("p", Graph(tuple(leaves.values()), results[:1]), ("y",)))
    rest = [torch.tensor(given[n]) for n in "BC"] + [torch.tensor(given["dt"])]
    y = module(u, a, *rest)["y"]
    np.testing.assert_allclose(y.detach().numpy().ravel(), [0.25, 0.5, 0.75, 1.0])
    (slope,) = torch.autograd.grad(y.sum(), a)
    assert torch.isfinite(slope).all()


def test_scipy_filters_agree() -> None:
    """A Butterworth filter in state space, against scipy.signal.lfilter."""
    b, a = scipy.signal.butter(4, 0.3)
    matrices = scipy.signal.tf2ss(b, a)
    u = np.random.default_rng(0).standard_normal((1, 1, 64))
    # x[t] = A x[t-1] + B u[t] reads its own input at once: SciPy's state is one step behind
    given = {"u": u, "A": matrices[0][None], "B": (matrices[1])[None]}
    given["C"] = (matrices[2] @ np.linalg.inv(matrices[0]))[None]
    given["D"] = (matrices[3] - matrices[2] @ np.linalg.inv(matrices[0]) @ matrices[1])[None]
    results, leaves = call(given, "dense", "none")
    y = TorchEvaluator().evaluate(results[:1], {leaves[n]: x for n, x in given.items()})[0]
    np.testing.assert_allclose(y[0, 0], scipy.signal.lfilter(b, a, u[0, 0]), rtol=1e-9, atol=1e-9)


def _wrong(**changes: Any) -> dict[str, Array]:
    given = operands("dense", "none", 1, 1, 3, initial=False)
    return {n: a for n, a in {**given, **changes}.items() if a is not None}


@pytest.mark.parametrize(
    ("given", "form", "disc", "code"),
    [
        (_wrong(A=np.zeros((2, 5, 4))), "dense", "none", "G0401"),
        (_wrong(A=np.zeros((5, 5))), "dense", "none", "G0405"),
        (_wrong(B=np.zeros((2, 4, 1))), "dense", "none", "G0401"),
        (_wrong(u=np.zeros((2, 3, 4))), "dense", "none", "G0401"),
        (_wrong(D=np.zeros(3)), "dense", "none", "G0401"),
        (_wrong(dt=np.ones(2)), "dense", "none", "G0464"),
        (_wrong(), "dense", "zoh", "G0464"),
        (_wrong(), "triangular", "none", "G0561"),
        (_wrong(), "dense", "euler", "G0561"),
        (_wrong(P=np.zeros((2, 5, 1, 2))), "dense", "none", "G0464"),
        (_wrong(initial=np.zeros((2, 2, 4))), "dense", "none", "G0401"),
    ],
)
def test_operands_that_do_not_fit_are_refused(
    given: dict[str, Array], form: str, disc: str, code: str
) -> None:
    with pytest.raises(RuleError) as caught:
        call(given, form, disc)
    assert caught.value.code == code


def test_symbolic_sizes_stay_symbolic() -> None:
    batch, length = symbol("batch"), symbol("length")
    types = {"u": (batch, 2, length), "A": (2, 4, 2), "B": (2, 4, 1, 2), "C": (2, 1, 4, 2)}
    leaves: dict[str, Value] = {n: leaf("Input", n, TensorType(FLOAT64, t)) for n, t in types.items()}
    y, last = apply_all("LtiSsm", *leaves.values(), domain="graphwright", form="diagonal")
    assert y.tensor.shape == (batch, 2, length)
    assert last.tensor.shape == (batch, 2, 4, 2)


def test_the_cost_model_declines_where_dense_is_cheaper() -> None:
    """Streaming one step of a small dense state beats its diagonal form; of a large one it does not."""
    small, large = (Layer(1, 1, 16, 16, n, 1, diagonal=False) for n in (64, 1024))
    for layer, wins in ((small, False), (large, True)):
        diagonal = Layer(1, 1, 16, 16, layer.states, 1, diagonal=True)
        assert (best_plan(diagonal, "onnx").cost < best_plan(layer, "onnx").cost) == wins
    long = Layer(1, 64, 1, 1, 64, 4096, diagonal=True)
    assert best_plan(long, "onnx").mode == "chunk"
    assert best_plan(long, "onnx").cost == min(p.cost for p in plans(long, "onnx"))


@pytest.mark.parametrize("form", ["dense", "diagonal"])
def test_long_rows_are_done_in_blocks_of_groups(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two groups at a time of six, against the plain recurrence and torch; the last state too."""
    monkeypatch.setattr(state_space_cost, "CACHED", 2)
    monkeypatch.setattr(state_space_cost, "LEAST_BLOCK", 2)
    given = operands(form, "none", 1, 1, 24)
    given = {n: np.concatenate([a] * 3) for n, a in given.items() if n not in ("u", "initial", "D")}
    draw = np.random.default_rng(1).standard_normal
    given |= {"u": draw((1, 6, 24)), "D": draw(6)}
    given["initial"] = draw((1, 6, *{"dense": (5,), "diagonal": (3, 2)}[form]))
    results, leaves = call(given, form, "none", "step")
    wanted = TorchEvaluator().evaluate(results, {leaves[n]: a for n, a in given.items()})
    found = onnx_run(given, form, "none", "chunk", 8, False)
    for right, left in zip(wanted, found, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-9)
    results, leaves = call(given, form, "none", "chunk", 8)
    scans = [
        n for n in Graph(tuple(leaves.values()), emitting.lti_ssm(results[0].node)).nodes if n.name == "Scan"
    ]
    assert [n.attribute("num_scan_inputs") for n in scans if n.attribute("captures", 0) == 0]
