"""Derivatives of Cholesky, solves and log-determinants (Giles 2008, Murray 2016)."""

from __future__ import annotations

from ...graph.ir import Node, Value
from ...graph.types.dimensions import Dimension
from .reverse import Cotangents, Reverse, Rule


def _swap(reverse: Reverse, value: Value) -> Value:
    rank = value.tensor.rank
    return reverse.build.op("Transpose", value, perm=[*range(rank - 2), rank - 1, rank - 2])


def _ours(reverse: Reverse, name: str, *inputs: Value) -> Value:
    return reverse.build.op(name, *inputs, domain="graphwright")


def _identity(reverse: Reverse, like: Value) -> Value:
    """The identity matrix, broadcast to the shape of `like`."""
    from ...graph.build.prelude.generators import eye

    n: Dimension = like.tensor.shape[-1]
    matrix = reverse.build.value(eye(reverse.build, n), like.tensor.dtype)
    return reverse.build.op("Expand", matrix, reverse.build.shape_value(like.tensor.shape))


def _solve(reverse: Reverse, node: Node, cotangents: Cotangents) -> list[Value | None]:
    """A X = B: dB = A⁻ᵀ G, dA = -dB Xᵀ."""
    a, g, x = node.inputs[0], cotangents[0], node.outputs[0]
    assert a is not None and g is not None
    adjoint = a if node.name == "SolveSPD" else _swap(reverse, a)
    db = _ours(reverse, node.name, adjoint, g)
    da = reverse.build.op("Neg", reverse.build.op("MatMul", db, _swap(reverse, x)))
    return [da, db]


def _triangular_solve(reverse: Reverse, node: Node, cotangents: Cotangents) -> list[Value | None]:
    """L X = B: dB = L⁻ᵀ G by a general solve, dL = -tril(dB Xᵀ)."""
    low, g, x = node.inputs[0], cotangents[0], node.outputs[0]
    assert low is not None and g is not None
    db = _ours(reverse, "Solve", _swap(reverse, low), g)
    full = reverse.build.op("Neg", reverse.build.op("MatMul", db, _swap(reverse, x)))
    return [reverse.build.op("Trilu", full, None, upper=0), db]


def _log_det(reverse: Reverse, node: Node, cotangents: Cotangents) -> list[Value | None]:
    """d log det A = A⁻¹."""
    a, g = node.inputs[0], cotangents[0]
    assert a is not None and g is not None
    inverse = _ours(reverse, "SolveSPD", a, _identity(reverse, a))
    scale = reverse.build.op("Unsqueeze", g, reverse.vector([g.tensor.rank, g.tensor.rank + 1]))
    return [reverse.build.op("Mul", inverse, scale)]


def _cholesky(reverse: Reverse, node: Node, cotangents: Cotangents) -> list[Value | None]:
    """dA = ½ sym(L⁻ᵀ Φ(Lᵀ G) L⁻¹), Φ the lower triangle with half the diagonal (Murray 2016, eq. 10)."""
    low, g = node.outputs[0], cotangents[0]
    assert g is not None
    build = reverse.build
    product = build.op("MatMul", _swap(reverse, low), g)
    lower = build.op("Trilu", product, None, upper=0)
    half = build.constant(0.5, g.tensor.dtype)
    phi = build.op("Sub", lower, build.op("Mul", build.op("Mul", lower, _identity(reverse, lower)), half))
    inner = _ours(reverse, "Solve", _swap(reverse, low), phi)
    outer = _swap(reverse, _ours(reverse, "Solve", _swap(reverse, low), _swap(reverse, inner)))
    total = build.op("Add", outer, _swap(reverse, outer))
    return [build.op("Mul", total, half)]


LINEAR_ALGEBRA: dict[str, Rule] = {
    "Solve": _solve,
    "SolveSPD": _solve,
    "TriangularSolve": _triangular_solve,
    "LogDetSPD": _log_det,
    "Cholesky": _cholesky,
}
