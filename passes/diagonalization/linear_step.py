"""Whether one step of a recurrence is linear, and its matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...backends.reference import ReferenceEvaluator
from ...graph.ir import Node, Value, topological
from ...graph.types import TensorType
from .system import Array

LARGEST = 512
"""States and inputs of a row beyond which a step is not looked at."""

_NO_ROWS = "its sizes are symbolic, or its rows have no common batch"
_FIRST = frozenset(
    "Identity Neg Transpose Reshape Unsqueeze Squeeze Slice Gather Expand ReduceSum ReduceMean Split Flatten".split()
)
_ANY = frozenset({"Add", "Sub", "Sum", "Concat"})
_ONE = frozenset({"Mul", "MatMul", "Einsum"})


@dataclass(frozen=True, eq=False)
class Step:
    """For a row of the batch: results = `matrix` · variables + `offset`, all flattened; `axis` is
    the batch's place in every variable (None: there is no batch)."""

    matrix: Array
    offset: Array
    axis: int | None


def nonlinear(results: Sequence[Value], variables: frozenset[Value]) -> str:
    """The first operator that is not linear in the variables, "" where all are."""
    moving = set(variables)
    for node in topological(results):
        if node.outputs and node.outputs[0] in variables:
            continue
        places = [i for i, v in enumerate(node.inputs) if v is not None and v in moving]
        if not places:
            continue
        if not _is_linear(node, places):
            return node.name
        moving.update(node.outputs)
    return ""


def _is_linear(node: Node, places: list[int]) -> bool:
    if node.operator.domain:
        return False
    if node.name in _FIRST or node.name == "Div":
        return places == [0]
    if node.name == "Gemm":
        return len([p for p in places if p < 2]) <= 1
    return node.name in _ANY or (node.name in _ONE and len(places) == 1)


def step_of(results: Sequence[Value], variables: Sequence[Value], known: Mapping[Value, Array]) -> Step | str:
    """The step's matrices by evaluation on unit vectors in float64, or why it has none. Tries the
    batch in front, at the end, and none; a batch row must not touch another."""
    name = nonlinear(results, frozenset(variables))
    if name:
        return f"its step is not linear: {name}"
    reasons: list[str] = []
    for axis in (0, -1, None):
        found = _matrices(results, variables, known, axis)
        if isinstance(found, Step):
            return found
        reasons.append(found)
    return next((r for r in reasons if r != _NO_ROWS), _NO_ROWS)


def _matrices(
    results: Sequence[Value], variables: Sequence[Value], known: Mapping[Value, Array], axis: int | None
) -> Step | str:
    shapes = [_row(v, axis) for v in variables]
    if any(s is None for s in shapes):
        return _NO_ROWS
    rows = [int(np.prod(s, dtype=np.int64)) for s in shapes if s is not None]
    if sum(rows) > LARGEST:
        return f"a row has {sum(rows)} states and inputs (at most {LARGEST})"
    batches = {v.tensor.shape[axis] for v in variables} if axis is not None else set()
    if len(batches) > 1:
        return "its variables have different batches"
    count = next((b for b in batches if isinstance(b, int)), 2) if batches else 1
    probe = _Probe(results, variables, known, axis, int(count), [s or () for s in shapes])
    try:
        offset = probe.run(np.zeros((probe.count, sum(rows))))
        columns = []
        for j in range(sum(rows)):
            unit = np.zeros((probe.count, sum(rows)))
            unit[0, j] = 1.0
            moved = probe.run(unit) - offset
            if probe.count > 1 and np.any(moved[1:][np.isfinite(moved[1:])]):
                return "its rows touch one another"
            columns.append(moved[0])
        matrix = np.stack(columns, axis=1)
        if not (np.isfinite(matrix).all() and np.isfinite(offset).all()):
            return "its coefficients are not all finite"
        random = np.random.default_rng(0).standard_normal((probe.count, sum(rows)))
        error = np.abs(probe.run(random) - random @ matrix.T - offset)
    except (ValueError, IndexError, KeyError, TypeError, NotImplementedError) as problem:
        return f"its step can't be evaluated: {problem}"
    if not np.isfinite(error).all() or error.max(initial=0.0) > 1e-9 * (
        1 + np.abs(matrix).sum(1).max(initial=0.0)
    ):
        return "its rows differ"
    return Step(matrix, offset[0], axis)


def _row(value: Value, axis: int | None) -> tuple[int, ...] | None:
    """The shape of one row; None where it has no such axis or a symbolic size."""
    if not isinstance(value.type, TensorType) or value.type.dims is None:
        return None
    dims = list(value.type.dims)
    if axis is not None:
        if len(dims) < 2:
            return None
        del dims[axis]
    found = tuple(d for d in dims if isinstance(d, int))
    return found if len(found) == len(dims) else None


@dataclass(frozen=True, eq=False)
class _Probe:
    results: Sequence[Value]
    variables: Sequence[Value]
    known: Mapping[Value, Array]
    axis: int | None
    count: int
    shapes: Sequence[tuple[int, ...]]

    def run(self, rows: Array) -> Array:
        """The flattened results of rows[batch, all variables]."""
        given: dict[Value, Array] = {
            v: a.astype(np.float64) if a.dtype.kind == "f" else a for v, a in self.known.items()
        }
        at = 0
        for value, shape in zip(self.variables, self.shapes, strict=True):
            size = int(np.prod(shape, dtype=np.int64))
            part = rows[:, at : at + size].reshape(self.count, *shape)
            at += size
            given[value] = part[0] if self.axis is None else np.moveaxis(part, 0, self.axis)
        found = ReferenceEvaluator().evaluate(list(self.results), given, float64=True)
        flat = []
        for array in found:
            front = array[None] if self.axis is None else np.moveaxis(array, self.axis, 0)
            flat.append(np.asarray(front, np.float64).reshape(self.count, -1))
        return np.concatenate(flat, axis=1)
