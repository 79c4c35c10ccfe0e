"""`training:` as programs (R39-R41): losses, metrics, projections after a step, columns to inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from ..diagnostics import Diagnostics, SpecError, did_you_mean, fail
from ..ir import Program, Value, collector_paused
from ..spec import expressions as ex
from ..spec.documents import Binding, DataDeclaration, Training, Update
from ..types import TensorType
from ..types.dimensions import symbol
from .construction import Construction
from .declarations import shaped
from .document import Unit, build_program, finish, new_construction, open_graph
from .evaluation import Poisoned, evaluate, lookup, place, single
from .files import plain_frame, scope_of
from .meanings import Tensor, is_tensor_like, kind_name
from .references import references
from .scope import Frame


@dataclass(frozen=True)
class MetricPlan:
    """`values` names results of the evaluation program. Without `reduce` there is one, a value per
    example or a scalar; `reduce` computes the metric from the rows of the whole data set."""

    name: str
    values: tuple[str, ...]
    reduce: Program | None = None


@dataclass(frozen=True)
class TrainingPrograms:
    """`train` computes the losses by name, `evaluate` (the infer variant) metrics and losses,
    `after_step` new values for some parameters, named by their paths."""

    document: Training
    train: Program
    evaluate: Program
    metrics: tuple[MetricPlan, ...]
    losses: tuple[str, ...]
    after_step: Program | None = None


def build_training(unit: Unit) -> TrainingPrograms:
    """The programs of a document's `training:`. Raises SpecError (G0920 without such a block)."""
    training = unit.document.training
    if training is None:
        raise fail("G0920", f"'{unit.document.source.path}' has no training: block", unit.document.name.span)
    train = build_program(unit, "train")
    losses = tuple(dict.fromkeys(step.loss.text for step in training.alternate))
    with collector_paused():
        evaluation, metrics = _evaluation(unit, training, losses)
        projections = _after_step(unit, training)
    return TrainingPrograms(training, train, evaluation, metrics, losses, projections)


def _evaluation(
    unit: Unit, training: Training, losses: tuple[str, ...]
) -> tuple[Program, tuple[MetricPlan, ...]]:
    build = new_construction(unit)
    frame = open_graph(build, unit, False)
    outputs: dict[str, Value] = {}
    metrics: list[MetricPlan] = []
    for metric in training.metrics:
        metrics.append(_metric(unit, build, frame, metric, outputs))
    for name in losses:
        meaning = single(build, lookup(build, frame, name, training.span).meaning, training.span)
        outputs[f"loss.{name}"] = build.value(meaning)
    return finish(build, frame, outputs, {}, "infer"), tuple(metrics)


def _metric(
    unit: Unit, build: Construction, frame: Frame, metric: Binding, outputs: dict[str, Value]
) -> MetricPlan:
    """How one metric is computed; what it reads of the graph is added to `outputs`."""
    inner = _whole_set(metric.expression)
    if inner is not None:
        return _set_metric(unit, build, frame, metric, inner, outputs)
    name = f"metric.{metric.name.text}"
    outputs[name] = _number(build, frame, metric.expression)
    return MetricPlan(metric.name.text, (name,))


def _number(build: Construction, frame: Frame, expression: ex.Expression) -> Value:
    meaning = evaluate(build, frame, expression)
    if not is_tensor_like(meaning):
        raise fail("G0921", f"a metric is a tensor, not {kind_name(meaning)}", expression.span)
    with build.at(expression.span):
        return build.value(meaning)


def _whole_set(expression: ex.Expression) -> ex.Expression | None:
    """The argument of `dataset(…)`, which is computed over all rows at once."""
    if isinstance(expression, ex.Call) and isinstance(expression.function, ex.Name):
        if expression.function.name == "dataset" and len(expression.arguments) == 1:
            return expression.arguments[0]
    return None


