"""Kernels of Quantize, Dequantize and FakeQuantize: codes of a grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...graph.ir import Node
from ...graph.types.grids import thresholds_of
from .kernel import Array, Datum, Kernel


def spread(scale: Array, shape: tuple[int, ...], axis: int, block: int) -> Array:
    """The scale in a shape that broadcasts with `shape`."""
    if scale.size == 1 and scale.ndim <= 1:
        return scale.reshape(())
    if not block:
        return scale.reshape([-1 if i == axis % len(shape) else 1 for i in range(len(shape))])
    length = shape[axis]
    return np.repeat(scale, block, axis)[tuple(slice(0, n) for n in (*shape[:axis], length))]


def _quantize(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, scale = inputs
    axis = node.attribute("axis") % max(x.ndim, 1)
    thresholds = np.asarray(thresholds_of(tuple(node.attribute("levels"))), np.float32)
    ratio = x / spread(scale, x.shape, axis, node.attribute("block_size"))
    codes = np.searchsorted(thresholds.astype(ratio.dtype), ratio, side="right")
    return [codes.astype(node.outputs[0].tensor.dtype.numpy)]


def _dequantize(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    codes, scale = inputs
    axis = node.attribute("axis") % max(codes.ndim, 1)
    levels = np.asarray(node.attribute("levels"), scale.dtype)
    index = np.minimum(codes.astype(np.int64), len(levels) - 1)
    return [levels[index] * spread(scale, codes.shape, axis, node.attribute("block_size"))]


def _fake_quantize(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    """The codes are those of float32 whatever the dtype, so that they are the ones trained with."""
    x, scale = inputs
    axis = node.attribute("axis") % max(x.ndim, 1)
    whole = np.maximum(np.abs(spread(scale, x.shape, axis, node.attribute("block_size"))), 2.0**-40)
    if node.attribute("surrogate") == "sine":
        wave = np.sin(np.asarray(node.attribute("parameter"), x.dtype) * x)
        return [(whole * (wave if node.attribute("soft") else np.where(wave < 0, -1, 1))).astype(x.dtype)]
    levels = tuple(node.attribute("levels"))
    ratio = x.astype(np.float32) / whole.astype(np.float32)
    codes = np.searchsorted(np.asarray(thresholds_of(levels), np.float32), ratio, side="right")
    return [(np.asarray(levels, x.dtype)[codes] * whole).astype(x.dtype)]


CODES: dict[str, Kernel] = {
    "Quantize": _quantize,
    "Dequantize": _dequantize,
    "FakeQuantize": _fake_quantize,
}
