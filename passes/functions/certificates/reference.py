"""The functions as Taylor series with rigorous coefficients: the reference of every certificate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from typing import Any, Protocol

Ball = Any
Series = Any


class Arithmetic(Protocol):
    """Rigorous numbers and series of them; series have + - * /, exp, log, sin, cos, sqrt, rsqrt, erf, erfc."""

    name: str
    version: str

    def working(self, bits: int, terms: int) -> Any: ...
    def ball(self, low: Fraction | float, high: Fraction | float | None = None) -> Ball: ...
    def variable(self, at: Ball, terms: int, radius: float = 1.0) -> Series: ...
    def constant(self, value: Ball, terms: int) -> Series: ...
    def coefficients(self, series: Series, terms: int) -> list[Ball]: ...
    def pi(self) -> Ball: ...
    def log2(self) -> Ball: ...
    def root(self, ball: Ball) -> Ball: ...
    def join(self, first: Ball, second: Ball) -> Ball: ...
    def magnitude(self, ball: Ball) -> float: ...
    def smallest(self, ball: Ball) -> float: ...
    def ends(self, ball: Ball) -> tuple[float, float]: ...
    def middle(self, ball: Ball) -> float: ...


@cache
def arithmetic(kind: str = "") -> Arithmetic:
    """`ball` by python-flint, `interval` by mpmath; without a kind, the first that is installed. Raises
    ImportError."""
    from .ball_series import BallArithmetic
    from .interval_series import IntervalArithmetic

    if kind == "ball":
        return BallArithmetic()
    if kind == "interval":
        return IntervalArithmetic()
    try:
        return BallArithmetic()
    except ImportError:
        return IntervalArithmetic()


def _tanh(a: Arithmetic, s: Series) -> Series:
    up, down = s.exp(), (-s).exp()
    return (up - down) / (up + down)


def _gelu(a: Arithmetic, s: Series) -> Series:
    half = a.ball(Fraction(1, 2))
    return s * half * (-s * a.root(half)).erfc()


def _softplus(a: Arithmetic, s: Series) -> Series:
    return (1 + s.exp()).log()


FORMULAS: Mapping[str, Callable[[Arithmetic, Series], Series]] = {
    "exp": lambda a, s: s.exp(),
    "exp2": lambda a, s: (s * a.log2()).exp(),
    "log": lambda a, s: s.log(),
    "log2": lambda a, s: s.log() / a.log2(),
    "sin": lambda a, s: s.sin(),
    "cos": lambda a, s: s.cos(),
    "tanh": _tanh,
    "erf": lambda a, s: s.erf(),
    "sigmoid": lambda a, s: 1 / (1 + (-s).exp()),
    "gelu": _gelu,
    "silu": lambda a, s: s / (1 + (-s).exp()),
    "softplus": _softplus,
    "rsqrt": lambda a, s: s.rsqrt(),
}
POLES_AT_ZERO = ("log", "log2", "rsqrt")
"""What they give at zero is a special value; their domains begin beside it."""
_CANCELS_AT_ZERO = ("tanh",)
_CANCELS_BELOW_ZERO = ("softplus",)
_SPARE_BITS = 96


def bits_needed(function: str, low: float, high: float, wanted: int = 64) -> int:
    """The precision that leaves `wanted` bits of a relative result over the interval."""
    bits = wanted + _SPARE_BITS
    least = min(abs(low), abs(high)) if low > 0 or high < 0 else 0.0  # a product of the two may be no float
    if function in _CANCELS_AT_ZERO:
        bits += -math.frexp(least)[1] if 0 < least < 1 else 0
    if function in _CANCELS_BELOW_ZERO and low < 0:
        bits += int(min(-low, 1100) * 1.5)
    return bits


MONOTONE = frozenset("exp exp2 log log2 tanh erf sigmoid softplus rsqrt".split())
_TINY = Fraction(1, 2**1200)
_HUGE = Fraction(2**1100)
_FAR = 1300.0
_TAILS: Mapping[str, tuple[tuple[Fraction, Fraction] | None, tuple[Fraction, Fraction] | None]] = {
    "exp": ((Fraction(0), _TINY), (_HUGE, 2 * _HUGE)),
    "exp2": ((Fraction(0), _TINY), (_HUGE, 2 * _HUGE)),
    "tanh": ((Fraction(-1), _TINY - 1), (1 - _TINY, Fraction(1))),
    "erf": ((Fraction(-1), _TINY - 1), (1 - _TINY, Fraction(1))),
    "sigmoid": ((Fraction(0), _TINY), (1 - _TINY, Fraction(1))),
    "silu": ((-_TINY, Fraction(0)), None),
    "gelu": ((-_TINY, Fraction(0)), None),
    "softplus": ((Fraction(0), _TINY), None),
}
IDENTITY_FAR = ("silu", "gelu", "softplus")


def tail(function: str, low: float, high: float) -> tuple[Fraction, Fraction] | None:
    """Bounds of the function where |x| > 1300 and they are known without computing; None elsewhere. What
    overflows every dtype is said to lie between 2^1100 and 2^1101."""
    below, above = _TAILS.get(function, (None, None))
    if high < -_FAR:
        return below
    if low > _FAR and function in IDENTITY_FAR:
        return (1 - _TINY) * Fraction(low), Fraction(high) + _TINY
    return above if low > _FAR else None


def enclosure(a: Arithmetic, function: str, low: float, high: float) -> Ball:
    """A ball that holds the function's values on the interval: tight where it is a point."""
    far = tail(function, low, high)
    if far is not None:
        return a.ball(*far)
    if low < high and function in MONOTONE:
        return a.join(enclosure(a, function, low, low), enclosure(a, function, high, high))
    with a.working(bits_needed(function, low, high), 2):
        found = FORMULAS[function](a, a.variable(a.ball(low, high), 1))
        return a.coefficients(found, 1)[0]


def expand(
    a: Arithmetic, function: str, center: float, radius: float, low: float, high: float, terms: int
) -> list[Ball]:
    """c_0 … c_terms with f(center + radius t) in the sum of c_i t^i where that lies in [low, high]:
    Taylor's coefficients, the last enclosing them at every point of the interval (Lagrange's remainder)."""
    with a.working(bits_needed(function, low, high), terms + 1):
        at = FORMULAS[function](a, a.variable(a.ball(center), terms, radius))
        over = FORMULAS[function](a, a.variable(a.ball(low, high), terms + 1, radius))
        return [*a.coefficients(at, terms)[:terms], a.coefficients(over, terms + 1)[terms]]