def _set_metric(
    unit: Unit,
    build: Construction,
    frame: Frame,
    metric: Binding,
    inner: ex.Expression,
    outputs: dict[str, Value],
) -> MetricPlan:
    names = list(dict.fromkeys(r.name.name for r in references(inner)))
    reduction = new_construction(unit)
    inside = plain_frame(scope_of(reduction, unit.document, unit.resolution, unit.settings))
    rows = reduction.introduce("rows")
    values: list[str] = []
    for name in names:
        found = lookup(build, frame, name, inner.span).meaning
        if not isinstance(found, Tensor) or found.type.rank == 0:
            inside.values[name] = found
            continue
        output = f"metric.{metric.name.text}.{name}"
        outputs[output] = found.value
        values.append(output)
        leaf = reduction.add_leaf("Input", output, TensorType(found.dtype, (rows, *found.type.shape[1:])))
        reduction.define_size("rows", leaf, 0)
        inside.values[name] = Tensor(leaf)
    result = _number(reduction, inside, inner)
    program = finish(reduction, inside, {metric.name.text: result}, {}, "infer")
    return MetricPlan(metric.name.text, tuple(values), program)


def _after_step(unit: Unit, training: Training) -> Program | None:
    """The projections of `after_step:`: parameter path -> its new value."""
    if not training.after_step:
        return None
    build = new_construction(unit)
    frame = open_graph(build, unit, True)
    outputs = dict(_projection(build, frame, update) for update in training.after_step)
    return finish(build, frame, outputs, {}, "train")


def _projection(build: Construction, frame: Frame, update: Update) -> tuple[str, Value]:
    """The path of a parameter and its value after each step."""
    path = ex.Name(update.state.span, update.state.text)
    value = _parameter(build, frame, update.state.text, path)
    with build.at(update.expression.span):
        meaning = evaluate(build, frame, update.expression)
        return str(value.node.attribute("name")), shaped(build, meaning, value.tensor)


def check_training(unit: Unit, build: Construction, frame: Frame, diagnostics: Diagnostics) -> None:
    """Adds the errors of `metrics:` (in the frame of evaluation) or `after_step:` (in training's)."""
    training = unit.document.training
    if training is None:
        return
    steps: list[Callable[[], object]]
    if frame.training:
        steps = [partial(_projection, build, frame, update) for update in training.after_step]
    else:
        steps = [partial(_metric, unit, build, frame, metric, {}) for metric in training.metrics]
    for step in steps:
        try:
            step()
        except SpecError as error:
            diagnostics.extend(error)
        except Poisoned:
            continue


def _parameter(build: Construction, frame: Frame, text: str, at: ex.Name) -> Value:
    first, *rest = text.split(".")
    expression: ex.Expression = ex.Name(at.span, first)
    for part in rest:
        expression = ex.Member(at.span, expression, part, at.span)
    meaning = place(build, frame, expression).meaning
    if not isinstance(meaning, Tensor) or meaning.value.role not in ("Parameter", "State"):
        paths = [n for n, v in build.leaves.items() if v.role in ("Parameter", "State")]
        hint = did_you_mean(text, paths) or (f"the graph has: {', '.join(paths[:12])}" if paths else None)
        raise fail("G0922", f"'{text}' is no parameter or state", at.span, hint=hint)
    return meaning.value


def build_columns(unit: Unit, data: DataDeclaration, columns: Mapping[str, TensorType]) -> Program | None:
    """The program of `bind:`: input name -> an expression over the data's columns, which are its
    inputs (axis 0 the rows, a size called `rows`). None without `bind:`."""
    if not data.bind:
        return None
    build = new_construction(unit)
    frame = plain_frame(scope_of(build, unit.document, unit.resolution, unit.settings))
    rows = symbol("rows")
    build.introduce("rows")
    for name, type_ in columns.items():
        leaf = build.add_leaf("Input", name, TensorType(type_.dtype, (rows, *type_.shape[1:])))
        build.define_size("rows", leaf, 0)
        frame.values[name] = Tensor(leaf)
    outputs = {b.name.text: _number(build, frame, b.expression) for b in data.bind}
    return finish(build, frame, outputs, {}, "infer")
