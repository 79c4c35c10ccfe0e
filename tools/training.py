"""Training a spec by its `training:` block, and measuring it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..backends.runtime.data import TrainingData, load_for_training
from ..backends.runtime.dataset import Dataset
from ..backends.runtime.metrics import Metric
from ..backends.runtime.training_plan import TrainingPlan
from ..backends.runtime.training_steps import training_steps
from ..graph.build.document import Unit, build_program
from ..graph.build.training import TrainingPrograms, build_columns, build_training
from ..graph.ir import Program
from ..graph.types import TensorType, from_numpy
from ..passes.autodiff.resolution import resolve_gradients

if TYPE_CHECKING:
    from ..backends.torch_fx.training import TrainedResult


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
) -> TrainedResult:
    """Trains the document's graph. Raises SpecError."""
    from ..backends.torch_fx.training import train

    prepared = prepare_training(unit, epochs)
    return train(
        prepared.program, prepared.plan, prepared.data, seed=seed, out=out, resume=resume, progress=progress
    )


def trained_program(unit: Unit, result: TrainedResult) -> Program:
    """The infer program with the trained weights."""
    program = resolve_gradients(build_program(unit, "infer"))[0]
    names = [n for n in (*program.parameters, *program.states) if n in result.program.weights]
    return program.with_weights({n: result.program.weights[n] for n in names})
