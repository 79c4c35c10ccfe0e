"""Truncated Taylor series over mpmath's intervals, where python-flint is not installed: the recurrences of
automatic differentiation, every operation rounded outward. Tens of times slower than balls."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

Interval = Any


class IntervalSeries:
    """Coefficients c_0, c_1, … of a power series, each an interval."""

    def __init__(self, coefficients: Sequence[Interval]) -> None:
        self.c = list(coefficients)

    def _of(self, other: Any) -> IntervalSeries:
        if isinstance(other, IntervalSeries):
            return other
        zero = self.c[0] * 0
        return IntervalSeries([zero + other] + [zero] * (len(self.c) - 1))

    def __add__(self, other: Any) -> IntervalSeries:
        return IntervalSeries([a + b for a, b in zip(self.c, self._of(other).c, strict=True)])

    __radd__ = __add__

    def __neg__(self) -> IntervalSeries:
        return IntervalSeries([-a for a in self.c])

    def __sub__(self, other: Any) -> IntervalSeries:
        return self + -self._of(other)

    def __rsub__(self, other: Any) -> IntervalSeries:
        return -self + other

    def __mul__(self, other: Any) -> IntervalSeries:
        if not isinstance(other, IntervalSeries):
            return IntervalSeries([a * other for a in self.c])
        a, b = self.c, other.c
        return IntervalSeries([_sum(a[j] * b[i - j] for j in range(i + 1)) for i in range(len(a))])

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> IntervalSeries:
        if not isinstance(other, IntervalSeries):
            return IntervalSeries([a / other for a in self.c])
        found: list[Interval] = []
        for i, a in enumerate(self.c):
            rest = a - _sum(found[j] * other.c[i - j] for j in range(i)) if i else a
            found.append(rest / other.c[0])
        return IntervalSeries(found)

    def __rtruediv__(self, other: Any) -> IntervalSeries:
        return self._of(other) / self

    def exp(self) -> IntervalSeries:
        """y' = y s': i y_i = sum of j s_j y_(i-j)."""
        found = [_iv().exp(self.c[0])]
        for i in range(1, len(self.c)):
            found.append(_sum(j * self.c[j] * found[i - j] for j in range(1, i + 1)) / i)
        return IntervalSeries(found)

    def log(self) -> IntervalSeries:
        """s y' = s'."""
        found = [_iv().log(self.c[0])]
        for i in range(1, len(self.c)):
            known = _sum(j * found[j] * self.c[i - j] for j in range(1, i)) / i if i > 1 else 0
            found.append((self.c[i] - known) / self.c[0])
        return IntervalSeries(found)

    def sin(self) -> IntervalSeries:
        return self._sin_cos()[0]

    def cos(self) -> IntervalSeries:
        return self._sin_cos()[1]

    def _sin_cos(self) -> tuple[IntervalSeries, IntervalSeries]:
        sine, cosine = [_iv().sin(self.c[0])], [_iv().cos(self.c[0])]
        for i in range(1, len(self.c)):
            steps = range(1, i + 1)
            sine.append(_sum(j * self.c[j] * cosine[i - j] for j in steps) / i)
            cosine.append(-_sum(j * self.c[j] * sine[i - j] for j in steps) / i)
        return IntervalSeries(sine), IntervalSeries(cosine)

    def sqrt(self) -> IntervalSeries:
        """y y = s."""
        found = [_iv().sqrt(self.c[0])]
        for i in range(1, len(self.c)):
            known = _sum(found[j] * found[i - j] for j in range(1, i)) if i > 1 else 0
            found.append((self.c[i] - known) / (2 * found[0]))
        return IntervalSeries(found)

    def rsqrt(self) -> IntervalSeries:
        return 1 / self.sqrt()

    def erf(self) -> IntervalSeries:
        return self._error_function("erf", 1)

    def erfc(self) -> IntervalSeries:
        return self._error_function("erfc", -1)

    def _error_function(self, name: str, sign: int) -> IntervalSeries:
        """y' = ± 2 / sqrt(pi) exp(-s^2) s'."""
        bell = (-(self * self)).exp().c
        scale = sign * 2 / _iv().sqrt(_iv().pi)
        found = [_monotone(name, self.c[0])]
        for i in range(1, len(self.c)):
            found.append(scale * _sum(j * self.c[j] * bell[i - j] for j in range(1, i + 1)) / i)
        return IntervalSeries(found)


def _iv() -> Any:
    import mpmath

    return mpmath.iv


def _sum(parts: Any) -> Interval:
    first, *rest = list(parts)
    for part in rest:
        first = first + part
    return first


def _monotone(name: str, interval: Interval) -> Interval:
    """A monotone function over an interval, from its ends in 40 more bits than the rounding outward allows
    for."""
    import mpmath

    bits = mpmath.iv.prec
    with mpmath.workprec(bits + 40):
        ends = sorted(getattr(mpmath, name)(mpmath.mpf(end)) for end in (interval.a, interval.b))
        wide = [ends[0] - abs(ends[0]) * mpmath.mpf(2) ** -bits, ends[1] + abs(ends[1]) * mpmath.mpf(2) ** -bits]
        return mpmath.iv.mpf([wide[0], wide[1]])


class IntervalArithmetic:
    """Series of mpmath intervals."""

    name = "interval"

    def __init__(self) -> None:
        import mpmath

        self.version = f"mpmath {mpmath.__version__}"

    @contextmanager
    def working(self, bits: int, terms: int) -> Iterator[None]:
        iv = _iv()
        before = iv.prec
        iv.prec = bits
        try:
            yield
        finally:
            iv.prec = before

    def ball(self, low: Fraction | float, high: Fraction | float | None = None) -> Interval:
        ends = [_iv().mpf(f.numerator) / f.denominator for f in map(Fraction, (low, low if high is None else high))]
        return _iv().mpf([ends[0].a, ends[1].b])

    def variable(self, at: Interval, terms: int, radius: float = 1.0) -> IntervalSeries:
        iv = _iv()
        return IntervalSeries([at, iv.mpf(radius), *[iv.mpf(0)] * terms][:terms])

    def constant(self, value: Interval, terms: int) -> IntervalSeries:
        return IntervalSeries([value, *[_iv().mpf(0)] * (terms - 1)])

    def coefficients(self, series: Any, terms: int) -> list[Interval]:
        found = list(series.c) if isinstance(series, IntervalSeries) else [series]
        return found + [_iv().mpf(0)] * (terms - len(found))

    def pi(self) -> Interval:
        return +_iv().pi

    def log2(self) -> Interval:
        return _iv().log(_iv().mpf(2))

    def join(self, first: Interval, second: Interval) -> Interval:
        return _iv().mpf([min(first.a, second.a), max(first.b, second.b)])

    def root(self, ball: Interval) -> Interval:
        return _iv().sqrt(ball)

    def magnitude(self, ball: Interval) -> float:
        low, high = self.ends(ball)
        return max(abs(low), abs(high))

    def smallest(self, ball: Interval) -> float:
        low, high = self.ends(ball)
        return 0.0 if low <= 0 <= high else min(abs(low), abs(high))

    def ends(self, ball: Interval) -> tuple[float, float]:
        return _outward(ball._mpi_[0], -1), _outward(ball._mpi_[1], 1)

    def middle(self, ball: Interval) -> float:
        return float(_number(ball.mid._mpi_[0]))


def _number(end: Any) -> Any:
    """An end of an interval as an mpf."""
    import mpmath

    return mpmath.mp.make_mpf(end)


def _outward(end: Any, sign: int) -> float:
    """A float at or beyond an exact number, below it for -1, above it for 1."""
    import mpmath

    exact = _number(end)
    if not mpmath.isfinite(exact):
        return sign * math.inf
    found = float(exact)
    return math.nextafter(found, sign * math.inf) if (mpmath.mpf(found) - exact) * sign < 0 else found
