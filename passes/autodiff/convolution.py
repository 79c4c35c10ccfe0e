"""The derivatives of Conv and ConvTranspose, each by the other and a convolution of operand and cotangent."""

from __future__ import annotations

from collections.abc import Sequence

from ...graph.ir import Node, Value
from .reverse import Cotangents, Reverse
from .windows import Window, spatial, window_of


def conv_gradient(reverse: Reverse, node: Node, cotangents: Cotangents) -> list[Value | None]:
    """dX, dW and dB of Conv with static spatial sizes. Raises G0712 else."""
    x, w, g = _operands(node, cotangents)
    place = window_of(node, spatial(x, "Conv"), spatial(w, "Conv"), spatial(node.outputs[0], "Conv"))
    groups = node.attribute("group", 1)
    shares: list[Value | None] = [
        _transposed(reverse, g, w, place, groups),
        _kernel_share(reverse, x, g, place, groups),
    ]
    return _with_bias(reverse, node, g, shares)


def conv_transpose_gradient(reverse: Reverse, node: Node, cotangents: Cotangents) -> list[Value | None]:
    """dX, dW and dB of ConvTranspose with static spatial sizes: it is the transpose of the Conv that
    takes its result to its operand. Raises G0712 else."""
    x, w, g = _operands(node, cotangents)
    place = _mirrored(
        node, spatial(x, "ConvTranspose"), spatial(w, "ConvTranspose"), spatial(g, "ConvTranspose")
    )
    groups = node.attribute("group", 1)
    back = reverse.build.op(
        "Conv", g, w, strides=place.strides, dilations=place.dilations, pads=place.pads, group=groups
    )
    return _with_bias(reverse, node, g, [back, _kernel_share(reverse, g, x, place, groups)])


def _operands(node: Node, cotangents: Cotangents) -> tuple[Value, Value, Value]:
    x, w, g = node.inputs[0], node.inputs[1], cotangents[0]
    assert x is not None and w is not None and g is not None
    return x, w, g


def _with_bias(reverse: Reverse, node: Node, g: Value, shares: list[Value | None]) -> list[Value | None]:
    if len(node.inputs) > 2:
        shares.append(reverse.reduce_sum(g, [0, *range(2, g.tensor.rank)], keepdims=False))
    return shares


def _mirrored(node: Node, small: Sequence[int], kernel: Sequence[int], large: Sequence[int]) -> Window:
    """The window of the Conv whose transpose a ConvTranspose is: what its sizes leave over is padding,
    split as `auto_pad` says."""
    rank = len(small)
    strides = tuple(node.attribute("strides") or [1] * rank)
    dilations = tuple(node.attribute("dilations") or [1] * rank)
    extra = list(node.attribute("output_padding") or [0] * rank)
    pads = list(node.attribute("pads") or [0] * 2 * rank)
    mode, shaped = node.attribute("auto_pad", "NOTSET"), node.attribute("output_shape") is not None
    before: list[int] = []
    for i in range(rank):
        total = strides[i] * (small[i] - 1) + extra[i] + (kernel[i] - 1) * dilations[i] + 1 - large[i]
        half = total // 2 if mode == "SAME_UPPER" else total - total // 2
        before.append(half if shaped or mode.startswith("SAME") else 0 if mode == "VALID" else pads[i])
    reach = [(small[i] - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1 for i in range(rank)]
    after = tuple(
        reach[i] - large[i] - before[i] + _slack(reach[i], large[i], before[i]) for i in range(rank)
    )
    return Window(tuple(large), tuple(kernel), tuple(small), strides, dilations, tuple(before), after)


def _slack(reach: int, large: int, before: int) -> int:
    """Where windows end before the last element, no padding is taken away behind."""
    return max(0, large + before - reach)


def _transposed(reverse: Reverse, g: Value, w: Value, place: Window, groups: int) -> Value:
    return reverse.build.op(
        "ConvTranspose",
        g,
        w,
        strides=place.strides,
        dilations=place.dilations,
        pads=place.pads,
        output_padding=[place.remainder(i) for i in range(place.rank)],
        group=groups,
    )


def _kernel_share(reverse: Reverse, x: Value, g: Value, place: Window, groups: int) -> Value:
    """Channels as batch: the cotangent is the kernel, strides and dilations change places. With
    groups the batch joins the channels of its group, so that a grouped Conv keeps the groups apart."""
    behind = range(2, place.rank + 2)
    batch, channels = x.tensor.shape[:2]
    if groups == 1:
        operand = reverse.build.op("Transpose", x, perm=[1, 0, *behind])
    else:
        within = channels // groups
        split = reverse.reshape(x, (batch, groups, within, *place.sizes))
        turned = reverse.build.op("Transpose", split, perm=[2, 1, 0, *(i + 1 for i in behind)])
        operand = reverse.reshape(turned, (within, groups * batch, *place.sizes))
    kernel = reverse.build.op("Transpose", g, perm=[1, 0, *behind])
    wide = reverse.build.op(
        "Conv",
        operand,
        kernel,
        strides=place.dilations,
        dilations=place.strides,
        pads=place.pads,
        group=groups,
    )
    share = reverse.build.op("Transpose", wide, perm=[1, 0, *behind])
    if spatial(share, "Conv") == place.kernel:
        return share
    bounds = [reverse.build.shape_value(b) for b in ([0] * place.rank, place.kernel)]
    return reverse.build.op("Slice", share, *bounds, reverse.vector(list(behind)))
