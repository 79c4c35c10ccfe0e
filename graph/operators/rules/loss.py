"""Losses of the standard."""

from __future__ import annotations

from collections.abc import Sequence

from ...types.types import TensorType, Type
from ..operator import Call, RuleError, TypeRule
from .broadcasting import require_equal
from .operands import Dims, choice, optional_tensor, require_rank


def _loss_dims(call: Call) -> Dims | None:
    """The shape of a loss of scores[N, C, ...] and labels[N, ...]. Raises G0401, G0405."""
    reduction = choice(call, "reduction", ("none", "mean", "sum"))
    scores, labels = require_rank(call, 0, 2), require_rank(call, 1, 1)
    if scores.dims is not None and labels.dims is not None:
        wanted = (scores.dims[0], *scores.dims[2:])
        if len(labels.dims) != len(wanted):
            raise RuleError(
                "G0405", f"{call.operator.name}: labels of {scores} have rank {len(wanted)}", (1, 0)
            )
        for left, right in zip(wanted, labels.dims, strict=True):
            require_equal(call, left, right, (0, 1))
    weight = optional_tensor(call, 2)
    if weight is not None and weight.dims is not None and scores.dims is not None:
        require_rank(call, 2, 1, 1)
        require_equal(call, weight.dims[0], scores.dims[1], (2, 0))
    return labels.dims if reduction == "none" else ()


def _likelihood(call: Call) -> Sequence[Type]:
    return (TensorType(require_rank(call, 0, 2).dtype, _loss_dims(call)),)


def _cross_entropy(call: Call) -> Sequence[Type]:
    scores = require_rank(call, 0, 2)
    return (TensorType(scores.dtype, _loss_dims(call)), scores)


TYPES: dict[str, TypeRule] = {
    "NegativeLogLikelihoodLoss": _likelihood,
    "SoftmaxCrossEntropyLoss": _cross_entropy,
}
