"""Constants that passes make: small ones in their node, large ones as weights named by content."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import numpy as np

from ...graph.ir import Value, constant, leaf
from ...graph.ir.node import SMALL
from ...graph.operators.attributes import freeze_array
from ...graph.types import TensorType, from_numpy

Array = np.ndarray[Any, Any]


def folded_constant(array: Array, like: str, identity: str | None = None) -> tuple[Value, dict[str, Array]]:
    """The leaf and the weights that it needs. A large constant is called `like~digest`, so equal
    contents are one weight and different ones never share a name, whatever passes ran before.
    `identity`, where the content follows from it, spares hashing the content."""
    frozen = freeze_array(np.asarray(array))
    if frozen.size <= SMALL:
        return constant(frozen), {}
    name = f"{like.split('~')[0]}~{identity or _content_name(frozen)}"
    value = leaf("Weight", name, TensorType(from_numpy(frozen.dtype), frozen.shape))
    return value, {name: frozen}


def _content_name(array: Array) -> str:
    """Twelve digits of a hash of dtype, shape and content: of the one that processors compute
    themselves, as there may be as much of it as there are weights."""
    hasher = sha256(f"{array.dtype.str}{array.shape}".encode())
    hasher.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return hasher.hexdigest()[:12]
