"""Scale layouts: which elements of an array share a scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Layout:
    """One scale for all (axis None), one for each place on `axis`, or one for each `block` elements
    along it (and each place on the other axes), as in the standard's QuantizeLinear."""

    axis: int | None = None
    block: int | None = None

    def scale_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the scales of an array of this shape."""
        if self.axis is None:
            return ()
        if self.block is None:
            return (shape[self.axis],)
        blocks = -(-shape[self.axis] // self.block)
        return (*shape[: self.axis], blocks, *shape[self.axis + 1 :])

    def groups(self, array: Array) -> Array:
        """The elements that share a scale as rows, in the order of the flattened scales. A last block
        that the axis does not fill is filled with its own last element."""
        if self.axis is None:
            return array.reshape(1, -1)
        if self.block is None:
            return np.moveaxis(array, self.axis, 0).reshape(array.shape[self.axis], -1)
        missing = -array.shape[self.axis] % self.block
        if missing:
            widths = [(0, missing if i == self.axis else 0) for i in range(array.ndim)]
            array = np.pad(array, widths, mode="edge")
        before, after = array.shape[: self.axis], array.shape[self.axis + 1 :]
        split = array.reshape(*before, -1, self.block, *after)
        return np.moveaxis(split, self.axis + 1, -1).reshape(-1, self.block)

    def spread(self, scales: Array, shape: tuple[int, ...]) -> Array:
        """Scales (of `scale_shape`) in a shape that broadcasts with an array of `shape`."""
        if self.axis is None:
            return scales.reshape(())
        if self.block is None:
            return scales.reshape([-1 if i == self.axis else 1 for i in range(len(shape))])
        repeated = np.repeat(scales, self.block, self.axis)
        return np.take(repeated, np.arange(shape[self.axis]), axis=self.axis)
