"""What each rounding of a float64 program does to its result, to first order and yet proven.

Computed and exact result differ by the sum over the steps of the step's own rounding times the derivative of the
result by that step, taken at some point between (the mean value theorem along the path that turns one step after the
other from exact to computed). `rounding` encloses every such point, so the derivatives are enclosed too, by one
sweep from the result back (reverse differentiation with intervals). Unlike a forward bound it sees that errors cancel:
in e / (1 + e), or where a sine is flat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..program import FunctionProgram, Operand, Step
from .rounding import Analysis, Enclosed

Array = np.ndarray[Any, Any]
_WIDER = 2.0**-45
_LEAST = 2.0**-1040
"""Added to the ends of products, for what underflow took."""


@dataclass(frozen=True)
class Ends:
    """Intervals, an entry a cell."""

    low: Array
    high: Array

    def __add__(self, other: Ends) -> Ends:
        return _outward(self.low + other.low, self.high + other.high)

    def __mul__(self, other: Ends) -> Ends:
        corners = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        return _outward(np.minimum.reduce(corners), np.maximum.reduce(corners))

    def over(self, other: Ends) -> Ends:
        """The quotient: NaN where the divisor may be zero."""
        corners = [a / b for a in (self.low, self.high) for b in (other.low, other.high)]
        holds_zero = (other.low <= 0) & (other.high >= 0)
        low, high = (np.where(holds_zero, np.nan, end.reduce(corners)) for end in (np.minimum, np.maximum))
        return _outward(low, high)

    def times(self, factor: Array) -> Ends:
        """Each by a sign, or by zero."""
        ends = self.low * factor, self.high * factor
        return Ends(np.minimum(*ends), np.maximum(*ends))

    def shifted(self, k: Array) -> Ends:
        return _outward(np.ldexp(self.low, k), np.ldexp(self.high, k))

    @property
    def size(self) -> Array:
        return np.maximum(np.abs(self.low), np.abs(self.high))


def _outward(low: Array, high: Array) -> Ends:
    return Ends(low - np.abs(low) * _WIDER - _LEAST, high + np.abs(high) * _WIDER + _LEAST)


def reached(program: FunctionProgram, analysis: Analysis) -> tuple[Array, Array]:
    """Bounds of |computed - exact result| in each cell as m 2^k; m is infinite where there is none."""
    with np.errstate(all="ignore"):
        return _Sweep(program, analysis).run()


@dataclass
class _Sweep:
    """The steps from the last to the first. Derivatives are of the result as a multiple of 2^scale."""

    program: FunctionProgram
    analysis: Analysis
    slopes: dict[str, Ends] = field(default_factory=dict)

    def run(self) -> tuple[Array, Array]:
        result = self.analysis.result
        scale = np.maximum(np.frexp(np.where(np.isfinite(result.size), result.size, 1.0))[1], -1074)
        one = np.ldexp(1.0, np.clip(-scale, -1000, 1000))
        scale = -np.frexp(one)[1] + 1
        self.slopes[self.program.result] = Ends(one, one)
        total = np.zeros(len(scale))
        for step in reversed(self.program.steps):
            slope = self.slopes.pop(step.name, None)
            if slope is None:
                continue
            for half_unit in self.analysis.values[step.name].roundings:
                # of half units below the least float, and of slopes that make up for them
                reach = np.ldexp(slope.size, np.maximum(half_unit, -1074)) + _LEAST
                total = total + np.where(half_unit > -5000, reach, 0.0) * (1 + _WIDER)
            self._back(step, slope)
        return np.where(np.isnan(total), np.inf, total), scale

    def _back(self, step: Step, slope: Ends) -> None:
        """The step's slope passed on to its operands."""
        of = self.analysis.decisions
        first, *rest = step.operands
        match step.operation:
            case "add":
                self._pass(first, slope)
                self._pass(rest[0], slope)
            case "sub":
                self._pass(first, slope)
                self._pass(rest[0], Ends(-slope.high, -slope.low))
            case "mul" | "fma":
                self._pass(first, slope * self._ends(rest[0]))
                self._pass(rest[0], slope * self._ends(first))
                if step.operation == "fma":
                    self._pass(rest[1], slope)
            case "div":
                by = slope.over(self._ends(rest[0]))
                self._pass(first, by)
                self._pass(rest[0], by * self._ends(step.name).times(np.array(-1.0)))
            case "sqrt":
                self._pass(first, slope.over(self._ends(step.name)).times(np.array(0.5)))
            case "neg":
                self._pass(first, Ends(-slope.high, -slope.low))
            case "abs":
                self._pass(first, slope.times(np.where(of[step.name] != 0, 1.0, -1.0)))
            case "copysign":
                self._pass(first, slope.times(of[step.name]))
            case "alternate":
                self._pass(first, slope.times(1.0 - 2.0 * np.mod(self._ends(rest[0]).low, 2)))
            case "min" | "max" | "where":
                name = str(first) if step.operation == "where" else step.name
                taken = (of[name] != 0) * 1.0
                chosen = rest if step.operation == "where" else step.operands
                self._pass(chosen[0], slope.times(taken))
                self._pass(chosen[1], slope.times(1.0 - taken))
            case "ldexp":
                self._pass(first, slope.shifted(np.nan_to_num(self._ends(rest[0]).low).astype(int)))
            case "significand":
                self._pass(first, slope.shifted(-np.nan_to_num(of[step.name]).astype(int)))

    def _pass(self, operand: Operand, slope: Ends) -> None:
        if isinstance(operand, str):
            known = self.slopes.get(operand)
            self.slopes[operand] = slope if known is None else known + slope

    def _ends(self, operand: Operand) -> Ends:
        """All values of a step between the exact and the computed one."""
        if isinstance(operand, str):
            found: Mapping[str, Enclosed] = self.analysis.values
            value = found[operand]
            error = np.where(value.error > 0, value.error * (1 + _WIDER), 0.0)
            return Ends(value.low - error, value.high + error)
        number = np.array(operand.rounded("float64"))
        return Ends(number, number)
