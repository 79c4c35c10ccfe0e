"""Normalizations: softmaxes, batch, layer, group, instance, RMS and local response."""

from __future__ import annotations

from collections.abc import Sequence

from ...types.dtypes import BY_CODE
from ...types.types import Axis, TensorType, Type
from ..operator import Call, TypeRule
from .broadcasting import broadcasts_to, require_equal
from .operands import normal_axes, normal_axis, present, quotient, require_rank, tensor


def _along_axis(call: Call) -> Sequence[Type]:
    found = tensor(call, 0)
    if found.axes is not None:
        normal_axis(call, call.attribute("axis"), len(found.axes))
    return (found,)


def _vectors(call: Call, operands: Sequence[int], size: Axis) -> None:
    for index in operands:
        if present(call, index):
            found = require_rank(call, index, 1, 1)
            if found.axes is not None:
                require_equal(call, found.axes[0], size, (index, 0))


def _batch(call: Call) -> Sequence[Type]:
    """One result, or with training_mode three: the running mean and variance too."""
    found = require_rank(call, 0, 1)
    if found.axes is not None:
        _vectors(call, (1, 2, 3, 4), found.axes[1] if len(found.axes) > 1 else 1)
    return (found, tensor(call, 3), tensor(call, 4)) if call.attribute("training_mode") else (found,)


def _instance(call: Call) -> Sequence[Type]:
    found = require_rank(call, 0, 2)
    if found.axes is not None:
        _vectors(call, (1, 2), found.axes[1])
    return (found,)


def _group(call: Call) -> Sequence[Type]:
    found, groups = require_rank(call, 0, 2), call.attribute("num_groups")
    if found.axes is not None:
        _vectors(call, (1, 2), found.axes[1])
        quotient(call, found.axes[1], groups, "the channels by num_groups", (0,))
    return (found,)


def _layer(call: Call) -> Sequence[Type]:
    found, statistics = tensor(call, 0), BY_CODE[call.attribute("stash_type")]
    if found.axes is None:
        unknown = TensorType(statistics, None)
        return (found, unknown, unknown)
    axis = normal_axis(call, call.attribute("axis"), len(found.axes))
    for index in (1, 2):
        if present(call, index):
            broadcasts_to(call, index, found.axes, (index, 0))
    reduced = TensorType.of(statistics, (*found.axes[:axis], *(1,) * (len(found.axes) - axis)))
    return (found, reduced, reduced)


def _rms(call: Call) -> Sequence[Type]:
    found, scale = tensor(call, 0), tensor(call, 1)
    if found.axes is not None:
        normal_axis(call, call.attribute("axis"), len(found.axes))
        broadcasts_to(call, 1, found.axes, (1, 0))
    return (found.with_dtype(scale.dtype),)


def _local_response(call: Call) -> Sequence[Type]:
    return (require_rank(call, 0, 2),)


def _mean_variance(call: Call) -> Sequence[Type]:
    found = tensor(call, 0)
    if found.axes is not None:
        normal_axes(call, call.attribute("axes"), len(found.axes))
    return (found,)


TYPES: dict[str, TypeRule] = {
    "BatchNormalization": _batch,
    "GroupNormalization": _group,
    "Hardmax": _along_axis,
    "InstanceNormalization": _instance,
    "LRN": _local_response,
    "LayerNormalization": _layer,
    "LogSoftmax": _along_axis,
    "LpNormalization": _along_axis,
    "MeanVarianceNormalization": _mean_variance,
    "RMSNormalization": _rms,
    "Softmax": _along_axis,
}

TRAITS: dict[str, frozenset[str]] = {"Hardmax": frozenset({"idempotent"})}
