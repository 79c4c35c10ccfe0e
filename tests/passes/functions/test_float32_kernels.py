"""The measured objective: kernels in one library, errors of float32, and a search by both."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from graphwright.backends.native.compiler import instruction_set, library
from graphwright.backends.native.emitter import collection
from graphwright.backends.native.kernel import Kernel
from graphwright.passes.functions import evolution
from graphwright.passes.functions.cost import CostTable, KernelTime
from graphwright.passes.functions.evolution import Search
from graphwright.passes.functions.float32_kernels import (
    elementwise,
    kernel_times,
    rounded_error,
    rounded_values,
)
from graphwright.passes.functions.island import Settings
from graphwright.passes.functions.mutation import EMPTY
from graphwright.passes.functions.straight_line import ADD, DIV, MUL, SUB, StraightLine
from graphwright.passes.functions.target import FLOAT32, Target
from graphwright.tools.search.function_search import begin, run

EXP2 = Target("exp2", 0.0, 1.0, arithmetic=FLOAT32)
QUADRATIC = StraightLine(((MUL, 0, -1), (ADD, 1, -2), (MUL, 2, 0), (ADD, 3, -3)))
SHARED = StraightLine(((MUL, 0, 0), (ADD, 1, -1), (SUB, 2, 1), (DIV, 3, -2)))
CONSTANTS = (0.3371894346, 0.657636276, 1.00172476)


def test_kernels_of_one_library_are_those_of_their_programs():
    programs = [elementwise(QUADRATIC, CONSTANTS), elementwise(SHARED, (2.0, 3.0))]
    loaded = library(collection(programs, instruction_set()))
    x = np.linspace(-1, 1, 1003).astype(np.float32)
    for i, program in enumerate(programs):
        y = np.empty_like(x)
        function = getattr(loaded, f"kernel_{i}")
        function.restype = None
        function.argtypes = Kernel(program).address.argtypes
        function(x.size, x.ctypes.data, y.ctypes.data)
        np.testing.assert_array_equal(y, Kernel(program)(x))
    assert all(0 < time < 1000 for time in kernel_times([QUADRATIC, SHARED], EXP2))


def test_rounded_values_are_the_kernel_s_but_for_double_roundings():
    x = np.linspace(0, 1, 100_001).astype(np.float32)
    ours, its = rounded_values(QUADRATIC, CONSTANTS, x), Kernel(elementwise(QUADRATIC, CONSTANTS))(x)
    assert np.mean(ours != its) < 1e-3
    assert np.max(np.abs(ours.view(np.int32) - its.view(np.int32))) <= 1


def test_the_error_counts_units_in_the_last_place():
    x = np.linspace(0, 1, 4001).astype(np.float32)
    values = Kernel(elementwise(QUADRATIC, CONSTANTS))(x).astype(np.float64)
    exact = np.array([float(mpmath.power(2, mpmath.mpf(float(v)))) for v in x])
    units = np.max(np.abs(values - exact) / np.ldexp(1.0, np.frexp(exact)[1] - 24))
    assert rounded_error(QUADRATIC, CONSTANTS, EXP2) * 2**24 == pytest.approx(units, rel=0.01)


def test_what_was_not_timed_is_estimated_and_times_make_steps():
    cost = KernelTime(4, unit=0.02)
    table = CostTable()
    assert cost.of(QUADRATIC) == pytest.approx(0.02 * table.of(QUADRATIC), rel=0.03)
    assert cost.of(EMPTY) == 0
    assert math.isinf(KernelTime(3).of(QUADRATIC))
    timed = cost.with_times([QUADRATIC], [0.1])
    assert timed.of(QUADRATIC) == pytest.approx(0.1, rel=0.03)
    assert timed.unit == pytest.approx(0.1 / table.of(QUADRATIC))
    assert timed.of(QUADRATIC) == cost.with_times([QUADRATIC], [0.1004]).of(QUADRATIC)
    assert timed.known(QUADRATIC)
    assert not timed.known(SHARED)


def slow_multiplications(programs, target):
    """As if a product took ten times as long as a quotient."""
    weights = {ADD: 1.0, SUB: 1.0, MUL: 20.0, DIV: 2.0}
    return [0.01 * sum(weights[o] for o, _, _ in p.instructions) for p in programs]


def test_a_search_goes_by_the_times_that_were_measured(tmp_path, monkeypatch):
    """On a machine of slow products the front has none; what goes on from the journal goes on the same way."""
    monkeypatch.setattr(evolution, "kernel_times", slow_multiplications)
    settings = Settings(most=3, children=48, generations=2, islands=1)
    whole = begin(EXP2, settings, 1, tmp_path / "whole", fresh=True, cost="time")
    run(whole, tmp_path / "whole", epochs=4, seconds=None)
    front = whole.archive.front()
    assert len(front) > 2
    for cost, entry in front.items():
        if cost:
            assert cost == pytest.approx(slow_multiplications([entry.program], EXP2)[0], rel=0.03)
            assert entry.error == rounded_error(entry.program, entry.constants, EXP2)
    cheap = min(e.error for e in whole.archive.entries() if e.cost < 0.1)
    assert cheap < 1e-2  # c / (x + c) + c: 3.06 digits without a product
    part = begin(EXP2, settings, 1, tmp_path / "part", fresh=True, cost="time")
    run(part, tmp_path / "part", epochs=2, seconds=None)
    again = begin(EXP2, settings, 1, tmp_path / "part", fresh=False, cost="time")
    run(again, tmp_path / "part", epochs=4, seconds=None)
    assert list(again.archive.entries()) == list(whole.archive.entries())


def test_planted_programs_have_errors_of_float32():
    search = Search(EXP2, Settings(), 0, KernelTime(10))
    search.plant([(QUADRATIC, CONSTANTS, 1e-30)])
    kept = [e for e in search.archive.entries() if e.program == QUADRATIC]
    assert kept[0].error > 1e-4
