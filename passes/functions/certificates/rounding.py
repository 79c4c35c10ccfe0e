"""How far a float64 program can be from itself in real arithmetic: running error analysis on many cells.

A cell is an interval of inputs with what the program decides there: which integer a `round` gives, which
side of a `where` is taken. For each step the analysis keeps, for every cell at once, an interval of the
exact value and a bound of the error that the computed value has against it. A sum or product is known to be
exact where both operands are multiples of a power of two large enough (Sterbenz's lemma and Cody and Waite's
reduction are cases of it). Every `fma` may be rounded once or as a product and a sum: the bound holds for both,
so for every way that a compiler contracts. Where a decision is open, a cell becomes one for each outcome, or is
cut.

The analysis itself computes in float64; its results are widened by 2^-45 of themselves, more than its own
roundings come to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..program import INPUT, FunctionProgram, Operand, Step

Array = np.ndarray[Any, Any]
_WIDER = 1 + 2.0**-45
_SUBNORMAL_HALF = 5e-324  # half the least subnormal number, rounded up
_NO_GRID = -100_000
_HUGE = 2.0**940
_OVERFLOW = 2.0**1023


@dataclass(frozen=True)
class Enclosed:
    """Of one step, an entry a cell: the exact value lies in [low, high], the computed one within `error`
    of it; both are multiples of 2^grid. `fine`, where it is known, is the error in units of 2^-1074: half of
    one is no float. `roundings`: the step's own, of at most 2^k each (-100,000 for none)."""

    low: Array
    high: Array
    error: Array
    grid: Array
    fine: Array | None = None
    roundings: tuple[Array, ...] = ()

    @property
    def size(self) -> Array:
        """The largest magnitude of exact values."""
        return np.maximum(np.abs(self.low), np.abs(self.high))

    @property
    def least(self) -> Array:
        """The least magnitude of exact values."""
        return _least(self.low, self.high)

    def take(self, places: Array) -> Enclosed:
        fine = None if self.fine is None else self.fine[places]
        roundings = tuple(half[places] for half in self.roundings)
        return Enclosed(
            self.low[places], self.high[places], self.error[places], self.grid[places], fine, roundings
        )


@dataclass
class Analysis:
    """The cells that came of it with the place of the given cell of each, their decisions and values by step, the
    result: its error is not finite in cells to be cut."""

    low: Array
    high: Array
    origin: Array
    decisions: dict[str, Array]
    values: dict[str, Enclosed]
    result: Enclosed


def analyse(program: FunctionProgram, low: Array, high: Array) -> Analysis:
    """The program on the cells [low, high]."""
    with np.errstate(all="ignore"):
        return _Walk(program, np.asarray(low, float), np.asarray(high, float)).run()


