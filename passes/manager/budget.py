"""Budgets: boolean expressions over metrics, decided on data with a paired bootstrap (R42).

`accuracy >= before.accuracy - 0.01` and `bytes <= 0.3 * start.bytes`: a bare name is the metric
after the pass, `before.` of its input, `start.` of the first program. A comparison's margin is
how far it is from failing; its slack is the margin of a pass that changes nothing. Examples are
drawn again in pairs, so the interval is that of the change and not of the metric.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Protocol

import numpy as np

from ...graph.diagnostics import Span, did_you_mean, fail
from ...graph.ir import Program
from ...graph.spec.expressions import Binary, Comparison, Expression, Logical, Member, Name, Number, Unary
from .verdict import Verdict

Array = np.ndarray[Any, Any]

RESAMPLES = 2000
STAGES = ("before", "start")


class Meter(Protocol):
    """Measures metrics of programs on held-out data."""

    @property
    def metrics(self) -> Sequence[str]:
        """The names of the metrics that it can measure."""
        ...

    def measure(self, program: Program, metric: str, data: str | None) -> Array:
        """One number per held-out example, in the same order for every program, or a single number
        for a metric of the whole set (then no interval is given)."""
        ...


@dataclass(frozen=True)
class BudgetFinding:
    """One budget decided. `margin` is how far the tightest comparison is from failing, with its 95 %
    interval; `slack` what a pass that changes nothing would have; `needed` the number of examples
    that would resolve the budget, where these do not."""

    text: str
    verdict: Verdict
    margin: float
    low: float
    high: float
    slack: float
    examples: int
    needed: int | None = None
    values: Mapping[str, float] | None = None

    def to_json(self) -> dict[str, Any]:
        return {**{n: getattr(self, n) for n in self.__dataclass_fields__}, "verdict": self.verdict.value}

    def __str__(self) -> str:
        interval = f"95 % interval {self.low:+.4g} to {self.high:+.4g}, {self.examples} examples"
        return f"{self.text}: {self.verdict.value} with a margin of {self.margin:+.4g} ({interval})"


Samples = Mapping[tuple[str, str], Array]
"""(stage, metric) -> one number per example; stage is "after", "before" or "start"."""


def metrics_in(expression: Expression) -> set[tuple[str, str]]:
    """The (stage, metric) pairs that a budget reads. Raises SpecError G1031 for what is no budget."""
    found: set[tuple[str, str]] = set()

    def walk(e: Expression) -> None:
        if isinstance(e, Name):
            found.add(("after", e.name))
        elif isinstance(e, Member):
            if not isinstance(e.base, Name) or e.base.name not in STAGES:
                raise fail("G1031", "a budget compares with 'before.' or 'start.' only", e.span)
            found.add((e.base.name, e.name))
        elif isinstance(e, Binary):
            walk(e.left)
            walk(e.right)
        elif isinstance(e, Unary):
            walk(e.operand)
        elif isinstance(e, Comparison | Logical):
            for operand in e.operands:
                walk(operand)
        elif not isinstance(e, Number):
            raise fail("G1031", "a budget holds metrics, numbers, arithmetic and comparisons", e.span)

    if not isinstance(expression, Comparison | Logical) and not _negation(expression):
        raise fail(
            "G1031", "a budget is a comparison, such as accuracy >= before.accuracy - 0.01", expression.span
        )
    walk(expression)
    return found


def _negation(expression: Expression) -> bool:
    return isinstance(expression, Unary) and expression.operator == "not"


def check_metrics(expression: Expression, known: Sequence[str]) -> None:
    """Raises SpecError G1030 for a metric that nobody measures."""
    for _, name in sorted(metrics_in(expression)):
        if name not in known:
            span = _span_of(expression, name)
            raise fail("G1030", f"there is no metric '{name}'", span, hint=did_you_mean(name, known))


def _span_of(expression: Expression, name: str) -> Span:
    if isinstance(expression, Name | Member) and expression.name == name:
        return expression.span
    children: Sequence[Expression] = ()
    if isinstance(expression, Comparison | Logical):
        children = expression.operands
    elif isinstance(expression, Binary):
        children = (expression.left, expression.right)
    elif isinstance(expression, Unary):
        children = (expression.operand,)
    for child in children:
        found = _span_of(child, name)
        if found is not child.span or isinstance(child, Name | Member):
            return found
    return expression.span


# --- margins --------------------------------------------------------------------------------------

Lookup = Callable[[str, str], Array]


def _value(e: Expression, lookup: Lookup) -> Array:
    if isinstance(e, Number):
        return np.asarray(float(e.value))
    if isinstance(e, Name):
        return lookup("after", e.name)
    if isinstance(e, Member) and isinstance(e.base, Name):
        return lookup(e.base.name, e.name)
    if isinstance(e, Unary):
        operand = _value(e.operand, lookup)
        return np.negative(operand) if e.operator == "-" else operand
    if isinstance(e, Binary):
        left, right = _value(e.left, lookup), _value(e.right, lookup)
        operation = _ARITHMETIC.get(e.operator)
        if operation is not None:
            return np.asarray(operation(left, right))
    raise fail("G1031", "a budget holds metrics, numbers, arithmetic and comparisons", e.span)


_ARITHMETIC: dict[str, np.ufunc] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "**": np.power,
}


def margin(e: Expression, lookup: Lookup) -> Array:
    """How far the budget is from failing (negative: it fails): right minus left of `<=`, the
    smallest margin of an `and`, the largest of an `or`."""
    if isinstance(e, Logical):
        margins = np.stack(np.broadcast_arrays(*(margin(o, lookup) for o in e.operands)))
        return np.asarray(margins.min(axis=0) if e.operator == "and" else margins.max(axis=0))
    if isinstance(e, Unary) and e.operator == "not":
        return np.asarray(np.negative(margin(e.operand, lookup)))
    if not isinstance(e, Comparison):
        raise fail("G1031", "a budget is a comparison, such as accuracy >= before.accuracy - 0.01", e.span)
    values = [_value(o, lookup) for o in e.operands]
    found = [_margin(o, a, b, e) for o, a, b in zip(e.operators, values[:-1], values[1:], strict=True)]
    return np.asarray(np.stack(np.broadcast_arrays(*found)).min(axis=0))


def _margin(operator: str, left: Array, right: Array, e: Expression) -> Array:
    if operator in ("<", "<="):
        return np.asarray(right - left)
    if operator in (">", ">="):
        return np.asarray(left - right)
    if operator == "==":
        return np.asarray(-np.abs(left - right))
    raise fail("G1031", f"a budget has no use for '{operator}'", e.span)


def decide(expression: Expression, text: str, samples: Samples, seed: int = 0) -> BudgetFinding:
    """The budget on per-example numbers, with a paired bootstrap interval of its margin.

    Broken where the margin is negative; inconclusive where half the interval is wider than the
    slack, so that the data could not tell a pass that is within the budget from one that is not;
    holds otherwise.
    """
    sizes = {a.size for a in samples.values() if a.size > 1}
    if len(sizes) > 1:
        raise fail("G1032", f"metrics were measured on different numbers of examples: {sorted(sizes)}")
    count = sizes.pop() if sizes else 1
    point = float(margin(expression, lambda stage, m: _mean(samples[stage, m])))
    slack = float(margin(expression, lambda stage, m: _mean(_unchanged(samples, stage, m))))
    low, high = _interval(expression, samples, count, seed, point)
    values = {f"{s}.{m}" if s != "after" else m: float(_mean(a)) for (s, m), a in samples.items()}
    half = (high - low) / 2
    verdict, needed = Verdict.HOLDS, None
    if point < 0:
        verdict = Verdict.BROKEN
    elif slack > 0 and count > 1 and max(half, 0.5 / count) > slack:
        verdict = Verdict.INCONCLUSIVE
        needed = max(ceil(count * (half / slack) ** 2), ceil(0.5 / slack))
    return BudgetFinding(text, verdict, point, low, high, slack, count, needed, values)


def _mean(array: Array) -> Array:
    return np.asarray(np.mean(array, dtype=np.float64))


def _unchanged(samples: Samples, stage: str, metric: str) -> Array:
    """The number that a pass without effect would have: its input's."""
    for other in ("before", "start") if stage == "after" else (stage,):
        if (other, metric) in samples:
            return samples[other, metric]
    return samples[stage, metric]


def _interval(
    expression: Expression, samples: Samples, count: int, seed: int, point: float
) -> tuple[float, float]:
    if count <= 1:
        return point, point
    generator = np.random.default_rng(seed)
    margins = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        rows = generator.integers(0, count, count)

        def resampled(stage: str, metric: str, rows: Array = rows) -> Array:
            array = samples[stage, metric]
            return _mean(array[rows] if array.size > 1 else array)

        margins[i] = margin(expression, resampled)
    low, high = np.quantile(margins, [0.025, 0.975])
    return float(low), float(high)


def budget_of_contract(metric: str, max_drop: float, span: Span) -> Expression:
    """`metric >= before.metric - max_drop`: the budget that a Budget contract stands for."""
    before = Member(span, Name(span, "before"), metric, span)
    allowed = Binary(span, "-", before, Number(span, max_drop), span)
    return Comparison(span, (">=",), (Name(span, metric), allowed))
