"""Identities of real arithmetic, whose rounding or signs of zero may differ.

Constants are joined only where nothing else reads the inner result, their product or sum is
finite and normal, and it is no larger than the bigger of the two. The joined constant is written
as an expression and then folded: so the rule itself is checked without the rounding of storing it.

A product with a reciprocal root becomes a quotient: one rounding less, and the form of layer and
root-mean-square normalization that ONNX Runtime fuses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from ...graph.ir import Program, Value
from ..rewriting import Rule, Site, rules
from ..rewriting.rewriting_pass import RewritingPass
from .folding import folding_rules

Array = np.ndarray[Any, Any]

TABLE = """
    add-zero:      x + const(c) -> x                             if zero(c)
    sub-zero:      x - const(c) -> x                             if zero(c)
    zero-sub:      const(c) - x -> -x                            if zero(c), signed(x)
    mul-mul:       (y := x * const(a)) * const(b) -> x * (a * b)    if sole(y), joined(product, a, b)
    add-add:       (y := x + const(a)) + const(b) -> x + (a + b)      if sole(y), joined(total, a, b)
    sub-add:       (y := x - const(a)) + const(b) -> x + (b - a)       if sole(y), joined(less, b, a)
    add-sub:       (y := x + const(a)) - const(b) -> x + (a - b)       if sole(y), joined(less, a, b)
    mul-div:       (y := x * const(a)) / const(b) -> x * (a / b)      if sole(y), joined(ratio, a, b)
    div-mul:       (y := x / const(a)) * const(b) -> x * (b / a)      if sole(y), joined(ratio, b, a)
    div-div:       (y := x / const(a)) / const(b) -> x / (a * b)    if sole(y), joined(product, a, b)
    neg-sub:       -(y := x - z) -> z - x                        if sole(y)
    log-softmax:   Log(y := Softmax(x, axis=a)) -> LogSoftmax(x, axis=a)  if sole(y)
    reciprocals:   Reciprocal(Reciprocal(x)) -> x
    times-rsqrt:   x * (r := Reciprocal(y := Sqrt(v))) -> x / y  if sole(r)
    times-one-over-sqrt:  x * (r := 1 / (y := Sqrt(v))) -> x / y     if sole(r)
"""


@dataclass(frozen=True)
class SimplifyAlgebra(RewritingPass):
    """Removes and joins operations by the laws of real numbers: `x + 0`, `(x * 2) * 3`,
    `-(a - b)`, `Log(Softmax(x))`."""

    name: ClassVar[str] = "simplify_algebra"
    sense: ClassVar[str] = "algebra"

    def rules(self, program: Program) -> tuple[Rule, ...]:
        return (*algebra_rules(), *folding_rules())


@cache
def algebra_rules() -> tuple[Rule, ...]:
    return rules(TABLE, _FUNCTIONS, "algebra")


def _zero(c: Value) -> str | None:
    array = c.constant
    if array is None:
        return "a weight's content is not looked at"
    return None if not array.any() else "the constant is not zero"


def _signed(x: Value) -> str | None:
    return "an unsigned number has no negative" if x.tensor.dtype.kind == "uint" else None


def _product(site: Site, a: Value, b: Value) -> Array | None:
    return _join(site, np.multiply, a, b)


def _total(site: Site, a: Value, b: Value) -> Array | None:
    return _join(site, np.add, a, b)


def _less(site: Site, a: Value, b: Value) -> Array | None:
    return _join(site, np.subtract, a, b)


def _ratio(site: Site, a: Value, b: Value) -> Array | None:
    return _join(site, np.divide, a, b)


def _join(site: Site, operation: np.ufunc, a: Value, b: Value) -> Array | None:
    left, right = site.array(a), site.array(b)
    if left is None or right is None:
        return None
    with np.errstate(all="ignore"):
        result: Array = np.asarray(operation(left.astype(np.float64), right.astype(np.float64)))
        return result.astype(left.dtype)


def _joined(site: Site, operation: Callable[..., Array | None], a: Value, b: Value) -> str | None:
    """Why two constants may not become one; None where they may."""
    if not a.tensor.dtype.is_float or a.tensor.dtype.bits < 16:
        return "integer arithmetic wraps or rounds at every step"
    joined = operation(site, a, b)
    if joined is None:
        return "the content of a weight is not at hand"
    if joined.size > max(_size(a), _size(b)):
        return "the joined constant would be larger than both"
    plain = joined.astype(np.float64)
    least = float(np.finfo(np.float32).tiny) if a.tensor.dtype.bits >= 32 else 6.2e-5
    if not np.isfinite(plain).all():
        return "the joined constant is not finite"
    if ((plain != 0) & (np.abs(plain) < least)).any():
        return "the joined constant is subnormal"
    if operation in (_product, _ratio) and not (plain != 0).all():
        return "the joined constant is zero"
    return None


def _size(value: Value) -> int:
    size = value.tensor.size
    assert isinstance(size, int)
    return size


_FUNCTIONS: dict[str, Any] = {
    "zero": _zero,
    "signed": _signed,
    "joined": _joined,
    "product": _product,
    "total": _total,
    "less": _less,
    "ratio": _ratio,
}
