"""The derivatives of pools."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ...graph.build.meanings import Meaning, Tensor
from ...graph.ir import Node, Value
from .reverse import Cotangents, Reverse, Rule
from .windows import Window, pool_window, spatial, spread


def _first(node: Node, cotangents: Cotangents) -> tuple[Value, Value]:
    x, g = node.inputs[0], cotangents[0]
    assert x is not None and g is not None
    return x, g


def average_pool_gradient(reverse: Reverse, node: Node, cotangents: Cotangents) -> list[Value | None]:
    """Every element of a window gets its part of the window's cotangent."""
    x, g = _first(node, cotangents)
    place = pool_window(node)
    for axis in range(place.rank):
        counts = _counts(node, place, axis)
        shape = [1] * (place.rank + 2)
        shape[axis + 2] = place.positions[axis]
        g = reverse.build.op("Div", g, reverse.build.constant(counts.reshape(shape), x.tensor.dtype))
    return [spread(reverse, g, place, x)]


def _counts(node: Node, place: Window, axis: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """How many elements of each window count along one axis: those inside, or with
    count_include_pad those inside the padding that was asked for."""
    size, before = place.sizes[axis], place.before[axis]
    low, high = 0, size
    if node.attribute("count_include_pad", 0):
        pads = node.attribute("pads") or [0] * 2 * place.rank
        asked = node.attribute("auto_pad", "NOTSET") == "NOTSET"
        low, high = -before, size + (pads[place.rank + axis] if asked else place.after[axis])
    starts = np.arange(place.positions[axis]) * place.strides[axis] - before
    at = starts[:, None] + np.arange(place.kernel[axis]) * place.dilations[axis]
    return np.asarray(((at >= low) & (at < high)).sum(axis=1), dtype=np.float64)


def max_pool_gradient(reverse: Reverse, node: Node, cotangents: Cotangents) -> list[Value | None]:
    """The cotangent goes to the element that was chosen, by its index; windows may share one."""
    x, g = _first(node, cotangents)
    attributes: dict[str, Any] = {n: a for n, a in node.attributes.items() if n != "storage_order"}
    _, indices = reverse.build.ops("MaxPool", x, **attributes)
    count = prod(x.tensor.shape, start=1)
    zero = reverse.build.constant(0, x.tensor.dtype)
    flat = reverse.build.op("Expand", zero, reverse.build.shape_value((count,)))
    chosen = prod(g.tensor.shape, start=1)
    index, share = reverse.reshape(indices, (chosen,)), reverse.reshape(g, (chosen,))
    summed = reverse.build.op("ScatterElements", flat, index, share, axis=0, reduction="add")
    return [reverse.reshape(summed, x.tensor.shape)]


def lp_pool_gradient(reverse: Reverse, node: Node, cotangents: Cotangents) -> list[Value | None]:
    """Of (Σ |x|ᵖ)^(1/p) over each window."""
    x, g = _first(node, cotangents)
    values = _values(node, x, g)
    part = reverse.express("where(y == 0, 0, g * where(y == 0, 1, y) ** (1 - p))", values)
    wide = spread(reverse, part, pool_window(node), x)
    return [reverse.express("g * sign(x) * abs(x) ** (p - 1)", {**values, "g": Tensor(wide)})]


def _global(text: str) -> Rule:
    def gradient(reverse: Reverse, node: Node, cotangents: Cotangents) -> list[Value | None]:
        x, g = _first(node, cotangents)
        count = prod(spatial(x, node.name))
        values: dict[str, Meaning] = {**_values(node, x, g), "count": count}
        axes = list(range(2, x.tensor.rank))
        share = reverse.express(text.replace("AXES", str(axes)), values)
        if share.tensor.shape != x.tensor.shape:
            share = reverse.build.op("Expand", share, reverse.build.shape_value(x.tensor.shape))
        return [share]

    return gradient


def _values(node: Node, x: Value, g: Value) -> dict[str, Meaning]:
    return {
        "x": Tensor(x),
        "y": Tensor(node.outputs[0]),
        "g": Tensor(g),
        "p": float(node.attribute("p", 2)),
    }


POOLING: dict[str, Rule] = {
    "AveragePool": average_pool_gradient,
    "MaxPool": max_pool_gradient,
    "LpPool": lp_pool_gradient,
    "GlobalAveragePool": _global("g / count"),
    "GlobalMaxPool": _global(
        "g * cast_like(x == y, g) / sum(cast_like(x == y, g), axis=AXES, keepdims=true)"
    ),
    "GlobalLpPool": _global(
        "where(y == 0, 0, g * where(y == 0, 1, y) ** (1 - p)) * sign(x) * abs(x) ** (p - 1)"
    ),
}
