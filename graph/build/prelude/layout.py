"""Functions that move, join, order and select elements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...diagnostics import fail
from ...ir import Value
from ...operators import RuleError
from ...types import BOOL, INT64, Dim, Dimension
from ..arithmetic import common_dtype, normal_static, unify, weak_values
from ..construction import Construction, as_array
from ..meanings import Items, Meaning, Tensor, is_tensor_like, is_weak, kind_name, weak_dtype
from .elementwise import operand
from .reductions import axes_of, flag


def dims_of(build: Construction, meaning: Meaning, what: str = "a shape") -> list[Dimension]:
    """A list of compile-time integers, or one of them."""
    if isinstance(meaning, np.ndarray) and meaning.dtype.kind == "i" and meaning.ndim == 1:
        return [int(d) for d in meaning]
    given = meaning.items if isinstance(meaning, Items) else (meaning,)
    for d in given:
        if not isinstance(d, int | Dim) or isinstance(d, bool):
            raise fail(
                "G0431", f"{what} is a list of compile-time integers; this holds {kind_name(d)}", build.span
            )
    return [d for d in given if isinstance(d, int | Dim)]


def tensor(build: Construction, x: Meaning, name: str) -> tuple[Value, bool]:
    """The operand as a value, and whether it is weak."""
    x = operand(build, x, name)
    return (build.weak(x) if is_weak(x) else build.value(x)), is_weak(x)


def reshape(build: Construction, x: Meaning, shape: Meaning) -> Meaning:
    """x in another shape; one length may be -1."""
    dims = dims_of(build, shape)
    if isinstance(x, np.ndarray) and all(isinstance(d, int) for d in dims):
        try:
            return normal_static(build, x.reshape([int(d) for d in dims if isinstance(d, int)]))
        except ValueError as error:
            raise fail("G0402", f"{error}", build.span) from None
    value, weak = tensor(build, x, "reshape")
    return Tensor(reshape_value(build, value, dims), weak)


def reshape_value(build: Construction, value: Value, dims: Sequence[Dimension]) -> Value:
    """Reshape; a single symbolic length is written as -1, so that no shape arithmetic is needed."""
    symbolic = [i for i, d in enumerate(dims) if not isinstance(d, int)]
    if len(symbolic) == 1 and -1 not in dims:
        template = [d if isinstance(d, int) else -1 for d in dims]
        result = build.op("Reshape", value, build.shape_value(template))
        if result.tensor.dims == tuple(dims):
            return result
    return build.op("Reshape", value, build.shape_value(dims))


def transpose(build: Construction, x: Meaning, axes: Meaning = None) -> Meaning:
    """x with its axes in the given order; reversed without one."""
    if isinstance(x, np.ndarray):
        order = axes_of(build, axes, x.ndim)
        return normal_static(build, np.transpose(x, order))
    value, weak = tensor(build, x, "transpose")
    rank = value.tensor.rank
    order = axes_of(build, axes, rank)
    if order is not None and len(order) != rank:
        raise fail("G0428", f"transpose of {value.type} needs all {rank} axes, not {len(order)}", build.span)
    return Tensor(build.op("Transpose", value, perm=order or tuple(reversed(range(rank)))), weak)


def swap_last(build: Construction, x: Meaning) -> Meaning:
    """`x.mT`: the last two axes swapped."""
    rank = x.ndim if isinstance(x, np.ndarray) else tensor(build, x, ".mT")[0].tensor.rank
    if rank < 2:
        raise fail("G0432", f".mT needs rank 2 or more, not {rank}", build.span)
    return transpose(build, x, Items((*range(rank - 2), rank - 1, rank - 2)))


def transpose_matrix(build: Construction, x: Meaning) -> Meaning:
    """`x.T` of a matrix."""
    rank = x.ndim if isinstance(x, np.ndarray) else tensor(build, x, ".T")[0].tensor.rank
    if rank != 2:
        raise fail("G0432", f".T needs rank 2, not {rank}", build.span, hint="use .mT or transpose(x, […])")
    return transpose(build, x, None)


def _joined(build: Construction, xs: Meaning, name: str) -> tuple[list[Value], bool]:
    if not isinstance(xs, Items) or not xs.items:
        raise fail("G0433", f"{name} takes a list of tensors: {name}([a, b], axis=…)", build.span)
    operands = [operand(build, x, name) for x in xs.items]
    weak = common_dtype(build, operands) is None
    return (weak_values(build, operands) if weak else unify(build, operands)), weak


def concat(build: Construction, xs: Meaning, axis: Meaning = 0) -> Meaning:
    """The tensors joined along an axis."""
    if isinstance(xs, Items) and xs.items and all(isinstance(x, np.ndarray) for x in xs.items):
        return _static_join(build, np.concatenate, xs, axis)
    values, weak = _joined(build, xs, "concat")
    rank = values[0].tensor.rank
    if rank == 0:
        raise fail(
            "G0433",
            "concat joins along an existing axis; scalars have none",
            build.span,
            hint="use stack([…])",
        )
    (chosen,) = axes_of(build, axis, rank, single=True) or (0,)
    return Tensor(values[0] if len(values) == 1 else build.op("Concat", *values, axis=chosen), weak)


def _static_join(build: Construction, function: object, xs: Items, axis: Meaning) -> Meaning:
    if not isinstance(axis, int):
        raise fail("G0428", "an axis is a compile-time integer", build.span)
    try:
        return normal_static(build, function(xs.items, axis=axis))  # type: ignore[operator]  # numpy's join
    except ValueError as error:
        raise fail("G0402", f"{error}", build.span) from None


def stack(build: Construction, *xs: Meaning, axis: Meaning = 0) -> Meaning:
    """The tensors joined along a new axis: stack([a, b]) or stack(a, b)."""
    given = xs[0] if len(xs) == 1 and isinstance(xs[0], Items) else Items(xs)
    if given.items and all(isinstance(x, int | float | np.ndarray) for x in given.items):
        return _static_join(build, np.stack, given, axis)
    values, weak = _joined(build, given, "stack")
    rank = values[0].tensor.rank + 1
    (chosen,) = axes_of(build, axis, rank, single=True) or (0,)
    at = build.constant(np.array([chosen], dtype=np.int64))
    parts = [build.op("Unsqueeze", v, at) for v in values]
    return Tensor(parts[0] if len(parts) == 1 else build.op("Concat", *parts, axis=chosen), weak)


def array(build: Construction, items: Meaning) -> Meaning:
    """Scalars or tensors stacked on new leading axes, as NumPy does: array([[a, b], [c, d]])."""
    if not isinstance(items, Items):
        if is_tensor_like(items):
            return items
        raise fail("G0433", "array takes a list", build.span)
    if _all_static(items):
        return as_array(build, items)
    rows = tuple(array(build, i) if isinstance(i, Items) else i for i in items.items)
    return stack(build, Items(_broadcast_scalars(build, rows)))


def _all_static(items: Items) -> bool:
    return all(
        _all_static(i) if isinstance(i, Items) else isinstance(i, bool | int | float | np.ndarray)
        for i in items.items
    )


def _broadcast_scalars(build: Construction, rows: Sequence[Meaning]) -> tuple[Meaning, ...]:
    """Weak rows beside typed ones take their dtype here, since a stack may be weak as a whole."""
    dtype = common_dtype(build, rows)
    if dtype is None:
        return tuple(rows)
    return tuple(Tensor(build.cast(build.value(r, dtype if is_weak(r) else None), dtype)) for r in rows)


def cumsum(
    build: Construction,
    x: Meaning,
    axis: Meaning = None,
    reverse: Meaning = False,
    exclusive: Meaning = False,
) -> Meaning:
    """The running sum along an axis (of a vector, its only one)."""
    value, weak = tensor(build, x, "cumsum")
    if value.tensor.dtype is BOOL:
        value = build.cast(value, INT64)
    if axis is None and value.tensor.rank != 1:
        raise fail("G0428", f"cumsum of {value.type} needs an axis", build.span, hint="write axis=-1")
    (chosen,) = axes_of(build, 0 if axis is None else axis, value.tensor.rank, single=True) or (0,)
    return Tensor(
        build.op(
            "CumSum",
            value,
            build.constant(np.int64(chosen)),
            reverse=int(flag(build, reverse, "reverse")),
            exclusive=int(flag(build, exclusive, "exclusive")),
        ),
        weak,
    )


def _sorted(
    build: Construction, x: Meaning, axis: Meaning, descending: Meaning, name: str
) -> tuple[Value, Value, bool]:
    value, weak = tensor(build, x, name)
    if value.tensor.rank == 0:
        raise fail("G0428", f"{name} of a scalar", build.span)
    (chosen,) = axes_of(build, axis, value.tensor.rank, single=True) or (-1,)
    size = value.tensor.size_of(chosen)
    if size is None:
        count = build.op("Shape", value, start=chosen, end=chosen + 1)
    else:
        count = build.shape_value([size])
    largest = int(flag(build, descending, "descending"))
    values, indices = build.ops("TopK", value, count, axis=chosen, largest=largest, sorted=1)
    return values, indices, weak


def sort(build: Construction, x: Meaning, axis: Meaning = -1, descending: Meaning = False) -> Meaning:
    """x in ascending order along an axis."""
    values, _, weak = _sorted(build, x, axis, descending, "sort")
    return Tensor(values, weak)


def argsort(build: Construction, x: Meaning, axis: Meaning = -1, descending: Meaning = False) -> Meaning:
    """The positions that sort x along an axis; equal elements keep their order."""
    return Tensor(_sorted(build, x, axis, descending, "argsort")[1])


def _indices(build: Construction, index: Meaning, name: str) -> Value:
    value = build.value(index)
    if not value.tensor.dtype.is_integer:
        raise RuleError("G0423", f"{name} needs integer positions, not {value.type}", (1,))
    return build.cast(value, INT64) if value.tensor.dtype.name != "int32" else value


def take_along(build: Construction, x: Meaning, index: Meaning, axis: Meaning = -1) -> Meaning:
    """x's elements at `index` along an axis; x and index have the same rank."""
    value, weak = tensor(build, x, "take_along")
    (chosen,) = axes_of(build, axis, value.tensor.rank, single=True) or (-1,)
    positions = _indices(build, index, "take_along")
    if positions.tensor.rank != value.tensor.rank:
        raise RuleError(
            "G0434",
            f"take_along needs an index of rank {value.tensor.rank} for {value.type}, not {positions.type}",
            (0, 1),
            "add axes: index[:, None]",
        )
    return Tensor(build.op("GatherElements", value, positions, axis=chosen), weak)


