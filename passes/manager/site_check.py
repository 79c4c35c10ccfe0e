"""Both forms of one site computed from the same boundary values, and compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...backends.runtime.protocols import Evaluator
from ...graph.ir import Value
from ...graph.types import TensorType
from .comparison import Measured, bounded, same_algebra, same_bits, unit_roundoff
from .contract import Bounded, Contract, Exact
from .evaluation import Unevaluable, evaluate
from .intermediates import absolute_sums, largest, rounding_length
from .sites import Region, is_constant
from .ties import tied_elements
from .verdict import HOLDS, Finding, Verdict, worst

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class SiteRun:
    """What one site gave: the finding, and both forms' results in their own dtype."""

    finding: Finding
    old: tuple[Array, ...] = ()
    new: tuple[Array, ...] = ()


def contract_at(region: Region, contract: Contract) -> Contract:
    """The contract of one site: the pass's, unless the site has a sense or a bound of its own. Moving
    elements about keeps every bit, whatever the pass promises."""
    replacement = region.replacement
    nodes = (*region.old_nodes, *region.new_nodes)
    if isinstance(contract, Exact) and nodes and all("layout" in n.operator.traits for n in nodes):
        return Exact("bits")
    if isinstance(contract, Exact) and replacement.sense:
        return Exact(replacement.sense)
    if isinstance(contract, Bounded) and replacement.bound is not None:
        return Bounded(contract.metric, replacement.bound)
    return contract


def check_site(
    region: Region, given: Mapping[Value, Array], contract: Contract, evaluator: Evaluator
) -> SiteRun:
    """Evaluates both forms on `given` (the boundary and every weight) and compares them."""
    old, new = region.replacement.old, region.replacement.new
    native = evaluate(evaluator, (*old, *new), given)
    if isinstance(native, Unevaluable):
        return SiteRun(Finding(Verdict.INCONCLUSIVE, reason=f"it can't be evaluated: {native.reason}"))
    olds, news = tuple(native[: len(old)]), tuple(native[len(old) :])
    wanted = contract_at(region, contract)
    if isinstance(wanted, Bounded) and wanted.metric == "gain":
        return SiteRun(_gain(region, given, news, wanted.limit, evaluator), olds, news)
    if isinstance(wanted, Bounded):
        pairs = zip(olds, news, strict=True)
        return SiteRun(worst(bounded(wanted.metric, wanted.limit, a, b) for a, b in pairs), olds, news)
    if isinstance(wanted, Exact) and wanted.sense == "algebra":
        return SiteRun(_algebra(region, given, olds, news, evaluator), olds, news)
    if isinstance(wanted, Exact):
        return SiteRun(worst(same_bits(a, b) for a, b in zip(olds, news, strict=True)), olds, news)
    return SiteRun(HOLDS, olds, news)


def _gain(
    region: Region,
    given: Mapping[Value, Array],
    news: tuple[Array, ...],
    limit: float,
    evaluator: Evaluator,
) -> Finding:
    """The new form, in its own dtype, against the old one in float64, over the largest operand."""
    exact = evaluate(evaluator, region.replacement.old, given, float64=True)
    if isinstance(exact, Unevaluable):
        return Finding(Verdict.INCONCLUSIVE, reason=f"it has no float64 run: {exact.reason}")
    size = max((largest(given[v]) for v in region.boundary if given[v].dtype.kind == "f"), default=0.0)
    size = max(size, float(np.finfo(np.float32).tiny))
    pairs = zip(exact, (widened(n) for n in news), strict=True)
    return worst(bounded("gain", limit, a / size, b / size) for a, b in pairs)


def _algebra(
    region: Region,
    given: Mapping[Value, Array],
    olds: tuple[Array, ...],
    news: tuple[Array, ...],
    evaluator: Evaluator,
) -> Finding:
    same = (same_bits(a, b) for a, b in zip(olds, news, strict=True))
    if not region.boundary and all(f.verdict is Verdict.HOLDS for f in same):
        return HOLDS  # constants alone: they have no other values, so a tie decides nothing
    old, new = region.replacement.old, region.replacement.new
    nodes = (*region.old_nodes, *region.new_nodes)
    values = [v for n in nodes for v in n.outputs if v not in given]
    operands = [v for n in nodes for v in n.inputs if v is not None and is_constant(v) and v not in given]
    wanted = tuple(dict.fromkeys((*old, *new, *values, *operands)))
    wanted = tuple(v for v in wanted if isinstance(v.type, TensorType))
    found = evaluate(evaluator, wanted, given, float64=True)
    if isinstance(found, Unevaluable):
        return Finding(Verdict.INCONCLUSIVE, reason=f"it has no float64 run: {found.reason}")
    shadow = {v: widened(a) for v, a in given.items()}
    shadow.update(zip(wanted, found, strict=True))
    sums = absolute_sums(nodes, shadow, evaluator)
    scales = [_reach(values, sums, shadow) for values in (old, new)]
    length = rounding_length(nodes, shadow)
    inner = max((largest(sums.get(v, a)) for v, a in shadow.items()), default=0.0)
    ties = tied_elements(old, region.old_nodes, shadow, given, shift(region, length, inner), evaluator)
    return worst(
        same_algebra(
            Measured(a, b, shadow[v], shadow[w], max(scales), length, tied, is_constant(w), scales[0])
        )
        for a, b, v, w, tied in zip(olds, news, old, new, ties, strict=True)
    )


def _reach(values: tuple[Value, ...], sums: Mapping[Value, Array], shadow: Mapping[Value, Array]) -> float:
    """The largest absolute sum behind the results; behind any value where none is a float."""
    floats = [v for v in values if shadow[v].dtype.kind == "f"]
    return max((largest(sums.get(v, shadow[v])) for v in (floats or shadow)), default=0.0)


def shift(region: Region, length: int, scale: float) -> float:
    """How far rounding may move a value of the region: k u times its largest number."""
    floats = [
        v.tensor.dtype for v in region.boundary if isinstance(v.type, TensorType) and v.type.dtype.is_float
    ]
    unit = max((unit_roundoff(d) for d in floats), default=2.0**-53)
    return 4 * length * unit * max(scale, 1e-300)


def widened(array: Array) -> Array:
    """A floating-point array in float64, any other as it is."""
    if array.dtype.kind == "f" or (array.dtype.kind == "V" and array.dtype != object):
        return array.astype(np.float64)
    return array
