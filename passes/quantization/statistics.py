"""Second moments of a layer's inputs, from the float program and from the one quantized so far."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...graph.ir import Node
from .operands import Layer

Array = np.ndarray[Any, Any]


def input_rows(layer: Layer, x: Array) -> Array:
    """The rows that the layer's weight matrix multiplies: float32[rows, fan in]. For Conv the patches,
    in the order of the kernel's elements."""
    if layer.node.name == "Conv":
        return _patches(layer.node, layer.array.shape, x)
    if layer.node.name == "Gemm" and layer.node.attribute("transA", 0):
        x = x.T
    return x.reshape(-1, x.shape[-1]).astype(np.float32, copy=False)


def has_rows(layer: Layer) -> bool:
    """Whether `input_rows` can tell: not for grouped or transposed convolutions, or more than two
    spatial axes."""
    if layer.node.name == "Conv":
        return layer.node.attribute("group", 1) == 1 and layer.array.ndim == 4
    return layer.node.name in ("MatMul", "Gemm")


def _patches(node: Node, kernel: tuple[int, ...], x: Array) -> Array:
    import torch
    from torch.nn import functional as F

    pads = node.attribute("pads") or (0, 0, 0, 0)
    if node.attribute("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        pads = _same_pads(node, kernel, x.shape)
    top, left, bottom, right = pads
    padded = F.pad(torch.from_numpy(np.ascontiguousarray(x, np.float32)), (left, right, top, bottom))
    unfolded = F.unfold(
        padded,
        kernel[2:],
        dilation=tuple(node.attribute("dilations") or (1, 1)),
        stride=tuple(node.attribute("strides") or (1, 1)),
    )
    rows: Array = unfolded.transpose(1, 2).reshape(-1, unfolded.shape[1]).numpy()
    return rows


def _same_pads(node: Node, kernel: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    strides, dilations = node.attribute("strides") or (1, 1), node.attribute("dilations") or (1, 1)
    before, after = [], []
    for i in range(2):
        out = -(-shape[2 + i] // strides[i])
        need = max((out - 1) * strides[i] + (kernel[2 + i] - 1) * dilations[i] + 1 - shape[2 + i], 0)
        first = need // 2 if node.attribute("auto_pad") == "SAME_UPPER" else need - need // 2
        before.append(first)
        after.append(need - first)
    return before[0], before[1], after[0], after[1]
