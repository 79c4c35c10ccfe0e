"""Recurrent operators with the batch in front (`layout=1`), which few runtimes have."""

from __future__ import annotations

from collections.abc import Sequence

from ....graph.ir import Node, Value, apply, make_node

_BATCHED = {"RNN": (0, 5), "GRU": (0, 5), "LSTM": (0, 5, 6)}
"""Positions of the operands that have a batch axis in front: X, initial_h, initial_c."""


def batch_last(node: Node) -> Sequence[Value] | None:
    """The operator with layout 0, its operands and results transposed."""
    if not node.attribute("layout", 0):
        return None
    batched = _BATCHED[node.operator.name]
    inputs = [
        apply("Transpose", v, perm=(1, 0, 2)) if v is not None and i in batched else v
        for i, v in enumerate(node.inputs)
    ]
    attributes = {n: a for n, a in node.attributes.items() if n != "layout"}
    everything, *last = make_node(node.operator, inputs, attributes).outputs
    steps = apply("Transpose", everything, perm=(2, 0, 1, 3))
    return (steps, *(apply("Transpose", v, perm=(1, 0, 2)) for v in last))


RECURRENT = dict.fromkeys(_BATCHED, batch_last)
