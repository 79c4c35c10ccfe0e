"""The quantized type that the operand of a dequantization stands for."""

from __future__ import annotations

from ..types.grids import codebook, grid
from ..types.types import QuantizedType, TensorType
from .node import Node, Value

QUANTIZATION_KEY = "graphwright.quantization"
"""Metadata of a program whose training put FakeQuantize nodes in: JSON of their layers."""

DEQUANTIZE = frozenset({"DequantizeLinear", "Dequantize"})


def quantized_type(value: Value) -> QuantizedType | None:
    """Levels and layout of `value`, the result of DequantizeLinear or graphwright.Dequantize; None
    for any other value, or where a shape is unknown."""
    node = value.node
    if node.name not in DEQUANTIZE or node.operator.domain not in ("", "graphwright"):
        return None
    codes, scale = node.inputs[0], node.inputs[1]
    if codes is None or scale is None or not isinstance(codes.type, TensorType) or codes.type.dims is None:
        return None
    dims, axis, block = codes.type.dims, *_granularity(node, scale)
    zero = node.inputs[2] if len(node.inputs) > 2 else None
    return QuantizedType(
        _levels(node, codes),
        codes.tensor.dtype,
        dims,
        axis % len(dims) if axis is not None and dims else None,
        block,
        *_scale_format(scale),
        zero.tensor.dtype if zero is not None else None,
        _nested(scale),
    )


def _levels(node: Node, codes: Value) -> str:
    if node.operator.domain:
        return codebook_text(tuple(node.attribute("levels")))
    return codes.tensor.dtype.name


def codebook_text(levels: tuple[float, ...]) -> str:
    """The name of the grid with these levels, or the levels themselves as `codebook(…)`."""
    for name in ("binary", "ternary", "nf4", "e2m1", "e1m2", "e2m3", "e3m2", "e4m3", "e5m2"):
        if grid(name).levels == levels:
            return name
    return f"codebook({', '.join(f'{v:.9g}' for v in codebook(levels).levels)})"


def _granularity(node: Node, scale: Value) -> tuple[int | None, int | None]:
    if scale.type.dims == () or (scale.type.dims == (1,) and not node.attribute("block_size")):  # type: ignore[union-attr]  # a tensor by the operator's signature
        return None, None
    return node.attribute("axis"), node.attribute("block_size") or None


def _scale_format(scale: Value) -> tuple[str]:
    """The grid of the scales where they are codes themselves, else the dtype that stores them."""
    inner = scale.node
    if inner.name == "Dequantize" and inner.operator.domain == "graphwright":
        levels = tuple(inner.attribute("levels"))
        for name in ("e8m0", "e4m3_scale", "ue5m3"):
            if grid(name).levels == levels:
                return (name,)
        return (codebook_text(levels),)
    if inner.name == "Mul" and inner.inputs[0] is not None and inner.inputs[0].node.name == "Cast":
        inner = inner.inputs[0].node  # scales of a narrow dtype times that of the tensor
    if inner.name == "Cast" and inner.inputs[0] is not None:
        return (inner.inputs[0].tensor.dtype.name,)
    return (scale.tensor.dtype.name,)


def _nested(scale: Value) -> bool:
    """Whether the scales' own scale is other than 1."""
    if scale.node.name not in ("Dequantize", "Mul") or scale.node.inputs[1] is None:
        return False
    outer = scale.node.inputs[1].constant
    return outer is None or bool((outer != 1).any())