def one_hot(build: Construction, index: Meaning, depth: Meaning) -> Meaning:
    """1 where the position equals the index, else 0: a new last axis of length `depth`."""
    positions = _indices(build, index, "one_hot")
    (length,) = dims_of(build, depth, "depth")
    axis = build.constant(np.array([-1], dtype=np.int64))
    column = build.op("Unsqueeze", positions, axis)
    from .generators import arange

    row = build.value(arange(build, length), column.tensor.dtype)
    return Tensor(build.cast(build.op("Equal", column, row), build.default_float))


def einsum(build: Construction, equation: Meaning, *operands: Meaning) -> Meaning:
    """Einstein's summation, as numpy.einsum."""
    if not isinstance(equation, str):
        raise fail("G0506", "einsum's first argument is its equation, a text", build.span)
    weak = common_dtype(build, operands) is None
    values = weak_values(build, operands) if weak else unify(build, operands)
    return Tensor(build.op("Einsum", *values, equation=equation.replace(" ", "")), weak)


def expand(build: Construction, x: Meaning, shape: Meaning) -> Meaning:
    """x broadcast to a shape."""
    value, weak = tensor(build, x, "expand")
    return Tensor(build.op("Expand", value, build.shape_value(dims_of(build, shape))), weak)


def shape(build: Construction, x: Meaning) -> Meaning:
    """The shape, a list of compile-time integers; a size that only a run tells is an int64 scalar."""
    if not isinstance(x, Tensor):
        return Items(np.shape(np.asarray(x)))
    axes = x.type.axes or x.type.shape
    return Items(tuple(_size(build, x.value, i) if a is None else a for i, a in enumerate(axes)))


