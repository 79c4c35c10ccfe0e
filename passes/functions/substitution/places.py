"""The places where programs may stand, in the main graph and in bodies, and what is known of each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....graph.diagnostics import SpecError
from ....graph.ir import Graph, Program, Value, nested_graphs
from ....graph.types import TensorType
from ....graph.types.dimensions import evaluate, symbols_of
from ...manager.evaluation import Samples, default_evaluator, draw_samples, leaf_arrays
from ...manager.pass_ import Context
from .amplification import Amplification
from .library import Entry, unit
from .matches import Match, matches
from .ranges import EVERYTHING, Intervals, Range, everywhere, seen

Array = np.ndarray[Any, Any]
KEPT = 64
"""Calls of a body of which numbers are kept on a sample: the first half and the last."""


@dataclass(frozen=True)
class Place:
    """A match with what is known of it. `count`: its elements, where known; `most`: at most so many; `own`: how far
    rounding takes the written form from the function, on the samples. `amplification`: what errors there become at
    the outputs (None without a tolerance); `allowed`: the error that it may cause, of an output or of its own result.
    `entry` is the program that it gets, `reason` why none."""

    graph: Graph
    match: Match
    range: Range
    in_body: bool
    count: int | None = None
    most: int | None = None
    own: float = 0.0
    amplification: Amplification | None = None
    allowed: float = 0.0
    entry: Entry | None = None
    reason: str = ""

    @property
    def dtype(self) -> str:
        return str(self.match.result.tensor.dtype.name)

    @property
    def largest(self) -> float:
        """The function's largest size where the operand was seen."""
        return largest_result(self.match, self.range.seen)


@dataclass(frozen=True)
class Found:
    """The places of a program, with the operands that each was seen with."""

    places: tuple[Place, ...]
    arrays: Mapping[tuple[Graph, Match], Sequence[Array]]

    def seen(self, place: Place) -> Sequence[Array]:
        return self.arrays[place.graph, place.match]


def find(program: Program, samples: Sequence[Samples], context: Context) -> Found:
    """Every place of the program on tensors of floating-point numbers."""
    placed = [(g, m) for g in nested_graphs(program.graph) for m in matches(g) if _is_real(m.result)]
    if not placed:
        return Found((), {})
    arrays = _observed(program, placed, samples)
    intervals = everywhere(program)
    found = []
    for graph, match in placed:
        dims = match.result.tensor.dims
        sizes = {**{n: s.high for n, s in program.sizes.items() if s.high is not None}, **context.sizes}
        lies = _range(graph, match, intervals, arrays[graph, match])
        count, most = _count(dims, context.sizes), _count(dims, sizes)
        own = own_error(match, arrays[graph, match]) if match.form else 0.0
        found.append(Place(graph, match, lies, graph is not program.graph, count, most, own))
    return Found(tuple(found), arrays)


def _is_real(value: Value) -> bool:
    return isinstance(value.type, TensorType) and value.type.dtype.is_float


def _count(dims: Iterable[Any] | None, sizes: Mapping[str, int]) -> int | None:
    """How many elements; None where a size is not known."""
    if dims is None or any(not symbols_of(d) <= set(sizes) for d in dims):
        return None
    return math.prod(evaluate(d, sizes) for d in dims)


def _range(graph: Graph, match: Match, intervals: Intervals, arrays: Sequence[Array]) -> Range:
    if match.is_softmax:
        return Range((-math.inf, 0.0), seen(arrays), "interval")
    found = intervals.get(graph, {}).get(match.operand, EVERYTHING)
    source = "" if found == EVERYTHING else "declared" if match.operand.is_leaf else "interval"
    return Range(found, seen(arrays) if arrays else found, source)


# --- what is seen -------------------------------------------------------------------------------------


def samples_of(program: Program, context: Context) -> tuple[Samples, ...]:
    """Calibration data where the step has some, and inputs drawn as the program declares them."""
    batches = context.data.get(context.calibration or "calibration")
    drawn = draw_samples(program, context.seed, default_evaluator())
    if not batches:
        return drawn
    return (*(Samples({**drawn[0].feeds, **batch}) for batch in batches[:4]), *drawn)


