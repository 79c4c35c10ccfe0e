"""The derivative of Conv, by ConvTranspose and a convolution of operand and cotangent."""

from __future__ import annotations

from collections.abc import Sequence

from ...graph.diagnostics import fail
from ...graph.ir import Node, Value
from .reverse import Cotangents, Reverse


def conv_gradient(reverse: Reverse, node: Node, cotangents: Cotangents) -> list[Value | None]:
    """dX, dW and dB of Conv with explicit padding and static spatial sizes. Raises G0712 else."""
    x, w, g = node.inputs[0], node.inputs[1], cotangents[0]
    assert x is not None and w is not None and g is not None
    if node.attribute("auto_pad", "NOTSET") != "NOTSET" or node.attribute("group", 1) != 1:
        raise fail("G0712", "Conv with groups or auto_pad has no derivative here; training is not affected")
    rank = x.tensor.rank - 2
    strides = list(node.attribute("strides") or [1] * rank)
    dilations = list(node.attribute("dilations") or [1] * rank)
    pads = list(node.attribute("pads") or [0] * 2 * rank)
    shares: list[Value | None] = [
        _operand_share(reverse, node, g, strides, dilations, pads),
        _kernel_share(reverse, node, g, strides, dilations, pads),
    ]
    if len(node.inputs) > 2:
        shares.append(reverse.reduce_sum(g, [0, *range(2, rank + 2)], keepdims=False))
    return shares


def _static(value: Value) -> list[int]:
    dims = value.tensor.shape[2:]
    if not all(isinstance(d, int) for d in dims):
        raise fail("G0712", "Conv needs static spatial sizes to be differentiated in the graph")
    return [int(str(d)) for d in dims]


def _operand_share(
    reverse: Reverse,
    node: Node,
    g: Value,
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
) -> Value:
    x, w = node.inputs[0], node.inputs[1]
    assert x is not None and w is not None
    rank = len(strides)
    sizes, kernel, found = _static(x), _static(w), _static(g)
    reached = [
        (found[i] - 1) * strides[i] + dilations[i] * (kernel[i] - 1) + 1 - pads[i] - pads[rank + i]
        for i in range(rank)
    ]
    return reverse.build.op(
        "ConvTranspose",
        g,
        w,
        strides=strides,
        dilations=dilations,
        pads=pads,
        output_padding=[sizes[i] - reached[i] for i in range(rank)],
    )


def _kernel_share(
    reverse: Reverse,
    node: Node,
    g: Value,
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
) -> Value:
    """Channels as batch: the cotangent is the kernel, strides and dilations change places."""
    x, w = node.inputs[0], node.inputs[1]
    assert x is not None and w is not None
    rank = len(strides)
    swap = [1, 0, *range(2, rank + 2)]
    operand = reverse.build.op("Transpose", x, perm=swap)
    kernel = reverse.build.op("Transpose", g, perm=swap)
    wide = reverse.build.op("Conv", operand, kernel, strides=dilations, dilations=strides, pads=pads)
    share = reverse.build.op("Transpose", wide, perm=swap)
    sizes = _static(w)
    if _static(share) == sizes:
        return share
    bounds = [reverse.build.shape_value(b) for b in ([0] * rank, sizes)]
    return reverse.build.op("Slice", share, *bounds, reverse.vector(list(range(2, rank + 2))))
