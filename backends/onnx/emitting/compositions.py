"""Operators that a runtime lacks in a dtype, composed of others that it has: exact, or summed in
the same dtype."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ....graph.ir import Node, Value, apply, constant
from ....graph.types.dtypes import BOOL
from .linear_algebra import determinant


def _first(node: Node) -> Value:
    found = node.inputs[0]
    assert found is not None  # every operator here has a first operand
    return found


def mean(node: Node) -> Sequence[Value] | None:
    """Mean of several operands: their Sum over their number."""
    count = constant(np.asarray(len(node.inputs), _first(node).tensor.dtype.numpy))
    return (apply("Div", apply("Sum", *node.inputs), count),)


def non_zero(node: Node) -> Sequence[Value] | None:
    """NonZero of the truth of the elements, which is the same question."""
    x = _first(node)
    return None if x.tensor.dtype is BOOL else (apply("NonZero", apply("Cast", x, to=BOOL.code)),)


def one_hot(node: Node) -> Sequence[Value] | None:
    """OneHot as a choice between its two values, made by a OneHot of numbers."""
    indices, depth, values = node.inputs
    assert indices is not None
    assert values is not None
    if indices.tensor.dtype.name == "int64" and values.tensor.dtype.name == "int64":
        return None
    wide = [apply("Cast", v, to="int64") if v is not None else None for v in (indices, depth)]
    if not indices.tensor.dtype.is_integer:
        return None
    flags = apply("OneHot", *wide, constant(np.array([0, 1])), axis=node.attribute("axis", -1))
    off, on = (apply("Gather", values, constant(np.int64(k)), axis=0) for k in (0, 1))
    return (apply("Where", apply("Cast", flags, to=BOOL.code), on, off),)


def instance_normalization(node: Node) -> Sequence[Value] | None:
    """`scale (x - mean) / sqrt(variance + epsilon) + bias`, over all axes from the third."""
    x, scale, bias = node.inputs
    assert x is not None
    if x.tensor.axes is None:
        return None
    rank = len(x.tensor.axes)
    axes = constant(np.arange(2, rank))
    centred = apply("Sub", x, apply("ReduceMean", x, axes, keepdims=1))
    variance = apply("ReduceMean", apply("Mul", centred, centred), axes, keepdims=1)
    epsilon = constant(np.asarray(node.attribute("epsilon", 1e-5), x.tensor.dtype.numpy))
    normal = apply("Div", centred, apply("Sqrt", apply("Add", variance, epsilon)))
    shape = constant(np.array([-1] + [1] * (rank - 2)))
    return (
        apply("Add", apply("Mul", normal, apply("Reshape", scale, shape)), apply("Reshape", bias, shape)),
    )


def _global_pool(reduction: str) -> Callable[[Node], Sequence[Value] | None]:
    def rule(node: Node) -> Sequence[Value] | None:
        x = _first(node)
        if x.tensor.axes is None:
            return None
        return (apply(reduction, x, constant(np.arange(2, len(x.tensor.axes))), keepdims=1),)

    return rule


def det(node: Node) -> Sequence[Value] | None:
    """The determinant by Gaussian elimination with partial pivoting."""
    return (determinant(_first(node)),)


def sum_(node: Node) -> Sequence[Value] | None:
    """Sum of several operands as Adds."""
    total = _first(node)
    for operand in node.inputs[1:]:
        total = apply("Add", total, operand)
    return (total,)


def power(node: Node) -> Sequence[Value] | None:
    """Pow with its exponent in the base's dtype."""
    x, y = node.inputs
    assert x is not None
    assert y is not None
    if x.tensor.dtype is y.tensor.dtype:
        return None
    return (apply("Pow", x, apply("Cast", y, to=x.tensor.dtype.code)),)


COMPOSED: Mapping[str, Callable[[Node], Sequence[Value] | None]] = {
    "Mean": mean,
    "Sum": sum_,
    "NonZero": non_zero,
    "OneHot": one_hot,
    "InstanceNormalization": instance_normalization,
    "GlobalAveragePool": _global_pool("ReduceMean"),
    "GlobalMaxPool": _global_pool("ReduceMax"),
    "Det": det,
    "Pow": power,
}
