"""Reductions with NumPy's defaults: `axis=None`, `keepdims=false`, variance divides by n."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...diagnostics import fail
from ...ir import Value
from ...operators import RuleError
from ...types import BOOL, FLOAT64, INT64, DType
from ...types.dimensions import product
from ..arithmetic import normal_static, truth
from ..construction import Construction
from ..meanings import Items, Meaning, Tensor, is_number, is_weak, kind_name
from .elementwise import operand

Reduction = Callable[..., Meaning]


def axes_of(build: Construction, axis: Meaning, rank: int, *, single: bool = False) -> tuple[int, ...] | None:
    """The axes, from 0; None means all. Raises G0428 for one that the operand has not."""
    if axis is None:
        return None
    given = axis.items if isinstance(axis, Items) else (axis,)
    if single and len(given) != 1:
        raise fail("G0428", "one axis is wanted here", build.span)
    found: list[int] = []
    for a in given:
        if not isinstance(a, int) or isinstance(a, bool):
            raise fail("G0428", f"an axis is a compile-time integer, not {kind_name(a)}", build.span)
        if not -rank <= a < rank:
            raise fail("G0428", f"axis {a} is out of range for rank {rank}", build.span)
        found.append(a % rank)
    if len(set(found)) != len(found):
        raise fail("G0428", "an axis is named twice", build.span)
    return tuple(found)


def flag(build: Construction, meaning: Meaning, name: str) -> bool:
    """A compile-time boolean argument."""
    if not isinstance(meaning, bool):
        raise fail("G0506", f"{name} must be true or false, not {kind_name(meaning)}", build.span)
    return meaning


def reduce(
    build: Construction, operator: str, value: Value, axes: tuple[int, ...] | None, keepdims: bool
) -> Value:
    """One of the standard's Reduce operators, axes as an input."""
    chosen = None if axes is None else build.constant(np.array(axes, dtype=np.int64))
    return build.op(operator, value, chosen, keepdims=int(keepdims))


def _prepare(build: Construction, x: Meaning, name: str) -> tuple[Value, bool]:
    x = operand(build, x, name)
    weak = is_weak(x)
    return (build.weak(x) if weak else build.value(x)), weak


def _static_reduction(
    build: Construction, function: Any, x: Meaning, axis: Meaning, keepdims: bool
) -> Meaning:
    array = np.asarray(x)
    axes = axes_of(build, axis, array.ndim)
    return normal_static(build, np.asarray(function(array, axis=axes, keepdims=keepdims)))


def _numeric(build: Construction, value: Value, dtype: DType) -> Value:
    """Counts and shares: a boolean becomes 0 or 1 in `dtype`."""
    return build.cast(value, dtype) if value.tensor.dtype is BOOL else value


def plain(name: str, operator: str, by_numpy: Any, bool_as: DType | None) -> Reduction:
    """A reduction by one operator. `bool_as` is what a boolean operand becomes (None: refused)."""

    def run(build: Construction, x: Meaning, axis: Meaning = None, keepdims: Meaning = False) -> Meaning:
        keep = flag(build, keepdims, "keepdims")
        if isinstance(x, np.ndarray) or (is_number(x) and not isinstance(x, Tensor) and axis is None):
            if isinstance(x, np.ndarray):
                return _static_reduction(build, by_numpy, x, axis, keep)
            return x
        if name in ("max", "min") and isinstance(axis, Tensor | np.ndarray):
            raise _two_operands(build, name)
        value, weak = _prepare(build, x, name)
        if value.tensor.dtype is BOOL:
            if bool_as is None:
                raise RuleError("G0429", f"{name} of booleans", (0,), "use any(…) or all(…)")
            value = build.cast(value, build.default_float if bool_as is FLOAT64 else bool_as)
        if operator == "ReduceMean" and not value.tensor.dtype.is_float:
            raise RuleError("G0427", f"{name} needs floating point, not {value.type}", (0,), "convert first")
        axes = axes_of(build, axis, value.tensor.rank)
        return Tensor(reduce(build, operator, value, axes, keep), weak)

    return run


def _two_operands(build: Construction, name: str) -> Exception:
    other = "maximum" if name == "max" else "minimum"
    return fail("G0430", f"{name}(a, b) reduces a over the axis b", build.span, hint=f"write {other}(a, b)")


def any_or_all(name: str) -> Reduction:
    """`any` and `all` of booleans."""
    operator = "ReduceMax" if name == "any" else "ReduceMin"
    by_numpy = np.any if name == "any" else np.all

    def run(build: Construction, x: Meaning, axis: Meaning = None, keepdims: Meaning = False) -> Meaning:
        keep = flag(build, keepdims, "keepdims")
        if isinstance(x, bool | np.ndarray):
            return _static_reduction(build, by_numpy, x, axis, keep)
        value = truth(build, x, name)
        axes = axes_of(build, axis, value.tensor.rank)
        return Tensor(reduce(build, operator, value, axes, keep))

    return run


