"""What a NumPy kernel is, and the widening of narrow floats that all kernels share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...graph.ir import Node
from ...graph.types.dtypes import from_numpy

Array = np.ndarray[Any, Any]
Datum = Any
"""An array; for a sequence a list of arrays; for an optional its content or None."""

Kernel = Callable[[Node, Sequence[Datum]], Sequence[Datum]]
"""The results of a node from its operands (None for an absent one). Kernels read attributes from
the node and dtypes from the operands, never from the node's types: a shadow run gives float64
where the types say float32."""


def is_narrow(array: Array) -> bool:
    """Whether sums and functions of this dtype are computed in float32 and rounded once."""
    return array.dtype.itemsize <= 2 and from_numpy(array.dtype).is_float


def wide(array: Array) -> Array:
    return array.astype(np.float32) if is_narrow(array) else array


def like(result: Any, operand: Array) -> Array:
    """The result in the operand's dtype."""
    return np.asarray(result).astype(operand.dtype, copy=False)
