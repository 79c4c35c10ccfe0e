"""The training loop: one program, one plan, one seed give one set of weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import torch

from ....graph.diagnostics import Diagnostic, Note, SpecError, fail
from ....graph.ir import Program
from ....graph.ir.digest import graph_digest
from ....graph.ir.quantized import QUANTIZATION_KEY
from ....graph.types import from_numpy
from ...runtime.allocation import concrete_shape
from ...runtime.cache import content_key
from ...runtime.data import TrainingData
from ...runtime.feeds import initialize
from ...runtime.philox import derived_seed
from ...runtime.protocols import Evaluator
from ...runtime.training_plan import TrainingPlan, TrainingStep
from ..arrays import to_numpy, to_torch
from . import checkpoint
from .display import Display, choose_display
from .evaluation import evaluate
from .feeding import BatchSize, Feeder, batch_size
from .interruption import Interruption
from .model import Model, make_model, restricted
from .optimizers import make_optimizer

_CHECKPOINT_SECONDS = 60.0
_REPORTS = 20  # records of a training without data


@dataclass(frozen=True)
class TrainedResult:
    """`program` is the train program with its final weights and states (an infer program takes
    `program.weights`). `history` has one record an epoch: `step`, `rate`, `losses` (means over
    rows), and the metrics of `validation`; the last one also those of `test`. `warnings` tell of
    NaN in the data and of rows that fixed batches left out."""

    program: Program
    history: tuple[dict[str, Any], ...]
    warnings: tuple[Diagnostic, ...] = ()


def train(
    program: Program,
    plan: TrainingPlan,
    data: TrainingData | None,
    *,
    seed: int = 0,
    out: Path | None = None,
    resume: bool = False,
    progress: bool | Display | None = None,
    device: str = "cpu",
    evaluator: Evaluator | None = None,
) -> TrainedResult:
    """Trains the parameters of a train program.

    Parameters start from the program's weights, else from their initializers at `seed`; the order
    of rows and the noise of each step follow from `seed` too, so the same call gives the same
    weights. With `out`, checkpoints, `weights.safetensors` and `history.json` are written there;
    with `resume` a training that was cut off goes on from there and ends in the same bits as one
    that was not. Ctrl-C finishes the step, writes a checkpoint and raises KeyboardInterrupt.
    `evaluator` computes initializers and noise (the reference one by default).

    Raises SpecError: G0957, G0965, G0966, G0971 for data and plan that do not fit, G0961 for a
    loss that is no number any more, G0962 for one that is no scalar, G1101.
    """
    session = _start(program, plan, data, seed, device, evaluator)
    if resume and out is not None:
        session.restore(out)
    display = choose_display(progress) if progress is None or isinstance(progress, bool) else progress
    display.start(session.total, session.progress.step)
    try:
        session.loop(out, display)
    finally:
        display.stop()
    result = session.result()
    if out is not None:
        write_result(out, result)
    return result


def write_result(folder: Path, result: TrainedResult) -> None:
    """`weights.safetensors` (parameters and states by path) and `history.json`, each whole."""
    import json

    from safetensors.torch import save

    from ...runtime.cache import write_atomically

    arrays = result.program.weights.arrays
    tensors = {n: to_torch(np.ascontiguousarray(a).reshape(a.shape)).clone() for n, a in arrays.items()}
    text = result.program.metadata.get(QUANTIZATION_KEY)
    metadata = None if text is None else {QUANTIZATION_KEY: text}
    write_atomically(folder / "weights.safetensors", save(tensors, metadata=metadata))
    write_atomically(folder / "history.json", json.dumps(result.history, indent=1).encode("utf-8"))


# --- preparing ------------------------------------------------------------------------------------


def _start(
    program: Program,
    plan: TrainingPlan,
    data: TrainingData | None,
    seed: int,
    device: str,
    evaluator: Evaluator | None,
) -> _Session:
    ready = initialize(program, seed, evaluator)
    feeder = _feeder(ready, plan, data, seed, evaluator)
    total = plan.step_count if plan.step_count is not None else (plan.epochs or 0) * feeder.steps_an_epoch
    if not total:
        hint = "give 'steps:'" if data is None else "give 'epochs:' or 'steps:'"
        raise fail("G0965", "nothing says how long to train", hint=hint)
    session = _Session(
        ready, plan, data, seed, device, feeder, total, _starting_arrays(ready, plan, seed, evaluator)
    )
    session.prepare()
    return session


def _starting_arrays(
    program: Program, plan: TrainingPlan, seed: int, evaluator: Evaluator | None
) -> dict[str, Any]:
    """The first value of every parameter and state, also of those that only the evaluation reads."""
    found: dict[str, Any] = {}
    for other in (program, plan.evaluation, plan.after_step):
        if other is None:
            continue
        known = {n: found[n] for n in (*other.parameters, *other.states) if n in found}
        ready = initialize(other.with_weights(known), seed, evaluator)
        for name, state in other.states.items():
            if name not in ready.weights:
                concrete_shape(name, state.tensor, {})
        found.update({n: ready.weights[n] for n in (*other.parameters, *other.states) if n not in known})
    return found


def _feeder(
    program: Program, plan: TrainingPlan, data: TrainingData | None, seed: int, evaluator: Evaluator | None
) -> Feeder:
    if data is None:
        if program.inputs:
            raise fail("G0957", f"the inputs {', '.join(program.inputs)} have no data", hint="add 'data:'")
        return Feeder(program, None, None, BatchSize(1, 1), seed, evaluator)
    size = batch_size(program, data.train, plan.batch, training=True)
    return Feeder(program, data.train, plan.bind, size, seed, evaluator)


# --- the loop -------------------------------------------------------------------------------------


@dataclass
class _Session:
    """A training under way. Parameters and states live here, from the arrays in `start` on; the
    models share the parameters."""

    program: Program
    plan: TrainingPlan
    data: TrainingData | None
    seed: int
    device: str
    feeder: Feeder
    total: int
    start: Mapping[str, Any]
    parameters: dict[str, torch.nn.Parameter] = field(default_factory=dict)
    states: dict[str, Any] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    optimizers: list[list[torch.optim.Optimizer]] = field(default_factory=list)
    progress: checkpoint.Progress = field(default_factory=lambda: checkpoint.Progress(""))
    warnings: list[Diagnostic] = field(default_factory=list)
    after: Model | None = None
    evaluation: Model | None = None

    def prepare(self) -> None:
        """Makes tensors, modules and optimizers."""
        programs = [p for p in (self.program, self.plan.evaluation, self.plan.after_step) if p is not None]
        parameters = {n for p in programs for n in p.parameters}
        for name, array in self.start.items():
            tensor = to_torch(np.array(array)).to(self.device)
            if name in parameters:
                self.parameters[name] = torch.nn.Parameter(tensor, requires_grad=tensor.is_floating_point())
            else:
                self.states[name] = tensor
        for step in self.plan.steps:
            self._check_loss(step)
            self.models[step.loss] = make_model(
                restricted(self.program, [step.loss]), self.parameters, self.device
            )
            self.optimizers.append([self._optimizer(step, i) for i in range(len(step.groups))])
        if self.plan.after_step is not None:
            self.after = make_model(self.plan.after_step, self.parameters, self.device)
        if self.plan.evaluation is not None:
            self.evaluation = make_model(self.plan.evaluation, self.parameters, self.device)
        if self.data is not None:
            self.warnings += self.data.train.warnings()
        self.progress = checkpoint.Progress(self._fingerprint())

    def _check_loss(self, step: TrainingStep) -> None:
        value = self.program.outputs[step.loss]
        if not value.tensor.dtype.is_float or value.tensor.rank:
            spans = self.program.origin(value).spans
            raise fail(
                "G0962",
                f"the loss '{step.loss}' is {value.type}, not one number",
                spans[-1] if spans else None,
            )

    def _optimizer(self, step: TrainingStep, index: int) -> torch.optim.Optimizer:
        group = step.groups[index]
        return make_optimizer(group.optimizer, [self.parameters[n] for n in group.parameters])

    def _fingerprint(self) -> str:
        """What a checkpoint must share with the training that resumes from it."""
        steps = [
            (s.loss, [(list(g.parameters), repr(g.optimizer)) for g in s.groups]) for s in self.plan.steps
        ]
        shapes = {n: [str(a.dtype), list(a.shape)] for n, a in self.start.items()}
        rows = None if self.data is None else self.data.train.digest
        size = [self.feeder.size.rows, self.feeder.size.least, self.total]
        graph = graph_digest(self.program.graph)
        return content_key(steps, shapes, rows, size, self.seed, repr(self.plan.clip_norm), graph)

    def loop(self, out: Path | None, display: Display) -> None:
        written = monotonic()
        with Interruption() as interruption:
            while self.progress.step < self.total:
                loss = self.step()
                display.advance(self.progress.step, loss)
                if self._ends_epoch():
                    display.epoch(self.record())
                due = self._ends_epoch() or monotonic() - written > _CHECKPOINT_SECONDS
                if out is not None and (due or interruption.requested):
                    self.save(out)
                    written = monotonic()
                if interruption.requested:
                    raise KeyboardInterrupt

    def step(self) -> float:
        """One mini-batch: forward, backward, move, project. Returns the loss."""
        number = self.progress.step
        index = number % len(self.plan.steps)
        step = self.plan.steps[index]
        model = self.models[step.loss]
        inputs = self.feeder.training_batch(number)
        noise = self.feeder.noise(model.program, inputs, number)
        arguments = {n: to_torch(a).to(self.device) for n, a in {**inputs, **noise}.items()}
        results = model({**arguments, **self.states})
        loss = results[step.loss]
        value = float(loss.detach())
        # Copies, taken before parameters move: a new state may be a parameter itself.
        states = {n: results[n].detach().clone() for n in model.program.updates}
        self._move(step, index, loss, value)
        self.states.update(states)
        self._project()
        rows = len(next(iter(inputs.values()))) if inputs else 1
        sums = self.progress.sums.setdefault(step.loss, [0.0, 0])
        sums[0], sums[1] = sums[0] + value * rows, sums[1] + rows
        self.progress.step += 1
        return value

    def _move(self, step: TrainingStep, index: int, loss: Any, value: float) -> None:
        """Gradients of the loss, clipped, to the optimizers. What the loss does not reach has none
        and stays."""
        names = [n for g in step.groups for n in g.parameters if self.parameters[n].requires_grad]
        moved = [self.parameters[n] for n in names]
        if not np.isfinite(value):
            raise self._not_finite(step.loss, f"is {value}")
        if not loss.requires_grad:
            raise fail("G0968", f"the loss '{step.loss}' reaches no parameter")
        gradients = torch.autograd.grad(loss, moved, allow_unused=True)
        found = [g for g in gradients if g is not None]
        if not found:
            raise fail("G0968", f"the loss '{step.loss}' reaches no parameter of its step")
        norm = torch.nn.utils.get_total_norm(found)
        if not bool(torch.isfinite(norm)):
            raise self._not_finite(step.loss, "has a gradient that is not finite")
        for parameter, gradient in zip(moved, gradients, strict=True):
            parameter.grad = gradient
        if self.plan.clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(moved, self.plan.clip_norm, norm)
        for group, optimizer in zip(step.groups, self.optimizers[index], strict=True):
            for settings in optimizer.param_groups:
                settings["lr"] = group.optimizer.rate.at(self.progress.step, self.total)
            optimizer.step()
            optimizer.zero_grad()

    def _not_finite(self, loss: str, what: str) -> SpecError:
        number = self.progress.step
        where = f"step {number + 1} of {self.total}"
        if self.feeder.steps_an_epoch:
            where += f" (epoch {number // self.feeder.steps_an_epoch + 1})"
        return fail(
            "G0961",
            f"the loss '{loss}' {what} at {where}",
            hint="a lower learning rate, clip_norm, or a look at exp, log and divisions",
            notes=tuple(Note(f"the data: {w.message}") for w in self.warnings),
        )

    def _project(self) -> None:
        """Replaces parameters and states by what `after_step` says."""
        if self.after is None:
            return
        with torch.no_grad():
            results = self.after(self.states)
            for name in self.after.program.output_names:
                if name in self.parameters:
                    self.parameters[name].copy_(results[name])
                else:
                    self.states[name] = results[name].clone()

    # reports

    def _ends_epoch(self) -> bool:
        length = self.feeder.steps_an_epoch or max(self.total // _REPORTS, 1)
        return self.progress.step % length == 0 or self.progress.step == self.total

    def record(self) -> dict[str, Any]:
        """This epoch's line of the history; starts the next one's sums."""
        number = self.progress.step
        found: dict[str, Any] = {"step": number}
        if self.feeder.steps_an_epoch:
            found["epoch"] = -(-number // self.feeder.steps_an_epoch)
        rate = self.plan.steps[(number - 1) % len(self.plan.steps)].groups[0].optimizer.rate
        found["rate"] = rate.at(number - 1, self.total)
        found["losses"] = {n: s / rows for n, (s, rows) in self.progress.sums.items()}
        parts = {"validation": self.data.validation if self.data is not None else None}
        if number == self.total:
            parts["test"] = self.data.test if self.data is not None else None
        for name, dataset in parts.items():
            if dataset is not None and self.evaluation is not None and self.plan.metrics:
                found[name], warning = evaluate(
                    self.evaluation,
                    self.plan,
                    dataset,
                    self.states,
                    seed=derived_seed(self.seed, "evaluation"),
                    device=self.device,
                    evaluator=self.feeder.evaluator,
                )
                self.warnings += [w for w in warning if w not in self.warnings]
        self.progress.history.append(found)
        self.progress.sums = {}
        return found

    # checkpoints

    def save(self, out: Path) -> None:
        tensors = {**self._tensors(), **self._optimizer_tensors()}
        checkpoint.save(out, self.progress, tensors)

    def _tensors(self) -> dict[str, Any]:
        found: dict[str, Any] = {f"parameter/{n}": p for n, p in self.parameters.items()}
        return {**found, **{f"state/{n}": s for n, s in self.states.items()}}

    def _states_of_optimizers(self) -> list[tuple[str, torch.optim.Optimizer, torch.nn.Parameter]]:
        """(key, optimizer, parameter) for everything that an optimizer may remember."""
        return [
            (f"optimizer/{i}/{n}", optimizer, self.parameters[n])
            for i, (step, optimizers) in enumerate(zip(self.plan.steps, self.optimizers, strict=True))
            for group, optimizer in zip(step.groups, optimizers, strict=True)
            for n in group.parameters
        ]

    def _optimizer_tensors(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self.progress.numbers = {}
        for key, optimizer, parameter in self._states_of_optimizers():
            for entry, value in optimizer.state.get(parameter, {}).items():
                if isinstance(value, torch.Tensor):
                    found[f"{key}/{entry}"] = value
                else:
                    self.progress.numbers[f"{key}/{entry}"] = value
        return found

    def restore(self, out: Path) -> None:
        """Continues from the checkpoint in `out`, where there is one. Raises SpecError G0966."""
        loaded = checkpoint.load(out, self.progress.fingerprint)
        if loaded is None:
            return
        self.progress, tensors = loaded
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(tensors[f"parameter/{name}"])
        for name in self.states:
            self.states[name] = tensors[f"state/{name}"].to(self.device)
        known: dict[str, Any] = {**tensors, **self.progress.numbers}
        for key, optimizer, parameter in self._states_of_optimizers():
            entries = {k[len(key) + 1 :]: v for k, v in known.items() if k.startswith(f"{key}/")}
            if entries:
                optimizer.state[parameter] = entries

    def result(self) -> TrainedResult:
        tensors = {**self.parameters, **self.states}
        dtypes = {n: from_numpy(a.dtype) for n, a in self.start.items()}
        arrays = {n: to_numpy(tensors[n], d).copy() for n, d in dtypes.items()}
        program = replace(self.program, weights=self.program.weights.with_arrays(arrays))
        return TrainedResult(program, tuple(self.progress.history), tuple(self.warnings))
