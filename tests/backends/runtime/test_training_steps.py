"""`training:` read: optimizers, schedules, groups and frozen parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from graphwright.backends.runtime.training_plan import Schedule
from graphwright.backends.runtime.training_steps import (
    OPTIMIZERS,
    optimizer_call,
    optimizer_table,
    training_steps,
)
from graphwright.graph.diagnostics import Source, Span, SpecError
from graphwright.graph.spec.documents import Label, OptimizerStep, Training
from graphwright.graph.spec.expression_parser import parse_expression

PLACE = Span(Source("spec.yaml", ""), 1, 1, 1, 1)
NAMES = ["encoder.0.w", "encoder.1.w", "encoders", "head.w", "head.b"]


def label(text: str) -> Label:
    return Label(text, PLACE)


def labels(*texts: str) -> tuple[Label, ...]:
    return tuple(map(label, texts))


def training(*steps: OptimizerStep, freeze: tuple[str, ...] = ()) -> Training:
    return Training(PLACE, steps, freeze=labels(*freeze))


def step(optimizer: str = "sgd(lr=0.1)", **more: Any) -> OptimizerStep:
    return OptimizerStep(label("loss"), parse_expression(optimizer), **more)


def codes(caught: Any) -> list[str]:
    return [d.code for d in caught.value.diagnostics]


def test_a_call_is_read_with_numbers_sizes_and_schedules() -> None:
    call = optimizer_call(
        parse_expression(
            "adamw(lr=cosine(rate / 2, warmup=10 ** 2), betas=[0.8, 0.99], weight_decay=-(-1e-2),"
            " amsgrad=true)"
        ),
        {"rate": 0.2},
    )
    assert call.name == "adamw"
    assert call.rate == Schedule("cosine", 0.1, {"warmup": 100.0})
    assert call.options == {"betas": (0.8, 0.99), "weight_decay": 0.01, "amsgrad": True}
    assert optimizer_call(parse_expression("sgd(lr=0.5)")).rate == Schedule("constant", 0.5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("adamm(lr=1)", "G0963"),
        ("adam(lr=cosin(1))", "G0963"),
        ("a.b(lr=1)", "G0963"),
        ("adam(1e-3)", "G0964"),
        ("adam()", "G0964"),
        ("adam", "G0964"),
        ("adam(lr=-1)", "G0964"),
        ("adam(lr=x)", "G0964"),
        ("adam(lr=1, momentum=0.9)", "G0964"),
        ("adam(lr=1, betas=0.9)", "G0964"),
        ("adam(lr=1, betas=[0.9])", "G0964"),
        ("adam(lr=1, betas=[0.9, 1])", "G0964"),
        ("adam(lr=1, amsgrad=1)", "G0964"),
        ("adam(lr=1, eps=-1)", "G0964"),
        ("adam(lr=1 / 0)", "G0964"),
        ("adam(lr=(-1) ** 0.5)", "G0964"),
        ("sgd(lr=1, nesterov=true)", "G0964"),
        ("sgd(lr=step(1))", "G0964"),
        ("sgd(lr=step(1, every=0, factor=0.1))", "G0964"),
        ("sgd(lr=cosine(1, 2))", "G0964"),
        ("sgd(lr=cosine(1, warmup=1.5))", "G0964"),
    ],
)
def test_calls_that_are_refused(text: str, expected: str) -> None:
    with pytest.raises(SpecError) as caught:
        optimizer_call(parse_expression(text))
    assert codes(caught) == [expected]
    assert caught.value.diagnostics[0].span is not None


def test_the_options_are_torchs() -> None:
    """Every option of the table is an argument of torch's class, or of Lion's."""
    import inspect

    from graphwright.backends.torch_fx.training.optimizers import Lion

    classes = {
        "sgd": torch.optim.SGD,
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "rmsprop": torch.optim.RMSprop,
        "adagrad": torch.optim.Adagrad,
        "lion": Lion,
    }
    for name, (_, options) in OPTIMIZERS.items():
        assert set(options) <= set(inspect.signature(classes[name]).parameters)
        assert set(optimizer_table()[name].options) == {"lr", *options}


def test_prefixes_name_what_is_below_them() -> None:
    (found,) = training_steps(training(step(), freeze=("encoder",)), NAMES)
    assert found.groups[0].parameters == ("encoders", "head.w", "head.b")
    (found,) = training_steps(
        training(step(parameters=labels("head", "encoder.1")), freeze=("head.b",)), NAMES
    )
    assert found.groups[0].parameters == ("encoder.1.w", "head.w")


def test_groups_take_what_they_name() -> None:
    groups = (
        (labels("head"), parse_expression("sgd(lr=1)")),
        (labels("encoder.0"), parse_expression("adam(lr=2)")),
    )
    (found,) = training_steps(training(OptimizerStep(label("loss"), None, groups)), NAMES)
    assert [(g.parameters, g.optimizer.name) for g in found.groups] == [
        (("head.w", "head.b"), "sgd"),
        (("encoder.0.w",), "adam"),
    ]


@pytest.mark.parametrize(
    ("built", "expected"),
    [
        (training(step(), freeze=("encode",)), "G0967"),
        (training(step(parameters=labels("heads"))), "G0967"),
        (training(step(parameters=labels("head")), freeze=("head",)), "G0968"),
        (
            training(
                OptimizerStep(
                    label("loss"),
                    None,
                    (
                        (labels("head"), parse_expression("sgd(lr=1)")),
                        (labels("head.w"), parse_expression("sgd(lr=2)")),
                    ),
                )
            ),
            "G0972",
        ),
    ],
)
def test_groups_that_are_refused(built: Training, expected: str) -> None:
    with pytest.raises(SpecError) as caught:
        training_steps(built, NAMES)
    assert codes(caught) == [expected]


# --- schedules, against torch.optim.lr_scheduler ----------------------------------------------------


def torch_rates(make: Any, steps: int, rate: float = 0.4) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(()))], lr=rate)
    scheduler = make(optimizer)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


SCHEDULERS = torch.optim.lr_scheduler


@pytest.mark.parametrize(
    ("schedule", "make"),
    [
        (Schedule("constant", 0.4), lambda o: SCHEDULERS.ConstantLR(o, 1.0, 1)),
        (
            Schedule("cosine", 0.4, {"final": 0.1}),
            lambda o: SCHEDULERS.CosineAnnealingLR(o, 20, eta_min=0.1),
        ),
        (
            Schedule("linear", 0.4, {"final": 0.1}),
            lambda o: SCHEDULERS.LinearLR(o, 1.0, 0.25, total_iters=20),
        ),
        (Schedule("step", 0.4, {"every": 6, "factor": 0.5}), lambda o: SCHEDULERS.StepLR(o, 6, 0.5)),
        (Schedule("exponential", 0.4, {"factor": 0.9}), lambda o: SCHEDULERS.ExponentialLR(o, 0.9)),
    ],
)
def test_schedules_are_torchs(schedule: Schedule, make: Any) -> None:
    mine = [schedule.at(k, 20) for k in range(20)]
    np.testing.assert_allclose(mine, torch_rates(make, 20), rtol=1e-9)


def test_warmup_rises_to_the_rate_and_then_follows_the_schedule() -> None:
    warm, plain = Schedule("cosine", 0.4, {"warmup": 5}), Schedule("cosine", 0.4)
    np.testing.assert_allclose([warm.at(k, 25) for k in range(5)], 0.4 * np.arange(1, 6) / 5)
    np.testing.assert_allclose([warm.at(k + 5, 25) for k in range(20)], [plain.at(k, 20) for k in range(20)])
