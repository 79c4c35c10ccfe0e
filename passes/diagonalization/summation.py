"""Roundings of products and of sums in any order, from how large the terms can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .system import Array


def power_below(size: Array) -> Array:
    """The largest power of two at or below each number ≥ 0; 0 for 0. Rump's ufp."""
    mantissa, exponent = np.frexp(size)
    return np.where(mantissa == 0, 0.0, np.ldexp(0.5, exponent) * np.where(np.isfinite(size), 1.0, np.inf))


@dataclass(frozen=True)
class Arithmetic:
    """Rounding to nearest with the roundoff `unit` and gradual underflow below `least`."""

    unit: float
    least: float

    def rounded(self, size: Array) -> Array:
        """How far a sum of at most `size` may be rounded."""
        return np.asarray(self.unit * power_below(size))

    def products(self, numbers: Array, sizes: Array, off: Array) -> Array:
        """How far each computed product of a number with a quantity of at most `sizes` may lie from the exact one.
        The program's number may be off by `off`; a number that is a power of two, and exact, costs nothing
        but underflow."""
        largest = (np.abs(numbers) + off) * sizes
        free = (np.frexp(np.abs(numbers))[0] == 0.5) & (off == 0)
        made = np.where(free, self.least, np.maximum(power_below(largest), self.least))
        return np.where(largest > 0, off * sizes + self.unit * made, 0.0)

    def sums(self, terms: Array, result: Array, whole: Array | float = np.inf) -> Array:
        """The roundings of a sum of computed terms of at most `terms`[…, n] in any order, where the exact sum is
        at most `result`[…], and that of their sizes at most `whole`: [...].

        Of the n - 1 sums the k-th smallest takes at most k + 1 terms, so the k + 1 largest bound it; and
        no part of a sum S of terms of total size A exceeds (A + S) / 2. What is below a rounding of the whole
        can't be rounded by more than itself, so such terms count once and not by order."""
        n = terms.shape[-1]
        if n == 0:
            return np.zeros(terms.shape[:-1])
        grown = 1 + 2 * (n + 2) * self.unit
        ordered = -np.sort(-terms, axis=-1) * grown
        total = ordered.sum(axis=-1)
        cap = (np.minimum(total, whole * grown) + result * grown) / 2
        large = ordered > self.unit * total[..., None]
        rest = np.where(large, 0.0, ordered).sum(axis=-1)
        parts = np.minimum(np.cumsum(ordered, axis=-1), cap[..., None])
        with_rest = np.minimum(parts + rest[..., None], cap[..., None])
        counted = (ordered > 0) & (np.arange(n) > 0)
        every = np.where(counted, self.rounded(parts), 0.0).sum(axis=-1)
        most = np.where(counted & large, self.rounded(with_rest), 0.0).sum(axis=-1)
        return np.asarray(np.minimum(every, most + rest * (1 + n * self.unit)))


ARITHMETIC: Mapping[str, Arithmetic] = {
    "float32": Arithmetic(2.0**-24, 2.0**-126),
    "float64": Arithmetic(2.0**-53, 2.0**-1022),
}
