"""The table of the prelude: name -> function. Its signature is the user's, after `build`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ...types import FLOAT64, INT64
from ..meanings import Meaning, Tensor
from . import elementwise, generators, layout, reductions, state_space


@dataclass(frozen=True)
class PreludeFunction:
    """`run(build, *arguments, **keywords)`; `doc` is one line."""

    name: str
    run: Callable[..., Meaning] = field(repr=False)
    doc: str

    @cached_property
    def signature(self) -> inspect.Signature:
        """The parameters a user sees."""
        found = inspect.signature(self.run)
        return found.replace(parameters=list(found.parameters.values())[1:])

    def __str__(self) -> str:
        plain = [p.replace(annotation=inspect.Parameter.empty) for p in self.signature.parameters.values()]
        return f"{self.name}{inspect.Signature(plain)}"


def _stop_gradient(build: Any, x: Meaning) -> Meaning:
    if not isinstance(x, Tensor) or x.weak or not x.dtype.is_float:
        return x
    return Tensor(build.op("StopGradient", x.value, domain="graphwright"))


_REDUCTIONS: tuple[tuple[str, Any, str], ...] = (
    ("sum", reductions.plain("sum", "ReduceSum", np.sum, INT64), "The sum; booleans are counted."),
    (
        "mean",
        reductions.plain("mean", "ReduceMean", np.mean, FLOAT64),
        "The mean; of booleans, the share that is true.",
    ),
    ("max", reductions.plain("max", "ReduceMax", np.max, None), "The largest element."),
    ("min", reductions.plain("min", "ReduceMin", np.min, None), "The smallest element."),
    ("prod", reductions.plain("prod", "ReduceProd", np.prod, INT64), "The product."),
    ("any", reductions.any_or_all("any"), "Whether any element is true."),
    ("all", reductions.any_or_all("all"), "Whether every element is true."),
    ("var", reductions.var, "The variance, divided by n - ddof."),
    ("std", reductions.std, "The standard deviation."),
    ("argmax", reductions.arg_extreme("argmax"), "The position of the largest element, the first of equals."),
    (
        "argmin",
        reductions.arg_extreme("argmin"),
        "The position of the smallest element, the first of equals.",
    ),
    ("logsumexp", reductions.logsumexp, "log(sum(exp(x))), without overflow."),
    ("norm", reductions.norm, "The Euclidean norm."),
    ("softmax", reductions.softmax("softmax"), "exp(x) / sum(exp(x)) along an axis."),
    ("log_softmax", reductions.softmax("log_softmax"), "log(softmax(x)) along an axis."),
)
_ELEMENTWISE: tuple[tuple[str, Any, str], ...] = (
    *((name, elementwise.floating(name), row[2]) for name, row in elementwise.FLOATING.items()),
    *((name, elementwise.keeping(name), row[2]) for name, row in elementwise.KEEPING.items()),
    ("erf", elementwise.erf, "The error function."),
    ("isnan", elementwise.is_nan, "Whether an element is not a number."),
    ("maximum", elementwise.extreme("maximum"), "The larger of two, elementwise."),
    ("minimum", elementwise.extreme("minimum"), "The smaller of two, elementwise."),
    ("where", elementwise.where, "x where the condition holds, else y, elementwise."),
    ("clip", elementwise.clip, "x limited to low..high; None leaves a side open."),
    ("pow", elementwise.power, "x to the y."),
    ("cast_like", elementwise.cast_like, "x in the dtype of y."),
    ("stop_gradient", _stop_gradient, "x, through which no gradient flows."),
)
_LAYOUT: tuple[tuple[str, Any, str], ...] = (
    ("reshape", layout.reshape, "x in another shape; one length may be -1."),
    ("transpose", layout.transpose, "x with its axes in the given order."),
    ("concat", layout.concat, "Tensors joined along an axis."),
    ("stack", layout.stack, "Tensors joined along a new axis."),
    ("array", layout.array, "Nested lists of scalars or tensors, stacked on leading axes."),
    ("cumsum", layout.cumsum, "The running sum along an axis."),
    ("sort", layout.sort, "x in order along an axis."),
    ("argsort", layout.argsort, "The positions that sort x along an axis."),
    ("take_along", layout.take_along, "x's elements at positions along an axis."),
    ("one_hot", layout.one_hot, "A new last axis: 1 at the index, else 0."),
    ("einsum", layout.einsum, "Einstein's summation."),
    ("expand", layout.expand, "x broadcast to a shape."),
    ("pad", layout.pad, "x with elements added at the ends of its axes."),
    ("cholesky", layout.linear_algebra("cholesky"), "Lower L with A = L Lᵀ."),
    ("logdet_spd", layout.linear_algebra("logdet_spd"), "log det of a symmetric positive definite matrix."),
    ("solve", layout.solve("solve"), "x with A x = b."),
    ("solve_spd", layout.solve("solve_spd"), "x with A x = b for symmetric positive definite A."),
    ("solve_triangular", layout.solve("solve_triangular"), "x with L x = b for lower triangular L."),
)
_GENERATORS: tuple[tuple[str, Any, str], ...] = tuple(
    (name, getattr(generators, name), (getattr(generators, name).__doc__ or "").split("\n")[0])
    for name in sorted(generators.GENERATORS - {"load"})
)

PRELUDE: dict[str, PreludeFunction] = {
    name: PreludeFunction(name, run, doc)
    for name, run, doc in (*_REDUCTIONS, *_ELEMENTWISE, *_LAYOUT, *_GENERATORS, *state_space.STATE_SPACE)
}
