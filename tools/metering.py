"""A graph's own metrics on held-out data, for budgets, and the data that passes calibrate on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..backends.runtime.data import TrainingData, load, read_slice
from ..backends.runtime.dataset import Dataset, concatenated
from ..backends.runtime.metrics import Aggregate, Metric
from ..graph.build.document import Unit
from ..graph.diagnostics import Span, fail
from ..graph.ir import Program, Value
from ..graph.ir.quantized import QUANTIZATION_KEY
from ..graph.spec.documents import Recipe
from ..passes.manager.pass_ import Context
from ..passes.manager.pipeline import text_of
from .training import Prepared, prepare_training

Array = np.ndarray[Any, Any]
Batch = Mapping[str, Array]

EVALUATION = "evaluation"
"""The recipe's data set that budgets are measured on; without it that of the pass, or `model.test`."""
RUNTIME_METRICS = ("kl", "latency_ms")


@dataclass
class DatasetMeter:
    """A `Meter`: metrics of the graph's `training:` from a program's outputs, and two more: `kl`, of
    the first output's softmax from the start's (nats), and `latency_ms`, the least CPU time of a
    run of one batch on ONNX Runtime."""

    start: Program
    prepared: Prepared
    batches: Mapping[str, Sequence[Batch]]
    _outputs: dict[tuple[object, int, str], tuple[Program, list[dict[str, Array]]]] = field(
        default_factory=dict
    )

    @property
    def metrics(self) -> Sequence[str]:
        return (*(m.name for m in self.prepared.plan.metrics), *RUNTIME_METRICS)

    def measure(self, program: Program, metric: str, data: str | None) -> Array:
        """One number per example (per batch for a metric that is a scalar). Raises SpecError G1034
        for a metric that the outputs do not determine."""
        name = EVALUATION if EVALUATION in self.batches or data is None else data
        if name not in self.batches:
            raise fail("G1034", f"there is no data to measure '{metric}' on")
        if metric == "latency_ms":
            return np.asarray([latency(program, self.batches[name][0])])
        outputs = self._run(program, name)
        if metric == "kl":
            return np.concatenate(
                [_divergence(a, b) for a, b in zip(self._run(self.start, name), outputs, strict=True)]
            )
        found = next(m for m in self.prepared.plan.metrics if m.name == metric)
        values = [self._values(found, o, b) for o, b in zip(outputs, self.batches[name], strict=True)]
        if found.reduce is not None:
            whole = Aggregate((found,))
            whole.add(concatenated([dict(v) for v in values]), 1)
            return np.asarray([whole.result()[metric]])
        rows = [len(next(iter(b.values()))) for b in self.batches[name]]
        return np.concatenate([_each(v[found.values[0]], n) for v, n in zip(values, rows, strict=True)])

    def _run(self, program: Program, name: str) -> list[dict[str, Array]]:
        key = (program.graph, id(program.weights), name)
        if key not in self._outputs:
            from ..backends.torch_fx.backend import TorchBackend

            loaded = TorchBackend().load(program)
            found = [loaded.run(_fed(program, batch)) for batch in self.batches[name]]
            self._outputs[key] = program, found  # holding the program keeps its id
        return self._outputs[key][1]

    def _values(self, metric: Metric, outputs: Mapping[str, Array], batch: Batch) -> dict[str, Array]:
        from ..backends.torch_fx import TorchEvaluator

        evaluation = self.prepared.plan.evaluation
        assert evaluation is not None
        wanted = [evaluation.outputs[v] for v in metric.values]
        given = {v: outputs[n] for n, v in self.start.outputs.items()}
        self._check_determined(metric.name, wanted, set(given))
        given.update({v: batch[n] for n, v in evaluation.inputs.items() if n in batch})
        return dict(zip(metric.values, TorchEvaluator().evaluate(wanted, given), strict=True))

    def _check_determined(self, name: str, wanted: Sequence[Value], outputs: set[Value]) -> None:
        stack, seen = list(wanted), set(outputs)
        while stack:
            value = stack.pop()
            if value.role in ("Parameter", "State", "Weight"):
                leaf = value.node.attribute("name")
                raise fail(
                    "G1034",
                    f"the metric '{name}' reads '{leaf}' and not only outputs and data",
                    hint="declare what it reads under outputs:",
                )
            fresh = [v for v in value.node.inputs if v is not None and v not in seen]
            seen.update(fresh)
            stack.extend(fresh)


