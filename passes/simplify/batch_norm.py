"""Batch normalization folded into the linear operation before it.

With running statistics, batch norm is `scale * x + shift` per channel, and so are the steps that
specs write it in: `(x - m) / sqrt(v + eps) * gamma + beta`. Both fold into the weights of Conv,
ConvTranspose, Gemm and MatMul, also where statistics arrive through casts, expands or reshapes
(a raw torch export wraps them in CastLike and Expand). Ioffe and Szegedy, arXiv 1502.03167,
section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from ...graph.ir import Node, Program, Value, apply, constant
from ..manager.contract import Contract, Exact
from ..manager.pass_ import Context, Result
from ..rewriting import Procedure, Rule, Site, rewrite
from ..rewriting.rewriting_pass import RewritingPass
from .chains import chain_rules
from .constant_expressions import ConstantExpressions, content, fold_expressions
from .dead_code import prune
from .freezing import freeze
from .linear import channel_vector, find_linear, fold_affine, obstacle

LINEAR = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Sub"})


@dataclass(frozen=True)
class FoldBatchNorm(RewritingPass):
    """Folds BatchNormalization, and constant Add, Sub, Mul and Div per channel, into the weights of
    the Conv, ConvTranspose, Gemm or MatMul before them. `fold_parameters` first makes constants of
    stored parameters and states, as `freeze_parameters` does; without it only weights that are
    constant already take part."""

    name: ClassVar[str] = "fold_batch_norm"
    variants: ClassVar[frozenset[str]] = frozenset({"infer"})
    sense: ClassVar[str] = "algebra"

    fold_parameters: bool = True

    @property
    def contract(self) -> Contract:
        return Exact("algebra")

    def rules(self, program: Program) -> tuple[Rule, ...]:
        return batch_norm_rules(ConstantExpressions())

    def run(self, program: Program, context: Context) -> Result:
        constants = freeze(program) if self.fold_parameters else program
        is_constant = ConstantExpressions()
        found = rewrite(constants, batch_norm_rules(is_constant), self.name, context.firings)
        if not any(name.startswith("linear") for name in found.counters.hits):
            return Result(program, visits=found.counters.visits, attempts=found.counters.attempts)
        folded = fold_expressions(found.program, is_constant)
        return Result(
            prune(folded.program),
            (*found.replacements, *folded.replacements),
            hits=dict(found.counters.hits),
            visits=found.counters.visits,
            attempts=found.counters.attempts,
            scratch={**constants.weights.arrays, **folded.weights},
        )


def batch_norm_rules(is_constant: ConstantExpressions) -> tuple[Rule, ...]:
    def batch_norm(node: Node, site: Site) -> Sequence[Value] | str:
        return _batch_norm(node, site, is_constant)

    def affine(node: Node, site: Site) -> Sequence[Value] | str:
        return _affine(node, site, is_constant)

    return (
        *_plain_statistics(),
        Procedure("linear-batch-norm", ("BatchNormalization",), batch_norm, "algebra", (LINEAR,)),
        Procedure("linear-affine", ("Add", "Sub", "Mul", "Div"), affine, "algebra", (LINEAR,)),
    )


@cache
def _plain_statistics() -> tuple[Rule, ...]:
    """The rules that take CastLike, Cast and Expand off statistics that they do not change."""
    wanted = ("cast-like", "cast-same", "cast-cast", "same-shape")
    return tuple(r for r in chain_rules() if r.name in wanted)


def _batch_norm(node: Node, site: Site, is_constant: ConstantExpressions) -> Sequence[Value] | str:
    x, gamma, beta, mean, variance = node.inputs
    assert x and gamma and beta and mean and variance
    if node.attribute("training_mode"):
        return "it normalizes by the batch's own statistics: training_mode is 1"
    if not all(map(is_constant, (gamma, beta, mean, variance))):
        return "a statistic or a parameter of BatchNormalization is no constant"
    linear = find_linear(x, is_constant)
    if isinstance(linear, str):
        return linear
    if linear.axis != 1:
        return "its channels are not those of the linear operation"
    reason = obstacle(linear, site, scales=True)
    if reason is not None:
        return reason
    dtype = x.tensor.dtype
    if any(v.tensor.dtype is not dtype for v in (gamma, beta, mean, variance)):
        gamma, beta, mean, variance = (apply("Cast", v, to=dtype) for v in (gamma, beta, mean, variance))
    epsilon = constant(np.asarray(node.attribute("epsilon"), dtype.numpy))
    scale = apply("Div", gamma, apply("Sqrt", apply("Add", variance, epsilon)))
    shift = apply("Sub", beta, apply("Mul", mean, scale))
    reason = _not_finite(site, scale, shift)
    if reason is not None:
        return reason
    site.consume(linear.nodes)
    return (fold_affine(linear, scale, shift), *node.outputs[1:])


def _affine(node: Node, site: Site, is_constant: ConstantExpressions) -> Sequence[Value] | str:
    left, right = node.inputs
    assert left is not None and right is not None
    if is_constant(left) and node.name in ("Add", "Mul"):
        left, right = right, left
    if not is_constant(right):
        return (
            "neither operand is constant"
            if node.name in ("Add", "Mul")
            else "the right operand is no constant"
        )
    if is_constant(left):
        return "both operands are constant"
    linear = find_linear(left, is_constant)
    if isinstance(linear, str):
        return linear
    scales = node.name in ("Mul", "Div")
    if not scales and linear.nodes[0].name == "MatMul":
        return "a MatMul has no bias to add it to"
    reason = obstacle(linear, site, scales)
    if reason is not None:
        return reason
    vector = channel_vector(right, node.outputs[0].tensor.rank, linear.axis, linear.channels)
    if isinstance(vector, str):
        return vector
    if node.name == "Div":
        vector = apply("Div", constant(np.ones((), vector.tensor.dtype.numpy)), vector)
    elif node.name == "Sub":
        vector = apply("Neg", vector)
    reason = _not_finite(site, vector)
    if reason is not None:
        return reason
    site.consume(linear.nodes)
    return (fold_affine(linear, vector, None) if scales else fold_affine(linear, None, vector),)


def _not_finite(site: Site, *values: Value) -> str | None:
    """An infinite scale in the weights would turn sums into NaN that were infinite."""
    for value in values:
        array = content(value, site.array)
        if array is None:
            return "a constant of it can't be computed ahead"
        with np.errstate(over="ignore"):
            stored = array.astype(value.tensor.dtype.numpy)
        if not np.isfinite(stored.astype(np.float64)).all():
            return "a scale or shift of it is not finite"
    return None
