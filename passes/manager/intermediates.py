"""What the size of a rounding error is measured by: the largest absolute intermediate sum, and
the number of roundings behind an element."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

import numpy as np

from ...backends.runtime.protocols import Evaluator
from ...graph.ir import Node, Value, make_node
from ...graph.operators import operator
from ...graph.types import TensorType

Array = np.ndarray[Any, Any]

SUMS = frozenset(
    "MatMul Gemm Conv ConvTranspose ReduceSum ReduceMean Add Sum Mean Einsum CumSum AveragePool "
    "GlobalAveragePool".split()
)
"""Operators whose result on absolute operands is the sum of the absolute terms."""


def scale_of(nodes: Iterable[Node], shadow: Mapping[Value, Array], evaluator: Evaluator) -> float:
    """The largest absolute intermediate sum of the nodes, given the shadow values of their operands
    and results: for `a + b` it is max(|a| + |b|), so cancellation does not hide the rounding."""
    top = 0.0
    for node in nodes:
        for value in (*node.inputs, *node.outputs):
            if value is not None and value in shadow:
                top = max(top, largest(shadow[value]))
        top = max(top, _absolute_sum(node, shadow, evaluator))
    return top


def _absolute_sum(node: Node, shadow: Mapping[Value, Array], evaluator: Evaluator) -> float:
    operands = [v for v in node.inputs if v is not None]
    if any(v not in shadow for v in operands):
        return 0.0
    if node.name == "Sub":
        return sum(largest(shadow[v]) for v in operands)
    if node.name not in SUMS or shadow[node.inputs[0]].dtype.kind != "f":  # type: ignore[index]  # a first operand is required
        return 0.0
    given = {v: np.abs(shadow[v]) if shadow[v].dtype.kind == "f" else shadow[v] for v in operands}
    found = evaluator.evaluate([node.outputs[0]], given, float64=True)
    return largest(found[0])


def absolute_sums(
    nodes: Iterable[Node], shadow: Mapping[Value, Array], evaluator: Evaluator
) -> dict[Value, Array]:
    """For every value of the nodes the sum of its absolute terms: |a| + |b| for a - b, |a| |b| for a
    product, and so on through sums of products. What is computed from constants alone counts by its
    own size; a nonlinear function by the larger of its own size and its operands' sums."""
    sums: dict[Value, Array] = {}

    def sum_of(value: Value) -> Array:
        found = sums.get(value)
        return found if found is not None else np.abs(shadow[value])

    for node in nodes:
        operands = [v for v in node.inputs if v is not None]
        floats = [v for v in operands if v in shadow and shadow[v].dtype.kind == "f"]
        if not floats or any(v not in shadow for v in (*operands, *node.outputs)):
            continue
        if node.name in _POLYNOMIAL or "layout" in node.operator.traits:
            unsigned = node if node.name not in _ABSOLUTE else rebuilt(node)
            given = {v: sum_of(v) if v in floats else shadow[v] for v in operands}
            found = evaluator.evaluate(unsigned.outputs, given, float64=True)
            sums.update(zip(node.outputs, (np.abs(a) for a in found), strict=True))
        else:
            top = max(largest(sum_of(v)) for v in floats)
            for value in node.outputs:
                if shadow[value].dtype.kind == "f":
                    sums[value] = np.maximum(np.abs(shadow[value]), top)
    return sums


def rebuilt(node: Node) -> Node:
    """The node with its sign taken away: a + b for a - b, a for -a."""
    return make_node(operator(_ABSOLUTE[node.name], ""), node.inputs)


_ABSOLUTE = {"Sub": "Add", "Neg": "Identity"}
_POLYNOMIAL = SUMS | {"Sub", "Mul", "Div", "Neg", "Abs", "Identity", "Cast"}


def largest(array: Array) -> float:
    if array.dtype.kind != "f":
        return 0.0
    finite = array[np.isfinite(array)]
    return float(np.max(np.abs(finite), initial=0.0))


def rounding_length(nodes: Iterable[Node], arrays: Mapping[Value, Array]) -> int:
    """k: how many roundings lie behind one element: one for an elementwise operation, four for a
    function such as Exp, the number of terms for a sum."""
    return max(1, sum(_terms(node, arrays) for node in nodes))


def _terms(node: Node, arrays: Mapping[Value, Array]) -> int:
    first = node.inputs[0] if node.inputs else None
    if first is None or not isinstance(first.type, TensorType):
        return 0
    shape = _shape(first, arrays)
    if node.name in ("MatMul", "Gemm", "Einsum"):
        return max(shape, default=1)
    if node.name in ("Conv", "ConvTranspose") and node.inputs[1] is not None:
        weight = _shape(node.inputs[1], arrays)
        return prod(weight[1:]) if node.name == "Conv" else prod(weight) // max(weight[1], 1)
    if node.name in _NORMS or node.name.startswith(("Reduce", "Global", "AveragePool", "CumSum")):
        return 4 + max(prod(shape) // max(prod(_shape(node.outputs[0], arrays)), 1), max(shape, default=1))
    return 1 if node.name in _SINGLE else 4


def _shape(value: Value, arrays: Mapping[Value, Array]) -> tuple[int, ...]:
    """The shape of the array, else of the type with sizes that are no numbers taken as 64."""
    if value in arrays:
        return tuple(arrays[value].shape)
    axes = value.type.axes if isinstance(value.type, TensorType) else None
    return tuple(d if isinstance(d, int) else 64 for d in axes or ())


_NORMS = frozenset(
    "Softmax LogSoftmax LayerNormalization InstanceNormalization GroupNormalization RMSNormalization "
    "LpNormalization MeanVarianceNormalization".split()
)
_SINGLE = frozenset(
    "Add Sub Mul Div Neg Abs Max Min Relu Sqrt Cast Where Clip Identity Reshape Transpose Squeeze "
    "Unsqueeze Concat Slice Gather Expand".split()
)
