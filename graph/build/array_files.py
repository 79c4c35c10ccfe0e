"""Arrays in files beside a spec: npz archives and safetensors files, which are mapped, not read.

A safetensors file is an 8-byte length, a JSON header `name -> dtype, shape, data_offsets`, and the
bytes (https://github.com/huggingface/safetensors, "Format"). No code is run by reading one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..types.dtypes import DTYPES, DType

Array = np.ndarray[Any, Any]

LARGEST_HEADER = 100_000_000

STORED: Mapping[str, str] = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
    "F8_E4M3": "float8e4m3fn",
    "F8_E5M2": "float8e5m2",
    "F8_E8M0": "float8e8m0",
    "C64": "complex64",
}
"""The format's names of dtypes that fill whole bytes."""

_NAMES = {ours: theirs for theirs, ours in STORED.items()}


class BadFile(ValueError):
    """The file is no safetensors file, is cut short, or says what can't be."""


@dataclass(frozen=True)
class Entry:
    dtype: DType
    shape: tuple[int, ...]
    offset: int  # from the start of the file


def is_storable(dtype: DType) -> bool:
    """Whether a safetensors file can hold arrays of this dtype."""
    return dtype.name in _NAMES


def read_header(path: Path) -> dict[str, Entry]:
    """What the file holds. Raises OSError, BadFile."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, LARGEST_HEADER):
            raise BadFile("it is no safetensors file, or is cut short")
        text = file.read(length)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadFile("its header is no JSON") from error
    if not isinstance(found, dict):
        raise BadFile("its header is no mapping")
    found.pop("__metadata__", None)
    return {str(name): _entry(str(name), entry, 8 + length, size) for name, entry in found.items()}


def _entry(name: str, found: object, start: int, size: int) -> Entry:
    fields = found if isinstance(found, dict) else {}
    dtype = STORED.get(str(fields.get("dtype")))
    shape, offsets = _naturals(fields.get("shape")), _naturals(fields.get("data_offsets"))
    if dtype is None or shape is None or offsets is None or len(offsets) != 2:
        raise BadFile(f"its entry '{name}' is malformed, or of a dtype that is not supported")
    known = DTYPES[dtype]
    if offsets[1] - offsets[0] != prod(shape) * known.bits // 8 or start + offsets[1] > size:
        raise BadFile(f"the place of '{name}' does not fit its shape or the file")
    return Entry(known, shape, start + offsets[0])


def _naturals(found: object) -> tuple[int, ...] | None:
    if not isinstance(found, list) or not all(type(n) is int and 0 <= n < 2**62 for n in found):
        return None
    return tuple(found)


def map_entry(path: Path, entry: Entry) -> Array:
    """The array, mapped read-only."""
    if not prod(entry.shape):
        return np.empty(entry.shape, entry.dtype.numpy)
    found: Array = np.memmap(path, entry.dtype.numpy, "r", entry.offset, entry.shape)
    return found


def write_safetensors(path: Path, arrays: Mapping[str, Array]) -> None:
    """Writes the arrays, by name in this order, whole or not at all. Each must be storable."""
    from ..types.dtypes import from_numpy

    header: dict[str, object] = {}
    end = 0
    for name, array in arrays.items():
        dtype = _NAMES[from_numpy(array.dtype).name]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for array in arrays.values():
                file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
