"""A small train program, written by hand: regression with noise, a running mean and two parameters groups."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from graphwright.backends.runtime.data import TrainingData
from graphwright.backends.runtime.dataset import Dataset
from graphwright.backends.runtime.metrics import Metric
from graphwright.backends.runtime.training_plan import (
    OptimizerCall,
    ParameterGroup,
    Schedule,
    TrainingPlan,
    TrainingStep,
)
from graphwright.graph.ir import Graph, Program, apply, constant, leaf
from graphwright.graph.types import TensorType, dtype, symbol

B = symbol("B")
F32 = dtype("float32")


def tensor(*dims: Any) -> TensorType:
    return TensorType(F32, dims)


def number(value: float) -> Any:
    return constant(value, np.float32)


@dataclass(frozen=True)
class Example:
    """The program and what it is trained with."""

    program: Program
    evaluation: Program
    data: TrainingData

    def plan(self, optimizer: OptimizerCall | None = None, **changes: Any) -> TrainingPlan:
        call = optimizer or OptimizerCall("adam", Schedule("constant", 0.01))
        step = TrainingStep("loss", (ParameterGroup(("h.w", "h.b", "v"), call),))
        base = TrainingPlan(
            (step,),
            epochs=3,
            batch=8,
            metrics=(Metric("error", ("error",)), Metric("scalar", ("loss",))),
            evaluation=self.evaluation,
        )
        return replace(base, **changes)


X, Y = leaf("Input", "x", tensor(B, 4)), leaf("Input", "y", tensor(B))
W, OFFSET, V = (
    leaf("Parameter", "h.w", tensor(4, 5)),
    leaf("Parameter", "h.b", tensor(5)),
    leaf("Parameter", "v", tensor(5, 1)),
)
MEAN, NOISE = leaf("State", "mean", tensor(5)), leaf("Noise", "drop.u", tensor(B, 5))
DRAWS = {
    "h.w": leaf("Draw", "h.w", tensor(4, 5), kind="normal", bits=53),
    "v": leaf("Draw", "v", tensor(5, 1), kind="normal", bits=53),
    "drop.u": leaf("Draw", "drop.u", tensor(B, 5), kind="uniform", bits=24),
}
INITIALIZERS = {**DRAWS, "h.b": number(0.0), "mean": number(0.0)}


def build(training: bool) -> Program:
    before = apply("MatMul", X, W)
    batch_mean = apply("ReduceMean", before, constant([0], np.int64), keepdims=0)
    centred = apply("Sub", before, batch_mean if training else MEAN)
    hidden = apply("Tanh", apply("Add", centred, OFFSET))
    if training:
        kept = apply("Div", hidden, number(0.8))
        hidden = apply("Where", apply("Less", NOISE, number(0.2)), number(0.0), kept)
    predicted = apply("Squeeze", apply("MatMul", hidden, V), constant([1], np.int64))
    difference = apply("Sub", predicted, Y)
    error = apply("Mul", difference, difference)
    loss = apply("ReduceMean", error, keepdims=0)
    if not training:
        graph = Graph((X, Y, MEAN, W, OFFSET, V), (error, loss))
        return Program("p", graph, ("error", "loss"), initializers=INITIALIZERS)
    moved = apply("Add", apply("Mul", MEAN, number(0.9)), apply("Mul", batch_mean, number(0.1)))
    graph = Graph((X, Y, MEAN, NOISE, W, OFFSET, V), (loss, moved))
    return Program("p", graph, ("loss",), ("mean",), initializers=INITIALIZERS, variant="train")


@pytest.fixture(scope="session")
def example() -> Example:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 4)).astype(np.float32)
    y = np.sin(x @ np.array([1, -1, 0.5, 0.2], np.float32)).astype(np.float32)
    parts = [
        Dataset(n, {"x": x[s], "y": y[s]})
        for n, s in (("a", slice(0, 30)), ("b", slice(30, 40)), ("c", slice(40, 50)))
    ]
    return Example(build(True), build(False), TrainingData(*parts))
