"""Losses of the standard."""

from __future__ import annotations

from collections.abc import Sequence

from ...types.types import Axes, TensorType, Type
from ..operator import Call, RuleError, TypeRule
from .broadcasting import require_equal
from .operands import choice, optional_tensor, require_rank


def _loss_dims(call: Call) -> Axes | None:
    """The shape of a loss of scores[N, C, ...] and labels[N, ...]. Raises G0401, G0405."""
    reduction = choice(call, "reduction", ("none", "mean", "sum"))
    scores, labels = require_rank(call, 0, 2), require_rank(call, 1, 1)
    if scores.axes is not None and labels.axes is not None:
        wanted = (scores.axes[0], *scores.axes[2:])
        if len(labels.axes) != len(wanted):
            raise RuleError(
                "G0405", f"{call.operator.name}: labels of {scores} have rank {len(wanted)}", (1, 0)
            )
        for left, right in zip(wanted, labels.axes, strict=True):
            require_equal(call, left, right, (0, 1))
    weight = optional_tensor(call, 2)
    if weight is not None and weight.axes is not None and scores.axes is not None:
        require_rank(call, 2, 1, 1)
        require_equal(call, weight.axes[0], scores.axes[1], (2, 0))
    return labels.axes if reduction == "none" else ()


def _likelihood(call: Call) -> Sequence[Type]:
    return (TensorType.of(require_rank(call, 0, 2).dtype, _loss_dims(call)),)


def _cross_entropy(call: Call) -> Sequence[Type]:
    scores = require_rank(call, 0, 2)
    return (TensorType.of(scores.dtype, _loss_dims(call)), scores)


TYPES: dict[str, TypeRule] = {
    "NegativeLogLikelihoodLoss": _likelihood,
    "SoftmaxCrossEntropyLoss": _cross_entropy,
}
