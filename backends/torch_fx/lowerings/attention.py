"""Attention, rotary embedding, linear attention, and the causal convolution with state."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional as F

from .carriers import CARRIERS, Tensor
from .control import recurrence
from .lowering import Lowering


def _heads(x: Tensor, count: int | None) -> Tensor:
    """[batch, length, heads * size] as [batch, heads, length, size]; rank 4 as it is."""
    if x.dim() == 4:
        return x
    assert count is not None
    return x.reshape(x.shape[0], x.shape[1], count, -1).transpose(1, 2)


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    attn_mask: Tensor | None = None,
    past_key: Tensor | None = None,
    past_value: Tensor | None = None,
    nonpad_kv_seqlen: Tensor | None = None,
    is_causal: int = 0,
    kv_num_heads: int | None = None,
    left_window_size: int = -1,
    q_num_heads: int | None = None,
    qk_matmul_output_mode: int = 0,
    right_window_size: int = -1,
    scale: float | None = None,
    softcap: float = 0.0,
    softmax_precision: str | None = None,
    results: int = 1,
) -> Any:
    """softmax(scale Q Kᵀ + bias) V by heads. A query attends past keys first; a row whose keys are
    all masked gives zeros. Results 2, 3 are keys and values with the past ones in front, result 4
    the scores at the point that `qk_matmul_output_mode` names."""
    flat = q.dim() == 3
    query, keys, values = _heads(q, q_num_heads), _heads(k, kv_num_heads), _heads(v, kv_num_heads)
    if past_key is not None and past_value is not None:
        keys, values = torch.cat([past_key, keys], 2), torch.cat([past_value, values], 2)
    present = (keys, values)
    if query.shape[1] != keys.shape[1]:
        repeats = query.shape[1] // keys.shape[1]
        keys, values = keys.repeat_interleave(repeats, 1), values.repeat_interleave(repeats, 1)
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    plain = attn_mask is None and nonpad_kv_seqlen is None and past_key is None
    if plain and results < 4 and not softcap and left_window_size < 0 and right_window_size < 0:
        y = F.scaled_dot_product_attention(query, keys, values, is_causal=bool(is_causal), scale=factor)
        scores = y
    else:
        rights = [0] * bool(is_causal) + [right_window_size] * (right_window_size >= 0)
        offset = _offset(query, past_key, nonpad_kv_seqlen)
        bias = _bias(query, keys, attn_mask, nonpad_kv_seqlen, offset, (left_window_size, *rights))
        y, scores = _weighted(
            query, keys, values, bias, (factor, softcap), softmax_precision, qk_matmul_output_mode
        )
    if flat:
        y = y.transpose(1, 2).reshape(y.shape[0], y.shape[2], -1)
    return y if results == 1 else (y, *present, scores)[:results]


def _offset(query: Tensor, past_key: Tensor | None, nonpad_kv_seqlen: Tensor | None) -> Any:
    """How many keys stand before the first query: a number, or one for each batch."""
    if past_key is not None:
        return past_key.shape[2]
    if nonpad_kv_seqlen is not None:
        return (nonpad_kv_seqlen.to(torch.int64) - query.shape[2]).reshape(-1, 1, 1, 1)
    return 0


def _bias(
    query: Tensor,
    keys: Tensor,
    attn_mask: Tensor | None,
    nonpad_kv_seqlen: Tensor | None,
    offset: Any,
    limits: tuple[int, ...],
) -> Tensor:
    """What is added to the scores: the mask, and -inf at keys out of sight. `limits`: how far
    back a query sees (-1: all), then how far ahead, for every such limit."""
    left, *rights = limits
    columns = torch.arange(keys.shape[2], device=query.device)
    distance = torch.arange(query.shape[2], device=query.device).unsqueeze(1) + offset - columns
    allowed = torch.ones_like(distance, dtype=torch.bool)
    for bound in rights:
        allowed = allowed & (-distance <= bound)
    if left >= 0:
        allowed = allowed & (distance <= left)
    if nonpad_kv_seqlen is not None:
        allowed = allowed & (columns < nonpad_kv_seqlen.reshape(-1, 1, 1, 1))
    zero, low = query.new_zeros(()), query.new_full((), float("-inf"))
    bias = torch.where(allowed, zero, low)
    if attn_mask is None:
        return bias
    missing = keys.shape[2] - attn_mask.shape[-1]
    if attn_mask.dtype is torch.bool:
        attn_mask = torch.where(attn_mask, zero, low)
    if not isinstance(missing, int) or missing > 0:
        attn_mask = F.pad(attn_mask, (0, missing), value=float("-inf"))
    return bias + attn_mask


def _weighted(
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    bias: Tensor,
    numbers: tuple[float, float],
    softmax_precision: str | None,
    mode: int,
) -> tuple[Tensor, Tensor]:
    """The weighted values, and the scores at the point that `mode` names."""
    factor, softcap = numbers
    root = torch.tensor(math.sqrt(factor), dtype=query.dtype, device=query.device)
    product = torch.matmul(query * root, keys.transpose(-1, -2) * root)
    capped = torch.tanh(product / softcap) * softcap if softcap else product
    biased = capped + bias
    wide = biased if softmax_precision is None else biased.to(CARRIERS[softmax_precision])
    masked = torch.isneginf(bias.amax(-1, keepdim=True))
    safe = torch.where(masked, torch.zeros_like(wide), wide)
    weights = torch.where(masked, torch.zeros_like(wide), torch.softmax(safe, -1)).to(query.dtype)
    scores = (product, capped, biased, weights)[mode]
    return torch.matmul(weights, values), scores


def rotary_embedding(
    x: Tensor,
    cos_cache: Tensor,
    sin_cache: Tensor,
    position_ids: Tensor | None = None,
    interleaved: int = 0,
    num_heads: int | None = None,
    rotary_embedding_dim: int = 0,
) -> Tensor:
    """Pairs of the first `rotary_embedding_dim` elements of each head turned by their angles."""
    heads = x.transpose(1, 2) if x.dim() == 4 else x.reshape(x.shape[0], x.shape[1], num_heads or 1, -1)
    width = rotary_embedding_dim or heads.shape[-1]
    turned, rest = heads[..., :width], heads[..., width:]
    cos = cos_cache if position_ids is None else cos_cache[position_ids]
    sin = sin_cache if position_ids is None else sin_cache[position_ids]
    cos, sin = cos.unsqueeze(2), sin.unsqueeze(2)
    if interleaved:
        first, second = turned[..., 0::2], turned[..., 1::2]
    else:
        first, second = turned[..., : width // 2], turned[..., width // 2 :]
    real, imaginary = cos * first - sin * second, sin * first + cos * second
    if interleaved:
        turned = torch.stack([real, imaginary], -1).reshape(turned.shape)
    else:
        turned = torch.cat([real, imaginary], -1)
    y = torch.cat([turned, rest], -1)
    return y.transpose(1, 2) if x.dim() == 4 else y.reshape(x.shape)


def linear_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    past_state: Tensor | None = None,
    decay: Tensor | None = None,
    beta: Tensor | None = None,
    chunk_size: int = 64,
    *,
    kv_num_heads: int,
    q_num_heads: int,
    scale: float = 0.0,
    update_rule: str = "gated_delta",
) -> tuple[Tensor, Tensor]:
    """The recurrence S ← exp(g) S + k ⊗ v' over time, read as scale qᵀ S, where v' is v, or with a
    delta rule β (v - Sᵀ k). `chunk_size` is a hint without effect on the result."""
    work = torch.float64 if query.dtype is torch.float64 else torch.float32
    q, k, v = (
        _heads(x, n).to(work).movedim(2, 0)
        for x, n in ((query, q_num_heads), (key, kv_num_heads), (value, kv_num_heads))
    )
    factor = scale or 1 / math.sqrt(q.shape[-1])
    repeats = q_num_heads // kv_num_heads
    gates = None if decay is None else _heads(decay, kv_num_heads).to(work).movedim(2, 0)
    rates = None if beta is None else _heads(beta, beta.shape[-1]).to(work).movedim(2, 0)
    start = torch.zeros(q.shape[1], kv_num_heads, k.shape[-1], v.shape[-1], dtype=work, device=q.device)
    if past_state is not None:
        start = past_state.to(work)

    def step(state: list[Tensor], items: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        (memory,) = state
        q_t, k_t, v_t, *more = items
        if gates is not None:
            memory = memory * torch.exp(more.pop(0)).unsqueeze(-1)
        if rates is not None:
            v_t = more.pop(0) * (v_t - torch.einsum("bhdm,bhd->bhm", memory, k_t))
        memory = memory + k_t.unsqueeze(-1) * v_t.unsqueeze(-2)
        shared = memory.repeat_interleave(repeats, 1) if repeats > 1 else memory
        return [memory], [factor * torch.einsum("bhd,bhdm->bhm", q_t, shared)]

    scanned = [q, k, v, *(x for x in (gates, rates) if x is not None)]
    (memory,), (outputs,) = recurrence(step, [start], scanned)
    y = outputs.permute(1, 0, 2, 3).reshape(query.shape[0], query.shape[1], -1).to(query.dtype)
    return y, memory.to(query.dtype if past_state is None else past_state.dtype)


def causal_conv_with_state(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    past_state: Tensor | None = None,
    activation: str = "none",
) -> tuple[Tensor, Tensor]:
    """Depthwise convolution of x[N, C, L] after its past; the new state is the last k - 1 columns."""
    kept = weight.shape[2] - 1
    past = x.new_zeros((x.shape[0], x.shape[1], kept)) if past_state is None else past_state
    padded = torch.cat([past, x], 2)
    y = F.conv1d(padded, weight, bias, groups=weight.shape[0])
    if activation in ("silu", "swish"):
        y = F.silu(y)
    return y, padded[:, :, padded.shape[2] - kept :]


ATTENTION: dict[str, Lowering] = {
    "Attention": Lowering(attention, counted=True),
    "RotaryEmbedding": Lowering(rotary_embedding),
    "LinearAttention": Lowering(linear_attention),
    "CausalConvWithState": Lowering(causal_conv_with_state),
}
