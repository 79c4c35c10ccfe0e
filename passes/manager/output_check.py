"""Two programs compared at their outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...backends.runtime.protocols import Evaluator
from ...graph.ir import Node, Program, Value
from ...graph.types import TensorType
from .comparison import Measured, bounded, same_algebra, same_bits, unit_roundoff
from .contract import Bounded, Contract, Exact
from .evaluation import Samples, Unevaluable, evaluate, leaf_arrays
from .intermediates import rounding_length, scale_of
from .pass_ import Result
from .sites import is_constant, region_of
from .ties import jumps, tied_elements
from .verdict import HOLDS, Finding, Verdict, worst

Array = np.ndarray[Any, Any]
Run = list[Array] | Unevaluable
KEPT_RUNS = 16


@dataclass
class OutputCheck:
    """Runs programs on the shared samples; the last runs are kept, since a pass's output is the
    next one's input."""

    evaluator: Evaluator
    samples: tuple[Samples, ...]
    _runs: dict[tuple[int, int, bool], tuple[Program, Run]] = field(default_factory=dict)

    def compare(self, before: Program, result: Result, contract: Contract) -> Finding:
        """The outputs and new states before and after one pass."""
        after = result.program
        if len(before.graph.outputs) != len(after.graph.outputs):
            reason = f"{len(after.graph.outputs)} outputs instead of {len(before.graph.outputs)}"
            return Finding(Verdict.BROKEN, float("inf"), reason=reason)
        if _is_same(before, after):
            return HOLDS
        exact = isinstance(contract, Exact) and contract.sense == "algebra"
        shadows = self._folded(before, result) if exact else {}
        found = [self._compare(before, after, i, contract, shadows) for i in range(len(self.samples))]
        return worst(found)

    def drift(self, first: Program, after: Program, contract: Contract) -> Finding | None:
        """The distance from the first program of the compile, where the contract bounds one."""
        if not isinstance(contract, Bounded):
            return None
        return worst(self._compare(first, after, i, contract, {}) for i in range(len(self.samples)))

    def _compare(
        self,
        before: Program,
        after: Program,
        index: int,
        contract: Contract,
        shadows: Mapping[Value, Array],
    ) -> Finding:
        old, new = self._run(before, index), self._run(after, index)
        for run in (old, new):
            if isinstance(run, Unevaluable):
                return Finding(Verdict.INCONCLUSIVE, reason=f"the outputs can't be evaluated: {run.reason}")
        assert isinstance(old, list) and isinstance(new, list)
        if isinstance(contract, Bounded):
            return worst(
                bounded(contract.metric, contract.limit, a, b) for a, b in zip(old, new, strict=True)
            )
        if isinstance(contract, Exact) and contract.sense == "algebra":
            return self._algebra(before, after, index, (old, new), shadows)
        return worst(same_bits(a, b) for a, b in zip(old, new, strict=True))

    def _algebra(
        self,
        before: Program,
        after: Program,
        index: int,
        native: tuple[list[Array], list[Array]],
        shadows: Mapping[Value, Array],
    ) -> Finding:
        """First by the outputs' own size; only where that fails by every intermediate sum and tie."""
        old, new = self._run(before, index, True), self._shadow(after, index, shadows)
        for run in (old, new):
            if isinstance(run, Unevaluable):
                return Finding(Verdict.INCONCLUSIVE, reason=f"the outputs have no float64 run: {run.reason}")
        assert isinstance(old, list) and isinstance(new, list)
        length = rounding_length(before.graph.nodes, {})
        quick = worst(
            same_algebra(Measured(a, b, s, t, 0.0, length))
            for a, b, s, t in zip(*native, old, new, strict=True)
        )
        if quick.verdict is Verdict.HOLDS:
            return quick
        return self._careful(before, index, native, (old, new), length) or quick

    def _careful(
        self,
        before: Program,
        index: int,
        native: tuple[list[Array], list[Array]],
        shadow: tuple[list[Array], list[Array]],
        length: int,
    ) -> Finding | None:
        given = leaf_arrays(before, self.samples[index].feeds)
        nodes = [n for n in before.graph.nodes if not n.outputs[0].is_leaf and _has_tensors(n)]
        values = [v for n in before.graph.nodes for v in n.outputs if isinstance(v.type, TensorType)]
        wanted = [v for v in values if v not in given]
        found = evaluate(self.evaluator, wanted, given, float64=True)
        if isinstance(found, Unevaluable):
            return None
        inner = {**given, **dict(zip(wanted, found, strict=True))}
        scale = scale_of(nodes, inner, self.evaluator)
        ties: Sequence[Array | None] = [None] * len(native[0])
        if any(map(jumps, nodes)):
            unit = max(
                (unit_roundoff(v.tensor.dtype) for v in values if v.tensor.dtype.is_float), default=0.0
            )
            reach = 4 * max_terms(nodes) * unit * max(scale, 1e-300)
            ties = tied_elements(tensors(before), nodes, inner, given, reach, self.evaluator)
        rows = zip(*native, *shadow, ties, strict=True)
        return worst(same_algebra(Measured(a, b, s, t, scale, length, m)) for a, b, s, t, m in rows)

    def _run(self, program: Program, index: int, float64: bool = False) -> Run:
        key = (id(program), index, float64)
        if key not in self._runs:
            given = leaf_arrays(program, self.samples[index].feeds)
            found = evaluate(self.evaluator, tensors(program), given, float64)
            self._runs[key] = (program, found)
            while len(self._runs) > KEPT_RUNS:
                del self._runs[next(iter(self._runs))]
        return self._runs[key][1]

    def _shadow(self, program: Program, index: int, shadows: Mapping[Value, Array]) -> Run:
        if not shadows:
            return self._run(program, index, True)
        given = leaf_arrays(program, self.samples[index].feeds)
        given.update(shadows)
        return evaluate(self.evaluator, tensors(program), given, float64=True)

    def _folded(self, before: Program, result: Result) -> dict[Value, Array]:
        """The float64 content of constants that the pass computed ahead: they were rounded when they
        were stored, which the shadow of the whole must not see."""
        present = {v for n in before.graph.nodes for v in n.outputs}
        arrays = {**before.weights.arrays, **result.program.weights.arrays, **result.scratch}
        shadows: dict[Value, Array] = {}
        for replacement in result.replacements:
            (new, *others) = replacement.new
            if others or new in present or not is_constant(new) or not new.tensor.dtype.is_float:
                continue
            region = region_of(replacement)
            if region is None or region.boundary:
                continue
            names = {v: v.node.attribute("name") for v in region.weights}
            given = {v: arrays[name] for v, name in names.items() if name in arrays}
            found = evaluate(self.evaluator, replacement.old, {**given, **shadows}, float64=True)
            if not isinstance(found, Unevaluable):
                shadows[new] = found[0]
        return shadows


def _is_same(before: Program, after: Program) -> bool:
    """Whether both compute the same values (nodes are interned) from the same arrays."""
    if before.graph.outputs != after.graph.outputs:
        return False
    old, new = before.weights.arrays, after.weights.arrays
    return all(old.get(name) is new[name] for name in new)


def tensors(program: Program) -> tuple[Value, ...]:
    """The outputs that are tensors, states included."""
    return tuple(v for v in program.graph.outputs if isinstance(v.type, TensorType))


def _has_tensors(node: Node) -> bool:
    values = (*node.inputs, *node.outputs)
    return all(v is None or isinstance(v.type, TensorType) for v in values)


def max_terms(nodes: Sequence[Node]) -> int:
    """The longest single sum among the nodes."""
    return max((rounding_length([n], {}) for n in nodes), default=1)


__all__ = ["HOLDS", "OutputCheck", "max_terms", "tensors"]
