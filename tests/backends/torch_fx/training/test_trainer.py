"""Training: against hand-written torch, and what a seed, a checkpoint and Ctrl-C promise."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from graphwright.backends.runtime.data import TrainingData
from graphwright.backends.runtime.dataset import Dataset, shuffled
from graphwright.backends.runtime.feeds import initialize
from graphwright.backends.runtime.noise import fill
from graphwright.backends.runtime.training_plan import (
    OptimizerCall,
    ParameterGroup,
    Schedule,
    TrainingPlan,
    TrainingStep,
)
from graphwright.backends.torch_fx.training import TrainedResult, train
from graphwright.backends.torch_fx.training.display import Silent
from graphwright.graph.diagnostics import SpecError
from graphwright.graph.ir import Graph, Program, Size, apply, constant, leaf
from graphwright.graph.types import TensorType, dtype, symbol

SEED = 5
B = symbol("B")
TORCH = {
    "sgd": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "adam": (torch.optim.Adam, {"betas": (0.8, 0.99), "eps": 1e-7}),
    "adamw": (torch.optim.AdamW, {"weight_decay": 0.1, "amsgrad": True}),
    "rmsprop": (torch.optim.RMSprop, {"alpha": 0.9, "momentum": 0.5, "centered": True}),
    "adagrad": (torch.optim.Adagrad, {"lr_decay": 0.1, "initial_accumulator_value": 0.1}),
}


def tensor(*dims: Any) -> TensorType:
    return TensorType(dtype("float32"), dims)


def weights(result: TrainedResult) -> dict[str, bytes]:
    return {n: a.tobytes() for n, a in result.program.weights.arrays.items()}


def codes(caught: Any) -> list[str]:
    return [d.code for d in caught.value.diagnostics]


def by_hand(example: Any, plan: TrainingPlan, optimizer: Any, steps: int) -> dict[str, Any]:
    """The same training written in plain torch."""
    ready = initialize(example.program, SEED)
    p = {n: torch.tensor(ready.weights[n], requires_grad=True) for n in ("h.w", "h.b", "v")}
    mean = torch.tensor(ready.weights["mean"])
    opt = optimizer(list(p.values()))
    draw = example.program.initializers["drop.u"]
    data = example.data.train
    for step in range(steps):
        epoch, position = divmod(step, 4)
        rows = shuffled(30, SEED, f"epoch/{epoch}")[8 * position : 8 * position + 8]
        x, y = torch.tensor(data["x"][rows]), torch.tensor(data["y"][rows])
        u = torch.tensor(fill(draw, SEED, {"B": len(rows)}, step=step))
        before = x @ p["h.w"]
        h = torch.tanh(before - before.mean(0) + p["h.b"])
        h = torch.where(u < 0.2, torch.zeros(()), h / 0.8)
        loss = (((h @ p["v"])[:, 0] - y) ** 2).mean()
        opt.zero_grad()
        loss.backward()
        if plan.clip_norm:
            torch.nn.utils.clip_grad_norm_(list(p.values()), plan.clip_norm)
        opt.param_groups[0]["lr"] = plan.steps[0].groups[0].optimizer.rate.at(step, 12)
        opt.step()
        mean = 0.9 * mean + 0.1 * before.mean(0).detach()
    return {**{n: t.detach().numpy() for n, t in p.items()}, "mean": mean.numpy()}


@pytest.mark.parametrize("name", sorted(TORCH))
@pytest.mark.parametrize("clip", [None, 0.05])
def test_the_same_as_hand_written_torch(name: str, clip: float | None, example: Any) -> None:
    make, options = TORCH[name]
    call = OptimizerCall(name, Schedule("cosine", 0.02, {"warmup": 2}), options)
    plan = example.plan(call, clip_norm=clip)
    result = train(example.program, plan, example.data, seed=SEED, progress=False)
    expected = by_hand(example, plan, lambda p: make(p, lr=0.02, **options), 12)
    for key, array in expected.items():
        np.testing.assert_allclose(result.program.weights[key], array, rtol=1e-5, atol=1e-6)


def test_a_single_step_of_plain_descent(example: Any) -> None:
    plan = example.plan(OptimizerCall("sgd", Schedule("constant", 0.1)), epochs=None, step_count=1)
    result = train(example.program, plan, example.data, seed=SEED, progress=False)
    expected = by_hand(example, plan, lambda p: torch.optim.SGD(p, lr=0.1), 1)
    for key, array in expected.items():
        np.testing.assert_allclose(result.program.weights[key], array, rtol=1e-6, atol=1e-7)


def test_lion_follows_its_paper(example: Any) -> None:
    """Three steps of program 1 of the paper, from the gradients of hand-written torch."""
    call = OptimizerCall("lion", Schedule("constant", 0.01), {"betas": (0.9, 0.99), "weight_decay": 0.1})
    plan = example.plan(call, epochs=None, step_count=3)

    class ByTheBook:
        def __init__(self, parameters: list[Any]) -> None:
            self.parameters, self.m = parameters, [torch.zeros_like(p) for p in parameters]
            self.param_groups = [{}]

        def zero_grad(self) -> None:
            for p in self.parameters:
                p.grad = None

        def step(self) -> None:
            with torch.no_grad():
                for p, m in zip(self.parameters, self.m, strict=True):
                    update = torch.sign(0.9 * m + 0.1 * p.grad)
                    p -= 0.01 * (update + 0.1 * p)
                    m.copy_(0.99 * m + 0.01 * p.grad)

    result = train(example.program, plan, example.data, seed=SEED, progress=False)
    for key, array in by_hand(example, plan, ByTheBook, 3).items():
        np.testing.assert_allclose(result.program.weights[key], array, rtol=1e-5, atol=1e-6)


def test_a_seed_fixes_every_bit(example: Any) -> None:
    plan = example.plan()
    first, again, other = (
        train(example.program, plan, example.data, seed=s, progress=False) for s in (1, 1, 2)
    )
    assert weights(first) == weights(again)
    assert first.history == again.history
    assert weights(first) != weights(other)


def test_torch_s_global_generator_is_left_alone(example: Any) -> None:
    before = torch.random.get_rng_state()
    torch.manual_seed(1)
    first = train(example.program, example.plan(), example.data, progress=False)
    torch.manual_seed(2)
    state = torch.random.get_rng_state()
    assert weights(train(example.program, example.plan(), example.data, progress=False)) == weights(first)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.random.set_rng_state(before)


def test_training_lowers_the_loss_and_reports_it(example: Any) -> None:
    plan = example.plan(OptimizerCall("adam", Schedule("constant", 0.03)), epochs=40)
    result = train(example.program, plan, example.data, seed=SEED, progress=False)
    losses = [r["losses"]["loss"] for r in result.history]
    assert losses[-1] < 0.5 * losses[0]
    assert result.history[-1]["validation"]["error"] < 0.5 * result.history[0]["validation"]["error"]
    assert [r["epoch"] for r in result.history] == list(range(1, 41))
    assert "test" not in result.history[0]


def test_metrics_are_those_of_the_infer_program(example: Any) -> None:
    result = train(example.program, example.plan(), example.data, seed=SEED, progress=False)
    w = {n: a.astype(np.float64) for n, a in result.program.weights.arrays.items()}
    for part, dataset in (("validation", example.data.validation), ("test", example.data.test)):
        hidden = np.tanh(dataset["x"] @ w["h.w"] - w["mean"] + w["h.b"])
        error = np.mean(((hidden @ w["v"])[:, 0] - dataset["y"]) ** 2)
        assert result.history[-1][part]["error"] == pytest.approx(error, rel=1e-5)
        assert result.history[-1][part]["scalar"] == pytest.approx(error, rel=1e-5)


# --- alternation, groups, projections ---------------------------------------------------------------


def two_losses() -> Program:
    """Two parameters with a loss each, a third that neither reaches, without data."""
    a, b, c = (leaf("Parameter", n, tensor()) for n in "abc")
    drawn = {n: constant(v, np.float32) for n, v in (("a", 3.0), ("b", -2.0), ("c", 1.0))}
    first, second = apply("Mul", a, a), apply("Mul", b, b)
    third = apply("Mul", c, constant(1.0, np.float32))
    return Program(
        "two", Graph((a, b, c), (first, second, third)), ("first", "second", "third"), initializers=drawn
    )


def test_steps_alternate_and_move_only_what_their_loss_reaches() -> None:
    call = OptimizerCall("sgd", Schedule("constant", 0.25))
    group = ParameterGroup(("a", "b", "c"), call)
    plan = TrainingPlan((TrainingStep("first", (group,)), TrainingStep("second", (group,))), step_count=3)
    found = train(two_losses(), plan, None, progress=False).program.weights
    assert found["a"] == np.float32(3 * 0.5 * 0.5)
    assert found["b"] == np.float32(-2 * 0.5)
    assert found["c"] == 1


def test_groups_have_their_own_optimizers() -> None:
    program = two_losses()
    total = apply("Add", program.outputs["first"], program.outputs["second"])
    program = replace(program, graph=Graph(program.graph.inputs, (total,)), output_names=("loss",))
    groups = (
        ParameterGroup(("a",), OptimizerCall("sgd", Schedule("constant", 0.25))),
        ParameterGroup(("b",), OptimizerCall("sgd", Schedule("constant", 0.0))),
    )
    found = train(program, TrainingPlan((TrainingStep("loss", groups),), step_count=1), None, progress=False)
    assert found.program.weights["a"] == 1.5
    assert found.program.weights["b"] == -2


def test_after_each_step_parameters_and_states_are_projected(example: Any) -> None:
    v, mean = example.program.parameters["v"], example.program.states["mean"]
    norm = apply("Sqrt", apply("ReduceSum", apply("Mul", v, v), keepdims=0))
    outputs = (apply("Div", v, norm), apply("Mul", mean, constant(0.0, np.float32)))
    projection = Program("after", Graph((mean, v), outputs), ("v", "mean"))
    result = train(example.program, example.plan(after_step=projection), example.data, progress=False)
    assert np.linalg.norm(result.program.weights["v"]) == pytest.approx(1, abs=1e-6)
    assert not result.program.weights["mean"].any()


def test_a_state_that_copies_a_parameter_holds_its_value_before_the_step() -> None:
    w, copy = leaf("Parameter", "w", tensor()), leaf("State", "copy", tensor())
    loss = apply("Mul", w, w)
    start = {"w": constant(4.0, np.float32), "copy": constant(0.0, np.float32)}
    program = Program("p", Graph((copy, w), (loss, w)), ("loss",), ("copy",), initializers=start)
    call = OptimizerCall("sgd", Schedule("constant", 0.25))
    plan = TrainingPlan((TrainingStep("loss", (ParameterGroup(("w",), call),)),), step_count=2)
    found = train(program, plan, None, progress=False).program.weights
    assert found["w"] == 1
    assert found["copy"] == 2


def test_bound_columns(example: Any) -> None:
    """Columns under other names and scales, brought back by `bind`, give the same training."""
    raw = leaf("Input", "raw", tensor(B, 4))
    bind = Program("bind", Graph((raw,), (apply("Div", raw, constant(4.0, np.float32)),)), ("x",))
    renamed = TrainingData(
        *(
            Dataset(d.name, {"raw": d["x"] * np.float32(4), "y": d["y"]})
            for d in (example.data.train, example.data.validation, example.data.test)
        )
    )
    plain = train(example.program, example.plan(), example.data, progress=False)
    bound = train(example.program, example.plan(bind=bind), renamed, progress=False)
    assert weights(plain) == weights(bound)
    assert plain.history == bound.history


# --- checkpoints --------------------------------------------------------------------------------------


class Stop(Silent):
    """Interrupts after a number of steps, as Ctrl-C does."""

    def __init__(self, at: int) -> None:
        self.at = at

    def advance(self, step: int, loss: float) -> None:
        if step == self.at:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "rmsprop", "adagrad", "lion"])
@pytest.mark.parametrize("at", [1, 4, 7])
def test_a_resumed_training_ends_in_the_same_bits(name: str, at: int, example: Any, tmp_path: Path) -> None:
    options = TORCH[name][1] if name in TORCH else {}
    plan = example.plan(OptimizerCall(name, Schedule("cosine", 0.01), options), clip_norm=1.0)
    whole = train(example.program, plan, example.data, seed=SEED, progress=False)
    with pytest.raises(KeyboardInterrupt):
        train(example.program, plan, example.data, seed=SEED, out=tmp_path, progress=Stop(at))
    assert json.loads((tmp_path / "checkpoint.json").read_text())["step"] == at
    resumed = train(example.program, plan, example.data, seed=SEED, out=tmp_path, resume=True, progress=False)
    assert weights(resumed) == weights(whole)
    assert resumed.history == whole.history


def test_ctrl_c_restores_the_handler(example: Any, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(example.program, example.plan(), example.data, out=tmp_path, progress=Stop(2))
    assert signal.getsignal(signal.SIGINT) is before


def test_results_and_one_checkpoint_are_left(example: Any, tmp_path: Path) -> None:
    result = train(example.program, example.plan(), example.data, out=tmp_path, progress=False)
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["checkpoint-12.safetensors", "checkpoint.json", "history.json", "weights.safetensors"]
    stored = load_file(tmp_path / "weights.safetensors")
    assert {n: a.tobytes() for n, a in stored.items()} == weights(result)
    assert json.loads((tmp_path / "history.json").read_text()) == list(result.history)


def test_another_training_s_checkpoint_is_refused(example: Any, tmp_path: Path) -> None:
    plan = example.plan()
    train(example.program, plan, example.data, out=tmp_path, progress=False)
    other_data = TrainingData(example.data.validation)
    for changed_plan, data, seed in [
        (plan, example.data, 1),
        (replace(plan, batch=5), example.data, 0),
        (example.plan(OptimizerCall("adam", Schedule("constant", 0.02))), example.data, 0),
        (plan, other_data, 0),
    ]:
        with pytest.raises(SpecError) as caught:
            train(example.program, changed_plan, data, seed=seed, out=tmp_path, resume=True, progress=False)
        assert codes(caught) == ["G0966"]


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": 1, "tensors": "../../etc/passwd"}'])
def test_a_damaged_checkpoint_is_a_diagnostic(content: str, example: Any, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.json").write_text(content)
    with pytest.raises(SpecError) as caught:
        train(example.program, example.plan(), example.data, out=tmp_path, resume=True, progress=False)
    assert codes(caught) == ["G0966"]


# --- what can't be trained ----------------------------------------------------------------------------


def test_a_loss_that_is_nan_stops_at_its_step(example: Any, tmp_path: Path) -> None:
    x = example.data.train["x"].copy()
    row = int(shuffled(30, 0, "epoch/1")[9])  # in the second batch of the second epoch
    x[row, 2] = np.nan
    broken = replace(example.data, train=Dataset("a", {"x": x, "y": example.data.train["y"]}))
    first = [int(r) for r in shuffled(30, 0, "epoch/0")].index(row) // 8
    with pytest.raises(SpecError) as caught:
        train(example.program, example.plan(), broken, out=tmp_path, progress=False)
    (found,) = caught.value.diagnostics
    assert found.code == "G0961"
    assert f"step {first + 1} of 12 (epoch 1)" in found.message
    assert "'x'" in found.notes[0].message


def test_an_infinite_gradient_stops_before_it_moves_anything() -> None:
    """The square root of 0 is 0, its slope infinite."""
    w = leaf("Parameter", "w", tensor())
    program = Program(
        "p", Graph((w,), (apply("Sqrt", w),)), ("loss",), initializers={"w": constant(0.0, np.float32)}
    )
    call = OptimizerCall("sgd", Schedule("constant", 0.1))
    plan = TrainingPlan((TrainingStep("loss", (ParameterGroup(("w",), call),)),), step_count=1)
    with pytest.raises(SpecError) as caught:
        train(program, plan, None, progress=False)
    assert codes(caught) == ["G0961"]
    assert "gradient" in caught.value.diagnostics[0].message


def test_plans_that_do_not_fit(example: Any) -> None:
    small = replace(example.program, sizes={"B": Size(1, 4)})
    vector = replace(
        example.program,
        graph=Graph(example.program.graph.inputs, (example.program.graph.outputs[1],)),
        updates=(),
    )
    call = OptimizerCall("sgd", Schedule("constant", 0.1))
    group = ParameterGroup(("b",), call)
    cases: list[tuple[Program, TrainingPlan, Any, str]] = [
        (example.program, example.plan(), None, "G0957"),
        (example.program, example.plan(epochs=None), example.data, "G0965"),
        (two_losses(), TrainingPlan((TrainingStep("first", (group,)),), epochs=3), None, "G0965"),
        (small, example.plan(), example.data, "G0971"),
        (vector, example.plan(), example.data, "G0962"),
        (two_losses(), TrainingPlan((TrainingStep("first", (group,)),), step_count=1), None, "G0968"),
        (
            example.program,
            example.plan(),
            TrainingData(Dataset("d", {"x": np.zeros((9, 4), np.float32)})),
            "G0957",
        ),
    ]
    for program, plan, data, expected in cases:
        with pytest.raises(SpecError) as caught:
            train(program, plan, data, progress=False)
        assert codes(caught) == [expected]


def test_a_last_batch_of_one_row_is_left_out(example: Any) -> None:
    train_set = example.data.train.take(slice(0, 25))  # three batches of 8, and one row
    result = train(
        example.program,
        example.plan(epochs=2),
        TrainingData(train_set, example.data.validation),
        progress=False,
    )
    assert [r["step"] for r in result.history] == [3, 6]


def test_fixed_batches_leave_rows_out_of_the_metrics_with_a_warning(example: Any) -> None:
    data = TrainingData(
        example.data.train, Dataset("v", {"x": np.ones((10, 4), np.float32), "y": np.ones(10, np.float32)})
    )
    x, y = leaf("Input", "x", tensor(4, 4)), leaf("Input", "y", tensor(4))
    mean = apply(
        "ReduceMean", apply("Mul", apply("ReduceSum", x, constant([1], np.int64), keepdims=0), y), keepdims=0
    )
    fixed = Program("e", Graph((x, y), (mean, y)), ("loss", "error"))
    result = train(
        example.program, example.plan(evaluation=fixed, batch=None, epochs=1), data, progress=False
    )
    assert result.history[0]["validation"] == {"error": 1.0, "scalar": 4.0}
    assert [w.code for w in result.warnings] == ["G0971"]
    assert "2 rows" in result.warnings[0].message


class Recorder(Silent):
    def __init__(self) -> None:
        self.steps: list[int] = []
        self.epochs: list[Mapping[str, Any]] = []

    def advance(self, step: int, loss: float) -> None:
        self.steps.append(step)

    def epoch(self, record: Mapping[str, Any]) -> None:
        self.epochs.append(record)


def test_the_display_sees_every_step_and_epoch(example: Any, capsys: pytest.CaptureFixture[str]) -> None:
    recorder = Recorder()
    train(example.program, example.plan(), example.data, progress=recorder)
    assert recorder.steps == list(range(1, 13))
    assert [r["epoch"] for r in recorder.epochs] == [1, 2, 3]
    train(example.program, example.plan(), example.data)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("epoch 1: loss ")
    assert "test error" in lines[2]
