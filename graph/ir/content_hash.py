"""Stable hashes of content: the same in every process, on every machine."""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import numpy as np

from ..types.dtypes import from_numpy

DIGEST_BYTES = 16
_CHUNK = 1 << 24


def hash_parts(parts: Iterable[bytes | str]) -> bytes:
    """The hash of a sequence of strings; no two sequences are spelt alike."""
    hasher = blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        hasher.update(len(data).to_bytes(8, "little"))
        hasher.update(data)
    return hasher.digest()


def array_digest(array: np.ndarray[Any, Any]) -> str:
    """The hash of dtype, shape and content, in hexadecimal. A memory-mapped array is read in
    pieces and never copied whole."""
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    head = json.dumps([from_numpy(array.dtype).name, list(array.shape)])
    hasher = blake2b(head.encode(), digest_size=DIGEST_BYTES)
    if array.dtype.kind in "OUS":
        hasher.update(json.dumps([_text(s) for s in array.ravel().tolist()]).encode())
        return hasher.hexdigest()
    if not array.flags.c_contiguous:
        array = np.array(array, order="C")
    content = array.reshape(-1).view(np.uint8)
    for start in range(0, content.size, _CHUNK):
        hasher.update(content[start : start + _CHUNK].data)
    return hasher.hexdigest()


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
