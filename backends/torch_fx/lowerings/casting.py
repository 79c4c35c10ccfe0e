"""Cast, CastLike and BitCast between all dtypes of the standard."""

from __future__ import annotations

from typing import Any

import torch

from ....graph.ir import Node
from .carriers import CARRIERS, Strings, Tensor
from .lowering import Keywords, Lowering, operand_dtype

_LARGEST = {"float8e4m3fn": 448.0, "float8e4m3fnuz": 240.0, "float8e5m2": 57344.0, "float8e5m2fnuz": 57344.0}
_NARROW = {"uint4": (4, False), "int4": (4, True), "uint2": (2, False), "int2": (2, True)}
_TINY = {"float4e2m1": (4, 1, 0), "float6e2m3": (6, 3, 0), "float6e3m2": (6, 2, -2)}
"""Floats of 4 and 6 bits, all finite: bits, bits of the mantissa, exponent of the least normal number."""


def cast(x: Any, *, to: str, saturate: int = 1, round_mode: str = "up") -> Any:
    """x in dtype `to`. Floats go to integers truncated; integers keep their low bits; 8-bit
    floats round to nearest even and saturate unless told otherwise."""
    if to == "string":
        return _to_strings(x)
    if isinstance(x, Strings):
        x = _parsed(x, to)
    if x.dtype is torch.float8_e8m0fnu and to not in ("float32", "float8e8m0"):
        x = x.to(torch.float32)
    if to in _NARROW:
        return _low_bits(x, *_NARROW[to])
    if to in _LARGEST:
        return _to_float8(x, to, saturate)
    if to in _TINY:
        return _to_tiny(x, to)
    if to == "float8e8m0":
        return _to_e8m0(x, saturate, round_mode)
    target = CARRIERS[to]
    if target in (torch.uint16, torch.uint32, torch.uint64) and not x.is_floating_point():
        return x.to(torch.int64).to(target)
    if x.is_floating_point() and x.dtype.itemsize == 1:
        return x.to(torch.float32).to(target)
    return x.to(target)


def cast_like(x: Any, target_type: Any, *, to: str, saturate: int = 1, round_mode: str = "up") -> Any:
    return cast(x, to=to, saturate=saturate, round_mode=round_mode)


def _like_arguments(node: Node) -> Keywords:
    return {"to": node.outputs[0].tensor.dtype.name}


# --- strings ------------------------------------------------------------------------------------


def _parsed(x: Strings, to: str) -> Tensor:
    """Numbers from text; "INF" and "NaN" in any case."""
    if to.startswith(("int", "uint")):
        numbers = torch.tensor(
            [int(float(s)) if not _is_int(s) else int(s) for s in x.items], dtype=torch.int64
        )
    else:
        numbers = torch.tensor([float(s) for s in x.items], dtype=torch.float64)
    return numbers.reshape(x.shape)


def _is_int(text: str) -> bool:
    return text.strip().lstrip("+-").isdigit()


def _to_strings(x: Any) -> Any:
    if isinstance(x, Strings):
        return x
    return Strings(tuple(x.shape), tuple(_text(v, x.dtype) for v in x.reshape(-1).tolist()))


def _text(value: float | int | bool, dtype: torch.dtype) -> str:
    """The shortest text that reads back as the same number of that dtype."""
    if not dtype.is_floating_point or dtype is torch.float64:
        return str(value)
    for digits in range(1, 17):
        text = f"{value:.{digits}g}"
        if torch.tensor(float(text), dtype=dtype) == torch.tensor(value, dtype=dtype):
            return str(float(text))
    return str(value)


# --- narrow numbers -----------------------------------------------------------------------------


def _low_bits(x: Tensor, bits: int, signed: bool) -> Tensor:
    """The lowest `bits` of the truncated number, held in 8 bits."""
    low = torch.bitwise_and(x.to(torch.int64), 2**bits - 1)
    if not signed:
        return low.to(torch.uint8)
    return torch.where(low >= 2 ** (bits - 1), low - 2**bits, low).to(torch.int8)


