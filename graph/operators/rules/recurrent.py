"""Recurrent layers: RNN, GRU, LSTM."""

from __future__ import annotations

from collections.abc import Sequence

from ...types.types import Axis, TensorType, Type
from ..operator import Call, TypeRule
from .broadcasting import require_equal
from .operands import choice, optional_tensor, refuse, require_rank, times

_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def _recurrent(call: Call) -> Sequence[Type]:
    """X[seq, batch, input], W[directions, gates*hidden, input], R[directions, gates*hidden, hidden];
    with layout=1 the batch comes first."""
    x, w, r = (require_rank(call, i, 3, 3) for i in range(3))
    results = 3 if call.operator.name == "LSTM" else 2
    hidden = _hidden(call, r.size_of(2))
    directions = (
        2 if choice(call, "direction", ("forward", "reverse", "bidirectional")) == "bidirectional" else 1
    )
    gates = _GATES[call.operator.name]
    require_equal(call, w.size_of(2), x.size_of(2), (1, 0))
    for index, found in ((1, w), (2, r)):
        require_equal(call, found.size_of(0), directions, (index,))
        require_equal(call, found.size_of(1), times((hidden, gates)), (index,))
    bias = optional_tensor(call, 3)
    if bias is not None and bias.axes is not None:
        require_rank(call, 3, 2, 2)
        require_equal(call, bias.axes[1], times((hidden, gates, 2)), (3, 2))
    first, second = x.size_of(0), x.size_of(1)
    if call.attribute("layout"):
        y = TensorType.of(x.dtype, (first, second, directions, hidden))
        last = TensorType.of(x.dtype, (first, directions, hidden))
    else:
        y = TensorType.of(x.dtype, (first, directions, second, hidden))
        last = TensorType.of(x.dtype, (directions, second, hidden))
    return (y, *(last,) * (results - 1))


def _hidden(call: Call, found: Axis) -> Axis:
    declared = call.attribute("hidden_size")
    if found is None:
        return None if declared is None else int(declared)
    if declared is not None and isinstance(found, int) and declared != found:
        raise refuse(call, f"hidden_size={declared}, but R has {found} columns", (2,))
    return found


TYPES: dict[str, TypeRule] = dict.fromkeys(_GATES, _recurrent)
