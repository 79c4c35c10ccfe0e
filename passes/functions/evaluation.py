"""Function programs computed with NumPy, operation by operation, each rounded as IEEE 754 says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .constants import FLOATS, LEAST_EXPONENT, PRECISION
from .program import INPUT, FunctionProgram, Step

Array = np.ndarray[Any, Any]

NAMES = {dtype: name for name, dtype in FLOATS.items()}
NUMPY: Mapping[str, Callable[..., Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "neg": np.negative,
    "abs": np.abs,
    "sqrt": np.sqrt,
    "floor": np.floor,
    "round": np.rint,
    "min": np.minimum,
    "max": np.maximum,
    "copysign": np.copysign,
    "alternate": lambda y, k: np.where(np.mod(k, 2) == 1, -y, y),
    "where": np.where,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
    "isnan": np.isnan,
}


def evaluate(program: FunctionProgram, x: Array, *, fused: bool = True) -> Array:
    """The result for every element of x, which has the program's dtype. `fused`: an `fma` is rounded once;
    otherwise as a graph computes it (the product exact or rounded in float64, the sum in float64, then
    the dtype)."""
    return Run(program, x, fused).result()


class Run:
    """One evaluation. Afterwards `doubtful` marks the inputs whose result may depend on how often an
    `fma` of float32 or narrower is rounded; None where there are none."""

    def __init__(self, program: FunctionProgram, x: Array, fused: bool) -> None:
        self.program = program
        self.values: dict[str, Array] = {INPUT: x}
        self.fused = fused
        self.doubtful: Array | None = None

    def result(self) -> Array:
        with np.errstate(all="ignore"):
            for step in self.program.steps:
                self.values[step.name] = self.step(step)
        return self.values[self.program.result]

    def step(self, step: Step) -> Array:
        if step.operation == "lookup":
            return self._lookup(step)
        given = self.operands(step)
        if step.operation == "cast":
            return given[0].astype(FLOATS[step.dtype])
        if step.operation == "fma":
            return self._fma(*given)
        if step.operation == "ldexp":
            return _ldexp(*given)
        if step.operation in ("exponent", "significand"):
            return _split(step.operation, *given)
        return NUMPY[step.operation](*given)

    def operands(self, step: Step) -> list[Array]:
        known = [self.values[o] for o in step.operands if isinstance(o, str)]
        dtype = next((o.dtype for o in known if o.dtype != np.bool_), FLOATS[self.program.dtype])
        name = NAMES[dtype]
        return [
            self.values[o] if isinstance(o, str) else np.array(o.rounded(name), dtype) for o in step.operands
        ]

    def _lookup(self, step: Step) -> Array:
        table, k = step.operands
        assert isinstance(table, str)
        assert isinstance(k, str)
        entries = np.array(self.program.tables[table], FLOATS[step.dtype])
        places = np.nan_to_num(self.values[k], posinf=0, neginf=0)
        places = np.mod(places, len(entries)).astype(np.int64)
        found: Array = entries[places]
        return found

    def _fma(self, a: Array, b: Array, c: Array) -> Array:
        if self.fused or FLOATS["float64"] in (a.dtype, b.dtype, c.dtype):
            return fused_multiply_add(a, b, c, once=self.fused)
        dtype = np.result_type(a, b, c)
        total = a.astype(np.float64) * b.astype(np.float64)
        total += c.astype(np.float64)
        found = total.astype(dtype)
        doubt = _may_be_a_tie(total, NAMES[dtype])
        if doubt is not None:
            self.doubtful = doubt if self.doubtful is None else self.doubtful | doubt
        return found


def _may_be_a_tie(total: Array, dtype: str) -> Array | None:
    """Where a float64 lies halfway between two numbers of the dtype, or is subnormal there."""
    lost = 53 - PRECISION[dtype]
    bits = total.view(np.int64) & ((1 << lost) - 1)
    doubt = bits == 1 << (lost - 1)
    least = np.ldexp(1.0, LEAST_EXPONENT[dtype] + PRECISION[dtype])
    if np.any(doubt):
        doubt |= np.abs(total) < least
        return np.asarray(doubt)
    low = np.abs(total) < least
    low &= total != 0
    return np.asarray(low) if np.any(low) else None


def _ldexp(y: Array, k: Array) -> Array:
    steps = np.clip(np.nan_to_num(k), -4400, 4400).astype(np.int32)
    return np.where(np.isnan(k), y, np.ldexp(y, steps)).astype(y.dtype)


def _split(operation: str, x: Array, low: Array) -> Array:
    """x = m 2^k with low <= m < 2 low, from m in [1/2, 1)."""
    m, k = np.frexp(x)
    move = np.where(m < low, 1, 0) if low <= 1 else 0
    if operation == "exponent":
        found = np.where((x > 0) & (x < np.inf), k - move, np.where(x == 0, -np.inf, np.abs(x)))
        return found.astype(x.dtype)
    whole = np.where(x < 0, np.nan, np.where(x == np.inf, 1, np.ldexp(m, move)))
    return np.where(x == 0, np.copysign(1, x), whole).astype(x.dtype)


def fused_multiply_add(a: Array, b: Array, c: Array, *, once: bool = True) -> Array:
    """a b + c, rounded once to the dtype; in float64, where `once` is false, product and sum are rounded.

    In float32 and narrower the product is exact in float64; its sum with c is rounded to odd
    (Boldo and Melquiond 2008, Emulation of FMA and correctly rounded sums), so that rounding it again is
    rounding once.
    """
    dtype = np.result_type(a, b, c)
    if dtype == np.float64:
        return _fused_double(a, b, c) if once else a * b + c
    product, addend = a.astype(np.float64) * b.astype(np.float64), c.astype(np.float64)
    total = product + addend
    if not once:
        return total.astype(dtype)
    return _to_odd(total, _sum_error(product, addend, total)).astype(dtype)


def _sum_error(a: Array, b: Array, total: Array) -> Array:
    """a + b - total, exactly (Knuth's TwoSum)."""
    virtual = total - a
    found: Array = (a - (total - virtual)) + (b - virtual)
    return found


def _to_odd(total: Array, error: Array) -> Array:
    """The sum rounded to odd: where it is not exact, the neighbour with an odd last bit."""
    bits = np.atleast_1d(total).view(np.int64)
    error = np.broadcast_to(error, bits.shape)
    inexact = (error != 0) & np.isfinite(error) & (bits & 1 == 0)
    away = (error > 0) == (np.atleast_1d(total) > 0)
    return np.where(inexact, bits + np.where(away, 1, -1), bits).view(np.float64).reshape(np.shape(total))


def _fused_double(a: Array, b: Array, c: Array) -> Array:
    """With Python's exact fractions where long doubles leave a doubt: slow, for tests and few inputs."""
    import math
    from fractions import Fraction

    from .constants import round_fraction

    def one(u: float, v: float, w: float) -> float:
        if not (math.isfinite(u) and math.isfinite(v) and math.isfinite(w)):
            return u * v + w
        exact = Fraction(u) * Fraction(v) + Fraction(w)
        return round_fraction(exact, "float64") if exact else u * v + w

    found: Array = np.vectorize(one, otypes=[np.float64])(a, b, c)
    return found
