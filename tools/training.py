"""Training a spec by its `training:` block, and measuring it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backends.runtime.data import TrainingData, load_for_training
from ..backends.runtime.dataset import Dataset
from ..backends.runtime.metrics import Metric
from ..backends.runtime.training_plan import TrainingPlan
from ..backends.runtime.training_steps import training_steps
from ..graph.build.document import Unit, build_program
from ..graph.build.training import TrainingPrograms, build_columns, build_training
from ..graph.diagnostics import fail
from ..graph.ir import Program
from ..graph.ir.quantized import QUANTIZATION_KEY
from ..graph.types import TensorType, from_numpy
from ..passes.autodiff.resolution import resolve_gradients

if TYPE_CHECKING:
    from ..backends.torch_fx.training import TrainedResult


Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Prepared:
    """Everything a training needs: its train program, the plan and the data."""

    program: Program
    plan: TrainingPlan
    data: TrainingData | None


def prepare_training(unit: Unit, epochs: int | None = None) -> Prepared:
    """The programs, plan and data of a document's `training:`. Raises SpecError."""
    programs = build_training(unit)
    document = programs.document
    folder = Path(unit.document.source.path).resolve().parent
    data = load_for_training(document.data, folder) if document.data is not None else None
    columns = None
    if data is not None and document.data is not None:
        columns = build_columns(unit, document.data, _types(data.train))
    program = resolve_gradients(programs.train)[0]
    return Prepared(program, _plan(unit, programs, columns, epochs), data)


def _types(dataset: Dataset) -> dict[str, TensorType]:
    return {n: TensorType(from_numpy(a.dtype), tuple(a.shape)) for n, a in dataset.columns.items()}


def _plan(
    unit: Unit, programs: TrainingPrograms, columns: Program | None, epochs: int | None
) -> TrainingPlan:
    document = programs.document
    steps = training_steps(document, list(programs.train.parameters), _numbers(unit))
    return TrainingPlan(
        steps=steps,
        epochs=epochs if epochs is not None else document.epochs,
        step_count=None if epochs is not None else document.steps,
        batch=document.batch,
        clip_norm=document.clip_norm,
        metrics=tuple(Metric(m.name, m.values, m.reduce) for m in programs.metrics),
        evaluation=resolve_gradients(programs.evaluate)[0] if programs.metrics else None,
        after_step=programs.after_step,
        bind=columns,
    )


def _numbers(unit: Unit) -> dict[str, float]:
    """The sizes and attributes that an optimiser's options may name."""
    from ..graph.build.construction import Construction
    from ..graph.build.files import scope_of

    scope = scope_of(Construction(), unit.document, unit.resolution, unit.settings)
    named: dict[str, Any] = {**scope.sizes, **scope.attributes}
    return {n: float(v) for n, v in named.items() if isinstance(v, int | float) and not isinstance(v, bool)}


def train_unit(
    unit: Unit,
    *,
    seed: int = 0,
    out: Path | None = None,
    resume: bool = False,
    epochs: int | None = None,
    progress: bool | None = None,
    start: Mapping[str, Array] | None = None,
) -> TrainedResult:
    """Trains the document's graph, from the arrays in `start` where it names parameters or states. With
    `quantize:` the layers are rounded on the way. Raises SpecError."""
    from ..backends.torch_fx.training import train

    prepared = prepare_training(unit, epochs)
    if start is not None:
        prepared = started(prepared, start)
    if unit.document.training is not None and unit.document.training.quantize is not None:
        from .quantized_training import train_quantized

        return train_quantized(unit, prepared, seed=seed, out=out, resume=resume, progress=progress)
    return train(
        prepared.program, prepared.plan, prepared.data, seed=seed, out=out, resume=resume, progress=progress
    )


def started(prepared: Prepared, arrays: Mapping[str, Array]) -> Prepared:
    """The training with first values for the parameters and states that `arrays` names. Raises SpecError
    G1306 for a shape that is another."""
    leaves = {**prepared.program.parameters, **prepared.program.states}
    known = {n: a for n, a in arrays.items() if n in leaves}
    for name, array in known.items():
        type_ = leaves[name].tensor
        if tuple(array.shape) != type_.dims or array.dtype != type_.dtype.numpy:
            raise fail("G1306", f"the first '{name}' is {array.dtype}{list(array.shape)}, not {type_}")
    return replace(prepared, program=prepared.program.with_weights(known))


def trained_program(unit: Unit, result: TrainedResult) -> Program:
    """The infer program with the trained weights, rounded as training rounded it."""
    program = resolve_gradients(build_program(unit, "infer"))[0]
    text = result.program.metadata.get(QUANTIZATION_KEY)
    if text is not None:
        from ..passes.quantization.fake import insert, read_plan

        program = insert(program, read_plan(text), {})
    names = [n for n in (*program.parameters, *program.states) if n in result.program.weights]
    return program.with_weights({n: result.program.weights[n] for n in names})