def _fed(program: Program, batch: Batch) -> dict[str, Array]:
    return {n: a for n, a in batch.items() if n in program.inputs}


def _each(value: Array, rows: int) -> Array:
    """A number for each example, or one for the batch."""
    wide = np.asarray(value, np.float64)
    if not wide.ndim or wide.shape[0] != rows:
        return wide.reshape(-1)
    found: Array = wide.reshape(rows, -1).mean(axis=1)
    return found


def _divergence(before: Mapping[str, Array], after: Mapping[str, Array]) -> Array:
    """KL(softmax before, softmax after) of the first output, a number for each example."""
    name = next(iter(before))
    p, q = (_log_softmax(np.asarray(o[name], np.float64)) for o in (before, after))
    return _each(np.sum(np.exp(p) * (p - q), axis=-1), len(p))


def _log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    found: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return found


def latency(program: Program, batch: Batch, repeats: int = 20) -> float:
    """The least CPU milliseconds of a run of the batch in ONNX Runtime, one thread."""
    from time import thread_time

    from ..backends.onnx.backend import OnnxBackend

    loaded, fed = OnnxBackend().load(program), _fed(program, batch)
    best = float("inf")
    for _ in range(repeats):
        start = thread_time()
        loaded.run(fed)
        best = min(best, thread_time() - start)
    return best * 1000


# --- the data of a recipe ---------------------------------------------------------------------------


def recipe_context(unit: Unit, program: Program, recipe: Recipe, folder: Path, seed: int = 0) -> Context:
    """What the recipe's passes calibrate on and its budgets are measured on. `model.train`,
    `model.validation` and `model.test` are the graph's own data. Raises SpecError."""
    if unit.document.training is None:
        return Context(seed=seed)
    prepared = _as_trained(prepare_training(unit), program)
    sources = {b.name.text: (text_of(b.expression), b.name.span) for b in recipe.data}
    sets = {name: _open(text, prepared.data, folder, span) for name, (text, span) in sources.items()}
    if EVALUATION not in sets and prepared.data is not None:
        sets[EVALUATION] = _own("model.test", prepared.data, None)
    batches = {name: _batches(prepared, program, rows, seed) for name, rows in sets.items()}
    return Context(seed=seed, data=dict(batches), meter=DatasetMeter(program, prepared, batches))


def _as_trained(prepared: Prepared, program: Program) -> Prepared:
    """The training whose evaluation rounds the layers that the program rounds."""
    text, evaluation = program.metadata.get(QUANTIZATION_KEY), prepared.plan.evaluation
    if text is None or evaluation is None:
        return prepared
    from ..passes.quantization.fake import insert, read_plan

    plan = replace(prepared.plan, evaluation=insert(evaluation, read_plan(text), {}))
    return replace(prepared, plan=plan)


def _open(text: str, own: TrainingData | None, folder: Path, span: Span | None) -> Dataset:
    name, bracket, _ = text.partition("[")
    if not name.strip().startswith("model."):
        return load(text, folder, span)
    if own is None:
        raise fail("G1034", f"'{text}': the graph has no data of its own", span)
    rows = _own(name.strip(), own, span)
    if not bracket:
        return rows
    part = rows.take(read_slice(text.strip()[len(name.strip()) :], text, span), text)
    if not part.rows:
        raise fail("G0956", f"'{text}' has no rows: '{rows.name}' has {rows.rows}", span)
    return part


def _own(name: str, own: TrainingData, span: Span | None) -> Dataset:
    """model.test is the held-out part of a file, which has no test part."""
    parts = {
        "model.train": own.train,
        "model.validation": own.validation,
        "model.test": own.test or own.validation,
    }
    found = parts.get(name)
    if found is None:
        raise fail("G1034", f"the graph has no data '{name}'", span, hint="model.train, model.test")
    return found


def _batches(prepared: Prepared, program: Program, rows: Dataset, seed: int) -> list[dict[str, Array]]:
    """The rows bound to the inputs of the evaluation program."""
    from ..backends.torch_fx.training.feeding import Feeder, batch_size

    evaluation = prepared.plan.evaluation or program
    size = batch_size(evaluation, rows, None, training=False)
    feeder = Feeder(evaluation, rows, prepared.plan.bind, size, seed, None)
    return [inputs for inputs, _ in feeder.all_batches()]
