"""Nodes of the opsets before 7, rewritten to opset 7: broadcasting by attributes, attributes that
became operands, and flags of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ....graph.diagnostics import fail
from ....graph.ir import Value, apply, constant
from ....graph.operators import make_attribute
from ....graph.types.dtypes import INT64
from .calls import Call, Upgrade, to_input


def _broadcast(call: Call) -> None:
    """The second operand was laid against the first from `axis` on (by default at its end)."""
    wanted, axis = call.pop("broadcast", 0), call.pop("axis")
    if not wanted or axis is None or len(call.inputs) < 2:
        return
    left, right = call.first(), call.inputs[1]
    if right is not None:
        call.inputs[1] = _laid_at(call, left, right, axis)


def _laid_at(call: Call, left: Value, right: Value, axis: int) -> Value:
    """`right` with axes of size 1 behind, so that its first is axis `axis` of `left`."""
    if left.tensor.axes is None or right.tensor.axes is None:
        raise fail("G1211", f"{call.name} broadcasts from axis {axis} of an operand of unknown rank")
    rank, own = len(left.tensor.axes), len(right.tensor.axes)
    behind = rank - (axis + rank if axis < 0 else axis) - own
    if behind < 0:
        raise fail("G1211", f"{call.name} broadcasts rank {own} from axis {axis} of rank {rank}")
    if behind == 0 or own == 0:
        return right
    return apply("Unsqueeze", right, constant(np.arange(own, own + behind)))


def _per_channel(call: Call) -> None:
    """One slope a channel, without axes of size 1 for the axes behind."""
    slope = call.inputs[1] if len(call.inputs) > 1 else None
    data = call.first()
    if slope is None or slope.tensor.axes is None or data.tensor.axes is None:
        return
    if len(slope.tensor.axes) == 1 and slope.tensor.axes != (1,) and len(data.tensor.axes) > 2:
        call.inputs[1] = _laid_at(call, data, slope, 1)


def _dropped(*names: str) -> Upgrade:
    """Attributes that changed nothing."""

    def rule(call: Call) -> None:
        for name in names:
            call.pop(name)

    return rule


def _infers(call: Call) -> None:
    """The flag of inference, off by default."""
    if not call.pop("is_test", 0):
        raise fail(
            "G1211",
            f"{call.name} of opset 6 or older is in training mode (is_test=0)",
            hint="set is_test=1, or export the model at opset 7 or newer",
        )


def _batch_normalization(call: Call) -> None:
    _infers(call)
    if call.outputs > 1:
        raise fail("G1211", "BatchNormalization of opset 6 or older names results of training")


def _concat(call: Call) -> None:
    call.default("axis", "int", 1)


def _selu(call: Call) -> None:
    call.default("alpha", "float", 1.6732)
    call.default("gamma", "float", 1.0507)


def _cast(call: Call) -> None:
    """The dtype was a name."""
    from onnx import TensorProto

    found = call.pop("to", "")
    name = found.decode() if isinstance(found, bytes) else str(found)
    if name not in TensorProto.DataType.keys():  # noqa: SIM118  # an enumeration of protobuf
        raise fail("G1208", f"Cast to '{name}', which is no dtype")
    call.attributes["to"] = make_attribute("int", TensorProto.DataType.Value(name))


def _whole_power(call: Call) -> None:
    power = call.pop("p", 2.0)
    if power != int(power):
        raise fail("G1211", f"{call.name} of power {power:g}: only whole powers are left")
    call.attributes["p"] = make_attribute("int", int(power))


def _pad(call: Call) -> None:
    paddings = call.attributes.pop("paddings", None)
    if paddings is not None:
        call.attributes["pads"] = paddings


def _split(call: Call) -> None:
    """The axis had no default, and sizes could be an operand of the data's dtype."""
    sizes = call.inputs[1] if len(call.inputs) > 1 else None
    if sizes is not None:
        call.inputs[1] = apply("Cast", sizes, to=INT64.code)


def _tile(call: Call) -> None:
    """A number of tiles and an axis, as operands."""
    numbers = [v.constant if v is not None else None for v in call.inputs[1:3]]
    data = call.first()
    if len(numbers) < 2 or any(n is None for n in numbers) or data.tensor.axes is None:
        raise fail("G1211", "Tile of opset 5 or older needs a constant number of tiles and axis")
    repeats = np.ones(len(data.tensor.axes), np.int64)
    tiles, axis = (int(np.asarray(n).reshape(-1)[0]) for n in numbers)
    if not -len(repeats) <= axis < len(repeats):
        raise fail("G1211", f"Tile along axis {axis} of an operand of rank {len(repeats)}")
    repeats[axis] = tiles
    call.inputs[1:] = [constant(repeats)]


def _upsample(call: Call) -> None:
    scales = [1.0, 1.0, call.pop("height_scale", 1.0), call.pop("width_scale", 1.0)]
    call.attributes["scales"] = make_attribute("floats", scales)


_ELEMENTWISE = "Add Sub Mul Div Pow And Or Xor Equal Less Greater".split()
_ONLY_HINTS = (
    "Abs Ceil Clip Elu Exp Floor HardSigmoid InstanceNormalization LeakyRelu Log Max Mean Min Neg "
    "Reciprocal Relu Sigmoid Sqrt Sum Tanh"
).split()
_no_hint = _dropped("consumed_inputs")

FIRST: Mapping[str, Sequence[tuple[int, Upgrade]]] = {
    **dict.fromkeys(_ELEMENTWISE, ((7, _broadcast),)),
    **dict.fromkeys(_ONLY_HINTS, ((6, _no_hint),)),
    **{name: ((7, _dropped("output_sequence")),) for name in ("RNN", "LSTM", "GRU")},
    **dict.fromkeys(("LpPool", "GlobalLpPool"), ((2, _whole_power),)),
    "PRelu": ((7, _per_channel),),
    "Gemm": ((7, _dropped("broadcast")),),
    "BatchNormalization": ((7, _batch_normalization),),
    "Dropout": ((7, _infers),),
    "Concat": ((4, _concat),),
    "Selu": ((6, _selu),),
    "Cast": ((6, _cast),),
    "Pad": ((2, _pad),),
    "Reshape": ((5, to_input("shape", 1)),),
    "Split": ((2, _split),),
    "Tile": ((6, _tile),),
    "Upsample": ((7, _upsample),),
}
"""Operator -> (opset, rule): the rule is for models of older opsets."""
