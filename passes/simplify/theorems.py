"""Which rewrite rules are proved, where, and why the others are not.

A rule whose sides are terms of real numbers or truth values is a goal of one of these theories, under
its own name (or `name: case`). The theorems are of exact arithmetic; what floating point adds is the
contracts' business. A rule is in `UNSTATED` with the reason, or it is a goal: a test compares both
with every rule of every simplify pass.
"""

from __future__ import annotations

THEORIES = ("rewrites", "rewrites_logic", "rewrites_order", "rewrites_functions")
"""Names of specs in `specs/logic`."""

_ONE_OPERAND = "an operator of many operands, given one, is that operand by the standard's definition"
_NO_OPERATION = "it computes nothing: the standard defines its result as its operand"
_LAYOUT = "it moves elements or states shapes and computes none"
_CONTROL = "it is about bodies and their steps, not about terms"
_EVALUATION = "it computes a constant: there is nothing to state but the numbers"
_CAST = "it is about number formats, which exact arithmetic has none of"

UNSTATED: dict[str, str] = {
    "identity": _NO_OPERATION,
    "dropout": _NO_OPERATION,
    "stop-gradient": _NO_OPERATION,
    "max-one": _ONE_OPERAND,
    "min-one": _ONE_OPERAND,
    "sum-one": _ONE_OPERAND,
    "mean-one": _ONE_OPERAND,
    "concat-one": _ONE_OPERAND,
    "reduce-selecting-one": _ONE_OPERAND,
    "reduce-one": _ONE_OPERAND,
    "reduce-without-axes": _LAYOUT,
    "transpose-transpose": _LAYOUT,
    "transpose-in-order": _LAYOUT,
    "same-shape": _LAYOUT,
    "move-move": _LAYOUT,
    "slice-all": _LAYOUT,
    "pad-nothing": _LAYOUT,
    "expand-operand": _LAYOUT,
    "expand-expand": _LAYOUT,
    "concat-concat": _LAYOUT,
    "concat-split": _LAYOUT,
    "reshape-target": _LAYOUT,
    "expand-target": _LAYOUT,
    "shape-of-elementwise": _LAYOUT,
    "cast-same": _CAST,
    "cast-cast": _CAST,
    "cast-like": _CAST,
    "known-content": _EVALUATION,
    "constant-operands": _EVALUATION,
    "zero-state": _CONTROL,
    "scan-unrolled": _CONTROL,
    "loop-unrolled": _CONTROL,
    "if-constant": _CONTROL,
    "hoist-invariants": _CONTROL,
    "unread-captures": _CONTROL,
    "equal-weights": "it shares storage: equal arrays are one",
}
"""Rule -> why it is no goal."""


def rule_of_goal(goal: str) -> str:
    """The rule that a goal of these theories is about: `linear-affine: sum` is of linear-affine."""
    return goal.split(":")[0]
