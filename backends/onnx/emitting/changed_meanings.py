"""Operators whose meaning changed under an unchanged signature: where an older opset would compute
something else, and what to write there instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ....graph.ir import Node, Value, apply, constant, make_node
from ....graph.types.dtypes import DTYPES


def differs(node: Node, opset: int) -> bool:
    """Whether the node, which the opset's schema takes, would mean something else there."""
    test = _DIFFERENCES.get(node.operator.name)
    return test is not None and test(node, opset)


# --- pooling: windows that would start in the padding (ignored from opset 22 on) ----------------


def _ceil_pool(node: Node, opset: int) -> bool:
    return opset < 22 and bool(node.attribute("ceil_mode", 0)) and _pool_padding(node) is not None


def _pool_padding(node: Node) -> list[int] | None:
    """For each axis the padding at its end with which rounding down gives the declared result; None
    where rounding up gives it too, or where sizes are unknown."""
    x = node.inputs[0]
    assert x is not None
    if not (x.tensor.is_static and node.outputs[0].tensor.is_static):
        return None
    if node.attribute("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        return None
    sizes = [d for d in x.tensor.shape[2:] if isinstance(d, int)]
    results = [d for d in node.outputs[0].tensor.shape[2:] if isinstance(d, int)]
    rank = len(sizes)
    kernel = node.attribute("kernel_shape")
    strides, dilations = (tuple(node.attribute(n) or (1,) * rank) for n in ("strides", "dilations"))
    pads = tuple(node.attribute("pads") or (0,) * 2 * rank)
    ends, dropped = [], False
    for i in range(rank):
        reach = (kernel[i] - 1) * dilations[i] + 1
        free = sizes[i] + pads[i] + pads[rank + i] - reach
        dropped = dropped or -(-free // strides[i]) + 1 != results[i]
        ends.append(max((results[i] - 1) * strides[i] + reach - sizes[i] - pads[i], 0))
    return ends if dropped else None


def pool(node: Node) -> Sequence[Value] | None:
    """A pool that rounds down, with the padding at the ends that gives the same windows."""
    ends = _pool_padding(node)
    if ends is None or node.attribute("count_include_pad", 0):
        return None
    starts = tuple(node.attribute("pads") or (0,) * 2 * len(ends))[: len(ends)]
    attributes = {n: a for n, a in node.attributes.items() if n not in ("ceil_mode", "auto_pad", "pads")}
    return make_node(node.operator, node.inputs, {**attributes, "pads": (*starts, *ends)}).outputs


# --- Mod of floats with the divisor's sign (opset 28) -------------------------------------------


def _floor_mod(node: Node, opset: int) -> bool:
    return opset < 28 and node.outputs[0].tensor.dtype.is_float and not node.attribute("fmod", 0)


def floor_mod(node: Node) -> Sequence[Value] | None:
    """The remainder with the dividend's sign, moved by one divisor where the signs differ."""
    x, y = node.inputs
    assert y is not None
    if not y.tensor.dtype.is_float or node.attribute("fmod", 0):
        return None
    zero = constant(np.zeros((), y.tensor.dtype.numpy))
    rest = apply("Mod", x, y, fmod=1)
    negative = apply("Less", y, zero)
    differs = apply("Not", apply("Equal", apply("Less", rest, zero), negative))
    nothing = apply("Equal", rest, zero)
    moved = apply("Where", differs, apply("Add", rest, y), rest)
    signed_zero = apply("Where", negative, constant(np.array(-0.0, zero.tensor.dtype.numpy)), zero)
    return (apply("Where", nothing, signed_zero, moved),)


# --- shifts of signed integers (opset 28), and of those that have no kernel ---------------------


def bit_shift(node: Node) -> Sequence[Value] | None:
    """A shift as one of uint32 or uint64. To the right, a negative number is complemented before
    and after, which fills with its sign; by less than 0 or all bits, what is left is the fill."""
    x, y = node.inputs
    assert x is not None
    assert y is not None
    dtype = x.tensor.dtype
    carrier = DTYPES["uint64" if dtype.bits == 64 else "uint32"]
    if dtype is carrier:
        return None
    zero, bits = constant(np.zeros((), dtype.numpy)), constant(np.array(dtype.bits, np.int64))
    count = apply("Cast", y, to="int64")
    inside = apply("And", apply("GreaterOrEqual", count, constant(np.int64(0))), apply("Less", count, bits))
    count = apply("Cast", apply("Where", inside, count, constant(np.int64(0))), to=carrier.code)
    signed = dtype.kind == "int" and node.attribute("direction") == "RIGHT"
    negative = apply("Less", x, zero) if signed else None
    source = apply("Where", negative, apply("BitwiseNot", x), x) if negative is not None else x
    moved = apply(
        "BitShift", apply("Cast", source, to=carrier.code), count, direction=node.attribute("direction")
    )
    found = apply("Where", inside, apply("Cast", moved, to=dtype.code), zero)
    return (apply("Where", negative, apply("BitwiseNot", found), found) if negative is not None else found,)


_POOLS = ("AveragePool", "MaxPool", "LpPool")
_DIFFERENCES: Mapping[str, Callable[[Node, int], bool]] = {
    **dict.fromkeys(_POOLS, _ceil_pool),
    "Mod": _floor_mod,
}
CHANGED: Mapping[str, Callable[[Node], Sequence[Value] | None]] = {
    **dict.fromkeys(_POOLS, pool),
    "Mod": floor_mod,
    "BitShift": bit_shift,
}