class _Walk:
    """The steps in order. Cells fork and drop out on the way; every array is by the cells of the moment."""

    def __init__(self, program: FunctionProgram, low: Array, high: Array) -> None:
        self.program = program
        self.low, self.high = low, high
        least = np.where((low <= 0) & (high >= 0), 0.0, np.minimum(np.abs(low), np.abs(high)))
        grid = np.where(low == high, _grid_of(low), np.maximum(np.frexp(least)[1] - 53, -1074))
        grid = np.where((least == 0) & (low != high), -1074, grid)
        self.values: dict[str, Enclosed] = {INPUT: Enclosed(low, high, np.zeros_like(low), grid)}
        self.decisions: dict[str, Array] = {}
        self.splits: dict[tuple[Operand, ...], str] = {}
        self.origin = np.arange(len(low))

    def run(self) -> Analysis:
        for step in self.program.steps:
            self.values[step.name] = self._step(step)
        result = self.values[self.program.result]
        return Analysis(self.low, self.high, self.origin, self.decisions, self.values, result)

    def _step(self, step: Step) -> Enclosed:
        rule = _RULES.get(step.operation)
        if rule is not None:
            return rule(*(self._operand(o) for o in step.operands))
        return self._decided(step)

    def _operand(self, operand: Operand) -> Enclosed:
        if isinstance(operand, str):
            return self.values[operand]
        return _points(np.full(len(self.low), operand.rounded("float64")))

    def _decided(self, step: Step) -> Enclosed:
        if step.operation in ("round", "floor"):
            value = self._operand(step.operands[0])
            to_integer = np.rint if step.operation == "round" else np.floor
            least = to_integer(value.low - value.error)
            return _points(self._decide(step.name, least, to_integer(value.high + value.error) - least))
        if step.operation in ("exponent", "significand"):
            return self._split(step)
        if step.operation == "abs":
            value = self._operand(step.operands[0])
            sign = self._decide(step.name, 1.0 * (value.low >= 0), 1.0 * ((value.low < 0) & (value.high > 0)))
            value = self._operand(step.operands[0])
            low, high = np.where(sign, value.low, -value.high), np.where(sign, value.high, -value.low)
            return Enclosed(low, high, value.error, value.grid)
        if step.operation == "where":
            condition = self.decisions[str(step.operands[0])] != 0
            first, second = (self._operand(o) for o in step.operands[1:])
            return _chosen(condition, first, replace(second, roundings=()))
        if step.operation in ("min", "max"):
            return self._extreme(step)
        if step.operation == "copysign":
            return self._signed(step)
        if step.operation == "ldexp":
            return _scaled(self._operand(step.operands[0]), self._operand(step.operands[1]))
        if step.operation == "lookup":
            entries = np.array(self.program.tables[str(step.operands[0])])
            index = self._operand(step.operands[1])
            found = entries[np.clip(np.nan_to_num(index.low), 0, len(entries) - 1).astype(int)]
            return _points(np.where(np.isnan(index.low), np.nan, found))
        return self._condition(step)

    # --- decisions ---

    def _decide(self, name: str, least: Array, more: Array) -> Array:
        """The decided values, from `least` to `least + more`: a cell with two becomes two; one with more has
        NaN, which matters only where the result needs it."""
        open_ = ~(more <= 1) | ~np.isfinite(least)
        least, more = np.where(open_, np.nan, least), np.where(open_, 0, more)
        places = np.repeat(np.arange(len(least)), 1 + (more > 0))
        second = np.concatenate([[False], places[1:] == places[:-1]]) if len(places) else np.zeros(0, bool)
        if len(places) > len(least):
            self._keep(places)
        self.decisions[name] = least[places] + second
        return self.decisions[name]

    def _keep(self, places: Array) -> None:
        self.low, self.high, self.origin = self.low[places], self.high[places], self.origin[places]
        self.values = {name: value.take(places) for name, value in self.values.items()}
        self.decisions = {name: found[places] for name, found in self.decisions.items()}

    def _condition(self, step: Step) -> Enclosed:
        """A comparison or a logical operation, as 0 or 1."""
        if step.operation == "isnan" or (
            step.operation in ("eq", "ne") and step.operands[0] == step.operands[1]
        ):
            fixed = 1.0 if step.operation == "eq" else 0.0
            return _points(self._decide(step.name, np.full(len(self.low), fixed), np.zeros(len(self.low))))
        operands = [self._operand(o) for o in step.operands]
        if step.operation in ("and", "or", "not"):
            first = operands[0].low
            second = operands[-1].low
            found = {"not": 1 - first, "and": first * second, "or": np.maximum(first, second)}[step.operation]
            return _points(self._decide(step.name, found, np.zeros(len(self.low))))
        a, b = operands
        never, always = _COMPARE[step.operation](
            a.low - a.error, a.high + a.error, b.low - b.error, b.high + b.error
        )
        return _points(
            self._decide(step.name, np.where(always, 1.0, 0.0), np.where(never | always, 0.0, 1.0))
        )

    def _extreme(self, step: Step) -> Enclosed:
        """Decided like a comparison: 1 where the first operand is the result."""
        a, b = (self._operand(o) for o in step.operands)
        compare = _COMPARE["le" if step.operation == "min" else "ge"]
        never, always = compare(a.low - a.error, a.high + a.error, b.low - b.error, b.high + b.error)
        first = self._decide(step.name, np.where(always, 1.0, 0.0), np.where(never | always, 0.0, 1.0)) != 0
        a, b = (self._operand(o) for o in step.operands)
        return _chosen(first, a, replace(b, roundings=()))

    def _signed(self, step: Step) -> Enclosed:
        """The sign of the second operand is decided; the first is to be positive."""
        b = self._operand(step.operands[1])
        low, high = b.low - b.error, b.high + b.error
        positive = self._decide(step.name, np.where(low > 0, 1.0, 0.0), 1.0 * ((low <= 0) & (high >= 0)))
        sign = self.decisions[step.name] = 2 * positive - 1
        a = self._operand(step.operands[0])
        ends = a.low * sign, a.high * sign
        error = np.where(a.low >= 0, a.error, np.inf)
        return Enclosed(np.minimum(*ends), np.maximum(*ends), error, a.grid)

    def _split(self, step: Step) -> Enclosed:
        """The exponent is decided; the significand is the value scaled by it."""
        value, low = self._operand(step.operands[0]), self._operand(step.operands[1])
        ends = [np.maximum(end, 5e-324) for end in (value.low - value.error, value.high + value.error)]
        exponents = []
        for end in ends:
            m, k = np.frexp(end)
            exponents.append((k - (m < low.low)).astype(float))
        known = self.splits.setdefault(step.operands, step.name)
        if known == step.name:
            k = self._decide(step.name, exponents[0], exponents[1] - exponents[0])
        else:  # the other half of one decision
            k = self.decisions[step.name] = self.decisions[known]
        value = self._operand(step.operands[0])
        return _points(k) if step.operation == "exponent" else _scaled(value, _points(-k))