def _count(build: Construction, value: Value, axes: tuple[int, ...] | None, dtype: DType) -> Value:
    chosen = tuple(range(value.tensor.rank)) if axes is None else axes
    sizes = [value.tensor.size_of(a) for a in chosen]
    known = [s for s in sizes if s is not None]
    if len(known) == len(sizes):
        return build.value(product(known), dtype)
    lengths = build.op("Gather", build.op("Shape", value), build.constant(np.array(chosen, dtype=np.int64)))
    return build.cast(build.op("ReduceProd", lengths, keepdims=0), dtype)


def var(
    build: Construction, x: Meaning, axis: Meaning = None, ddof: Meaning = 0, keepdims: Meaning = False
) -> Meaning:
    """The variance: mean((x - mean(x)) ** 2), divided by n - ddof instead of n."""
    keep = flag(build, keepdims, "keepdims")
    if not isinstance(ddof, int):
        raise fail("G0506", "ddof must be a compile-time integer", build.span)
    if isinstance(x, np.ndarray):
        return _static_reduction(build, lambda a, **k: np.var(a, ddof=ddof, **k), x, axis, keep)
    value, weak = _prepare(build, x, "var")
    if not value.tensor.dtype.is_float:
        raise RuleError("G0427", f"var needs floating point, not {value.type}", (0,), "convert first")
    axes = axes_of(build, axis, value.tensor.rank)
    centred = build.op("Sub", value, reduce(build, "ReduceMean", value, axes, True))
    square = build.op("Mul", centred, centred)
    if ddof == 0:
        return Tensor(reduce(build, "ReduceMean", square, axes, keep), weak)
    total = reduce(build, "ReduceSum", square, axes, keep)
    dtype = value.tensor.dtype
    divisor = build.op("Sub", _count(build, value, axes, dtype), build.value(ddof, dtype))
    return Tensor(build.op("Div", total, divisor), weak)


def std(
    build: Construction, x: Meaning, axis: Meaning = None, ddof: Meaning = 0, keepdims: Meaning = False
) -> Meaning:
    """The square root of the variance."""
    from .elementwise import floating

    return floating("sqrt")(build, var(build, x, axis, ddof, keepdims))


def arg_extreme(name: str) -> Reduction:
    """`argmax`, `argmin`: the first position; without an axis, in the flattened tensor."""
    operator = "ArgMax" if name == "argmax" else "ArgMin"

    def run(build: Construction, x: Meaning, axis: Meaning = None, keepdims: Meaning = False) -> Meaning:
        keep = flag(build, keepdims, "keepdims")
        value, _ = _prepare(build, x, name)
        value = _numeric(build, value, INT64)
        if axis is None:
            value = build.op("Reshape", value, build.constant(np.array([-1], dtype=np.int64)))
            return Tensor(build.op(operator, value, axis=0, keepdims=0))
        (chosen,) = axes_of(build, axis, value.tensor.rank, single=True) or (0,)
        return Tensor(build.op(operator, value, axis=chosen, keepdims=int(keep)))

    return run


def logsumexp(build: Construction, x: Meaning, axis: Meaning = None, keepdims: Meaning = False) -> Meaning:
    """log(sum(exp(x))), by the shifted form: exact for large and for all -inf operands."""
    keep = flag(build, keepdims, "keepdims")
    value, weak = _prepare(build, x, "logsumexp")
    if not value.tensor.dtype.is_float:
        raise RuleError("G0427", f"logsumexp needs floating point, not {value.type}", (0,), "convert first")
    axes = axes_of(build, axis, value.tensor.rank)
    top = build.op("StopGradient", reduce(build, "ReduceMax", value, axes, True), domain="graphwright")
    # a row of -inf alone would give -inf - -inf: shift it by 0 instead
    zero = build.constant(0, value.tensor.dtype)
    finite = build.op("Not", build.op("IsInf", top))
    shift = build.op("Where", finite, top, zero)
    total = reduce(build, "ReduceSum", build.op("Exp", build.op("Sub", value, shift)), axes, True)
    result = build.op("Add", build.op("Log", total), shift)
    if not keep:
        result = squeeze(build, result, axes)
    return Tensor(result, weak)


def squeeze(build: Construction, value: Value, axes: tuple[int, ...] | None) -> Value:
    """Without the given axes of length 1; without all axes for None."""
    chosen = tuple(range(value.tensor.rank)) if axes is None else axes
    if not chosen:
        return value
    return build.op("Squeeze", value, build.constant(np.array(chosen, dtype=np.int64)))


def norm(build: Construction, x: Meaning, axis: Meaning = None, keepdims: Meaning = False) -> Meaning:
    """The Euclidean norm."""
    from .elementwise import floating

    value, weak = _prepare(build, x, "norm")
    square = Tensor(build.op("Mul", value, value), weak)
    return floating("sqrt")(build, plain("sum", "ReduceSum", np.sum, INT64)(build, square, axis, keepdims))


def softmax(name: str) -> Reduction:
    """`softmax`, `log_softmax` along one axis, the last by default."""
    operator = "Softmax" if name == "softmax" else "LogSoftmax"

    def run(build: Construction, x: Meaning, axis: Meaning = -1) -> Meaning:
        value, weak = _prepare(build, x, name)
        (chosen,) = axes_of(build, axis, value.tensor.rank, single=True) or (-1,)
        if weak:
            value = build.cast(value, FLOAT64)
        return Tensor(build.op(operator, value, axis=chosen - value.tensor.rank), weak)

    return run
