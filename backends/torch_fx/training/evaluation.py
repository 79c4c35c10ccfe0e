"""Metrics of the current parameters on a data set, by the infer program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ....graph.diagnostics import Diagnostic, Severity
from ...runtime.dataset import Dataset
from ...runtime.metrics import Aggregate
from ...runtime.protocols import Evaluator
from ...runtime.training_plan import TrainingPlan
from ..arrays import to_numpy, to_torch
from .feeding import Feeder, batch_size
from .model import Model


def evaluate(
    model: Model,
    plan: TrainingPlan,
    dataset: Dataset,
    states: Mapping[str, Any],
    *,
    seed: int,
    device: str = "cpu",
    evaluator: Evaluator | None = None,
) -> tuple[dict[str, float], list[Diagnostic]]:
    """(metric name -> number, warnings) over all rows of `dataset`; states are read and not moved.
    The noise of a batch depends on `seed` and its number only. Raises SpecError: G0957, G0960,
    G0971, G1335."""
    program = model.program
    size = batch_size(program, dataset, plan.batch, training=False)
    feeder = Feeder(program, dataset, plan.bind, size, seed, evaluator)
    aggregate = Aggregate(plan.metrics, evaluator)
    names = {v for metric in plan.metrics for v in metric.values}
    with torch.no_grad():
        for number, (inputs, rows) in enumerate(feeder.all_batches()):
            noise = feeder.noise(program, inputs, number)
            arguments = {n: to_torch(a).to(device) for n, a in {**inputs, **noise}.items()}
            results = model({**arguments, **states})
            outputs = {
                n: to_numpy(results[n], v.tensor.dtype) for n, v in program.outputs.items() if n in names
            }
            aggregate.add(outputs, rows)
    return aggregate.result(), _left_out(dataset, aggregate.rows, size.rows)


def _left_out(dataset: Dataset, seen: int, batch: int) -> list[Diagnostic]:
    if seen == dataset.rows:
        return []
    message = (
        f"{dataset.rows - seen} rows of '{dataset.name}' fill no batch of {batch} and are not in the metrics"
    )
    return [Diagnostic("G0971", message, severity=Severity.WARNING)]
