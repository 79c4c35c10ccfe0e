"""Sequence models: encoders, a decoder with a key-value cache, an LSTM tagger, a vision transformer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class LibraryEncoder(nn.Module):
    """torch.nn.TransformerEncoder over token embeddings."""

    def __init__(self, layers: int = 12, width: int = 256, heads: int = 4, tokens: int = 1000) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x: Tensor = self.encoder(self.embedding(tokens))
        return x


class Attention(nn.Module):
    """Attention written out: one projection a role, scaled products, softmax."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        size = (batch, length, self.heads, width // self.heads)
        q, k, v = (m(x).view(size).transpose(1, 2) for m in (self.query, self.key, self.value))
        scores = q @ k.transpose(-1, -2) / (width // self.heads) ** 0.5
        mixed = scores.softmax(-1) @ v
        y: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        return y


class EncoderLayer(nn.Module):
    """Attention and a feed-forward network, each normalized after its residual. Vaswani et al.,
    arXiv 1706.03762."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(x + self.attention(x))
        y: Tensor = self.norm2(x + self.down(functional.gelu(self.up(x))))
        return y


class HandEncoder(nn.Module):
    """The encoder written by hand, with learned positions."""

    def __init__(
        self, layers: int = 12, width: int = 256, heads: int = 4, tokens: int = 1000, longest: int = 512
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        self.positions = nn.Parameter(torch.randn(longest, width) * 0.02)
        self.layers = nn.ModuleList(EncoderLayer(width, heads) for _ in range(layers))

    def forward(self, tokens: Tensor) -> Tensor:
        x: Tensor = self.embedding(tokens) + self.positions[: tokens.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return x


class RootMeanSquareNorm(nn.Module):
    """Zhang and Sennrich, arXiv 1910.07467, as decoders write it: computed in float32."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        wide = x.to(torch.float32)
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)
        return self.weight * wide.to(x.dtype)


class DecoderLayer(nn.Module):
    """Rotary attention over cache and new tokens, a SwiGLU network."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = RootMeanSquareNorm(width), RootMeanSquareNorm(width)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.gate, self.up = (nn.Linear(width, 2 * width, bias=False) for _ in range(2))
        self.down = nn.Linear(2 * width, width, bias=False)

    def forward(
        self, x: Tensor, past_key: Tensor, past_value: Tensor, cos: Tensor, sin: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        batch, length, width = x.shape
        size = (batch, length, self.heads, width // self.heads)
        y = self.norm1(x)
        q, k, v = (m(y).view(size).transpose(1, 2) for m in (self.query, self.key, self.value))
        q, k = _rotated(q, cos, sin), _rotated(k, cos, sin)
        k, v = torch.cat([past_key, k], 2), torch.cat([past_value, v], 2)
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        y = self.norm2(x)
        return x + self.down(functional.silu(self.gate(y)) * self.up(y)), k, v


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions (Su et al., arXiv 2104.09864), halves swapped."""
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


class CachedDecoder(nn.Module):
    """Logits of new tokens after a past of keys and values: (batch, heads, past, size) each, for every
    layer in turn; the caches come back longer by the new tokens."""

    def __init__(self, layers: int = 4, width: int = 256, heads: int = 4, tokens: int = 1000) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        self.layers = nn.ModuleList(DecoderLayer(width, heads) for _ in range(layers))
        self.norm = RootMeanSquareNorm(width)
        self.head = nn.Linear(width, tokens, bias=False)
        size = width // heads
        self.register_buffer("frequencies", 10000.0 ** (-torch.arange(0, size, 2) / size), persistent=False)

    def forward(self, tokens: Tensor, *caches: Tensor) -> tuple[Tensor, ...]:
        past, length = caches[0].shape[2], tokens.shape[1]
        positions = torch.arange(length, device=tokens.device) + past
        angles = positions[:, None] * torch.cat([self.frequencies, self.frequencies])[None]  # type: ignore[list-item]  # a buffer
        cos, sin = angles.cos(), angles.sin()
        mask = torch.arange(past + length, device=tokens.device)[None] <= positions[:, None]
        x = self.embedding(tokens)
        renewed: list[Tensor] = []
        for i, layer in enumerate(self.layers):
            x, key, value = layer(x, caches[2 * i], caches[2 * i + 1], cos, sin, mask)
            renewed += [key, value]
        return (self.head(self.norm(x)), *renewed)


class LstmTagger(nn.Module):
    """A bidirectional LSTM of two layers and a label for every token."""

    def __init__(self, width: int = 128, tokens: int = 1000, labels: int = 17, layers: int = 2) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        self.lstm = nn.LSTM(width, width, layers, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * width, labels)

    def forward(self, tokens: Tensor) -> Tensor:
        x, _ = self.lstm(self.embedding(tokens))
        return torch.log_softmax(self.head(x), -1)


class VisionLayer(nn.Module):
    """Attention and a feed-forward network, each after its normalization."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(batch, length, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        y: Tensor = x + self.mlp(self.norm2(x))
        return y


class VisionTransformer(nn.Module):
    """Patches, a class token, layers with one projection for query, key and value. Dosovitskiy et al.,
    arXiv 2010.11929."""

    def __init__(
        self, layers: int = 6, width: int = 192, heads: int = 3, image: int = 112, patch: int = 16
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.positions = nn.Parameter(torch.randn(1, (image // patch) ** 2 + 1, width) * 0.02)
        self.layers = nn.ModuleList(VisionLayer(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, 1000)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        for layer in self.layers:
            x = layer(x)
        y: Tensor = self.head(self.norm(x)[:, 0])
        return y
