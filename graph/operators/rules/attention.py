"""Attention, linear attention and rotary positions."""

from __future__ import annotations

from collections.abc import Sequence

from ...types.types import Axes, Axis, TensorType, Type
from ..operator import Call, RuleError, TypeRule
from .broadcasting import require_equal
from .operands import (
    choice,
    of_known,
    optional_tensor,
    quotient,
    refuse,
    require_rank,
    times,
)


def _attention(call: Call) -> Sequence[Type]:
    """Y, present_key, present_value, qk_matmul_output; operands of rank 4 [batch, heads, length,
    size] or of rank 3 [batch, length, heads*size]."""
    q, k, v = (require_rank(call, i, 3, 4) for i in range(3))
    if q.axes is None or k.axes is None or v.axes is None:
        cache = (None,) * 4
        y = (None,) * len(q.axes) if q.axes is not None else None
        others = (TensorType.of(t, cache) for t in (k.dtype, v.dtype, q.dtype))
        return (TensorType.of(q.dtype, y), *others)
    query = _heads(call, 0, q.axes, "q_num_heads")
    key, value = _heads(call, 1, k.axes, "kv_num_heads"), _heads(call, 2, v.axes, "kv_num_heads")
    require_equal(call, query[0], key[0], (0, 1))
    require_equal(call, key[0], value[0], (1, 2))
    require_equal(call, query[3], key[3], (0, 1))
    require_equal(call, key[2], value[2], (1, 2))
    require_equal(call, key[1], value[1], (1, 2))
    if isinstance(query[1], int) and isinstance(key[1], int) and (key[1] == 0 or query[1] % key[1]):
        raise refuse(call, f"{query[1]} query heads are no multiple of {key[1]} key heads", (0, 1))
    total = _total_length(call, key[2])
    result: Axes = (*query[:3], value[3])
    if len(q.axes) == 3:
        result = (query[0], query[2], times((query[1], value[3])))
    return (
        TensorType.of(q.dtype, result),
        TensorType.of(k.dtype, (*key[:2], total, key[3])),
        TensorType.of(v.dtype, (*value[:2], total, value[3])),
        TensorType.of(q.dtype, (*query[:3], total)),
    )


def _heads(call: Call, index: int, dims: Axes, attribute: str) -> Axes:
    """(batch, heads, length, size of a head)."""
    if len(dims) == 4:
        return dims
    heads = call.attribute(attribute)
    if heads is None:
        raise RuleError(
            "G0560", f"{call.operator.name} of rank 3 operands needs the attribute '{attribute}'", (index,)
        )
    size = quotient(call, dims[2], heads, f"the last axis by {attribute}", (index,))
    return (dims[0], heads, dims[1], size)


def _total_length(call: Call, length: Axis) -> Axis:
    past = optional_tensor(call, 4)
    if past is None:
        return length
    require_rank(call, 4, 4, 4)
    return of_known(lambda before, new: before + new, past.size_of(2), length)


def _linear_attention(call: Call) -> Sequence[Type]:
    choice(call, "update_rule", ("linear", "gated", "delta", "gated_delta"))
    q, k, v = (require_rank(call, i, 3, 3) for i in range(3))
    past = optional_tensor(call, 3)
    state_dtype = past.dtype if past is not None else q.dtype
    if q.axes is None or k.axes is None or v.axes is None:
        return (TensorType.of(q.dtype, (None,) * 3), TensorType.of(state_dtype, (None,) * 4))
    query = _heads(call, 0, q.axes, "q_num_heads")
    key, value = _heads(call, 1, k.axes, "kv_num_heads"), _heads(call, 2, v.axes, "kv_num_heads")
    require_equal(call, query[3], key[3], (0, 1))
    for axis in (0, 1):
        require_equal(call, q.axes[axis], k.axes[axis], (0, 1))
        require_equal(call, k.axes[axis], v.axes[axis], (1, 2))
    result = TensorType.of(q.dtype, (*q.axes[:2], times((query[1], value[3]))))
    return (result, TensorType.of(state_dtype, (key[0], key[1], key[3], value[3])))


def _rotary(call: Call) -> Sequence[Type]:
    found = require_rank(call, 0, 3, 4)
    if found.axes is not None and len(found.axes) == 3 and not call.attribute("num_heads"):
        raise RuleError("G0560", "RotaryEmbedding of a rank 3 operand needs the attribute 'num_heads'", (0,))
    return (found,)


TYPES: dict[str, TypeRule] = {
    "Attention": _attention,
    "LinearAttention": _linear_attention,
    "RotaryEmbedding": _rotary,
}
