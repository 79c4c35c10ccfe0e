"""Metrics over a data set (R41): averages over examples, or one number of the whole set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...graph.diagnostics import fail
from ...graph.ir import Program
from .dataset import concatenated
from .protocols import Evaluator

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Metric:
    """`values` names outputs of the evaluated program. Without `reduce` there is one: a value per
    example (leading batch dimension) is averaged over all examples, a scalar over batches weighted
    by their rows. `reduce` is the program of `dataset(…)`: its inputs are called like `values`
    and get the rows of all batches; its only output is the metric."""

    name: str
    values: tuple[str, ...]
    reduce: Program | None = None


@dataclass
class Aggregate:
    """Metrics gathered batch by batch. Order of batches changes the result by rounding only."""

    metrics: Sequence[Metric]
    evaluator: Evaluator | None = None
    rows: int = 0
    _sums: dict[str, float] = field(default_factory=dict)
    _parts: dict[str, list[dict[str, Array]]] = field(default_factory=dict)

    def add(self, outputs: Mapping[str, Array], rows: int) -> None:
        """One batch of `rows` examples. Raises SpecError G0960 for a value that is neither a
        scalar nor one per example."""
        self.rows += rows
        for metric in self.metrics:
            if metric.reduce is None:
                value = np.asarray(outputs[metric.values[0]])
                total = self._sums.get(metric.name, 0.0) + _batch_sum(metric.name, value, rows)
                self._sums[metric.name] = total
            else:
                part = {name: np.asarray(outputs[name]) for name in metric.values}
                self._parts.setdefault(metric.name, []).append(part)

    def result(self) -> dict[str, float]:
        """Metric name -> number; NaN for no examples."""
        if not self.rows:
            return {m.name: float("nan") for m in self.metrics}
        return {
            m.name: self._sums[m.name] / self.rows if m.reduce is None else self._reduced(m, m.reduce)
            for m in self.metrics
        }

    def _reduced(self, metric: Metric, program: Program) -> float:
        from .feeds import default_evaluator, prepare

        whole = concatenated(self._parts[metric.name])
        evaluator = self.evaluator or default_evaluator()
        feeds = prepare(program, whole, evaluator=evaluator)
        leaves = {v: feeds[v.node.attribute("name")] for v in program.graph.inputs}
        leaves.update(program_constants(program))
        (found,) = evaluator.evaluate(program.graph.outputs[:1], leaves)
        if np.size(found) != 1:
            raise fail(
                "G0960", f"metric '{metric.name}' is {list(np.shape(found))} over the whole set, not a number"
            )
        return float(np.asarray(found).reshape(()))


def _batch_sum(name: str, value: Array, rows: int) -> float:
    """The sum over the batch's examples, in float64."""
    if value.dtype == object or value.dtype.kind == "c":
        raise fail("G0960", f"metric '{name}' is {value.dtype}; a metric is a number or a truth value")
    if not value.ndim or (value.size == 1 and rows != 1):
        return float(value.reshape(())) * rows
    if value.shape[0] != rows:
        raise fail(
            "G0960",
            f"metric '{name}' has shape {list(value.shape)} for {rows} examples: neither one value per "
            "example nor a scalar",
        )
    return float(value.astype(np.float64).reshape(rows, -1).mean(axis=1).sum())


def program_constants(program: Program) -> dict[Any, Array]:
    """The arrays of the program's large constants."""
    return {
        v: program.weights[v.node.attribute("name")]
        for n in program.graph.nodes
        for v in n.outputs[:1]
        if v.role == "Weight"
    }
