"""A diagonal less a low rank, step by step without a matrix of all states, against the matrix that it stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch

from graphwright.backends.onnx.backend import OnnxBackend
from graphwright.backends.onnx.emitting import state_space as emitting
from graphwright.backends.reference import ReferenceEvaluator
from graphwright.backends.runtime.state_space_cost import Layer, Plan, best_plan, best_step
from graphwright.backends.torch_fx.emitter import emit
from graphwright.backends.torch_fx.evaluator import TorchEvaluator
from graphwright.backends.torch_fx.lowerings import state_space as lowering
from graphwright.graph.ir import Graph, Program, Value, apply_all, leaf
from graphwright.graph.types import TensorType, from_numpy

Array = np.ndarray[Any, Any]
NAMES = "u A B C D dt initial P Q".split()
GROUPS, POLES = 3, 9


def low_rank(inputs: int, rank: int, disc: str, length: int) -> dict[str, Array]:
    draw = np.random.default_rng(10 * rank + inputs).standard_normal
    angle = draw((GROUPS, POLES))
    a = 0.7 * np.stack([np.cos(angle), np.sin(angle)], -1) - (0.9 if disc != "none" else 0) * np.array([1, 0])
    found = {"u": draw((2, GROUPS * inputs, length)), "A": a}
    found |= {"B": draw((GROUPS, POLES, inputs, 2)), "C": draw((GROUPS, inputs, POLES, 2))}
    found |= {n: 0.15 * draw((GROUPS, POLES, rank, 2)) for n in "PQ"}
    found["initial"] = draw((2, GROUPS, POLES, 2))
    if disc != "none":
        found["dt"] = np.array([0.1, 0.4, 0.9])
    return found


def pairs(x: Array) -> Array:
    return np.asarray(x[..., 0] + 1j * x[..., 1])


def expected(given: dict[str, Array], disc: str) -> tuple[Array, Array]:
    """With the whole matrix, by SciPy."""
    batch, _, length = given["u"].shape
    inputs = given["B"].shape[2]
    y, last = np.zeros((batch, GROUPS * inputs, length)), np.zeros_like(given["initial"])
    for g in range(GROUPS):
        poles, p, q, b, c = (pairs(given[n][g]) for n in "APQBC")
        doubled = [np.concatenate([x, x.conj()]) for x in (poles, p, q, b)]
        a = np.diag(doubled[0]) - doubled[1] @ doubled[2].conj().T
        b, c = doubled[3], np.concatenate([c, c.conj()], axis=1)
        if disc == "bilinear":
            step, one = given["dt"][g], np.eye(len(a))
            left = scipy.linalg.inv(one - a * step / 2)
            a, b = left @ (one + a * step / 2), left @ b * step
        x = pairs(given["initial"][:, g])
        x = np.concatenate([x, x.conj()], axis=1)
        rows = slice(g * inputs, (g + 1) * inputs)
        for t in range(length):
            x = x @ a.T + given["u"][:, rows, t] @ b.T
            y[:, rows, t] = (x @ c.T).real
        last[:, g] = np.stack([x[:, :POLES].real, x[:, :POLES].imag], -1)
    return y, last


def call(
    given: dict[str, Array], disc: str, mode: str = "step"
) -> tuple[tuple[Value, ...], dict[str, Value]]:
    leaves = {n: leaf("Input", n, TensorType(from_numpy(a.dtype), a.shape)) for n, a in given.items()}
    operands = (leaves.get(n) for n in NAMES)
    results = apply_all("LtiSsm", *operands, domain="graphwright", form="dplr", disc=disc, mode=mode)
    return tuple(results), leaves


def always_low_rank(layer: Layer, backend: str) -> Plan:
    return Plan("step", 1, True, 0.0)


@pytest.mark.parametrize("disc", ["none", "bilinear"])
@pytest.mark.parametrize(("inputs", "rank", "length"), [(1, 1, 7), (2, 1, 7), (1, 3, 7), (2, 2, 1)])
def test_steps_are_those_of_the_whole_matrix(
    inputs: int, rank: int, length: int, disc: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (emitting, lowering):
        monkeypatch.setattr(module, "best_step", always_low_rank)
    given = low_rank(inputs, rank, disc, length)
    wanted = expected(given, disc)
    results, leaves = call(given, disc)
    arrays = {leaves[n]: a for n, a in given.items()}
    program = Program("p", Graph(tuple(leaves.values()), results), ("y", "last"))
    onnx = OnnxBackend().load(program).run(given)
    for name, found in {
        "reference": ReferenceEvaluator().evaluate(results, arrays),
        "torch": TorchEvaluator().evaluate(results, arrays),
        "onnx": (onnx["y"], onnx["last"]),
    }.items():
        for left, right in zip(found, wanted, strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-10, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("disc", ["none", "bilinear"])
def test_steps_train(disc: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients of all operands against finite differences."""
    monkeypatch.setattr(lowering, "best_step", always_low_rank)
    given = {n: a[:, :2] if n == "u" else a for n, a in low_rank(1, 2, disc, 3).items()}
    given = {n: a[:2] for n, a in given.items()}
    given["initial"] = given["initial"][:, :2]
    results, leaves = call(given, disc)
    module = emit(Program("p", Graph(tuple(leaves.values()), results), ("y", "last")))
    subjects = [torch.tensor(a, requires_grad=True) for a in given.values()]

    def run(*arrays: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = module(*arrays)
        return found["y"], found["last"]

    assert torch.autograd.gradcheck(run, subjects, fast_mode=True)


@pytest.mark.parametrize("disc", ["none", "bilinear"])
@pytest.mark.parametrize("rank", [1, 2])
def test_no_step_holds_a_matrix_of_all_states(rank: int, disc: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emitting, "best_step", always_low_rank)
    given = low_rank(1, rank, disc, 5)
    results, leaves = call(given, disc)
    graph = Graph(tuple(leaves.values()), emitting.lti_ssm(results[0].node))
    bodies = [n.attribute("body") for n in graph.nodes if n.name == "Scan"]
    assert bodies
    nodes = [*graph.nodes, *(n for body in bodies for n in body.nodes)]
    shapes = [v.tensor.shape for n in nodes for v in n.outputs]
    assert not any(shape.count(2 * POLES) > 1 for shape in shapes)


def test_the_whole_matrix_is_stepped_where_that_is_cheaper() -> None:
    for states, kept in ((16, False), (1024, True)):
        layer = Layer(1, 1, 1, 1, states, 1, diagonal=True, rank=1)
        assert best_step(layer, "onnx").diagonal == kept
        assert best_step(layer, "onnx").cost <= best_step(layer.dense, "onnx").cost
    heads = Layer(1, 16, 1, 1, 64, 4096, diagonal=True, rank=1)
    assert (best_plan(heads, "onnx").mode, best_plan(heads, "onnx").diagonal) == ("chunk", False)
