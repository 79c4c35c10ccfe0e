"""The derivative of LtiSsm: that of its body."""

from __future__ import annotations

from ...graph.ir import Node, Value
from .reverse import Cotangents, Reverse, Rule


def _lti_ssm(reverse: Reverse, node: Node, cotangents: Cotangents) -> list[Value | None]:
    """Reverse mode through the operator's body in standard operators: the cotangents of outputs and
    last state, back through the carried state to every operand."""
    from ...backends.onnx.emitting.state_space import lti_ssm

    body = lti_ssm(node)
    seeds = {v: g for v, g in zip(body, cotangents, strict=True) if g is not None}
    operands = [v for v in node.inputs if v is not None]
    found = dict(zip(operands, reverse.gradients(seeds, operands), strict=True))
    return [None if v is None else found[v] for v in node.inputs]


STATE_SPACE: dict[str, Rule] = {"LtiSsm": _lti_ssm}
