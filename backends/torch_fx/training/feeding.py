"""What each step is given: rows of the data in seeded order, bound, checked, with fresh noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ....graph.diagnostics import fail
from ....graph.ir import Program, Size
from ....graph.types import TensorType
from ....graph.types.dimensions import symbol_name
from ...runtime.dataset import Dataset, batch_count, batches, shuffled, typed
from ...runtime.feeds import check_domains, fill_noise, solve_sizes
from ...runtime.literals import as_array
from ...runtime.protocols import Evaluator
from ..evaluator import TorchEvaluator

Array = np.ndarray[Any, Any]

DEFAULT_BATCH = 32


@dataclass(frozen=True)
class BatchSize:
    """`rows` a batch; a last batch of fewer than `least` rows is left out."""

    rows: int
    least: int


def batch_size(program: Program, dataset: Dataset, wanted: int | None, training: bool) -> BatchSize:
    """The batch that the program's inputs allow: their fixed leading size, else `wanted` (32 by
    default) within the size's range. Training leaves out a last batch of one row, of which no
    variance can be taken. Raises SpecError G0971."""
    leading = {v.tensor.shape[0] for v in program.inputs.values() if v.tensor.rank}
    fixed = sorted(d for d in leading if isinstance(d, int))
    if fixed:
        if wanted is not None and wanted != fixed[0]:
            raise fail(
                "G0971", f"the program takes {fixed[0]} rows at a time; 'batch: {wanted}' does not fit"
            )
        return _enough(dataset, BatchSize(fixed[0], fixed[0]))
    names = [n for d in leading if (n := symbol_name(d)) is not None]
    allowed = program.sizes.get(names[0], Size()) if names else Size()
    high = allowed.high if allowed.high is not None else dataset.rows
    rows = wanted if wanted is not None else min(DEFAULT_BATCH, high, dataset.rows)
    if rows < allowed.low or (rows > max(high, allowed.low) and allowed.high is not None):
        raise fail(
            "G0971", f"a batch of {rows} rows is outside {names[0]}: {allowed.low}..{allowed.high or ''}"
        )
    rows = min(rows, dataset.rows) if dataset.rows >= allowed.low else rows
    least = max(allowed.low, min(2, rows)) if training else allowed.low
    return _enough(dataset, BatchSize(rows, least))


def _enough(dataset: Dataset, size: BatchSize) -> BatchSize:
    if not batch_count(dataset.rows, size.rows, size.least):
        raise fail("G0971", f"'{dataset.name}' has {dataset.rows} rows: fewer than one batch of {size.rows}")
    return size


@dataclass
class Feeder:
    """Arrays for a program's inputs and noise, by step or batch number. Dtypes and ranks of the
    columns are checked once; domains in the first epoch, batch by batch."""

    program: Program
    dataset: Dataset | None
    bind: Program | None
    size: BatchSize
    seed: int
    evaluator: Evaluator | None  # of noise; None: the reference one
    columns: Dataset | None = None
    _order: tuple[int, Array] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.dataset is not None:
            self.columns = typed(self.dataset, self._column_types())

    def _column_types(self) -> dict[str, TensorType]:
        bound = set(self.bind.output_names) if self.bind is not None else set()
        types = {n: v.tensor for n, v in self.program.inputs.items() if n not in bound}
        if self.bind is not None:
            types.update({n: v.tensor for n, v in self.bind.inputs.items()})
        return types

    @property
    def steps_an_epoch(self) -> int:
        return 0 if self.columns is None else batch_count(self.columns.rows, self.size.rows, self.size.least)

    def training_batch(self, step: int) -> dict[str, Array]:
        """The rows of step `step`: each epoch is a permutation keyed by the seed and its number."""
        if self.columns is None:
            return {}
        epoch, position = divmod(step, self.steps_an_epoch)
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, shuffled(self.columns.rows, self.seed, f"epoch/{epoch}")
        size = self.size
        rows = batches(self.columns, size.rows, order=self._order[1], start=position, least=size.least)
        return self._bound(next(rows), check=epoch == 0)

    def all_batches(self) -> Iterator[tuple[dict[str, Array], int]]:
        """(inputs, rows) in the rows' own order."""
        assert self.columns is not None
        for columns in batches(self.columns, self.size.rows, least=self.size.least):
            yield self._bound(columns, check=True), len(next(iter(columns.values())))

    def _bound(self, columns: Mapping[str, Array], check: bool) -> dict[str, Array]:
        inputs = {n: columns[n] for n in self.program.inputs if n in columns}
        if self.bind is not None:
            given = {v: columns[n] for n, v in self.bind.inputs.items()}
            given.update({v: self.bind.weights[_name(v)] for v in _weights(self.bind)})
            results = TorchEvaluator().evaluate(self.bind.graph.outputs, given)
            for name, array in zip(self.bind.output_names, results, strict=True):
                if name in self.program.inputs:
                    leaf = self.program.inputs[name]
                    inputs[name] = as_array(f"'{name}' (bound)", array, leaf.tensor)
        if check:
            check_domains(self.program, inputs, solve_sizes(self.program, inputs))
        return inputs

    def noise(self, program: Program, inputs: Mapping[str, Array], step: int) -> dict[str, Array]:
        """The noise of `program` at this step, keyed by the seed and the step."""
        if not program.noise:
            return {}
        sizes = solve_sizes(program, {n: a for n, a in inputs.items() if n in program.inputs})
        return fill_noise(program, inputs, sizes, seed=self.seed, step=step, evaluator=self.evaluator)


def _name(leaf: Any) -> str:
    found: str = leaf.node.attribute("name")
    return found


def _weights(program: Program) -> list[Any]:
    return [v for n in program.graph.nodes for v in n.outputs[:1] if v.role == "Weight"]
