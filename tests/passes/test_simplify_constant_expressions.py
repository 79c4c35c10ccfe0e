"""Weights scaled ahead: rounded once, named by what they were made from."""

from __future__ import annotations

import numpy as np
import pytest

from graphwright.graph.ir import apply, leaf
from graphwright.graph.types import TensorType, from_numpy
from graphwright.passes.simplify.constant_expressions import ConstantExpressions, fold_expressions


def weight(name, array):
    return leaf("Weight", name, TensorType(from_numpy(array.dtype), array.shape))


def folded(make, weights, build):
    """The weights after folding `build`, a function of their leaves that gives constant values, each of
    which is added to an input."""
    leaves = [weight(n, a) for n, a in weights.items()]
    values = build(*leaves)
    outputs = [
        apply("Add", make.input(f"x{i}", v.tensor.dims, v.tensor.dtype.name), v) for i, v in enumerate(values)
    ]
    program = make.program(*outputs, weights=weights)
    return fold_expressions(program, ConstantExpressions())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("flipped", [False, True])
def test_a_scaled_weight_is_rounded_once(make, dtype, flipped):
    random = np.random.default_rng(1)
    w = random.normal(size=(40, 3, 3, 3)).astype(dtype)
    gamma, variance = (random.uniform(0.5, 2, (40, 1, 1, 1)).astype(dtype) for _ in range(2))

    def build(a, g, v):
        scale = apply("Div", g, apply("Sqrt", v))
        return [apply("Mul", *((scale, a) if flipped else (a, scale)))]

    found = folded(make, {"w": w, "g": gamma, "v": variance}, build)
    (array,) = found.weights.values()
    wide = w.astype(np.float64) * (gamma.astype(np.float64) / np.sqrt(variance.astype(np.float64)))
    assert array.dtype == dtype
    assert np.array_equal(array, wide.astype(dtype))


def test_different_expressions_over_one_weight_have_different_names(make):
    w = np.random.default_rng(1).normal(size=(10, 10)).astype(np.float32)
    found = folded(
        make,
        {"w": w},
        lambda a: [
            apply("Mul", a, make.const(2.0)),
            apply("Mul", a, make.const(3.0)),
            apply("Transpose", a, perm=[1, 0]),
            apply("Sub", a, apply("Transpose", a, perm=[1, 0])),
            apply("Sub", apply("Transpose", a, perm=[1, 0]), a),
        ],
    )
    assert len(found.weights) == 5
    assert all(name.startswith("w~") for name in found.weights)
    contents = {a.tobytes() for a in found.weights.values()}
    assert len(contents) == 5


def test_one_expression_has_one_name(make):
    w = np.random.default_rng(1).normal(size=(10, 10)).astype(np.float32)
    once = folded(make, {"w": w}, lambda a: [apply("Mul", a, make.const(2.0))])
    again = folded(make, {"w": w}, lambda a: [apply("Mul", a, make.const(2.0))])
    assert list(once.weights) == list(again.weights)
