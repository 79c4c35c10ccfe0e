"""Simplify: the whole family as one pass, in as few sweeps as it needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ...graph.ir import Node, Program
from ...graph.operators.leaves import CONSTANT, WEIGHT
from ..manager.pass_ import Context, Replacement, Result
from ..rewriting import Rule, rewrite
from ..rewriting.rewriting_pass import RewritingPass
from .algebra import algebra_rules
from .batch_norm import FoldBatchNorm
from .chains import chain_rules
from .dead_code import dead_code_rules, prune
from .folding import folding_rules
from .freezing import freeze
from .hoisting import hoisting_rules
from .identities import identity_rules
from .recurrent import recurrent_rules
from .reductions import reduction_rules
from .shapes import shape_rules
from .unrolling import unrolling_rules
from .weights import merging_rules


@dataclass
class _Work:
    """What has been done so far."""

    program: Program
    limit: int | None
    replacements: list[Replacement] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    hits: Counter[str] = field(default_factory=Counter)
    scratch: dict[str, Any] = field(default_factory=dict)
    visits: int = 0
    attempts: int = 0

    @property
    def left(self) -> int | None:
        return None if self.limit is None else self.limit - len(self.replacements)

    def add(self, result: Result) -> None:
        self.scratch.update(result.scratch)
        self.program = result.program
        self.replacements.extend(result.replacements)
        self.hits.update(result.hits)
        self.visits += result.visits
        self.attempts += result.attempts


@dataclass(frozen=True)
class Simplify(RewritingPass):
    """Constant folding, identities, algebra, shape arithmetic, chains of layout operations,
    reductions of nothing, zero initial states, merged weights, folded batch norm, unrolled scans,
    hoisted invariants, dead code.

    All rules run in one sweep, so that each sees what the others made of its operands.
    `fold_parameters` first makes constants of stored parameters (inference only); without it,
    parameters can still be fed and trained. The other options are those of `fold_constants` and
    `unroll_scans`.
    """

    name: ClassVar[str] = "simplify"
    sense: ClassVar[str] = "algebra"

    fold_parameters: bool = False
    max_input: int = 8192
    max_output: int = 262144
    max_steps: int = 8
    max_nodes: int = 256

    def rules(self, program: Program) -> tuple[Rule, ...]:
        return (
            *merging_rules(program),
            *folding_rules(self.max_input, self.max_output),
            *identity_rules(),
            *algebra_rules(),
            *shape_rules(),
            *chain_rules(),
            *reduction_rules(),
            *recurrent_rules(),
            *unrolling_rules(self.max_steps, self.max_nodes),
            *hoisting_rules(),
            *dead_code_rules(),
        )

    def run(self, program: Program, context: Context) -> Result:
        work = _Work(program, context.firings)
        if self.fold_parameters and program.variant == "infer":
            work.program = freeze(program)
        self._sweep(work)
        if work.program.variant == "infer" and _may_fold(work.program):
            self._batch_norm(work, context)
        final = prune(work.program)
        if final is not work.program:
            work.scratch.update(_lost(work.program.weights.arrays, final.weights.arrays))
        return Result(
            final,
            tuple(work.replacements),
            tuple(work.notes),
            dict(work.hits),
            work.visits,
            work.attempts,
            work.scratch,
        )

    def _sweep(self, work: _Work) -> None:
        found = rewrite(work.program, self.rules(work.program), self.name, work.left)
        counters = found.counters
        work.add(
            Result(
                found.program,
                found.replacements,
                hits=counters.hits,
                visits=counters.visits,
                attempts=counters.attempts,
            )
        )

    def _batch_norm(self, work: _Work, context: Context) -> None:
        result = FoldBatchNorm(fold_parameters=False).run(work.program, replace(context, firings=work.left))
        changed = result.program is not work.program
        work.add(result)
        if changed:
            self._sweep(work)


def _may_fold(program: Program) -> bool:
    """Whether there is a batch norm, or a constant scale or shift of a linear operation."""
    for node in program.graph.nodes:
        name = node.operator.name
        if name == "BatchNormalization":
            return True
        if name in _AFFINE and len(node.inputs) == 2:
            for value, other in (node.inputs, node.inputs[::-1]):
                if value is None or other is None or other.node.operator not in (CONSTANT, WEIGHT):
                    continue
                if _folds(name, value.node):
                    return True
    return False


_AFFINE = frozenset(("Add", "Sub", "Mul", "Div"))


def _folds(name: str, linear: Node) -> bool:
    if linear.operator.name in ("Conv", "ConvTranspose", "Gemm"):
        return True
    if linear.operator.name == "MatMul":
        return name in ("Mul", "Div")
    return linear.operator.name in ("Add", "Sub") and any(
        v is not None and v.node.operator.name == "MatMul" for v in linear.inputs
    )


def _lost(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    return {name: array for name, array in before.items() if name not in after}
