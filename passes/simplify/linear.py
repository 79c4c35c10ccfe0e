"""Linear operations with constant weights, into which a scale and a shift per channel fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...graph.ir import Node, Value, apply, constant, make_node
from ...graph.types import TensorType
from ..rewriting import Site

IsConstant = Callable[[Value], bool]


@dataclass(frozen=True)
class Linear:
    """`value` is linear in `x`: weight times x plus bias. `channels` is the number of its output
    channels, along `axis` of its shape. `nodes` are those it consists of, root first."""

    value: Value
    nodes: tuple[Node, ...]
    weight: Value
    bias: Value | None
    channels: int
    axis: int
    rebuild: Callable[[Value, Value | None], Value]
    scaled: Callable[[Value], Value]


def find_linear(value: Value, is_constant: IsConstant) -> Linear | str:
    """The linear operation that makes `value`, or why it is none."""
    node = value.node
    finder = _FINDERS.get(node.name)
    if finder is None or value.index != 0 or not isinstance(value.type, TensorType):
        return f"{node.name or 'a leaf'} is no linear operation"
    if not value.type.dtype.is_float or value.type.dims is None:
        return f"{value.type} has no fixed rank, or is no float"
    return finder(value, is_constant)


def fold_affine(linear: Linear, scale: Value | None, shift: Value | None) -> Value:
    """The linear operation that gives `scale * value + shift`; both have `channels` elements or one."""
    weight = linear.weight if scale is None else linear.scaled(scale)
    bias = linear.bias
    if scale is not None and bias is not None:
        bias = apply("Mul", bias, scale)
    if shift is not None:
        bias = shift if bias is None else apply("Add", bias, shift)
    if bias is not None and _size(bias) == 1 and linear.channels != 1:
        bias = apply("Expand", bias, constant(np.array([linear.channels], np.int64)))
    return linear.rebuild(weight, bias)


def obstacle(linear: Linear, site: Site, scales: bool) -> str | None:
    """Why folding would compute or store something twice; None where it would not."""
    for node in linear.nodes:
        count = site.readers(node.outputs[0])
        if count > 1:
            return f"the result of {node.name} has {count} readers"
    count = site.readers(linear.weight)
    if scales and count > 1:
        return f"the weight of {linear.nodes[-1].name} is shared by {count} readers"
    return None


def _size(value: Value) -> int:
    size = value.tensor.size
    assert isinstance(size, int)
    return size


def _reshape(value: Value, shape: Sequence[int]) -> Value:
    if value.tensor.dims == tuple(shape):
        return value
    return apply("Reshape", value, constant(np.array(shape, dtype=np.int64)))


def _static(value: Value) -> tuple[int, ...] | None:
    dims = value.tensor.dims
    if dims is None or not all(isinstance(d, int) for d in dims):
        return None
    return tuple(d for d in dims if isinstance(d, int))


# --- the operations ---------------------------------------------------------------------------------


def _conv(value: Value, is_constant: IsConstant) -> Linear | str:
    node = value.node
    x, weight, bias = (*node.inputs, None)[:3]
    assert x is not None and weight is not None
    if not is_constant(weight) or (bias is not None and not is_constant(bias)):
        return f"the weights of {node.name} are not constant"
    shape = _static(weight)
    if shape is None:
        return f"the weights of {node.name} have no fixed shape"
    group = node.attribute("group", 1)
    transposed = node.name == "ConvTranspose"
    channels = shape[1] * group if transposed else shape[0]

    def rebuild(w: Value, b: Value | None) -> Value:
        return make_node(node.operator, (x, w, b), node.attributes).outputs[0]

    def scaled(scale: Value) -> Value:
        if _size(scale) == 1:
            return apply("Mul", weight, _reshape(scale, ()))
        if not transposed:
            return apply("Mul", weight, _reshape(scale, (channels, *[1] * (len(shape) - 1))))
        split = (group, shape[0] // group, shape[1], *shape[2:])
        by_group = _reshape(scale, (group, 1, shape[1], *[1] * (len(shape) - 2)))
        return _reshape(apply("Mul", _reshape(weight, split), by_group), shape)

    return Linear(value, (node,), weight, bias, channels, 1, rebuild, scaled)


def _gemm(value: Value, is_constant: IsConstant) -> Linear | str:
    node = value.node
    a, weight, bias = (*node.inputs, None)[:3]
    assert a is not None and weight is not None
    if not is_constant(weight) or (bias is not None and not is_constant(bias)):
        return "the weights of Gemm are not constant"
    shape = _static(weight)
    if shape is None:
        return "the weights of Gemm have no fixed shape"
    by_rows = bool(node.attribute("transB"))
    channels = shape[0] if by_rows else shape[1]
    beta = node.attribute("beta", 1.0)
    if beta != 1.0 and bias is not None:
        bias = apply("Mul", bias, constant(np.asarray(beta, bias.tensor.dtype.numpy)))
    attributes = {k: v for k, v in node.attributes.items() if k != "beta"}

    def rebuild(w: Value, b: Value | None) -> Value:
        return make_node(node.operator, (a, w, b), attributes).outputs[0]

    def scaled(scale: Value) -> Value:
        wanted = () if _size(scale) == 1 else (channels, 1) if by_rows else (channels,)
        return apply("Mul", weight, _reshape(scale, wanted))

    return Linear(value, (node,), weight, bias, channels, 1, rebuild, scaled)


def _matmul(value: Value, is_constant: IsConstant) -> Linear | str:
    node = value.node
    x, weight = node.inputs
    assert x is not None and weight is not None
    shape = _static(weight)
    if not is_constant(weight) or shape is None or len(shape) < 2:
        return "the right operand of MatMul is no constant matrix"
    channels = shape[-1]

    def rebuild(w: Value, b: Value | None) -> Value:
        product = apply("MatMul", x, w)
        return product if b is None else apply("Add", product, b)

    def scaled(scale: Value) -> Value:
        return apply("Mul", weight, _reshape(scale, () if _size(scale) == 1 else (channels,)))

    return Linear(value, (node,), weight, None, channels, value.tensor.rank - 1, rebuild, scaled)


def _biased_matmul(value: Value, is_constant: IsConstant) -> Linear | str:
    """MatMul plus or minus a constant vector."""
    node = value.node
    sides = list(node.inputs)
    if node.name == "Add" and sides[0] is not None and is_constant(sides[0]):
        sides.reverse()
    product, bias = sides
    assert product is not None and bias is not None
    if product.node.name != "MatMul" or not is_constant(bias):
        return f"{node.name} adds no constant to a MatMul"
    inner = _matmul(product, is_constant)
    if isinstance(inner, str):
        return inner
    vector = channel_vector(bias, value.tensor.rank, inner.axis, inner.channels)
    if isinstance(vector, str):
        return vector
    if node.name == "Sub":
        vector = apply("Neg", vector)
    nodes = (node, *inner.nodes)
    return Linear(value, nodes, inner.weight, vector, inner.channels, inner.axis, inner.rebuild, inner.scaled)


_FINDERS: dict[str, Callable[[Value, IsConstant], Linear | str]] = {
    "Conv": _conv,
    "ConvTranspose": _conv,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Add": _biased_matmul,
    "Sub": _biased_matmul,
}


def channel_vector(value: Value, rank: int, axis: int, channels: int) -> Value | str:
    """The constant as a vector of `channels` elements, or of one; or why it is no number per channel
    of a tensor of that rank."""
    shape: Any = _static(value)
    if shape is None or len(shape) > rank:
        return f"{value.type} is not one number per channel"
    padded = (*[1] * (rank - len(shape)), *shape)
    others = [d for i, d in enumerate(padded) if i != axis]
    if any(d != 1 for d in others) or padded[axis] not in (1, channels):
        return f"{value.type} is not one number per channel"
    return _reshape(value, (padded[axis],))