def _to_float8(x: Tensor, to: str, saturate: int) -> Tensor:
    wide = x if x.dtype is torch.float64 else x.to(torch.float32)
    if saturate:
        wide = wide.clamp(-_LARGEST[to], _LARGEST[to])
    elif to != "float8e5m2":  # the only one with infinities
        wide = torch.where(_rounds_past(wide, to), torch.full_like(wide, float("nan")), wide)
    return wide.to(CARRIERS[to])


def _rounds_past(x: Tensor, to: str) -> Tensor:
    """Where x rounds (halves to even) to a number past the largest."""
    magnitude = x.abs()
    if to == "float8e4m3fn":
        return magnitude > 464.0
    return magnitude >= (248.0 if to == "float8e4m3fnuz" else 61440.0)


def _grid(name: str) -> list[float]:
    """The numbers from 0 up, by their codes."""
    bits, mantissa, least = _TINY[name]
    found = []
    for code in range(2 ** (bits - 1)):
        exponent, fraction = divmod(code, 2**mantissa)
        whole = fraction if exponent == 0 else fraction + 2**mantissa
        found.append(whole * 2.0 ** (least + max(exponent, 1) - 1 - mantissa))
    return found


def _to_tiny(x: Tensor, to: str) -> Tensor:
    """The nearest number (halves to even), saturated."""
    _, mantissa, least = _TINY[to]
    wide = x.to(torch.float64)
    exponent = (torch.frexp(wide.abs()).exponent - 1).clamp(min=least)
    step = torch.ldexp(torch.ones_like(wide), exponent - mantissa)
    rounded = (torch.round(wide.abs() / step) * step).clamp(max=_grid(to)[-1])
    return torch.copysign(rounded, wide).to(torch.float16)


def _to_e8m0(x: Tensor, saturate: int, round_mode: str) -> Tensor:
    """The exponent of x, by the bits of its binary32 form; inf and NaN are NaN."""
    bits = x.to(torch.float32).view(torch.int32).to(torch.int64)
    exponent = torch.bitwise_and(bits >> 23, 0xFF)
    fraction = torch.bitwise_and(bits, 0x7FFFFF)
    special = exponent == 0xFF
    if round_mode == "up":
        raised = fraction > 0
    elif round_mode == "nearest":
        half = fraction >= 0x400000
        raised = half & ((torch.bitwise_and(fraction, 0x3FFFFF) > 0) | (exponent > 0))
    else:
        raised = torch.zeros_like(special)
    raised = raised & ~special
    if saturate:
        raised = raised & (exponent != 0xFE)
    return (exponent + raised).to(torch.uint8).view(torch.float8_e8m0fnu)


# --- bits ---------------------------------------------------------------------------------------


def bit_cast(x: Tensor, *, to: str, source: str) -> Tensor:
    """The same bits read as dtype `to`."""
    bits = _codes(x, source)
    if to in _NARROW:
        return _low_bits(bits, *_NARROW[to])
    if to in _TINY:
        grid = _grid(to)
        values = torch.tensor([*grid, *(-v for v in grid)], dtype=torch.float16, device=x.device)
        return values[bits.to(torch.int64)]
    if to == "bool":
        return bits.view(torch.uint8) != 0
    return bits.view(CARRIERS[to])


def _codes(x: Tensor, source: str) -> Tensor:
    if source in _NARROW:
        return torch.bitwise_and(x, 2 ** _NARROW[source][0] - 1).to(torch.uint8)
    if source in _TINY:
        grid = torch.tensor(_grid(source), dtype=x.dtype, device=x.device)
        code = torch.searchsorted(grid, x.abs())
        return (code + len(grid) * torch.signbit(x)).to(torch.uint8)
    return x.to(torch.uint8) if source == "bool" else x.contiguous()


CASTING: dict[str, Lowering] = {
    "Cast": Lowering(cast),
    "CastLike": Lowering(cast_like, arguments=_like_arguments),
    "BitCast": Lowering(bit_cast, arguments=operand_dtype("source")),
}
