"""Initial states of recurrent operators that are zero anyway."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from ...graph.ir import Node, Value, make_node
from ..rewriting import Procedure, Rule, Site

STATES = {"LSTM": (5, 6), "GRU": (5,), "RNN": (5,)}
"""The operands that are zero where they are absent."""

_MOVING = frozenset(
    "Reshape Expand Slice Transpose Squeeze Unsqueeze Identity Flatten Tile Gather Cast".split()
)
"""Operators all of whose results are elements of the first operand."""


@cache
def recurrent_rules() -> tuple[Rule, ...]:
    return (Procedure("zero-state", tuple(STATES), _zero_states),)


def _zero_states(node: Node, site: Site) -> Sequence[Value] | str:
    inputs = list(node.inputs)
    for position in STATES[node.name]:
        value = inputs[position] if position < len(inputs) else None
        if value is not None and is_zero(value, site):
            inputs[position] = None
    if tuple(inputs) == node.inputs:
        return "its initial states are absent, or not known to be zero"
    while inputs[-1] is None:
        inputs.pop()
    return make_node(node.operator, inputs, node.attributes, len(node.outputs)).outputs


def is_zero(value: Value, site: Site) -> bool:
    """Whether every element is +0.0 (or 0), by the constant that it was moved about from."""
    while value.node.name in _MOVING and value.node.inputs[0] is not None:
        value = value.node.inputs[0]
    if value.node.name == "ConstantOfShape":
        filler = value.node.attribute("value")
        array = np.zeros(1) if filler is None else np.asarray(filler)
    else:
        found = site.array(value)
        if found is None:
            return False
        array = found
    if array.dtype.kind not in "fiub" or array.any():
        return False
    return not np.signbit(array).any() if array.dtype.kind == "f" else True
