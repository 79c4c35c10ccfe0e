"""All numbers of a dtype in order, as integers: consecutive floats have consecutive positions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..constants import FLOATS

Array = np.ndarray[Any, Any]
_BITS: dict[str, Any] = {"float64": np.int64, "float32": np.int32, "float16": np.int16, "bfloat16": np.int16}


def position(value: float, dtype: str) -> int:
    """The place of a number in the order -inf … -0, 0 … inf; -0 has -1, 0 has 0."""
    bits = int(np.array(value, FLOATS[dtype]).view(_BITS[dtype]))
    return bits if bits >= 0 else -1 - (bits & int(np.iinfo(_BITS[dtype]).max))


def value_at(place: int, dtype: str) -> float:
    """The number of a place."""
    return float(values(place, place + 1, dtype)[0])


def values(start: int, stop: int, dtype: str) -> Array:
    """The numbers of the places from start up to stop."""
    kind = _BITS[dtype]
    if start >= 0:
        return np.arange(start, stop, dtype=kind).view(FLOATS[dtype])
    places = np.arange(start, stop, dtype=np.int64)
    sign = np.int64(np.iinfo(kind).min)
    bits = np.where(places >= 0, places, sign | (-1 - places))
    return bits.astype(kind).view(FLOATS[dtype])


def mantissa_bits(dtype: str) -> int:
    return {"float64": 52, "float32": 23, "float16": 10, "bfloat16": 7}[dtype]
