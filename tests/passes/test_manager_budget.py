"""Budgets on synthetic metrics, with the interval checked against a normal approximation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from graphwright.backends.reference import ReferenceEvaluator
from graphwright.graph.diagnostics import SpecError
from graphwright.graph.ir import apply, constant
from graphwright.graph.spec.expression_parser import parse_expression
from graphwright.passes.manager import (
    Budget,
    Context,
    ContractBroken,
    PassManager,
    Pipeline,
    Replacement,
    Result,
    Step,
    Verdict,
)
from graphwright.passes.manager.budget import check_metrics, decide, metrics_in

KEEPS = "accuracy >= before.accuracy - 0.05"


def samples(before, after, **others):
    found = {("before", "accuracy"): before, ("after", "accuracy"): after}
    return found | {tuple(k.split("_")): v for k, v in others.items()}


def flipped(count, wrong, gained=0, right=0.9):
    """0/1 results of `count` examples: `wrong` of the right ones become wrong, `gained` the reverse."""
    before = np.zeros(count)
    before[: int(right * count)] = 1
    after = before.copy()
    after[:wrong] = 0
    after[count - gained :] = 1
    return before, after


def decided(text, found, seed=0):
    return decide(parse_expression(text), text, found, seed)


def test_a_small_drop_holds_with_a_paired_interval():
    before, after = flipped(1000, 20)
    finding = decided(KEEPS, samples(before, after))
    assert finding.verdict is Verdict.HOLDS
    assert finding.margin == pytest.approx(0.03)
    assert finding.slack == pytest.approx(0.05)
    change = before - after
    half = 1.96 * change.std() / np.sqrt(1000)
    assert finding.low == pytest.approx(0.03 - half, abs=0.15 * half)
    assert finding.high == pytest.approx(0.03 + half, abs=0.15 * half)


def test_the_interval_is_of_the_change_and_not_of_the_metric():
    """Without change there is no uncertainty, however noisy the metric is."""
    before, _ = flipped(1000, 0, right=0.5)
    finding = decided(KEEPS, samples(before, before.copy()))
    assert finding.high - finding.low == pytest.approx(0, abs=1e-12)


def test_a_large_drop_is_over_budget():
    finding = decided(KEEPS, samples(*flipped(1000, 80)))
    assert finding.verdict is Verdict.BROKEN
    assert finding.margin == pytest.approx(-0.03)


@pytest.mark.parametrize(("count", "enough"), [(10, False), (1000, True)])
def test_a_budget_finer_than_the_data_can_tell_is_refused(count, enough):
    text = "accuracy >= before.accuracy - 0.004"
    finding = decided(text, samples(*flipped(count, 0)))
    assert (finding.verdict is Verdict.HOLDS) is enough
    if not enough:
        assert finding.verdict is Verdict.INCONCLUSIVE
        assert finding.needed == 125  # half an example in 125 is 0.004


def test_the_number_of_examples_needed_grows_with_the_noise():
    noisy = decided("accuracy >= before.accuracy - 0.02", samples(*flipped(200, 12, 11)))
    assert noisy.verdict is Verdict.INCONCLUSIVE
    assert noisy.needed > 200
    more = flipped(noisy.needed * 2, 12 * noisy.needed * 2 // 200, 11 * noisy.needed * 2 // 200)
    assert decided("accuracy >= before.accuracy - 0.02", samples(*more)).verdict is Verdict.HOLDS


def test_expressions_with_and_or_not_and_arithmetic():
    found = samples(np.ones(100), np.ones(100)) | {
        ("after", "bytes"): np.array([30.0]),
        ("start", "bytes"): np.array([100.0]),
    }
    for text, holds in (
        ("accuracy >= before.accuracy - 0.1 and bytes <= 0.3 * start.bytes", True),
        ("accuracy >= before.accuracy - 0.1 and bytes < 0.2 * start.bytes", False),
        ("bytes < 0.2 * start.bytes or accuracy > 0.5", True),
        ("not bytes > 0.5 * start.bytes", True),
        ("0.1 <= accuracy <= 1", True),
    ):
        assert (decided(text, found).verdict is Verdict.HOLDS) is holds, text


def test_the_metrics_that_a_budget_reads():
    read = metrics_in(parse_expression("accuracy >= before.accuracy - 0.01 and bytes <= 0.3 * start.bytes"))
    assert read == {("after", "accuracy"), ("before", "accuracy"), ("after", "bytes"), ("start", "bytes")}


@pytest.mark.parametrize(
    ("text", "code", "hint"),
    [
        ("acuracy >= 0.9", "G1030", "did you mean 'accuracy'?"),
        ("accuracy", "G1031", None),
        ("accuracy >= after.accuracy", "G1031", None),
        ("mean(accuracy) >= 0.9", "G1031", None),
    ],
)
def test_what_is_no_budget(text, code, hint):
    with pytest.raises(SpecError) as error:
        check_metrics(parse_expression(text), ["accuracy", "bytes"])
    (diagnostic,) = error.value.diagnostics
    assert (diagnostic.code, diagnostic.hint) == (code, hint)
    assert diagnostic.span is not None


# --- in the manager ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Weaken:
    """Loses `loss` in each of two layers; the second costs three times as much."""

    loss: float = 0.01
    name: ClassVar[str] = "weaken"
    variants: ClassVar[frozenset[str]] = frozenset({"infer"})

    @property
    def contract(self):
        return Budget("accuracy", 0.05)

    def run(self, program, context):
        from graphwright.passes.manager.application import with_sites

        sites = []
        for node in program.graph.nodes:
            if node.operator.name == "Tanh":
                factor = self.loss * (3 if program.origin(node.outputs[0]).path == "second" else 1)
                (old,) = node.outputs
                sites.append(
                    Replacement((old,), (apply("Add", old, constant(np.float32(factor))),), "weaken")
                )
        final = with_sites(program, sites)
        return Result(program.with_graph(final), tuple(sites))


class LossMeter:
    """Accuracy is 1 minus what the added constants sum up to; 400 examples with known noise."""

    metrics = ("accuracy",)

    def measure(self, program, metric, data):
        lost = sum(
            float(n.inputs[1].constant)
            for n in program.graph.nodes
            if n.operator.name == "Add" and n.inputs[1].constant is not None
        )
        noise = np.random.default_rng(0).uniform(0, 0.2, 400)
        return np.clip(0.9 + noise - lost, -10, 10)


def two_layers(make):
    from graphwright.graph.ir import Origin

    first = make.apply("Tanh", make.input())
    second = make.apply("Tanh", make.apply("Exp", first))
    return make.program(
        make.apply("Neg", second), origins={first: Origin((), "first"), second: Origin((), "second")}
    )


def run(make, pass_, meter=None, budgets=()):
    steps = (Step(pass_, budgets=tuple((parse_expression(t), t) for t in budgets)),)
    context = Context(meter=meter or LossMeter())
    return PassManager(ReferenceEvaluator()).run(two_layers(make), Pipeline(steps), context)


def test_a_lossy_pass_within_its_contract_is_recorded_with_its_drop(make):
    (record,) = run(make, Weaken(0.01)).passes
    assert record.verdict is Verdict.HOLDS
    (budget,) = record.budgets
    assert budget.text == "accuracy >= before.accuracy - 0.05"
    assert budget.margin == pytest.approx(0.01, abs=1e-6)
    assert budget.examples == 400


def test_over_budget_stops_names_the_costly_layer_and_keeps_the_last_good_program(make):
    with pytest.raises(ContractBroken) as error:
        run(make, Weaken(0.02))
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "G1004"
    assert "second costs 0.06; first costs 0.02" in diagnostic.message
    assert make.operators(error.value.program) == ["Tanh", "Exp", "Tanh", "Neg"]


def test_a_recipe_budget_takes_the_place_of_the_contract(make):
    assert (
        run(make, Weaken(0.02), budgets=["accuracy >= before.accuracy - 0.1"]).passes[0].verdict
        is Verdict.HOLDS
    )


def test_a_lossy_pass_without_a_metric_is_refused_before_anything_runs(make):
    class NoMetrics(LossMeter):
        metrics = ()

    with pytest.raises(SpecError) as error:
        run(make, Weaken(), NoMetrics())
    assert error.value.diagnostics[0].code == "G1032"


def test_data_too_small_for_the_budget_is_refused(make):
    class Few(LossMeter):
        def measure(self, program, metric, data):
            return super().measure(program, metric, data)[:4]

    with pytest.raises(ContractBroken) as error:
        run(make, Weaken(0.0), Few(), budgets=["accuracy >= before.accuracy - 0.01"])
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "G1033"
    assert diagnostic.hint == "about 50 examples would"


def test_the_recipe_s_own_budget_compares_with_the_start(make):
    from graphwright.passes.simplify.identities import SimplifyIdentities

    text = "nodes <= 0.5 * start.nodes"
    pipeline = Pipeline((Step(SimplifyIdentities()),), ((parse_expression(text), text),))
    x = make.input()
    small = make.program(make.apply("Neg", make.apply("Neg", make.apply("Tanh", x))))
    record = PassManager(ReferenceEvaluator()).run(small, pipeline)
    assert record.budgets[0].values == {"nodes": 1.0, "start.nodes": 3.0}
    with pytest.raises(ContractBroken, match="the recipe is over its budget"):
        PassManager(ReferenceEvaluator()).run(make.program(make.apply("Tanh", x)), pipeline)
