"""Nodes of older opsets, rewritten to the pinned one.

Between two opsets an operator's versions differ in most cases only by the types
that they take, or by a new attribute whose default is the old behaviour: such nodes are read as
they are. The tables here and in `first_opsets` have all others (found by comparing the schemas of
all versions, plus those whose meaning changed under an unchanged signature).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ....graph.diagnostics import fail
from ....graph.ir import apply, constant
from ....graph.operators import make_attribute
from .calls import Call, Upgrade, to_input
from .first_opsets import FIRST


def upgrade(call: Call, opset: int) -> None:
    """Changes a call of opset `opset` to one of the pinned opset. Raises SpecError G1211 where an
    old behaviour has no counterpart."""
    if opset < 6:
        call.pop("consumed_inputs")  # a hint about memory
    for below, rule in UPGRADES.get(call.name, ()):
        if opset < below:
            rule(call)


# --- attributes that became inputs ------------------------------------------------------------


def _scalar_to_input(name: str, position: int, default: float | None = None) -> Upgrade:
    """A number in an attribute that became an input of the first input's dtype."""

    def rule(call: Call) -> None:
        found = call.pop(name, default)
        if found is not None:
            call.put(position, constant(np.asarray(found, call.first().tensor.dtype.numpy)))

    return rule


def _slice(call: Call) -> None:
    for position, name in enumerate(("starts", "ends", "axes"), 1):
        to_input(name, position)(call)


def _clip(call: Call) -> None:
    _scalar_to_input("min", 1)(call)
    _scalar_to_input("max", 2)(call)


def _pad(call: Call) -> None:
    to_input("pads", 1)(call)
    _scalar_to_input("value", 2)(call)


def _dft(call: Call) -> None:
    call.put(2, constant(np.asarray(call.pop("axis", 1), np.int64)))


def _split_equally(call: Call) -> None:
    if len(call.inputs) < 2 or call.inputs[1] is None:
        call.default("num_outputs", "int", call.outputs)


# --- changed meanings -------------------------------------------------------------------------


def _dropout(call: Call) -> None:
    call.pop("ratio")  # without training_mode, Dropout is the identity


def _batch_normalization_spatial(call: Call) -> None:
    if call.pop("spatial", 1) != 1:
        raise fail("G1211", "BatchNormalization with spatial=0 has no counterpart after opset 8")


def _batch_normalization_training(call: Call) -> None:
    if call.outputs > 1:
        raise fail("G1211", "BatchNormalization in training mode of opset 13 or older can't be read")


def _coerced(call: Call) -> None:
    """Softmax and its kin worked on the input flattened to a matrix at `axis`."""
    data = call.first()
    axis, axes = call.pop("axis", 1), data.tensor.axes
    if axes is not None and axis % max(len(axes), 1) == len(axes) - 1:
        call.attributes["axis"] = make_attribute("int", -1)
        return
    call.inputs[0] = apply("Flatten", data, axis=axis)
    call.attributes["axis"] = make_attribute("int", -1)
    call.finish = lambda result: apply("Reshape", result, apply("Shape", data))


def _grid_sample(call: Call) -> None:
    old = call.pop("mode", "bilinear")
    new = {"bilinear": "linear", "bicubic": "cubic"}.get(old, old)
    call.attributes["mode"] = make_attribute("string", new)


def _group_normalization(call: Call) -> None:
    """Scale and bias had one element a group; they have one a channel."""
    found = call.attributes.get("num_groups")
    channels = apply("Shape", call.first(), start=1, end=2)
    if found is None or found.value < 1 or len(call.inputs) < 3:
        raise fail("G1211", "GroupNormalization needs num_groups, scale and bias")
    groups = constant(np.array([found.value], np.int64))
    shape = apply("Concat", groups, apply("Div", channels, groups), axis=0)
    for position in (1, 2):
        value = call.inputs[position]
        if value is not None:
            column = apply("Unsqueeze", value, constant(np.array([1], np.int64)))
            call.inputs[position] = apply("Reshape", apply("Expand", column, shape), channels)


def _resize(call: Call) -> None:
    call.inputs[1:1] = [None]
    call.default("coordinate_transformation_mode", "string", "asymmetric")
    call.default("nearest_mode", "string", "floor")


def _upsample(call: Call) -> None:
    scales = call.pop("scales")
    if scales is not None:
        call.put(1, call.content(np.asarray(scales, np.float32)))
    call.name = "Resize"
    _resize(call)


def _roi_align(call: Call) -> None:
    call.default("coordinate_transformation_mode", "string", "output_half_pixel")


def _scatter(call: Call) -> None:
    call.name = "ScatterElements"


def _scan(call: Call) -> None:
    """Ran over a batch of sequences, whose lengths could be given."""
    if call.inputs and call.inputs[0] is not None:
        raise fail("G1211", "Scan of opset 8 with lengths of sequences has no counterpart since")
    call.inputs = call.inputs[1:]
    directions = call.attributes.pop("directions", None)
    if directions is not None:
        call.attributes["scan_input_directions"] = directions
    call.batched = True


_REDUCTIONS = "L1 L2 LogSum LogSumExp Max Mean Min Prod SumSquare".split()
_AXES = to_input("axes", 1)

_LATER: Mapping[str, Sequence[tuple[int, Upgrade]]] = {
    **{f"Reduce{name}": ((18, _AXES),) for name in _REDUCTIONS},
    "ReduceSum": ((13, _AXES),),
    "Squeeze": ((13, _AXES),),
    "Unsqueeze": ((13, _AXES),),
    "Split": ((13, to_input("split", 1)), (18, _split_equally)),
    "Slice": ((10, _slice),),
    "TopK": ((10, to_input("k", 1)),),
    "Clip": ((11, _clip),),
    "Pad": ((11, _pad),),
    "DFT": ((20, _dft),),
    "Dropout": ((12, _dropout),),
    "BatchNormalization": ((9, _batch_normalization_spatial), (14, _batch_normalization_training)),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), ((13, _coerced),)),
    "GridSample": ((20, _grid_sample),),
    "GroupNormalization": ((21, _group_normalization),),
    "Resize": ((11, _resize),),
    "Upsample": ((10, _upsample),),
    "RoiAlign": ((16, _roi_align),),
    "Scatter": ((11, _scatter),),
    "Scan": ((9, _scan),),
}

UPGRADES: Mapping[str, Sequence[tuple[int, Upgrade]]] = {
    name: (*FIRST.get(name, ()), *_LATER.get(name, ())) for name in dict.fromkeys((*FIRST, *_LATER))
}
"""Operator -> (opset, rule) in the order of opsets: the rule is for models of older opsets."""
