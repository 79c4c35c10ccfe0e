"""The window of a convolution or pool as plain numbers, and the scattering of its cotangents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...graph.diagnostics import fail
from ...graph.ir import Node, Value
from .reverse import Reverse


@dataclass(frozen=True)
class Window:
    """Explicit attributes of a sliding window over `sizes`, giving `positions` places an axis.

    `after` is the padding behind that the places reach (with ceil_mode more than was asked for)."""

    sizes: tuple[int, ...]
    kernel: tuple[int, ...]
    positions: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def rank(self) -> int:
        return len(self.sizes)

    @property
    def pads(self) -> list[int]:
        return [*self.before, *self.after]

    def remainder(self, axis: int) -> int:
        """How many padded elements behind the last place no window reaches."""
        padded = self.sizes[axis] + self.before[axis] + self.after[axis]
        return padded - (self.positions[axis] - 1) * self.strides[axis] - self.extent(axis)

    def extent(self, axis: int) -> int:
        return (self.kernel[axis] - 1) * self.dilations[axis] + 1


def spatial(value: Value, what: str) -> tuple[int, ...]:
    """The lengths behind batch and channel. Raises G0712 where one is symbolic."""
    dims = value.tensor.shape[2:]
    if not all(isinstance(d, int) for d in dims):
        raise fail("G0712", f"{what} needs static spatial sizes to be differentiated in the graph")
    return tuple(int(str(d)) for d in dims)


def window_of(node: Node, sizes: Sequence[int], kernel: Sequence[int], positions: Sequence[int]) -> Window:
    """The window of a Conv or pool over `sizes` with `positions` places, its padding made explicit."""
    rank = len(kernel)
    strides = tuple(node.attribute("strides") or [1] * rank)
    dilations = tuple(node.attribute("dilations") or [1] * rank)
    before, after = [], []
    mode = node.attribute("auto_pad", "NOTSET")
    pads = list(node.attribute("pads") or [0] * 2 * rank)
    for i in range(rank):
        needed = (positions[i] - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1 - sizes[i]
        if mode in ("SAME_UPPER", "SAME_LOWER"):
            total = max(needed, 0)
            before.append(total // 2 if mode == "SAME_UPPER" else total - total // 2)
            after.append(total - before[i])
        else:
            before.append(0 if mode == "VALID" else pads[i])
            after.append(max(0 if mode == "VALID" else pads[rank + i], needed - before[i]))
    return Window(
        tuple(sizes), tuple(kernel), tuple(positions), strides, dilations, tuple(before), tuple(after)
    )


def pool_window(node: Node) -> Window:
    """The window of AveragePool, MaxPool or LpPool. Raises G0712 for symbolic spatial sizes."""
    x = node.inputs[0]
    assert x is not None
    positions = spatial(node.outputs[0], node.name)
    return window_of(node, spatial(x, node.name), node.attribute("kernel_shape"), positions)


def spread(reverse: Reverse, value: Value, place: Window, like: Value) -> Value:
    """For every element of `like` [N, C, …] the sum of `value` [N, C, …] over the windows that hold it."""
    batch, channels = like.tensor.shape[:2]
    flat = reverse.reshape(value, (batch * channels, 1, *place.positions))
    ones = reverse.build.constant(np.ones((1, 1, *place.kernel)), like.tensor.dtype)
    wide = reverse.build.op(
        "ConvTranspose",
        flat,
        ones,
        strides=place.strides,
        dilations=place.dilations,
        pads=place.pads,
        output_padding=[place.remainder(i) for i in range(place.rank)],
    )
    return reverse.reshape(wide, like.tensor.shape)
