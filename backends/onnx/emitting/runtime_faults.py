"""What ONNX Runtime or the ONNX checker gets wrong or refuses, written so that it does not come to that.

Measured with ONNX Runtime 1.31.1; models are mostly run there, so every target avoids these:

- `MatMul(Transpose(A), v)` with a vector v is fused to a FusedMatMul that takes A untransposed:
  silently other numbers.
- Range of vectors of one element is refused, as its shape inference wants scalars.
- OneHot of a single index is refused: shape inference wants indices with an axis, though the
  standard lets them have any rank.
- A Transpose that moves nothing, before a Gemm or a MatMul with an Add, is folded as if it swapped
  the axes (microsoft/onnxruntime#32228).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ....graph.ir import Node, Value, apply, constant

_SEEN_THROUGH = frozenset({"Identity", "Cast", "Dropout"})


def miscomputed(node: Node) -> bool:
    """Whether the node is one of the patterns above."""
    test = _FAULTS.get(node.operator.name)
    return test is not None and test(node)


def _transposed_times_vector(node: Node) -> bool:
    left, right = node.inputs
    if left is None or right is None or right.tensor.axes is None or len(right.tensor.axes) != 1:
        return False
    source = left.node
    while source.operator.name in _SEEN_THROUGH and source.inputs[0] is not None:
        source = source.inputs[0].node
    return source.operator.name == "Transpose"


def _moves_nothing(node: Node) -> bool:
    order = node.attribute("perm")
    return order is not None and tuple(order) == tuple(range(len(order)))


def _range_of_vectors(node: Node) -> bool:
    return any(v is not None and v.tensor.dims == (1,) for v in node.inputs)


def range_of_scalars(node: Node) -> Sequence[Value] | None:
    if not _range_of_vectors(node):
        return None
    axis = constant(np.array([0]))
    bounds = [v if v is None or v.tensor.dims != (1,) else apply("Squeeze", v, axis) for v in node.inputs]
    return (apply("Range", *bounds),)


def _one_hot_of_scalar(node: Node) -> bool:
    return node.inputs[0] is not None and node.inputs[0].tensor.dims == ()


def one_hot_of_vector(node: Node) -> Sequence[Value] | None:
    if not _one_hot_of_scalar(node):
        return None
    first = constant(np.array([0]))
    rows = apply("OneHot", apply("Unsqueeze", node.inputs[0], first), *node.inputs[1:])
    return (apply("Squeeze", rows, first),)


def matrix_times_vector(node: Node) -> Sequence[Value] | None:
    """The product by a matrix of one column."""
    left, right = node.inputs
    if not _transposed_times_vector(node):
        return None
    last = constant(np.array([-1]))
    return (apply("Squeeze", apply("MatMul", left, apply("Unsqueeze", right, last)), last),)


def no_transpose(node: Node) -> Sequence[Value] | None:
    return (apply("Identity", node.inputs[0]),) if _moves_nothing(node) else None


_FAULTS: Mapping[str, Callable[[Node], bool]] = {
    "MatMul": _transposed_times_vector,
    "Transpose": _moves_nothing,
    "Range": _range_of_vectors,
    "OneHot": _one_hot_of_scalar,
}
AROUND: Mapping[str, Callable[[Node], Sequence[Value] | None]] = {
    "MatMul": matrix_times_vector,
    "Transpose": no_transpose,
    "Range": range_of_scalars,
    "OneHot": one_hot_of_vector,
}
