"""Training with rounded layers: first scales from the first batches, then one stage, or two for BiPer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backends.runtime.feeds import initialize
from ..backends.runtime.training_plan import OptimizerCall, ParameterGroup, TrainingPlan, TrainingStep
from ..graph.build.document import Unit, build_program
from ..graph.diagnostics import fail
from ..graph.ir import Program
from ..passes.autodiff.resolution import resolve_gradients
from ..passes.quantization.calibration import Batches, observe
from ..passes.quantization.fake import (
    FakePlan,
    TrainingSchemes,
    fed_inputs,
    insert,
    layer_inputs,
    plan_layers,
    weight_scales,
)
from ..passes.quantization.observers import clipped_range, range_scale
from .training import Prepared

if TYPE_CHECKING:
    from ..backends.torch_fx.training import TrainedResult

Array = np.ndarray[Any, Any]

FIRST_BATCHES = 8
"""Batches of training data that first scales are taken from."""


def train_quantized(
    unit: Unit,
    prepared: Prepared,
    *,
    seed: int = 0,
    out: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> TrainedResult:
    """Trains with the layers of `quantize:` rounded. With the surrogate sine a first stage trains real
    weights sin(omega w); its folder is `stage1` in `out`. Raises SpecError G0973 for schemes that
    training can't have."""
    from ..backends.torch_fx.training import train

    options = _options(unit)
    ready = initialize(prepared.program, seed)
    plan, scales = _planned(unit, replace(prepared, program=ready), options, seed)
    arrays: dict[str, Array] = {**ready.weights.arrays, **scales}
    result: TrainedResult | None = None
    for soft, share in _stages(plan, options):
        staged = _staged(prepared, plan, arrays, soft, share)
        folder = out / "stage1" if soft and out is not None else out
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        result = train(
            staged.program, staged.plan, staged.data, seed=seed, out=folder, resume=resume, progress=progress
        )
        arrays = dict(result.program.weights.arrays)
    assert result is not None
    return result


def _options(unit: Unit) -> TrainingSchemes:
    training = unit.document.training
    assert training is not None and training.quantize is not None
    try:
        return TrainingSchemes.read(training.quantize)
    except (ValueError, TypeError) as error:
        raise fail("G0973", str(error), training.quantize_span) from None


def _stages(plan: FakePlan, options: TrainingSchemes) -> list[tuple[bool, float]]:
    """(whether weights are real yet, share of the steps)."""
    if not plan.staged or not options.stages:
        return [(False, 1.0)]
    return [(True, options.stages), (False, 1 - options.stages)]


def _staged(
    prepared: Prepared, plan: FakePlan, arrays: Mapping[str, Array], soft: bool, share: float
) -> Prepared:
    """The training of one stage from these arrays."""
    program = insert(prepared.program, plan, arrays, soft)
    known = {n: arrays[n] for n in (*program.parameters, *program.states) if n in arrays}
    program = program.with_weights(known)
    whole = prepared.plan
    evaluation = None if whole.evaluation is None else insert(whole.evaluation, plan, arrays, soft)
    steps = tuple(_with_scales(step, plan) for step in whole.steps)
    stage = replace(
        whole,
        steps=steps,
        evaluation=evaluation,
        epochs=_part(whole.epochs, share),
        step_count=_part(whole.step_count, share),
    )
    return replace(prepared, program=program, plan=stage)


def _part(count: int | None, share: float) -> int | None:
    return None if count is None else max(1, round(count * share))


def _with_scales(step: TrainingStep, plan: FakePlan) -> TrainingStep:
    """The step with the scales of the weights that it moves: by the same optimizer, without decay, which
    would pull a scale to zero and not towards fewer weights."""
    groups = list(step.groups)
    for group in step.groups:
        moved = [x for x in plan.layers if x.parameter in group.parameters]
        names = [x.scale for x in moved] + [x.input.scale for x in moved if x.input is not None]
        if names:
            call = group.optimizer
            options = {n: v for n, v in call.options.items() if n != "weight_decay"}
            options |= {"weight_decay": 0.0} if call.name in ("adamw", "lion") else {}
            groups.append(
                ParameterGroup(tuple(dict.fromkeys(names)), OptimizerCall(call.name, call.rate, options))
            )
    return replace(step, groups=tuple(groups))


def _planned(
    unit: Unit, prepared: Prepared, options: TrainingSchemes, seed: int
) -> tuple[FakePlan, dict[str, Array]]:
    """Which layers are rounded how, and their first scales."""
    program = resolve_gradients(build_program(unit, "infer"))[0]
    arrays = prepared.program.weights.arrays
    program = program.with_weights({n: arrays[n] for n in program.parameters if n in arrays})
    try:
        plan = plan_layers(program, options, {})
        signs = _unsigned(prepared, plan, seed)
        plan = plan_layers(program, options, signs)
        if not plan.layers and not plan.simulated:
            why = "; ".join(plan.left[:3]) or "the graph has no MatMul, Gemm or Conv with a parameter"
            raise ValueError(f"no layer is rounded: {why}")
        return plan, {**weight_scales(program, plan), **_input_scales(prepared, plan, seed)}
    except ValueError as error:
        training = unit.document.training
        raise fail("G0973", str(error), training.quantize_span if training is not None else None) from None


def first_batches(prepared: Prepared, program: Program, seed: int) -> Batches:
    """The first batches of the training, with their noise. Raises SpecError G1040 without data."""
    from ..backends.torch_fx.training.feeding import Feeder, batch_size

    if prepared.data is None:
        raise fail("G1040", "first scales of activations need data", hint="add 'data:'")
    plan: TrainingPlan = prepared.plan
    size = batch_size(program, prepared.data.train, plan.batch, training=True)
    feeder = Feeder(program, prepared.data.train, plan.bind, size, seed, None)
    found = []
    for number in range(min(FIRST_BATCHES, feeder.steps_an_epoch)):
        inputs = feeder.training_batch(number)
        found.append({**inputs, **feeder.noise(program, inputs, number)})
    return found


def _unsigned(prepared: Prepared, plan: FakePlan, seed: int) -> dict[str, bool]:
    """Whether the input of each layer is never negative on the first batches."""
    values = layer_inputs(prepared.program, [x.parameter for x in plan.layers if x.input is not None])
    if not values:
        return {}
    batches = first_batches(prepared, prepared.program, seed)
    seen = observe(prepared.program, list(dict.fromkeys(values.values())), batches, histogram=False)
    return {n: seen[v].low >= 0 for n, v in values.items()}


def _input_scales(prepared: Prepared, plan: FakePlan, seed: int) -> dict[str, Array]:
    """A first scale for every rounded input: the least squared error on the first batches."""
    values = fed_inputs(prepared.program, plan)
    if not values:
        return {}
    batches = first_batches(prepared, prepared.program, seed)
    seen = observe(prepared.program, list(dict.fromkeys(values.values())), batches)
    found: dict[str, Array] = {}
    for item in plan.layers:
        if item.input is None or item.input.scale not in values:
            continue
        levels, observer = item.input.levels, seen[values[item.input.scale]]
        low, high = clipped_range(observer, levels, "mse", 100.0, False)
        found[item.input.scale] = np.asarray(range_scale(low, high, levels, False)[0], np.float32)
    return found