def _points(values: Array) -> Enclosed:
    return Enclosed(values, values, np.where(np.isnan(values), np.inf, 0.0), _grid_of(values))


def _grid_of(values: Array) -> Array:
    """The largest g with every value a multiple of 2^g: of zero, one as large as any."""
    m, k = np.frexp(values)
    bits = np.abs(np.ldexp(m, 53)).astype(np.int64)
    trailing = np.where(bits == 0, 0, np.log2((bits & -bits).astype(float) + (bits == 0)))
    return np.where(values == 0, 5000, k - 53 + trailing).astype(int)


def _half_unit(size: Array) -> Array:
    """k with half a unit in the last place of the largest magnitude 2^k."""
    return np.where(size > 0, np.maximum(np.frexp(size)[1] - 54, -1075), -1075)


def _power(exponent: Array) -> Array:
    """2^k, half the least float rounded up."""
    return np.where(exponent < -1074, _SUBNORMAL_HALF, np.ldexp(1.0, np.maximum(exponent, -1074)))


def _finished(low: Array, high: Array, error: Array, grid: Array) -> Enclosed:
    """A step's enclosure: widened, and rounded unless its exact value is a multiple of 2^grid small enough
    to be a float64."""
    low, high = np.clip(low, -_OVERFLOW, _OVERFLOW), np.clip(high, -_OVERFLOW, _OVERFLOW)
    known = (grid > _NO_GRID) & (grid >= -1074)
    limit = np.ldexp(1.0, np.minimum(grid + 53, 1023))
    exact = known & (low == high) & (np.abs(low) < limit)
    wider = np.where(exact, 0.0, 2.0**-45)
    wide_low, wide_high = (  # the ends of products may have been lost to underflow
        end + sign * (np.abs(end) * wider + np.where(~exact & (np.abs(end) < 2.0**-1000), 5e-324, 0.0))
        for end, sign in ((low, -1), (high, 1))
    )
    size = np.maximum(np.abs(wide_low), np.abs(wide_high)) + error
    fits = known & (size <= limit)
    half_unit = np.where(fits, _NO_GRID, _half_unit(size))
    total = np.where(fits, error, error + _power(half_unit)) * _WIDER
    # Past 2^940 only that exact and computed value are at least a quarter of the low end is kept.
    huge = _least(wide_low, wide_high) >= np.maximum(_HUGE, 2 * np.where(np.isnan(error), np.inf, error))
    total = np.where(huge, 0.0, total)
    wide_low = np.where(huge & (wide_high < 0), -np.inf, wide_low)
    wide_high = np.where(huge & (wide_low > 0), np.inf, wide_high)
    # A computed value is a multiple of the unit of the least that it can be.
    inside = (wide_low <= total) & (wide_high >= -total)
    least = np.where(inside, 0.0, np.minimum(np.abs(wide_low), np.abs(wide_high)) - total)
    unit = np.where(least > 0, np.maximum(np.frexp(least)[1] - 53, -1074), -1074)
    new_grid = np.maximum(np.where(fits, grid, _NO_GRID), unit)
    return Enclosed(wide_low, wide_high, total, new_grid, roundings=(half_unit,))


def _add(a: Enclosed, b: Enclosed) -> Enclosed:
    total = _finished(a.low + b.low, a.high + b.high, a.error + b.error, np.minimum(a.grid, b.grid))
    for zero, other in ((a, b), (b, a)):
        nothing = (zero.low == 0) & (zero.high == 0) & (zero.error == 0)
        if np.any(nothing):
            total = _chosen(nothing, other, total)
    return total


def _chosen(first: Array, a: Enclosed, b: Enclosed) -> Enclosed:
    """`a` where `first` holds, without roundings of its own; else `b`."""
    pairs = ((a.low, b.low), (a.high, b.high), (a.error, b.error), (a.grid, b.grid))
    low, high, error, grid = (np.where(first, p, q) for p, q in pairs)
    roundings = tuple(np.where(first, _NO_GRID, half) for half in b.roundings)
    return Enclosed(low, high, error, grid, roundings=roundings)


def _negated(a: Enclosed) -> Enclosed:
    return Enclosed(-a.high, -a.low, a.error, a.grid)


def _product_ends(a: Enclosed, b: Enclosed) -> tuple[Array, Array]:
    corners = [a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high]
    if a is b:
        return a.least**2, a.size**2
    return np.minimum.reduce(corners), np.maximum.reduce(corners)


