"""Recurrent layers: RNN, GRU, LSTM."""

from __future__ import annotations

from collections.abc import Sequence

from ...types.dimensions import Dimension
from ...types.types import TensorType, Type
from ..operator import Call, TypeRule
from .broadcasting import require_equal
from .operands import choice, optional_tensor, refuse, require_rank

_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def _recurrent(call: Call) -> Sequence[Type]:
    """X[seq, batch, input], W[directions, gates*hidden, input], R[directions, gates*hidden, hidden];
    with layout=1 the batch comes first."""
    x, w, r = (require_rank(call, i, 3, 3) for i in range(3))
    results = 3 if call.operator.name == "LSTM" else 2
    if x.dims is None or w.dims is None or r.dims is None:
        return (TensorType(x.dtype, None),) * results
    hidden = _hidden(call, r.dims[2])
    directions = (
        2 if choice(call, "direction", ("forward", "reverse", "bidirectional")) == "bidirectional" else 1
    )
    gates = _GATES[call.operator.name]
    require_equal(call, w.dims[2], x.dims[2], (1, 0))
    for index, found in ((1, w), (2, r)):
        require_equal(call, found.shape[0], directions, (index,))
        require_equal(call, found.shape[1], hidden * gates, (index,))
    bias = optional_tensor(call, 3)
    if bias is not None and bias.dims is not None:
        require_rank(call, 3, 2, 2)
        require_equal(call, bias.dims[1], hidden * gates * 2, (3, 2))
    if call.attribute("layout"):
        batch, length = x.dims[0], x.dims[1]
        y = TensorType(x.dtype, (batch, length, directions, hidden))
        last = TensorType(x.dtype, (batch, directions, hidden))
    else:
        length, batch = x.dims[0], x.dims[1]
        y = TensorType(x.dtype, (length, directions, batch, hidden))
        last = TensorType(x.dtype, (directions, batch, hidden))
    return (y, *(last,) * (results - 1))


def _hidden(call: Call, found: Dimension) -> Dimension:
    declared = call.attribute("hidden_size")
    if declared is not None and isinstance(found, int) and declared != found:
        raise refuse(call, f"hidden_size={declared}, but R has {found} columns", (2,))
    return found


TYPES: dict[str, TypeRule] = dict.fromkeys(_GATES, _recurrent)