def _observed(
    program: Program, placed: Sequence[tuple[Graph, Match]], samples: Sequence[Samples]
) -> dict[tuple[Graph, Match], list[Array]]:
    """The operands of every place on the samples, as far as they can be evaluated."""
    from ....backends.torch_fx import TorchEvaluator
    from ....backends.torch_fx.arrays import from_torch

    wanted: dict[Graph, dict[Value, None]] = {}
    for graph, match in placed:
        wanted.setdefault(graph, {})[match.operand] = None
    met: dict[tuple[Graph, Value], list[Array]] = {(g, v): [] for g, values in wanted.items() for v in values}
    for sample in samples:
        calls: dict[tuple[Graph, Value], list[Array]] = {key: [] for key in met}

        def see(graph: Graph, value: Value, tensor: Any, calls: Any = calls) -> None:
            rows = calls[graph, value]
            rows.append(from_torch(tensor, value.type))
            if len(rows) > KEPT:
                del rows[KEPT // 2]

        try:
            with np.errstate(all="ignore"):
                TorchEvaluator().observe(program.graph, leaf_arrays(program, sample.feeds), wanted, see)
        except (SpecError, NotImplementedError, ValueError, TypeError, RuntimeError, IndexError, KeyError):
            pass  # what was seen before counts
        for key, rows in calls.items():
            met[key] += [np.asarray(r) for r in rows]
    return {(g, m): [_shifted_rows(a) if m.is_softmax else a for a in met[g, m.operand]] for g, m in placed}


def _shifted_rows(array: Array) -> Array:
    """What a softmax takes the exponential of."""
    with np.errstate(invalid="ignore"):
        return np.asarray(array - array.max(axis=-1, keepdims=True)) if array.size else array


def own_error(match: Match, arrays: Sequence[Array]) -> float:
    """The largest distance of the written form, in its own dtype, from itself in float64."""
    from ....backends.torch_fx import TorchEvaluator

    evaluator, most = TorchEvaluator(), 0.0
    for array in arrays[:16]:
        if array.size and not match.is_softmax:
            given = {match.operand: array}
            (narrow,), (wide,) = (evaluator.evaluate([match.result], given, float64=w) for w in (False, True))
            with np.errstate(invalid="ignore"):
                off = np.abs(narrow.astype(np.float64) - wide)
            most = max(most, float(off[np.isfinite(off)].max(initial=0.0)))
    return most


# --- errors -------------------------------------------------------------------------------------------

_LARGEST = frozenset({"sin", "cos", "tanh", "erf", "sigmoid"})
"""At most 1 in size."""


def largest_result(match: Match, lies: tuple[float, float]) -> float:
    """The largest size of the function on an interval."""
    low, high = lies
    function = match.function
    if match.is_softmax or function in _LARGEST:
        return 1.0
    if function in ("exp", "exp2"):
        return float(np.exp(min(high, 700.0))) if function == "exp" else 2.0 ** min(high, 1000.0)
    if function in ("log", "log2"):
        least = max(low, 1e-45)
        return max(abs(math.log(least)), abs(math.log(max(high, least)))) * (1.5 if function == "log2" else 1)
    if function == "rsqrt":
        return 1 / math.sqrt(max(low, 1e-45))
    return max(abs(low), abs(high)) + 1.0


def consequence(place: Place, entry: Entry) -> float:
    """The error that the program causes: in its own result, or, by its amplification, in an output."""
    factor = place.amplification
    if factor is None:
        return entry.error(1.0) if place.match.is_softmax else site_error(place, entry)
    own = factor.absolute * place.own
    if entry.relative is None:
        return factor.absolute * entry.certificate.bound + own
    relative = 2 * entry.relative + 2.0**-22 if place.match.is_softmax else entry.relative
    return factor.relative * relative + own


def site_error(place: Place, entry: Entry) -> float:
    """The largest absolute error of the place with the program in it. A softmax is a quotient: the errors of a
    term, of the sum (no larger, relatively) and of the quotient."""
    if place.match.is_softmax:
        return 2 * entry.error(1.0) + 4 * unit(0.5, place.dtype)
    return entry.error(place.largest)
