"""Sizes before memory: the shape of a leaf as numbers, refused where it can't be meant."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping

from ...graph.diagnostics import fail
from ...graph.types import TensorType
from ...graph.types.dimensions import substitute


def memory_limit() -> int:
    """The bytes that one array may take: this machine's memory, else 64 GiB."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 64 << 30


def concrete_shape(name: str, type: TensorType, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The shape of a value called `name`, checked to be one that memory can hold.

    Raises SpecError: G1333 for a size without a value, G1338 for a negative or absurd size.
    """
    dims = []
    for dimension in type.shape:
        found = substitute(dimension, sizes)
        if not isinstance(found, int):
            missing = ", ".join(sorted(found.symbols))
            raise fail(
                "G1333",
                f"'{name}' is {type}, and nothing says how large {missing} is",
                hint=f"give the size: {missing.split(', ')[0]}=…",
            )
        dims.append(found)
    _check(name, type, dims, sizes)
    return tuple(dims)


def _check(name: str, type: TensorType, dims: list[int], sizes: Mapping[str, int]) -> None:
    where = ", ".join(f"{s}={sizes[s]}" for s in sorted(sizes) if s in str(type))
    shown = f"'{name}' is {type}" + (f" with {where}" if where else "")
    if any(d < 0 for d in dims):
        raise fail("G1338", f"{shown}: a dimension would be {min(dims)}")
    needed = math.prod(dims) * max(type.dtype.bits, 8) // 8
    if needed > memory_limit():
        raise fail(
            "G1338",
            f"{shown}: it would take {needed / 2**30:,.1f} GiB, more than this machine's "
            f"{memory_limit() / 2**30:,.1f} GiB",
        )
