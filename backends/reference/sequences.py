"""Kernels of sequences (lists of arrays) and optionals (their content, or None)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...graph.ir import Node
from .kernel import Datum, Kernel


def _position(inputs: Sequence[Datum], index: int, default: int) -> int:
    given = inputs[index] if len(inputs) > index else None
    return default if given is None else int(np.asarray(given).reshape(()))


def _insert(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    items = list(inputs[0])
    position = _position(inputs, 2, len(items))
    items.insert(position + len(items) if position < 0 else position, inputs[1])
    return [items]


def _erase(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    items = list(inputs[0])
    del items[_position(inputs, 1, -1)]
    return [items]


def _split(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    x, axis = inputs[0], node.attribute("axis")
    size = x.shape[axis]
    if len(inputs) < 2:
        parts = np.split(x, size, axis=axis) if size else []
        return [parts if node.attribute("keepdims") else [np.squeeze(p, axis) for p in parts]]
    given = inputs[1]
    if given.ndim == 0:
        return [np.split(x, range(int(given), size, int(given)), axis=axis)]
    return [np.split(x, np.cumsum(given)[:-1], axis=axis)]


def _concat(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    join = np.stack if node.attribute("new_axis") else np.concatenate
    return [join(inputs[0], axis=node.attribute("axis"))]


SEQUENCES: dict[str, Kernel] = {
    "ConcatFromSequence": _concat,
    "Optional": lambda node, inputs: [inputs[0] if inputs else None],
    "OptionalGetElement": lambda node, inputs: [inputs[0]],
    "OptionalHasElement": lambda node, inputs: [np.array(bool(inputs) and inputs[0] is not None)],
    "SequenceAt": lambda node, inputs: [inputs[0][_position(inputs, 1, 0)]],
    "SequenceConstruct": lambda node, inputs: [list(inputs)],
    "SequenceEmpty": lambda node, inputs: [[]],
    "SequenceErase": _erase,
    "SequenceInsert": _insert,
    "SequenceLength": lambda node, inputs: [np.array(len(inputs[0]), dtype=np.int64)],
    "SplitToSequence": _split,
}
