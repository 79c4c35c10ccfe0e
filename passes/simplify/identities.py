"""Identities that keep every bit, for all numbers: -0.0, infinities and NaN too.

`x + 0` is not among them (`-0.0 + 0.0` is `0.0`), `x - 0` and `x + -0.0` are. That a constant
operand does not broadcast `x` to a larger shape is checked for every rule by the sweep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from ...graph.ir import Node, Program, Value, apply, constant
from ..rewriting import Procedure, Rule, Site, rules
from ..rewriting.rewriting_pass import RewritingPass

Array = np.ndarray[Any, Any]

TABLE = """
    identity:          Identity(x) -> x
    mul-one:           x * 1 -> x
    div-one:           x / 1 -> x
    sub-zero:          x - 0 -> x
    add-negative-zero: x + const(c) -> x                          if adds_nothing(c)
    pow-one:           x ** 1 -> x
    mul-minus-one:     x * -1 -> -x                               if signed(x)
    neg-neg:           -(-x) -> x
    not-not:           ~(~x) -> x
    add-neg:           x + (-y) -> x - y
    sub-neg:           x - (-y) -> x + y
    neg-mul-neg:       (-x) * (-y) -> x * y
    neg-mul-constant:  (-x) * const(c) -> x * negated(c)          if floating(x)
    abs-neg:           Abs(-x) -> Abs(x)                          if floating(x)
    abs-abs:           Abs(y := Abs(x)) -> y
    relu-relu:         Relu(y := Relu(x)) -> y
    ceil-ceil:         Ceil(y := Ceil(x)) -> y
    floor-floor:       Floor(y := Floor(x)) -> y
    round-round:       Round(y := Round(x)) -> y
    sign-sign:         Sign(y := Sign(x)) -> y
    where-true:        Where(const(c), x, y) -> x                 if filled(c, True)
    where-false:       Where(const(c), x, y) -> y                 if filled(c, False)
    where-same:        Where(c, x, x) -> x
    where-not:         Where(~c, x, y) -> Where(c, y, x)
    and-true:          x & True -> x
    and-false:         x & const(c) -> c                          if filled(c, False)
    and-same:          x & x -> x
    or-false:          x | False -> x
    or-true:           x | const(c) -> c                          if filled(c, True)
    or-same:           x | x -> x
    max-same:          Max(x, x) -> x
    min-same:          Min(x, x) -> x
    max-one:           Max(x) -> x
    min-one:           Min(x) -> x
    sum-one:           Sum(x) -> x
    mean-one:          Mean(x) -> x
    concat-one:        Concat(x, axis=a) -> x
    clip-clip:         Clip(Clip(x, const(a), const(b)), const(c), const(d)) -> Clip(x, inside(a, c, d), inside(b, c, d)) if ordered(a, b), ordered(c, d)
"""  # noqa: E501  # a table, a rule a line


@dataclass(frozen=True)
class SimplifyIdentities(RewritingPass):
    """Removes operations that change nothing, bit for bit: `x * 1`, `-(-x)`, `Where` with a
    constant condition, Clip of Clip, Identity, Dropout outside of training."""

    name: ClassVar[str] = "simplify_identities"

    def rules(self, program: Program) -> tuple[Rule, ...]:
        return identity_rules()


@cache
def identity_rules() -> tuple[Rule, ...]:
    return (
        *rules(TABLE, _FUNCTIONS, "bits"),
        Procedure("dropout", ("Dropout",), _dropout),
        Procedure("stop-gradient", ("StopGradient",), _stop_gradient),
    )


def _adds_nothing(c: Value) -> str | None:
    array = c.constant
    if array is None:
        return "a weight's content is not looked at"
    if array.dtype.kind in "iu":
        return None if not array.any() else "the constant is not zero"
    if (array == 0).all() and np.signbit(array).all():
        return None
    return "only -0.0 adds nothing to every number (-0.0 + 0.0 is 0.0)"


def _signed(x: Value) -> str | None:
    return "an unsigned number has no negative" if x.tensor.dtype.kind == "uint" else None


def _floating(x: Value) -> str | None:
    """Not for integers: the negative of the lowest one is itself."""
    return None if x.tensor.dtype.is_float else "only floating-point numbers have an exact negative"


def _filled(c: Value, number: bool) -> str | None:
    array = c.constant
    if array is None:
        return "a weight's content is not looked at"
    return None if array.size and (array == number).all() else f"not all elements are {number}"


def _negated(site: Site, c: Value) -> Array | None:
    array = site.array(c)
    return None if array is None else -array


def _scalars(*values: Value) -> list[Any] | None:
    arrays = [v.constant for v in values]
    return None if any(a is None or a.size != 1 for a in arrays) else [a.item() for a in arrays]  # type: ignore[union-attr]  # none is None here


def _ordered(low: Value, high: Value) -> str | None:
    found = _scalars(low, high)
    if found is None:
        return "the limits are no scalars"
    return None if found[0] <= found[1] else "the limits are out of order, or one is no number"


def _inside(x: Value, low: Value, high: Value) -> Value:
    """`x` if it lies between `low` and `high`, else the limit that is nearer."""
    number, least, most = (v.constant.item() for v in (x, low, high))  # type: ignore[union-attr]  # `ordered` held
    return low if number < least else high if number > most else x


_FUNCTIONS: dict[str, Any] = {
    "adds_nothing": _adds_nothing,
    "signed": _signed,
    "floating": _floating,
    "filled": _filled,
    "negated": _negated,
    "ordered": _ordered,
    "inside": _inside,
}


def _dropout(node: Node, site: Site) -> Sequence[Value] | str:
    """Dropout that drops nothing: not training, or ratio 0. Its mask is true everywhere."""
    x = node.inputs[0]
    assert x is not None
    ratio = node.inputs[1] if len(node.inputs) > 1 else None
    training = node.inputs[2] if len(node.inputs) > 2 else None
    idle = training is None or (training.constant is not None and not training.constant.any())
    no_ratio = ratio is not None and ratio.constant is not None and not ratio.constant.any()
    if not idle and not no_ratio:
        return "it drops elements: training_mode is not false"
    if len(node.outputs) == 1:
        return (x,)
    return x, apply("Expand", constant(np.array(True)), apply("Shape", x))


def _stop_gradient(node: Node, site: Site) -> Sequence[Value] | str:
    x = node.inputs[0]
    assert x is not None
    return (x,) if site.variant == "infer" else "gradients may still be asked for in training"
