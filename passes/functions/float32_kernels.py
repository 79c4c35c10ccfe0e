"""Programs as float32 kernels of the native backend: nanoseconds an element, many kernels in one shared library, and
errors in units of the last place.

A search ranks by operations or by a table of costs; which kernel is fast, and what rounding leaves of a program, only
the machine says.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from time import perf_counter_ns
from typing import Any

import numpy as np

from ...backends.native.compiler import instruction_set, library
from ...backends.native.elementwise import Elementwise, Operand, Step
from ...backends.native.emitter import collection
from .straight_line import ADD, DIV, MUL, SUB, StraightLine
from .target import Target

Array = np.ndarray[Any, Any]
_NAMES = {ADD: "add", SUB: "sub", MUL: "mul", DIV: "div"}
_TIMED, _ROUNDS, _POINTS = 1 << 14, 100, 1 << 11
_TOGETHER = 64


def elementwise(program: StraightLine, constants: Sequence[float]) -> Elementwise:
    """The program in float32. A product that one sum alone reads is fused with it."""

    def operand(o: int) -> Operand:
        return constants[-o - 1] if o < 0 else "x" if o == 0 else f"t{o}"

    fused = fused_products(program)
    steps = []
    for i, (operation, a, b) in enumerate(program.instructions, 1):
        product = fused.get(i)
        if product is not None:
            _, left, right = program.instructions[product - 1]
            other = b if product == a else a
            steps.append(Step(f"t{i}", "fma", (operand(left), operand(right), operand(other)), "float32"))
        elif i not in fused.values():
            steps.append(Step(f"t{i}", _NAMES[operation], (operand(a), operand(b)), "float32"))
    return Elementwise(("x",), "float32", tuple(steps), f"t{program.operations}")


def fused_products(program: StraightLine) -> dict[int, int]:
    """Sum -> the product that it takes along: one that nothing else reads."""
    reads = [o for _, a, b in program.instructions for o in (a, b)]
    found = {}
    for i, (operation, *operands) in enumerate(program.instructions, 1):
        if operation == ADD:
            products = (o for o in operands if o > 0 and reads.count(o) == 1)
            product = next((o for o in products if program.instructions[o - 1][0] == MUL), None)
            if product is not None:
                found[i] = product
    return found


def rounded_values(program: StraightLine, constants: Sequence[float], x: Array) -> Array:
    """What the kernel computes at float32 numbers, by NumPy: a fused product is added in float64 and rounded (which
    differs from one rounding in few cases, by one unit)."""
    values: list[Array] = [x]
    given = [np.float32(c) for c in constants]
    fused = fused_products(program)

    def operand(o: int) -> Any:
        return given[-o - 1] if o < 0 else values[o]

    for i, (operation, a, b) in enumerate(program.instructions, 1):
        if i in fused:
            _, left, right = program.instructions[fused[i] - 1]
            other = operand(b if fused[i] == a else a)
            total = np.float64(operand(left)) * np.float64(operand(right)) + np.float64(other)
            values.append(np.asarray(total, np.float32))
        else:
            values.append(_NUMPY[operation](operand(a), operand(b)))
    return values[-1]


_NUMPY: dict[int, Callable[[Any, Any], Any]] = {
    ADD: np.add,
    SUB: np.subtract,
    MUL: np.multiply,
    DIV: np.divide,
}


def rounded_error(program: StraightLine, constants: Sequence[Any], target: Target) -> float:
    """The largest error of the program in float32, constants rounded, in units of the last place times 2^-24."""
    given = [float(c) for c in constants]
    return math.ldexp(units(lambda x: rounded_values(program, given, x), target), -24)


def units(values: Callable[[Array], Array], target: Target) -> float:
    """The largest error of a float32 function on Chebyshev nodes of the domain, in units of the last place."""
    x, exact, unit = _wanted(target)
    with np.errstate(all="ignore"):
        worst = float(np.max(np.abs(values(x).astype(np.float64) - exact) / unit))
    return worst if math.isfinite(worst) else math.inf


@lru_cache(maxsize=8)
def _wanted(target: Target) -> tuple[Array, Array, Array]:
    """Points, the function there, and the unit in the last place of each value."""
    import mpmath

    nodes, _ = target.samples(_POINTS)
    x = np.unique(nodes.astype(np.float32))
    x = x[(x >= target.low) & (x <= target.high)]
    with mpmath.workprec(80):
        exact = np.array([float(target.exact(mpmath.mpf(float(v)))) for v in x])
    return x, exact, np.ldexp(1.0, np.maximum(np.frexp(exact)[1] - 24, -149))


def kernel_times(programs: Sequence[StraightLine], target: Target) -> list[float]:
    """Nanoseconds an element on the target's domain, data in the first-level cache, the least of many rounds. The
    constants hardly matter: all are 1.5. Raises SpecError (G1131, G1132) where nothing compiles them."""
    found: list[float] = []
    for first in range(0, len(programs), _TOGETHER):
        some = [elementwise(p, (1.5,) * p.constants) for p in programs[first : first + _TOGETHER]]
        loaded = library(collection(some, instruction_set()))
        found += [time_of(getattr(loaded, f"kernel_{i}"), target) for i in range(len(some))]
    return found


def time_of(function: Any, target: Target) -> float:
    """Nanoseconds an element of a C function of a count and two addresses."""
    x = np.linspace(target.low, target.high, _TIMED).astype(np.float32)
    y = np.empty_like(x)
    given = (ctypes.c_long(x.size), ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data))
    function.restype = None
    best = math.inf
    for _ in range(_ROUNDS):
        start = perf_counter_ns()
        function(*given)
        best = min(best, perf_counter_ns() - start)
    return best / x.size
