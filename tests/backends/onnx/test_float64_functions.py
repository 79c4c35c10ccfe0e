"""Functions that ONNX Runtime lacks in float64, against NumPy and SciPy: to a few last bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

from graphwright.backends.onnx.backend import OnnxBackend
from graphwright.graph.ir import Graph, Program, apply, leaf
from graphwright.graph.types import DTYPES, TensorType, symbol

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "Erf": special.erf,
    "Sinh": np.sinh,
    "Cosh": np.cosh,
    "Asinh": np.arcsinh,
    "Acosh": np.arccosh,
    "Atanh": np.arctanh,
    "Atan": np.arctan,
    "Asin": np.arcsin,
    "Acos": np.arccos,
    "Softplus": lambda x: np.logaddexp(0, x),
}


def points() -> Any:
    """Dense where functions bend, wide over the exponents, and every special number."""
    return np.concatenate(
        [
            np.linspace(-7, 7, 4001),
            np.linspace(-1, 1, 2001),
            np.logspace(-300, 300, 601),
            -np.logspace(-300, 300, 601),
            [0.0, -0.0, np.inf, -np.inf, np.nan, 709.5, -709.5, 1 + 2.0**-52],
        ]
    )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_right_to_the_last_bits(name: str) -> None:
    x = points()
    v = leaf("Input", "x", TensorType(DTYPES["float64"], (symbol("n"),)))
    program = Program("p", Graph((v,), (apply(name, v),)), ("y",))
    with np.errstate(all="ignore"):
        expected = FUNCTIONS[name](x)
    found = OnnxBackend().load(program).run({"x": x})["y"]
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert np.array_equal(np.isinf(found), np.isinf(expected))
    normal = np.isfinite(expected) & (np.abs(expected) > 1e-307)
    error = np.abs(found[normal] - expected[normal]) / np.abs(expected[normal])
    assert error.max() < 8e-16, x[normal][error.argmax()]
