"""Ties: elements where the shadow sits so near to a jump that rounding decides the result.

Every operator with jumps (comparisons, roundings, casts to integers, ArgMax) is computed twice,
from an operand moved a little down and one moved a little up; elements whose final value then
differs are on a tie, whatever lies between.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ...backends.runtime.protocols import Evaluator
from ...graph.ir import Node, Value
from ...graph.types import TensorType

Array = np.ndarray[Any, Any]

_SHIFTED = frozenset(
    "Greater GreaterOrEqual Less LessOrEqual Equal Floor Ceil Round Sign QuantizeLinear".split()
)
_RANKED = frozenset(("ArgMax", "ArgMin", "TopK", "Hardmax"))


def jumps(node: Node) -> bool:
    """Whether the node's result jumps where its first operand, a float, moves a little."""
    first = node.inputs[0] if node.inputs else None
    if first is None or not isinstance(first.type, TensorType) or not first.type.dtype.is_float:
        return False
    if node.name == "Cast":
        return not node.outputs[0].tensor.dtype.is_float
    return node.name in _SHIFTED or node.name in _RANKED


def tied_elements(
    outputs: tuple[Value, ...],
    nodes: Iterable[Node],
    shadow: Mapping[Value, Array],
    given: Mapping[Value, Array],
    shift: float,
    evaluator: Evaluator,
) -> list[Array | None]:
    """For each output the mask of elements on a tie, or None where no jump lies behind it.
    `shadow` holds the values of every node, `given` those at the boundary, `shift` is how far
    rounding may move a value."""
    low, high = dict(given), dict(given)
    for node in nodes:
        if jumps(node) and all(v is None or v in shadow for v in node.inputs):
            low.update(_moved(node, shadow, -shift, evaluator))
            high.update(_moved(node, shadow, shift, evaluator))
    if len(low) == len(given):
        return [None] * len(outputs)
    first = evaluator.evaluate(outputs, low, float64=True)
    second = evaluator.evaluate(outputs, high, float64=True)
    return [_differ(a, b) for a, b in zip(first, second, strict=True)]


def _moved(
    node: Node, shadow: Mapping[Value, Array], shift: float, evaluator: Evaluator
) -> dict[Value, Array]:
    """The node's results with its first operand moved: all of it, or for a ranking every other
    element in order of size, so that neighbours change places."""
    operand = node.inputs[0]
    assert operand is not None
    array = shadow[operand]
    step: Array = np.full(array.shape, shift)
    if node.name in _RANKED and array.ndim:
        axis = node.attribute("axis", -1)
        ranks = np.argsort(np.argsort(array, axis=axis), axis=axis)
        step = np.where(ranks % 2 == 0, shift, -shift)
    given = {v: shadow[v] for v in node.inputs if v is not None}
    given[operand] = array + step
    return dict(zip(node.outputs, evaluator.evaluate(node.outputs, given, float64=True), strict=True))


def _differ(left: Array, right: Array) -> Array:
    if left.dtype.kind != "f":
        return np.asarray(left != right)
    return np.asarray(~((left == right) | (np.isnan(left) & np.isnan(right))))
