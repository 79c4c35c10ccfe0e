"""How each dtype of the standard is held in torch, and how to compute where torch can't.

4- and 2-bit integers are held as int8 or uint8, 4- and 6-bit floats as float16 (exactly), and
strings as `Strings`. uint16, uint32, uint64 and the 8-bit floats have storage in torch but hardly
any arithmetic: `in_int64` computes through int64, `moved` moves elements as same-width integers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

Tensor = torch.Tensor

CARRIERS: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "uint8": torch.uint8,
    "int8": torch.int8,
    "uint16": torch.uint16,
    "int16": torch.int16,
    "int32": torch.int32,
    "int64": torch.int64,
    "bool": torch.bool,
    "float16": torch.float16,
    "float64": torch.float64,
    "uint32": torch.uint32,
    "uint64": torch.uint64,
    "complex64": torch.complex64,
    "complex128": torch.complex128,
    "bfloat16": torch.bfloat16,
    "float8e4m3fn": torch.float8_e4m3fn,
    "float8e4m3fnuz": torch.float8_e4m3fnuz,
    "float8e5m2": torch.float8_e5m2,
    "float8e5m2fnuz": torch.float8_e5m2fnuz,
    "uint4": torch.uint8,
    "int4": torch.int8,
    "float4e2m1": torch.float16,
    "float6e2m3": torch.float16,
    "float6e3m2": torch.float16,
    "float8e8m0": torch.float8_e8m0fnu,
    "uint2": torch.uint8,
    "int2": torch.int8,
}
"""DType name -> the torch dtype that holds it."""

UNSIGNED = frozenset({torch.uint16, torch.uint32, torch.uint64})

_SAME_WIDTH: dict[torch.dtype, torch.dtype] = {
    torch.uint16: torch.int16,
    torch.uint32: torch.int32,
    torch.uint64: torch.int64,
    torch.float8_e4m3fn: torch.uint8,
    torch.float8_e4m3fnuz: torch.uint8,
    torch.float8_e5m2: torch.uint8,
    torch.float8_e5m2fnuz: torch.uint8,
    torch.float8_e8m0fnu: torch.uint8,
}

_SIGN = -(2**63)


@dataclass(frozen=True)
class Strings:
    """A tensor of strings: its shape and its elements, row-major."""

    shape: tuple[int, ...]
    items: tuple[str, ...]

    def dim(self) -> int:
        return len(self.shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def numel(self) -> int:
        return len(self.items)

    def size(self, axis: int) -> int:
        return self.shape[axis]

    def positions(self) -> Tensor:
        """The position of every element among `items`, in this shape."""
        return torch.arange(len(self.items)).reshape(self.shape)

    def at(self, positions: Tensor) -> Strings:
        """The elements at `positions`, in the shape of `positions`."""
        return Strings(tuple(positions.shape), tuple(self.items[i] for i in positions.reshape(-1).tolist()))


def in_int64(function: Callable[..., Tensor], *operands: Tensor) -> Tensor:
    """`function(*operands)` in the first operand's dtype, computed in int64 (modulo 2**64) for
    the unsigned types without arithmetic."""
    dtype = operands[0].dtype
    if dtype not in UNSIGNED:
        return function(*operands)
    return function(*(x.to(torch.int64) for x in operands)).to(dtype)


def ordered(x: Tensor) -> Tensor:
    """`x` in a dtype that torch can compare, in the same order."""
    if x.dtype is torch.uint64:
        return torch.bitwise_xor(x.view(torch.int64), _SIGN)
    if x.dtype in UNSIGNED:
        return x.to(torch.int64)
    if x.dtype is torch.bool:
        return x.to(torch.uint8)
    return x


def restored(x: Tensor, dtype: torch.dtype) -> Tensor:
    """The inverse of `ordered`."""
    if dtype is torch.uint64:
        return torch.bitwise_xor(x, _SIGN).view(torch.uint64)
    return x.to(dtype)


def moved(function: Callable[[Tensor], Tensor], data: Any) -> Any:
    """`function(data)` for a function that only moves elements, also for strings and the dtypes
    that torch does not move."""
    if isinstance(data, Strings):
        return data.at(function(data.positions()))
    dtype = _SAME_WIDTH.get(data.dtype)
    return function(data) if dtype is None else function(data.view(dtype)).view(data.dtype)


def moved_together(function: Callable[..., Tensor], *parts: Any) -> Any:
    """`moved` for a function of several tensors of one dtype (`Concat`, `Where`)."""
    if isinstance(parts[0], Strings):
        joined: list[str] = []
        places: list[Tensor] = []
        for part in parts:
            places.append(part.positions() + len(joined))
            joined.extend(part.items)
        return Strings((len(joined),), tuple(joined)).at(function(*places))
    dtype = _SAME_WIDTH.get(parts[0].dtype)
    if dtype is None:
        return function(*parts)
    return function(*(p.view(dtype) for p in parts)).view(parts[0].dtype)


def ints(value: Any) -> list[Any]:
    """Integers, from a sequence of them, a single one, or an integer tensor."""
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, Tensor):
        found: list[Any] = value.reshape(-1).tolist()
        return found
    return [value]


def number(value: Any) -> Any:
    """One number, from itself, a sequence of one, or a tensor of one element."""
    if isinstance(value, list | tuple):
        return value[0]
    return value.reshape(()).item() if isinstance(value, Tensor) else value


def wrapped(axis: Any, rank: int) -> Any:
    """A negative axis counted from the front."""
    return axis + rank if axis < 0 else axis


def wrapped_axes(axes: Sequence[Any], rank: int) -> list[Any]:
    return [wrapped(a, rank) for a in axes]
