"""Codes of 1, 2, 3 or 4 bits packed into bytes, and the operators that unpack them.

A code of 3 bits is a plane of 2 bits and one of 1 bit. A plane of b bits holds part i of the codes in
bits b·i … of its bytes, so unpacking is shifts, masks and one Concat, which ONNX Runtime folds when
it loads the model.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...graph.ir import Value, apply, constant
from ...graph.types.dtypes import INT32
from .codes import Store

Array = np.ndarray[Any, Any]

PLANES = {1: (1,), 2: (2,), 3: (2, 1), 4: (4,)}
"""Bits of a code -> the bits of its planes, low ones first."""


def int8_levels(levels: Array, fine: bool = False) -> Array | None:
    """The levels times the least of a few factors that makes them int8; None where none does. `fine`
    multiplies them by the largest power of two that int8 has room for."""
    for factor in (1, 2, 4, 8, 16, 49):
        whole = levels * factor
        if np.all(np.abs(whole - np.rint(whole)) < 1e-6) and np.abs(whole).max() <= 127:
            room = 127 // max(int(np.abs(whole).max()), 1) if fine else 1
            return np.asarray(np.rint(whole) * 2 ** (room.bit_length() - 1), np.int8)
    return None


def pack(codes: Array, bits: int) -> list[Array]:
    """The planes, uint8. Raises ValueError for codes of more bits, or bits other than 1 to 4."""
    if bits not in PLANES:
        raise ValueError(f"codes are packed at 1 to 4 bits, not {bits}")
    flat = codes.astype(np.uint8).ravel()
    if flat.size and int(flat.max()) >= 2**bits:
        raise ValueError(f"a code of {int(flat.max())} does not fit {bits} bits")
    planes, shift = [], 0
    for width in PLANES[bits]:
        planes.append(_plane((flat >> shift) & (2**width - 1), width))
        shift += width
    return planes


def _plane(flat: Array, width: int) -> Array:
    parts = 8 // width
    padded = np.zeros(-(-flat.size // parts) * parts, np.uint8)
    padded[: flat.size] = flat
    rows = padded.reshape(parts, -1)
    found = np.zeros(rows.shape[1], np.uint8)
    for i, row in enumerate(rows):
        found |= row << (width * i)
    return found


def unpack(planes: list[Array], bits: int, size: int) -> Array:
    """The codes, uint8[size]."""
    codes = np.zeros(size, np.uint8)
    shift = 0
    for plane, width in zip(planes, PLANES[bits], strict=True):
        parts = [(plane >> (width * i)) & (2**width - 1) for i in range(8 // width)]
        codes |= np.concatenate(parts)[:size] << shift
        shift += width
    return codes


def unpacked_value(codes: Array, bits: int, name: str, store: Store) -> Value:
    """The codes as int32 of their shape, computed from packed weights."""
    total: Value | None = None
    shift = 0
    for plane, width in zip(pack(codes, bits), PLANES[bits], strict=True):
        found = _plane_value(store.put(plane, f"{name}_{width}bit"), width, codes.size)
        if total is None:
            total = found
        else:
            total = apply("BitwiseOr", total, apply("BitShift", found, _byte(shift), direction="LEFT"))
        shift += width
    assert total is not None
    shaped = apply("Reshape", total, constant(np.asarray(codes.shape, np.int64)))
    return apply("Cast", shaped, to=INT32.code)


def _plane_value(plane: Value, width: int, size: int) -> Value:
    mask, parts = _byte(2**width - 1), []
    for i in range(8 // width):
        part = plane if not i else apply("BitShift", plane, _byte(width * i), direction="RIGHT")
        last = width * (i + 1) == 8
        parts.append(part if last else apply("BitwiseAnd", part, mask))
    whole = apply("Concat", *parts, axis=0)
    if whole.tensor.shape[0] == size:
        return whole
    zero, end = constant(np.array([0])), constant(np.array([size]))
    return apply("Slice", whole, zero, end)


def _byte(number: int) -> Value:
    return constant(np.uint8(number))
