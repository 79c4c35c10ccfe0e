"""Results of a run as text, JSON and files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def describe(name: str, array: Array) -> str:
    """`name: dtype[shape]` and the numbers, shortened."""
    head = f"{name}: {array.dtype}[{', '.join(map(str, array.shape))}]"
    body = np.array2string(array, precision=6, threshold=40, edgeitems=3, max_line_width=100)
    return f"{head} {body}" if "\n" not in body and len(body) < 80 else f"{head}\n{body}"


def array_json(array: Array) -> dict[str, Any]:
    """dtype, shape and nested lists; infinities and NaN as texts, which JSON has not."""
    return {"dtype": str(array.dtype), "shape": list(array.shape), "values": _plain(array.tolist())}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value


def write_npz(path: Path, arrays: Mapping[str, Array]) -> None:
    """The arrays in an npz file, whole or not at all."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.savez(file, allow_pickle=False, **dict(arrays))
    os.replace(part, path)
