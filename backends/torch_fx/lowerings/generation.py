"""Generation: constants, ranges, identity matrices, and random draws of imported models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ....graph.ir import Node
from .carriers import CARRIERS, Tensor, ints, number
from .lowering import Keywords, Lowering, result_dtype


def constant_of_shape(shape: Any, value: Any = 0.0, dtype: str = "float32") -> Tensor:
    if dtype in ("uint16", "uint32", "uint64"):
        return torch.full(ints(shape), value, dtype=torch.int64).to(CARRIERS[dtype])
    return torch.full(ints(shape), value, dtype=torch.float32 if "float8" in dtype else CARRIERS[dtype]).to(
        CARRIERS[dtype]
    )


def _fill_arguments(node: Node) -> Keywords:
    value = node.attribute("value")
    number = 0.0 if value is None else value.reshape(-1)[0]
    dtype = node.outputs[0].tensor.dtype
    if dtype.kind == "bool":
        return {"value": bool(number), "dtype": dtype.name}
    return {"value": int(number) if dtype.is_integer else float(number), "dtype": dtype.name}


def range_(
    start: Any, limit: Any, delta: Any, dtype: str = "int64", stash_type: str | None = "float32"
) -> Tensor:
    """start, start + delta, … up to, not including, limit."""
    first, last, step = (number(v) for v in (start, limit, delta))
    carrier = CARRIERS[dtype]
    if not carrier.is_floating_point:
        return torch.arange(first, last, step, dtype=torch.int64).to(carrier)
    count = max(-int(-((last - first) / step) // 1), 0)
    work = torch.float32 if carrier.itemsize < 4 and stash_type is not None else carrier
    one = torch.tensor(first, dtype=work) + torch.arange(count).to(work) * torch.tensor(step, dtype=work)
    return one.to(carrier)


def eye_like(x: Tensor, k: int = 0, dtype: str = "float32") -> Tensor:
    """1 on diagonal k, 0 elsewhere, in the shape of x."""
    rows = torch.arange(x.shape[0], device=x.device).unsqueeze(1)
    columns = torch.arange(x.shape[1], device=x.device)
    return (columns - rows == k).to(CARRIERS[dtype])


def _generator(seed: float | None) -> torch.Generator | None:
    return None if seed is None else torch.Generator().manual_seed(int(seed))


def random_uniform(
    *,
    shape: Sequence[int],
    low: float = 0.0,
    high: float = 1.0,
    seed: float | None = None,
    dtype: str = "float32",
) -> Tensor:
    draws = torch.rand(tuple(shape), generator=_generator(seed), dtype=torch.float64)
    return (draws * (high - low) + low).to(CARRIERS[dtype])


def random_normal(
    *,
    shape: Sequence[int],
    mean: float = 0.0,
    scale: float = 1.0,
    seed: float | None = None,
    dtype: str = "float32",
) -> Tensor:
    draws = torch.randn(tuple(shape), generator=_generator(seed), dtype=torch.float64)
    return (draws * scale + mean).to(CARRIERS[dtype])


def random_uniform_like(
    x: Tensor, low: float = 0.0, high: float = 1.0, seed: float | None = None, dtype: str = "float32"
) -> Tensor:
    return random_uniform(shape=x.shape, low=low, high=high, seed=seed, dtype=dtype)


def random_normal_like(
    x: Tensor, mean: float = 0.0, scale: float = 1.0, seed: float | None = None, dtype: str = "float32"
) -> Tensor:
    return random_normal(shape=x.shape, mean=mean, scale=scale, seed=seed, dtype=dtype)


def bernoulli(x: Tensor, seed: float | None = None, dtype: str = "float32") -> Tensor:
    """1 with the probability given by each element of x."""
    draws = torch.rand(x.shape, generator=_generator(seed), dtype=torch.float64)
    return (draws < x).to(CARRIERS[dtype])


def multinomial(x: Tensor, sample_size: int = 1, seed: float | None = None, dtype: str = "int32") -> Tensor:
    """Class indices drawn from unnormalized log-probabilities x[batch, classes]."""
    probabilities = torch.softmax(x.to(torch.float64), -1)
    drawn = torch.multinomial(probabilities, sample_size, True, generator=_generator(seed))
    return drawn.to(CARRIERS[dtype])


_DTYPE = result_dtype("dtype")

GENERATION: dict[str, Lowering] = {
    "ConstantOfShape": Lowering(constant_of_shape, numbers=frozenset({0}), arguments=_fill_arguments),
    "Range": Lowering(range_, numbers=frozenset({0, 1, 2}), arguments=_DTYPE),
    "EyeLike": Lowering(eye_like, arguments=_DTYPE),
    "RandomUniform": Lowering(random_uniform, "eager", arguments=_DTYPE),
    "RandomNormal": Lowering(random_normal, "eager", arguments=_DTYPE),
    "RandomUniformLike": Lowering(random_uniform_like, "eager", arguments=_DTYPE),
    "RandomNormalLike": Lowering(random_normal_like, "eager", arguments=_DTYPE),
    "Bernoulli": Lowering(bernoulli, "eager", arguments=_DTYPE),
    "Multinomial": Lowering(multinomial, "eager", arguments=_DTYPE),
}
