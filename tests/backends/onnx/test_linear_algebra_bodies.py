"""Cholesky, solves, determinants in ONNX Runtime against LAPACK, as backward errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.linalg import solve_triangular

from graphwright.backends.onnx.backend import OnnxBackend
from graphwright.graph.ir import Graph, Program, apply, leaf
from graphwright.graph.types import DTYPES, TensorType, symbol

SHAPES = [((), 1, 1), ((), 6, 2), ((3,), 5, 1), ((2, 2), 24, 3)]
TOLERANCES = {"float32": 1e-6, "float64": 1e-12}
MATRICES = ("Cholesky", "LogDetSPD")


def run(operator: str, dtype: str, *arrays: Any, symbolic: bool = True) -> Any:
    names = ["a", "b"][: len(arrays)]
    kind = DTYPES[dtype]
    sizes = [symbol(f"d{i}") for i in range(arrays[0].ndim - 1)]
    shapes = [(*sizes, sizes[-1]), (*sizes, symbol("k"))]
    if not symbolic:
        shapes = [a.shape for a in arrays]
    leaves = [leaf("Input", n, TensorType(kind, s)) for n, s in zip(names, shapes, strict=False)]
    domain = "" if operator == "Det" else "graphwright"
    result = apply(operator, *leaves, domain=domain)
    program = Program("p", Graph(tuple(leaves), (result,)), ("y",))
    feeds = {n: a.astype(dtype) for n, a in zip(names, arrays, strict=True)}
    return OnnxBackend().load(program).run(feeds)["y"].astype(np.float64)


def matrices(lead: Any, n: int, k: int, dtype: str) -> tuple[Any, Any, Any]:
    """A general matrix, a symmetric positive definite one, and a right-hand side, as rounded."""
    random = np.random.default_rng(n)
    a = random.normal(size=(*lead, n, n))
    spd = a @ np.swapaxes(a, -1, -2) + n * np.eye(n)
    arrays = (a, spd, random.normal(size=(*lead, n, k)))
    first, second, third = (x.astype(dtype).astype(np.float64) for x in arrays)
    return first, second, third


def backward_error(a: Any, x: Any, b: Any) -> float:
    residual = np.abs(a @ x - b).max()
    return float(residual / (np.abs(a).sum(-1).max() * np.abs(x).max() + np.abs(b).max()))


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize(("lead", "n", "k"), SHAPES)
def test_solves_have_small_backward_errors(dtype: str, lead: Any, n: int, k: int) -> None:
    a, spd, b = matrices(lead, n, k, dtype)
    lower = np.linalg.cholesky(spd).astype(dtype).astype(np.float64)
    for operator, matrix in (("Solve", a), ("SolveSPD", spd), ("TriangularSolve", lower)):
        assert backward_error(matrix, run(operator, dtype, matrix, b), b) < TOLERANCES[dtype], operator


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize(("lead", "n", "k"), SHAPES)
def test_factors_and_determinants(dtype: str, lead: Any, n: int, k: int) -> None:
    a, spd, _ = matrices(lead, n, k, dtype)
    tolerance = TOLERANCES[dtype]
    lower = run("Cholesky", dtype, spd)
    assert np.array_equal(lower, np.tril(lower))
    assert np.abs(lower @ np.swapaxes(lower, -1, -2) - spd).max() < tolerance * np.abs(spd).max()
    np.testing.assert_allclose(run("LogDetSPD", dtype, spd), np.linalg.slogdet(spd)[1], rtol=4 * tolerance)
    if dtype == "float64":
        np.testing.assert_allclose(run("Det", dtype, a), np.linalg.det(a), rtol=1e-10)


def test_pivoting_is_needed_and_done() -> None:
    a = np.array([[0.0, 1, 2], [1, 0, 0], [0, 3, 0]])
    b = np.array([[1.0], [2], [3]])
    np.testing.assert_allclose(run("Solve", "float64", a, b), np.linalg.solve(a, b), rtol=1e-15, atol=1e-15)
    np.testing.assert_allclose(run("Det", "float64", a), np.linalg.det(a), rtol=1e-15)


def test_only_the_lower_triangle_is_read() -> None:
    _, spd, b = matrices((), 5, 2, "float64")
    lower = np.linalg.cholesky(spd)
    junk = lower + np.triu(np.full((5, 5), 1e6), 1)
    expected = solve_triangular(lower, b, lower=True)
    np.testing.assert_allclose(run("TriangularSolve", "float64", junk, b), expected, rtol=1e-12)
    upper_junk = np.tril(spd) + np.triu(np.full((5, 5), 1e6), 1)
    np.testing.assert_allclose(run("Cholesky", "float64", upper_junk), lower, rtol=1e-12)


def test_a_matrix_that_is_not_positive_definite_gives_nan() -> None:
    assert np.isnan(run("Cholesky", "float64", np.array([[1.0, 2], [2, 1]]))).any()


def test_static_sizes_above_a_constant_s_limit() -> None:
    _, spd, _ = matrices((), 70, 1, "float64")
    lower = run("Cholesky", "float64", spd, symbolic=False)
    np.testing.assert_allclose(lower, np.linalg.cholesky(spd), rtol=1e-10, atol=1e-12)
