"""Truncated Taylor series over balls, by python-flint: every coefficient encloses the exact one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

Ball = Any
Series = Any


class BallArithmetic:
    """Series of `arb` balls. Python-flint is an extra: `interval_series` serves without it, slowly."""

    name = "ball"

    def __init__(self) -> None:
        import flint

        self._flint = flint
        self.version = f"python-flint {flint.__version__}"

    @contextmanager
    def working(self, bits: int, terms: int) -> Iterator[None]:
        """The precision and the number of terms inside the block."""
        context = self._flint.ctx
        before = context.prec, context.cap
        context.prec, context.cap = bits, terms
        try:
            yield
        finally:
            context.prec, context.cap = before

    def ball(self, low: Fraction | float, high: Fraction | float | None = None) -> Ball:
        """The ball of a number, or one that encloses an interval."""
        exact = self._exact(Fraction(low))
        return exact if high is None or high == low else exact.union(self._exact(Fraction(high)))

    def _exact(self, value: Fraction) -> Ball:
        arb, fmpz = self._flint.arb, self._flint.fmpz
        top, bottom = value.numerator, value.denominator
        if bottom & (bottom - 1) == 0 and top.bit_length() < self._flint.ctx.prec:
            return arb(fmpz(top)) * arb(2) ** (1 - bottom.bit_length())
        return arb(fmpz(top)) / arb(fmpz(bottom))

    def variable(self, at: Ball, terms: int, radius: float = 1.0) -> Series:
        """x = at + radius t."""
        return self._flint.arb_series([at, self._flint.arb(radius)], terms)

    def constant(self, value: Ball, terms: int) -> Series:
        return self._flint.arb_series([value], terms)

    def coefficients(self, series: Series, terms: int) -> list[Ball]:
        found = list(series.coeffs()) if isinstance(series, self._flint.arb_series) else [series]
        return found + [self._flint.arb(0)] * (terms - len(found))

    def pi(self) -> Ball:
        return self._flint.arb.pi()

    def log2(self) -> Ball:
        return self._flint.arb.const_log2()

    def join(self, first: Ball, second: Ball) -> Ball:
        return first.union(second)

    def root(self, ball: Ball) -> Ball:
        return ball.sqrt()

    def magnitude(self, ball: Ball) -> float:
        """A float that no number of the ball exceeds in size."""
        return self._up(ball.abs_upper())

    def smallest(self, ball: Ball) -> float:
        """A float that no number of the ball falls below in size."""
        return max(0.0, -self._up(-ball.abs_lower()))

    def ends(self, ball: Ball) -> tuple[float, float]:
        """Floats below and above every number of the ball."""
        return -self._up((-ball).upper()), self._up(ball.upper())

    def middle(self, ball: Ball) -> float:
        """The float nearest the centre."""
        return float(ball.mid())

    def _up(self, exact: Ball) -> float:
        """A float at least as large as the number."""
        if not exact.is_finite():
            return math.inf
        found = float(exact)
        return math.nextafter(found, math.inf) if not self._flint.arb(found) >= exact else found
