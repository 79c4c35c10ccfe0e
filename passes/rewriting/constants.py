"""Constants that passes make: small ones in their node, large ones as weights named by content."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...graph.ir import Value, constant, leaf
from ...graph.ir.content_hash import array_digest
from ...graph.ir.node import SMALL
from ...graph.operators.attributes import freeze_array
from ...graph.types import TensorType, from_numpy

Array = np.ndarray[Any, Any]


def folded_constant(array: Array, like: str) -> tuple[Value, dict[str, Array]]:
    """The leaf and the weights that it needs. A large constant is called `like~digest`, so equal
    contents are one weight and different ones never share a name, whatever passes ran before."""
    frozen = freeze_array(np.asarray(array))
    if frozen.size <= SMALL:
        return constant(frozen), {}
    name = f"{like.split('~')[0]}~{array_digest(frozen)[:12]}"
    value = leaf("Weight", name, TensorType(from_numpy(frozen.dtype), frozen.shape))
    return value, {name: frozen}
