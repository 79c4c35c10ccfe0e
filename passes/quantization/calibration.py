"""One run over the calibration data, with observers on the values that a rule asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...backends.runtime.protocols import Evaluator
from ...graph.diagnostics import Span, SpecError, fail
from ...graph.ir import Program, Value
from ..manager.evaluation import Unevaluable, default_evaluator, evaluate, leaf_arrays, watch
from ..manager.pass_ import Context
from .observers import Observer

Array = np.ndarray[Any, Any]
Batches = Sequence[Mapping[str, Array]]


def calibration_batches(context: Context, wanted: str) -> Batches:
    """The batches of the step's data. Raises SpecError G1040 where there are none; `wanted` says for
    what they are needed."""
    name = context.calibration or "calibration"
    batches: Batches | None = context.data.get(name)
    if not batches:
        raise fail(
            "G1040", f"{wanted} needs calibration data", hint="data: {calibration: 'model.train[:256]'}"
        )
    return batches


def observe(
    program: Program, values: Sequence[Value], batches: Batches, histogram: bool = True
) -> dict[Value, Observer]:
    """An observer for each value, after all batches. Raises SpecError G1041 for a value that is not
    finite."""
    observers = {v: Observer(histogram=np.zeros((2, 320), np.int64) if histogram else None) for v in values}
    evaluator = default_evaluator()
    for batch in batches:
        given = leaf_arrays(program, batch)
        failed = watch(evaluator, values, given, lambda value, array: observers[value].update(array))
        if failed is not None:
            raise _refused(batch, failed)
    for value, seen in observers.items():
        if seen.count and not seen.finite:
            raise not_finite(program, value, batches)
    return observers


def run(
    program: Program,
    values: Sequence[Value],
    batch: Mapping[str, Array],
    evaluator: Evaluator | None = None,
    known: Mapping[Value, Array] | None = None,
) -> dict[Value, Array]:
    """The arrays of these values for one batch; those in `known` are not computed again. Raises SpecError
    G1041 for a batch that the program does not take."""
    given = {**leaf_arrays(program, batch), **(known or {})}
    wanted = [v for v in values if v not in given]
    found = evaluate(evaluator or default_evaluator(), wanted, given) if wanted else []
    if isinstance(found, Unevaluable):
        raise _refused(batch, found)
    arrays = dict(zip(wanted, found, strict=True))
    return {v: arrays[v] if v in arrays else given[v] for v in values}


def _refused(batch: Mapping[str, Array], found: Unevaluable) -> SpecError:
    shapes = ", ".join(f"{n} {a.dtype}{list(a.shape)}" for n, a in batch.items())
    return fail("G1041", f"the program does not take the calibration data ({shapes}): {found.reason}")


def divergence(before: Array, after: Array) -> float:
    """The mean KL(softmax before, softmax after) over the last axis, in nats."""
    p, q = _log_softmax(before), _log_softmax(after)
    return float(np.mean(np.sum(np.exp(p) * (p - q), axis=-1)))


def _log_softmax(logits: Array) -> Array:
    wide = logits.astype(np.float64)
    shifted = wide - wide.max(axis=-1, keepdims=True)
    found: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return found


def not_finite(program: Program, value: Value, batches: Batches, what: str = "NaN or infinite") -> SpecError:
    """G1041 for a value with NaN, infinite or too large numbers, or for the data where that has them."""
    bad = next(
        (n for b in batches for n, a in b.items() if a.dtype.kind == "f" and not np.isfinite(a).all()), None
    )
    if bad is not None:
        return fail("G1041", f"the calibration data has NaN or infinite numbers in '{bad}'")
    names = {v: n for n, v in program.names.items()}
    origin = program.origin(value)
    span: Span | None = origin.spans[0] if origin.spans else None
    label = names.get(value) or origin.path or value.node.name
    return fail("G1041", f"in calibration '{label}' has numbers that are {what}", span)
