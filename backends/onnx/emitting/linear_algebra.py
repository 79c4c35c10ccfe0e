"""Bodies of the linear-algebra operators: Scans over rows or columns, for any leading dimensions.

Every step reads one row or column and writes one with Where, so that nothing is multiplied by a
one-hot vector: exact, and a NaN stays where it arises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from ....graph.ir import Graph, Value, apply, apply_all, argument, constant
from ....graph.types.types import TensorType

LAST = 2**62
Step = Callable[..., Value]


def cholesky(a: Value) -> Value:
    """Lower L with A = L Lᵀ of A[..., n, n], reading its lower triangle; a Scan over columns:
    `L[j:, j] = v / √v_j` with `v = A[:, j] - L L[j, :]ᵀ`."""
    rows = _indices(a)
    start = _zeros_like(a)
    return _scan(_cholesky_step, start, rows, (a, rows))


def _cholesky_step(lower: Value, j: Value, a: Value, rows: Value) -> Value:
    row = apply("Gather", lower, j, axis=-2)
    column = apply("Gather", a, j, axis=-1)
    product = _squeeze(apply("MatMul", lower, _unsqueeze(row, -1)), -1)
    v = apply("Sub", column, product)
    root = apply("Sqrt", apply("Gather", v, _unsqueeze(j, 0), axis=-1))
    below = _unsqueeze(apply("GreaterOrEqual", rows, j), -1)
    here = _unsqueeze(apply("Equal", rows, j), 0)
    return apply("Where", apply("And", below, here), _unsqueeze(apply("Div", v, root), -1), lower)


def triangular_solve(lower: Value, b: Value) -> Value:
    """X with L X = B for lower triangular L[..., n, n] and B[..., n, k]."""
    return _substitution(lower, b, _indices(lower), axis=-2)


def solve_spd(a: Value, b: Value) -> Value:
    """X with A X = B for symmetric positive definite A: A = L Lᵀ, L Y = B, Lᵀ X = Y."""
    lower, rows = cholesky(a), _indices(a)
    y = _substitution(lower, b, rows, axis=-2)
    return _substitution(lower, y, _reversed(rows), axis=-1)


def log_det_spd(a: Value) -> Value:
    """log det A = 2 Σ log diag L."""
    lower, rows = cholesky(a), _indices(a)
    diagonal = apply("Equal", _unsqueeze(rows, 0), _unsqueeze(rows, -1))
    picked = apply("ReduceSum", apply("Where", diagonal, lower, _number(a, 0)), _axes(-1), keepdims=0)
    total = apply("ReduceSum", apply("Log", picked), _axes(-1), keepdims=0)
    return apply("Mul", total, _number(a, 2))


def solve(a: Value, b: Value) -> Value:
    """X with A X = B: Gaussian elimination of [A | B] with partial pivoting, then substitution."""
    rows, count = _indices(a), apply("Shape", a, start=-1)
    reduced = _scan(_elimination_step, apply("Concat", a, b, axis=-1), rows, (rows,))
    upper = apply("Slice", reduced, _axes(0), count, _axes(-1))
    right = apply("Slice", reduced, count, _axes(LAST), _axes(-1))
    return _substitution(upper, right, _reversed(rows), axis=-2)


def determinant(a: Value) -> Value:
    """det A: the product of the pivots, negated once a swap of rows."""
    rows = _indices(a)
    with_sign = apply("Concat", a, _one_column(a), axis=-1)
    reduced = _scan(_signed_elimination_step, with_sign, rows, (rows,))
    count = apply("Shape", a, start=-1)
    upper = apply("Slice", reduced, _axes(0), count, _axes(-1))
    signs = _squeeze(apply("Slice", reduced, count, _axes(LAST), _axes(-1)), -1)
    diagonal = apply("Equal", _unsqueeze(rows, 0), _unsqueeze(rows, -1))
    pivots = apply("ReduceSum", apply("Where", diagonal, upper, _number(a, 0)), _axes(-1), keepdims=0)
    return apply("ReduceProd", apply("Mul", pivots, signs), _axes(-1), keepdims=0)


def _one_column(a: Value) -> Value:
    """Ones in the shape of A[..., :1]."""
    leading = apply("Slice", apply("Shape", a), _axes(0), _axes(-1))
    shape = apply("Concat", leading, constant(np.array([1], np.int64)), axis=0)
    return apply("Expand", constant(np.ones(1, a.tensor.dtype.numpy)), shape)


def _signed_elimination_step(m: Value, j: Value, rows: Value) -> Value:
    """An elimination step of [A | s] that leaves -1 or 1 at s[j]: whether it swapped."""
    best, reduced = _best_row(m, j, rows), _elimination_step(m, j, rows)
    width = apply("Shape", m, start=-1)
    columns = apply("Range", constant(np.int64(0)), _squeeze(width, 0), constant(np.int64(1)))
    last = apply("Equal", columns, apply("Sub", width, _axes(1)))
    here = apply("Equal", rows, j)
    swapped = apply("Not", apply("Equal", best, j))
    sign = _unsqueeze(apply("Where", swapped, _number(m, -1), _number(m, 1)), -1)
    kept = apply("Where", last, m, reduced)  # s itself is not eliminated
    place = apply("And", _unsqueeze(here, -1), _unsqueeze(last, 0))
    return apply("Where", place, sign, kept)


def _best_row(m: Value, j: Value, rows: Value) -> Value:
    """The row from j on with the largest element in column j: int64[..., 1]."""
    column = apply("Gather", m, j, axis=-1)
    candidates = apply("Where", apply("GreaterOrEqual", rows, j), apply("Abs", column), _number(m, -1))
    return apply("ArgMax", candidates, axis=-1, keepdims=1)


def _elimination_step(m: Value, j: Value, rows: Value) -> Value:
    """Swaps the row of the largest pivot into row j, and clears column j below it."""
    at, best = _unsqueeze(j, 0), _best_row(m, j, rows)
    is_best = _unsqueeze(apply("Equal", rows, best), -1)
    is_here = _unsqueeze(apply("Equal", rows, j), -1)
    pivot_row = apply("ReduceSum", apply("Where", is_best, m, _number(m, 0)), _axes(-2), keepdims=1)
    row = apply("Gather", m, at, axis=-2)
    swapped = apply("Where", is_here, pivot_row, apply("Where", is_best, row, m))
    ratio = apply("Div", apply("Gather", swapped, at, axis=-1), apply("Gather", pivot_row, at, axis=-1))
    below = _unsqueeze(apply("Greater", rows, j), -1)
    factor = apply("Where", below, ratio, _number(m, 0))
    return apply("Sub", swapped, apply("Mul", factor, pivot_row))


def _substitution(matrix: Value, b: Value, order: Value, axis: int) -> Value:
    """X with T X = B, in the given order of rows; T is the triangular matrix (axis -2) or its
    transpose (axis -1). Rows that are not solved yet are zero, so nothing masks the other triangle."""
    rows = _indices(matrix)
    step = partial(_substitution_step, axis=axis)
    return _scan(step, _zeros_like(b), order, (matrix, b, rows))


def _substitution_step(x: Value, j: Value, matrix: Value, b: Value, rows: Value, axis: int) -> Value:
    at = _unsqueeze(j, 0)
    row = apply("Gather", matrix, j, axis=axis)
    known = apply("MatMul", _unsqueeze(row, -2), x)
    rest = apply("Sub", apply("Gather", b, at, axis=-2), known)
    diagonal = _unsqueeze(apply("Gather", row, at, axis=-1), -1)
    here = _unsqueeze(apply("Equal", rows, j), -1)
    return apply("Where", here, apply("Div", rest, diagonal), x)


# --- construction -----------------------------------------------------------------------------


def _scan(step: Step, start: Value, order: Value, captured: Sequence[Value]) -> Value:
    """The state after `step(state, j, *captured)` for every j of `order`."""
    slice_type = TensorType(order.tensor.dtype, ())
    arguments = [argument(0, start.type), argument(1, slice_type)]
    arguments += [argument(2 + i, v.type) for i, v in enumerate(captured)]
    body = Graph(tuple(arguments), (step(*arguments),))
    return apply_all(
        "Scan", start, order, *captured, outputs=1, body=body, num_scan_inputs=1, captures=len(captured)
    )[0]


def _indices(matrix: Value) -> Value:
    """0 … n-1 for matrix[..., n, n]: int64[n]."""
    count = _squeeze(apply("Shape", matrix, start=-1), 0)
    return apply("Range", constant(np.int64(0)), count, constant(np.int64(1)))


def _reversed(rows: Value) -> Value:
    return apply("Slice", rows, _axes(-1), _axes(-LAST), _axes(0), _axes(-1))


def _zeros_like(value: Value) -> Value:
    zero = np.zeros(1, value.tensor.dtype.numpy)
    return apply("Expand", constant(zero), apply("Shape", value))


def _number(like: Value, number: float) -> Value:
    return constant(np.asarray(number, like.tensor.dtype.numpy))


def _axes(axis: int) -> Value:
    return constant(np.array([axis], np.int64))


def _unsqueeze(value: Value, axis: int) -> Value:
    return apply("Unsqueeze", value, _axes(axis))


def _squeeze(value: Value, axis: int) -> Value:
    return apply("Squeeze", value, _axes(axis))
