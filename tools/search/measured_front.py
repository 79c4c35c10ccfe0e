"""The front of a search in float32: nanoseconds an element of kernels against units in the last place."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ...backends.native.kernel import Kernel
from ...passes.functions.archive import Entry
from ...passes.functions.evolution import Search
from ...passes.functions.float32_kernels import elementwise, kernel_times, rounded_error, time_of, units
from ...passes.functions.straight_line import StraightLine
from ...passes.functions.target import Target

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
    """Of the archive's best programs those that no faster one equals in error; all are timed together, those of the
    front once more by themselves. Raises SpecError (G1131, G1132) where nothing compiles them."""
    entries = [e for kept in search.archive.niches.values() for e in kept[:_OF_A_NICHE] if e.constants]
    times = kernel_times([e.program for e in entries], search.target)
    errors = [rounded_error(e.program, e.constants, search.target) for e in entries]
    rough = [
        (e, Measured(e.program, (), time, math.ldexp(error, 24)))
        for e, time, error in zip(entries, times, errors, strict=True)
    ]
    chosen = front(m for _, m in rough)
    return front(measure(e, search.target) for e, m in rough if m in chosen)


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
    return Measured(entry.program, constants, time_of(kernel.address, target), units(kernel, target))