def _size(build: Construction, value: Value, axis: int) -> Tensor:
    place = build.constant(np.array(axis, dtype=np.int64))
    return Tensor(build.op("Gather", build.op("Shape", value), place))


def pad(build: Construction, x: Meaning, widths: Meaning, value: Meaning = 0) -> Meaning:
    """x with `widths` = [[before, after], …] elements of `value` added, one pair for each axis."""
    operand_value, weak = tensor(build, x, "pad")
    rank = operand_value.tensor.rank
    pairs = [dims_of(build, p, "a pair of widths") for p in widths.items] if isinstance(widths, Items) else []
    if len(pairs) != rank or any(len(p) != 2 for p in pairs):
        raise fail("G0435", f"pad of {operand_value.type} needs {rank} pairs [before, after]", build.span)
    before_after = [p[0] for p in pairs] + [p[1] for p in pairs]
    filler = build.value(value, operand_value.tensor.dtype) if is_weak(value) else build.value(value)
    return Tensor(build.op("Pad", operand_value, build.shape_value(before_after), filler), weak)


def linear_algebra(name: str) -> object:
    """Cholesky, log-determinant: one matrix."""
    operator = {"cholesky": "Cholesky", "logdet_spd": "LogDetSPD"}[name]

    def run(build: Construction, a: Meaning) -> Meaning:
        return Tensor(build.op(operator, build.value(a), domain="graphwright"))

    return run


def solve(name: str) -> object:
    """`solve`, `solve_spd`, `solve_triangular`: A x = b for a vector b[n] or columns b[..., n, k]."""
    operator = {"solve": "Solve", "solve_spd": "SolveSPD", "solve_triangular": "TriangularSolve"}[name]

    def run(build: Construction, a: Meaning, b: Meaning) -> Meaning:
        matrix, right = unify(build, (a, b))
        last = build.constant(np.array([-1], dtype=np.int64))
        vector = right.tensor.rank == matrix.tensor.rank - 1
        if vector:
            right = build.op("Unsqueeze", right, last)
        result = build.op(operator, matrix, right, domain="graphwright")
        return Tensor(build.op("Squeeze", result, last) if vector else result)

    return run


def weak_dtype_name(meaning: Meaning) -> str:
    """What `x.dtype` of a weak meaning reads."""
    return weak_dtype(meaning).name
