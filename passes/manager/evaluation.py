"""Which evaluator checks contracts, and what it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from ...backends.runtime.protocols import Evaluator, Feeds, Watcher
from ...graph.diagnostics import SpecError
from ...graph.ir import Program, Value
from ...graph.operators.leaves import WEIGHT
from ...graph.types import TensorType

Array = np.ndarray[Any, Any]
T = TypeVar("T")


def default_evaluator() -> Evaluator:
    """The torch-FX table, eager: imported when first asked for."""
    from ...backends.torch_fx import TorchEvaluator

    evaluator: Evaluator = TorchEvaluator()
    return evaluator


@dataclass
class Samples:
    """Inputs for a program, drawn from its domains with symbolic sizes bound to distinct numbers."""

    feeds: Feeds
    sizes: Mapping[str, int] = field(default_factory=dict)


def draw_samples(program: Program, seed: int, evaluator: Evaluator) -> tuple[Samples, ...]:
    """At least two draws where the program has symbolic sizes, once at their minimum."""
    from ...backends.runtime.samples import draw, size_choices

    choices = list(size_choices(program, seed)) or [{}]
    first = draw(program, seed, choices[0], evaluator=evaluator)
    filled = with_stored(program, first)
    others = enumerate(choices[1:], 1)
    rest = (Samples(draw(filled, seed + i, sizes, evaluator=evaluator), sizes) for i, sizes in others)
    return (Samples(first, choices[0]), *rest)


def with_stored(program: Program, feeds: Feeds) -> Program:
    """The program with the parameters and states of fixed size that `feeds` holds as its weights, so
    that they are drawn once."""
    leaves = {**program.parameters, **program.states}
    arrays = {
        name: feeds[name]
        for name, value in leaves.items()
        if name in feeds and isinstance(value.type, TensorType) and value.type.is_static
    }
    return program.with_weights(arrays) if arrays else program


def leaf_arrays(
    program: Program, feeds: Feeds, scratch: Mapping[str, Array] | None = None
) -> dict[Value, Array]:
    """The arrays of every leaf of the program: weights first, then what `feeds` has."""
    found: dict[Value, Array] = {}
    arrays = program.weights.arrays
    for value in leaves_of(program):
        name = value.node.attribute("name")
        if value.node.operator is WEIGHT:
            source = arrays.get(name)
            if source is None and scratch:
                source = scratch.get(name)
        else:
            source = arrays.get(name) if value.role == "Parameter" else None
            if source is None:
                source = feeds.get(name, arrays.get(name))
        if source is not None:
            found[value] = np.asarray(source)
    return found


def leaves_of(program: Program) -> tuple[Value, ...]:
    """The named leaves that the outputs need, and the inputs that they do not."""
    reached = {n.outputs[0]: None for n in program.graph.nodes if n.outputs[0].role not in ("", "Constant")}
    reached.update(dict.fromkeys(program.graph.inputs))
    return tuple(reached)


@dataclass(frozen=True)
class Unevaluable:
    """Why the evaluator could not compute something."""

    reason: str


def evaluate(
    evaluator: Evaluator, outputs: Sequence[Value], given: Mapping[Value, Array], float64: bool = False
) -> list[Array] | Unevaluable:
    """The arrays, or why there are none: an operator that the evaluator lacks, or operands that it
    refuses."""
    return _attempted(lambda: evaluator.evaluate(outputs, given, float64=float64))


def watch(
    evaluator: Evaluator,
    values: Sequence[Value],
    given: Mapping[Value, Array],
    see: Callable[[Value, Array], None],
) -> Unevaluable | None:
    """Calls `see` with each value and its array, as they are computed where the evaluator can."""
    if isinstance(evaluator, Watcher):
        return _attempted(lambda: evaluator.watch(values, given, see))
    found = evaluate(evaluator, values, given)
    if isinstance(found, Unevaluable):
        return found
    for value, array in zip(values, found, strict=True):
        see(value, array)
    return None


def _attempted(work: Callable[[], T]) -> T | Unevaluable:
    try:
        with np.errstate(all="ignore"):
            return work()
    except NotImplementedError as error:
        return Unevaluable(str(error) or "an operator has no evaluation")
    except SpecError as error:
        return Unevaluable("; ".join(d.message for d in error.diagnostics))
    except (ValueError, TypeError, RuntimeError, IndexError, KeyError, ZeroDivisionError) as error:
        return Unevaluable(f"{type(error).__name__}: {error}".splitlines()[0])
