"""Programs of a search as float32 kernels: the same numbers as their text, and a front of time against error."""

from __future__ import annotations

import mpmath
import numpy as np

from graphwright.backends.native.kernel import Kernel
from graphwright.passes.functions.archive import Entry
from graphwright.passes.functions.float32_kernels import elementwise
from graphwright.passes.functions.straight_line import ADD, DIV, MUL, SUB, StraightLine
from graphwright.passes.functions.target import Target
from graphwright.tools.search.measured_front import Measured, front, measure

QUADRATIC = StraightLine(((MUL, 0, -1), (ADD, 1, -2), (MUL, 2, 0), (ADD, 3, -3)))
EXP2 = Target("exp2", 0.0, 1.0)


def test_a_kernel_is_the_program_with_products_fused():
    made = elementwise(QUADRATIC, (0.34, 0.65, 1.0))
    assert [s.operation for s in made.steps] == ["fma", "fma"]
    x = np.linspace(0, 1, 1001).astype(np.float32)
    exact = QUADRATIC.evaluate(x.astype(np.float64), (0.34, 0.65, 1.0))
    np.testing.assert_allclose(Kernel(made)(x), exact, rtol=2e-7)


def test_a_product_read_twice_stays():
    shared = StraightLine(((MUL, 0, 0), (ADD, 1, -1), (SUB, 2, 1), (DIV, 3, -2)))
    made = elementwise(shared, (2.0, 3.0))
    assert [s.operation for s in made.steps] == ["mul", "add", "sub", "div"]
    x = np.linspace(-1, 1, 99).astype(np.float32)
    np.testing.assert_allclose(Kernel(made)(x), 2 / 3 * np.ones_like(x), rtol=1e-6)


def test_the_error_is_that_of_float32_in_units_of_the_last_place():
    constants = (0.3371894346, 0.657636276, 1.00172476)
    found = measure(Entry(QUADRATIC, constants, 1.7e-3, 4.0), EXP2)
    x = np.linspace(0, 1, 4001).astype(np.float32)[1:]
    values = QUADRATIC.evaluate(x.astype(np.float64), found.constants)
    exact = np.array([float(mpmath.power(2, mpmath.mpf(float(v)))) for v in x])
    expected = np.max(np.abs(values - exact) / np.ldexp(1.0, np.frexp(exact)[1] - 24))
    assert abs(found.units / expected - 1) < 1e-2
    assert found.nanoseconds > 0


def test_the_front_keeps_what_nothing_faster_equals():
    def one(nanoseconds: float, units: float) -> Measured:
        return Measured(QUADRATIC, (), nanoseconds, units)

    given = [one(3, 1), one(1, 10), one(2, 20), one(4, 1), one(2.5, 5), one(0.5, float("inf"))]
    assert [(m.nanoseconds, m.units) for m in front(given)] == [(1, 10), (2.5, 5), (3, 1)]