def _product_error(a: Enclosed, b: Enclosed) -> Array:
    return np.asarray(a.size * b.error + b.size * a.error + a.error * b.error)


def _product_grid(a: Enclosed, b: Enclosed) -> Array:
    known = (a.grid > _NO_GRID) & (b.grid > _NO_GRID)
    return np.where(known, np.maximum(a.grid + b.grid, _NO_GRID), _NO_GRID)


def _multiply(a: Enclosed, b: Enclosed) -> Enclosed:
    return _finished(*_product_ends(a, b), _product_error(a, b), _product_grid(a, b))


def _fused(a: Enclosed, b: Enclosed, c: Enclosed) -> Enclosed:
    product = _multiply(a, b)
    total = _add(product, c)
    return replace(total, roundings=(*product.roundings, *total.roundings))


def _divide(a: Enclosed, b: Enclosed) -> Enclosed:
    huge = b.least >= _HUGE
    least = np.where(huge, b.least / 4, b.least)
    inherited = np.where(b.error > 0, a.size / least * b.error, 0.0)
    error = (a.error + inherited) / (least - b.error)
    error = np.where(huge, a.error + a.size / least, error)
    error = np.where((least > 0) & (b.error < least), error, np.inf)
    ends = [a.low / b.low, a.high / b.high, a.low / b.high, a.high / b.low]
    ends = [np.where(np.isnan(end), 0.0, end) * np.where(huge, 4.0, 1.0) for end in ends]
    grid = np.full(len(error), _NO_GRID)
    return _finished(np.minimum.reduce(ends), np.maximum.reduce(ends), error, grid)


def _least(low: Array, high: Array) -> Array:
    return np.where((low <= 0) & (high >= 0), 0.0, np.minimum(np.abs(low), np.abs(high)))


def _root(a: Enclosed) -> Enclosed:
    low, high = np.sqrt(np.maximum(a.low, 0)), np.sqrt(a.high)
    error = np.where(a.error == 0, 0.0, a.error / np.sqrt(np.maximum(a.low - a.error, 0)))
    return _finished(low, high, error, np.full(len(error), _NO_GRID))


def _alternated(y: Enclosed, k: Enclosed) -> Enclosed:
    sign = 1 - 2 * np.mod(k.low, 2)
    ends = y.low * sign, y.high * sign
    return Enclosed(np.minimum(*ends), np.maximum(*ends), np.where(np.isnan(sign), np.inf, y.error), y.grid)


def _scaled(y: Enclosed, k: Enclosed) -> Enclosed:
    """Times 2^k, rounded where it is subnormal. Overflow is infinite, and so is its error."""
    steps = np.nan_to_num(k.low).astype(int)
    low, high, error = (np.ldexp(v, steps) for v in (y.low, y.high, y.error))
    inexact = np.maximum(np.abs(low), np.abs(high)) < 2.0**-1021
    rounding = np.where(inexact & (y.grid + steps < -1074), _SUBNORMAL_HALF, 0.0)
    tiny = np.where(inexact, 5e-324, 0.0)  # of np.ldexp's own rounding here
    grid = np.where(y.grid > _NO_GRID, y.grid + steps, _NO_GRID)
    total = error + rounding + tiny * (error > 0)
    fine = np.ldexp(y.error, steps + 1074) + np.where(rounding > 0, 0.5, 0.0)
    half_unit = np.where(rounding > 0, -1075, _NO_GRID)
    total = np.where(np.isnan(k.low), np.inf, total)
    return Enclosed(low - tiny, high + tiny, total, grid, fine, (half_unit,))


Ends = Callable[[Array, Array, Array, Array], tuple[Array, Array]]
_COMPARE: Mapping[str, Ends] = {
    "lt": lambda a, b, c, d: (a >= d, b < c),
    "le": lambda a, b, c, d: (a > d, b <= c),
    "gt": lambda a, b, c, d: (b <= c, a > d),
    "ge": lambda a, b, c, d: (b < c, a >= d),
    "eq": lambda a, b, c, d: ((b < c) | (a > d), (a == b) & (c == d) & (a == c)),
    "ne": lambda a, b, c, d: ((a == b) & (c == d) & (a == c), (b < c) | (a > d)),
}
"""From the ends of two operands: where it never holds, where it always does."""

_RULES: Mapping[str, Callable[..., Enclosed]] = {
    "add": _add,
    "sub": lambda a, b: _add(a, _negated(b)),
    "mul": _multiply,
    "div": _divide,
    "neg": _negated,
    "fma": _fused,
    "sqrt": _root,
    "alternate": _alternated,
}
