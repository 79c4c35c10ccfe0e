"""Biases of integer convolutions in whole units of the product of the scales.

The runtime's integer convolution adds a bias to int32 sums, so it rounds it to such units. Rounded by the
pass, all backends add the same. Units grow with the scales: below 8 bits of activations they are coarse.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .packing import int8_levels
from .rounding import QuantizedArray

Array = np.ndarray[Any, Any]


def whole_bias(bias: Array, weight: QuantizedArray, scale: float, narrow: bool) -> Array | None:
    """The bias [channels] in units of `scale`, of the inputs, times the weight's scales; None where no integer
    kernel adds it: levels that are no int8, or scales by block. `narrow` says that inputs have fewer than 8
    bits: then the lowering multiplies levels by a power of two, and units are as much finer."""
    table = int8_levels(np.asarray(weight.grid.levels), narrow and weight.grid.bits <= 4)
    if table is None or weight.layout.block:
        return None
    factor = np.abs(table).max() / weight.grid.largest
    unit = weight.scale.astype(np.float64) * scale / factor
    whole: Array = (np.rint(bias.astype(np.float64) / unit) * unit).astype(bias.dtype)
    return whole
