"""Arrays in files beside a spec: npz archives and safetensors files, which are mapped, not read.

A safetensors file is an 8-byte length, a JSON header `name -> dtype, shape, data_offsets`, and the
bytes (https://github.com/huggingface/safetensors, "Format"). No code is run by reading one.

An array of a dtype that the format has no name for lies in it as bytes (U8), elements narrower than a
byte packed, low bits first; the header's metadata says what they are: `graphwright.w: "int4 512 1024"`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
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
    "F8_E4M3FNUZ": "float8e4m3fnuz",
    "F8_E5M2": "float8e5m2",
    "F8_E5M2FNUZ": "float8e5m2fnuz",
    "F8_E8M0": "float8e8m0",
    "C64": "complex64",
}
"""The format's names of dtypes that fill whole bytes."""

_NAMES = {ours: theirs for theirs, ours in STORED.items()}

_METADATA = "__metadata__"
_PREFIX = "graphwright."
_PIECE = 1 << 20  # elements that are packed or unpacked at once; a multiple of 8


class BadFile(ValueError):
    """The file is no safetensors file, is cut short, or says what can't be."""


@dataclass(frozen=True)
class Entry:
    """An array of a file; `offset` counts from the file's start. Elements of less than a byte are packed."""

    dtype: DType
    shape: tuple[int, ...]
    offset: int

    @property
    def stored_bytes(self) -> int:
        return (prod(self.shape) * self.dtype.bits + 7) // 8


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
    metadata = found.pop(_METADATA, None)
    notes = metadata if isinstance(metadata, dict) else {}
    return {
        str(name): _entry(str(name), entry, notes.get(_PREFIX + str(name)), 8 + length, size)
        for name, entry in found.items()
    }


def _entry(name: str, found: object, note: object, start: int, size: int) -> Entry:
    """`note` is what the metadata says of the array, None where the format has a name for its dtype."""
    fields = found if isinstance(found, dict) else {}
    dtype = STORED.get(str(fields.get("dtype")))
    shape, offsets = _naturals(fields.get("shape")), _naturals(fields.get("data_offsets"))
    if note is not None and dtype == "uint8":
        dtype, shape = _noted(str(note))
    if dtype is None or shape is None or offsets is None or len(offsets) != 2:
        raise BadFile(f"its entry '{name}' is malformed, or of a dtype that is not supported")
    entry = Entry(DTYPES[dtype], shape, start + offsets[0])
    if offsets[1] - offsets[0] != entry.stored_bytes or start + offsets[1] > size:
        raise BadFile(f"the place of '{name}' does not fit its shape or the file")
    return entry


def _noted(note: str) -> tuple[str | None, tuple[int, ...] | None]:
    """Dtype and shape of `int4 512 1024`; None for what can't be."""
    name, *sizes = note.split(" ")
    known = name in DTYPES and DTYPES[name].bits > 0
    digits = all(s.isascii() and s.isdigit() and len(s) < 19 for s in sizes)
    return name if known else None, tuple(int(s) for s in sizes) if digits else None


def _naturals(found: object) -> tuple[int, ...] | None:
    if not isinstance(found, list) or not all(type(n) is int and 0 <= n < 2**62 for n in found):
        return None
    return tuple(found)


def map_entry(path: Path, entry: Entry) -> Array:
    """The array, mapped read-only; a packed one is unpacked into memory."""
    if not prod(entry.shape):
        return np.empty(entry.shape, entry.dtype.numpy)
    if entry.dtype.bits < 8:
        packed = np.memmap(path, np.uint8, "r", entry.offset, (entry.stored_bytes,))
        return _unpacked(packed, entry.dtype, entry.shape)
    found: Array = np.memmap(path, entry.dtype.numpy, "r", entry.offset, entry.shape)
    return found


def write_safetensors(path: Path, arrays: Mapping[str, Array]) -> None:
    """Writes the arrays, by name in this order, whole or not at all. None may be of strings."""
    from ..types.dtypes import from_numpy

    header: dict[str, object] = {}
    notes: dict[str, str] = {}
    end = 0
    for name, array in arrays.items():
        dtype = from_numpy(array.dtype)
        entry = Entry(dtype, array.shape, end)
        shape = array.shape
        if dtype.name not in _NAMES:
            notes[_PREFIX + name] = " ".join([dtype.name, *map(str, array.shape)])
            shape = (entry.stored_bytes,)
        start, end = end, end + entry.stored_bytes
        stored = _NAMES.get(dtype.name, "U8")
        header[name] = {"dtype": stored, "shape": list(shape), "data_offsets": [start, end]}
    _write(path, {_METADATA: notes, **header} if notes else header, arrays.values())


def _write(path: Path, header: Mapping[str, object], arrays: Iterable[Array]) -> None:
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for array in arrays:
                for piece in _bytes_of(array):
                    file.write(piece.data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _bytes_of(array: Array) -> Iterator[Array]:
    """The bytes as they are stored, in pieces where they are packed."""
    from ..types.dtypes import from_numpy

    bits = from_numpy(array.dtype).bits
    flat = np.ascontiguousarray(array).reshape(-1)
    if bits >= 8:
        yield flat.view(np.uint8)
        return
    for start in range(0, flat.size, _PIECE):
        codes = flat[start : start + _PIECE].view(np.uint8).reshape(-1, 1)
        yield np.packbits(np.unpackbits(codes, 1, bits, "little"), bitorder="little")


def _unpacked(packed: Array, dtype: DType, shape: tuple[int, ...]) -> Array:
    size, bits = prod(shape), dtype.bits
    codes = np.empty(size, np.uint8)
    for start in range(0, size, _PIECE):
        count = min(_PIECE, size - start)
        piece = packed[start * bits // 8 : (start + count) * bits // 8 + 1]
        found = np.unpackbits(piece, count=count * bits, bitorder="little").reshape(count, bits)
        codes[start : start + count] = np.packbits(found, 1, "little")[:, 0]
    return codes.view(dtype.numpy).reshape(shape)
