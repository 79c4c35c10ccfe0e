"""Attention, linear attention and rotary positions."""

from __future__ import annotations

from collections.abc import Sequence

from ...types.dimensions import Dimension
from ...types.types import TensorType, Type
from ..operator import Call, RuleError, TypeRule
from .broadcasting import require_equal
from .operands import Dims, choice, optional_tensor, quotient, refuse, require_rank


def _attention(call: Call) -> Sequence[Type]:
    """Y, present_key, present_value, qk_matmul_output; operands of rank 4 [batch, heads, length,
    size] or of rank 3 [batch, length, heads*size]."""
    q, k, v = (require_rank(call, i, 3, 4) for i in range(3))
    if q.dims is None or k.dims is None or v.dims is None:
        return (*(TensorType(t, None) for t in (q.dtype, k.dtype, v.dtype, q.dtype)),)
    query = _heads(call, 0, q.dims, "q_num_heads")
    key, value = (_heads(call, i, t.shape, "kv_num_heads") for i, t in ((1, k), (2, v)))
    require_equal(call, query[0], key[0], (0, 1))
    require_equal(call, key[0], value[0], (1, 2))
    require_equal(call, query[3], key[3], (0, 1))
    require_equal(call, key[2], value[2], (1, 2))
    require_equal(call, key[1], value[1], (1, 2))
    if isinstance(query[1], int) and isinstance(key[1], int) and (key[1] == 0 or query[1] % key[1]):
        raise refuse(call, f"{query[1]} query heads are no multiple of {key[1]} key heads", (0, 1))
    total = _total_length(call, key[2])
    result: Dims = (*query[:3], value[3])
    if len(q.dims) == 3:
        result = (query[0], query[2], query[1] * value[3])
    tail = (
        (None, None, None)
        if total is None
        else ((*key[:2], total, key[3]), (*value[:2], total, value[3]), (*query[:3], total))
    )
    return (
        TensorType(q.dtype, result),
        TensorType(k.dtype, tail[0]),
        TensorType(v.dtype, tail[1]),
        TensorType(q.dtype, tail[2]),
    )


def _heads(call: Call, index: int, dims: Dims, attribute: str) -> tuple[Dimension, ...]:
    """(batch, heads, length, size of a head)."""
    if len(dims) == 4:
        return dims
    heads = call.attribute(attribute)
    if heads is None:
        raise RuleError(
            "G0505", f"{call.operator.name} of rank 3 operands needs the attribute '{attribute}'", (index,)
        )
    size = quotient(call, dims[2], heads, f"the last axis by {attribute}", (index,))
    return (dims[0], heads, dims[1], size)


def _total_length(call: Call, length: Dimension) -> Dimension | None:
    past = optional_tensor(call, 4)
    if past is None:
        return length
    require_rank(call, 4, 4, 4)
    return None if past.dims is None else past.dims[2] + length


def _linear_attention(call: Call) -> Sequence[Type]:
    choice(call, "update_rule", ("linear", "gated", "delta", "gated_delta"))
    q, k, v = (require_rank(call, i, 3, 3) for i in range(3))
    past = optional_tensor(call, 3)
    state_dtype = past.dtype if past is not None else q.dtype
    if q.dims is None or k.dims is None or v.dims is None:
        return (TensorType(q.dtype, None), TensorType(state_dtype, None))
    query = _heads(call, 0, q.dims, "q_num_heads")
    key, value = (_heads(call, i, t.shape, "kv_num_heads") for i, t in ((1, k), (2, v)))
    require_equal(call, query[3], key[3], (0, 1))
    for axis in (0, 1):
        require_equal(call, q.dims[axis], k.dims[axis], (0, 1))
        require_equal(call, k.dims[axis], v.dims[axis], (1, 2))
    result = TensorType(q.dtype, (*q.dims[:2], query[1] * value[3]))
    return (result, TensorType(state_dtype, (key[0], key[1], key[3], value[3])))


def _rotary(call: Call) -> Sequence[Type]:
    found = require_rank(call, 0, 3, 4)
    if found.dims is not None and len(found.dims) == 3 and not call.attribute("num_heads"):
        raise RuleError("G0505", "RotaryEmbedding of a rank 3 operand needs the attribute 'num_heads'", (0,))
    return (found,)


TYPES: dict[str, TypeRule] = {
    "Attention": _attention,
    "LinearAttention": _linear_attention,
    "RotaryEmbedding": _rotary,
}
