"""Programs of a search as float32 kernels: nanoseconds an element against units in the last place.

A search ranks by operations or by a table of costs; which kernel is fast, and what rounding leaves of a program, only
the machine says.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter_ns
from typing import Any

import numpy as np

from ...backends.native.elementwise import Elementwise, Operand, Step
from ...backends.native.kernel import Kernel
from ...passes.functions.archive import Entry
from ...passes.functions.evolution import Search
from ...passes.functions.straight_line import ADD, DIV, MUL, SUB, StraightLine
from ...passes.functions.target import Target

Array = np.ndarray[Any, Any]
_NAMES = {ADD: "add", SUB: "sub", MUL: "mul", DIV: "div"}
_POINTS, _TIMED, _ROUNDS = 1 << 12, 1 << 14, 100
_OF_A_NICHE = 2


@dataclass(frozen=True)
class Measured:
    """A program with its constants rounded to float32: the least time an element of its kernel in nanoseconds, and
    its largest error in float32 arithmetic, in units of the last place."""

    program: StraightLine
    constants: tuple[float, ...]
    nanoseconds: float
    units: float


def measured_front(search: Search) -> list[Measured]:
    """Of the archive's best programs those that no faster one equals in error. Raises SpecError (G1131, G1132) where
    nothing compiles them."""
    candidates = [e for kept in search.archive.niches.values() for e in kept[:_OF_A_NICHE] if e.constants]
    found = [measure(entry, search.target) for entry in candidates]
    return front(found)


def front(measured: Iterable[Measured]) -> list[Measured]:
    """The fastest first, each more exact than all before it."""
    chosen: list[Measured] = []
    for one in sorted(measured, key=lambda m: (m.nanoseconds, m.units)):
        if math.isfinite(one.units) and (not chosen or one.units < chosen[-1].units):
            chosen.append(one)
    return chosen


def measure(entry: Entry, target: Target) -> Measured:
    """The entry's kernel, timed in the first-level cache, and its error on Chebyshev nodes of the domain."""
    constants = tuple(float(np.float32(c)) for c in entry.constants)
    kernel = Kernel(elementwise(entry.program, constants))
    return Measured(entry.program, constants, _time(kernel, target), _units(kernel, target))


def elementwise(program: StraightLine, constants: tuple[float, ...]) -> Elementwise:
    """The program in float32. A product that one sum alone reads is fused with it."""

    def operand(o: int) -> Operand:
        return constants[-o - 1] if o < 0 else "x" if o == 0 else f"t{o}"

    reads = [o for _, a, b in program.instructions for o in (a, b)]
    fused: set[int] = set()
    steps = []
    for i, (operation, a, b) in enumerate(program.instructions, 1):
        if operation == ADD:
            product = next(
                (o for o in (a, b) if o > 0 and reads.count(o) == 1 and _is_product(program, o)), None
            )
            if product is not None:
                _, left, right = program.instructions[product - 1]
                other = b if product == a else a
                steps.append(Step(f"t{i}", "fma", (operand(left), operand(right), operand(other)), "float32"))
                fused.add(product)
                continue
        steps.append(Step(f"t{i}", _NAMES[operation], (operand(a), operand(b)), "float32"))
    kept = tuple(s for s in steps if int(s.name[1:]) not in fused)
    return Elementwise(("x",), "float32", kept, f"t{program.operations}")


def _is_product(program: StraightLine, place: int) -> bool:
    return program.instructions[place - 1][0] == MUL


def _time(kernel: Kernel, target: Target) -> float:
    x = np.linspace(target.low, target.high, _TIMED).astype(np.float32)
    y = np.empty_like(x)
    function, given = kernel.address, (ctypes.c_long(x.size), x.ctypes.data, y.ctypes.data)
    best = math.inf
    for _ in range(_ROUNDS):
        start = perf_counter_ns()
        function(*given)
        best = min(best, perf_counter_ns() - start)
    return best / x.size


def _units(kernel: Kernel, target: Target) -> float:
    x, exact, unit = _wanted(target)
    with np.errstate(all="ignore"):
        worst = float(np.max(np.abs(kernel(x).astype(np.float64) - exact) / unit))
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
