"""What a program is to compute: a function of one variable, an interval, and a measure of error."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graph.diagnostics import did_you_mean, fail
from .fpcore import evaluate, parsed

if TYPE_CHECKING:
    from mpmath import mpf

Array = np.ndarray[Any, Any]
RELATIVE, ABSOLUTE = "relative", "absolute"
REAL, FLOAT32 = "real", "float32"
_NEAR = (10, 20, 30)
"""Distances of nodes beside a zero: 2^-10, …"""


@dataclass(frozen=True)
class Target:
    """A function on [low, high] with the error to make small. `relative`: |f - y| / |y|; `absolute`:
    |f - y|. `source`: the text of an FPCore, which is then the function, and `function` its name. `arithmetic`: `real`,
    or `float32`, in which programs are then executed: constants are fitted as for real numbers, and errors are units
    in the last place times 2^-24."""

    function: str
    low: float
    high: float
    error: str = RELATIVE
    source: str = ""
    arithmetic: str = REAL

    def __post_init__(self) -> None:
        if not self.source and self.function not in FUNCTIONS:
            raise fail(
                "G1501",
                f"there is no function '{self.function}' to search for",
                hint=did_you_mean(self.function, FUNCTIONS) or f"known: {', '.join(FUNCTIONS)}",
            )
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise fail("G1502", f"the domain must be an interval, not {self.low:g} to {self.high:g}")
        if self.error not in (RELATIVE, ABSOLUTE):
            raise fail("G1502", f"the error is 'relative' or 'absolute', not '{self.error}'")

    @property
    def name(self) -> str:
        """What files and functions are called by."""
        found = re.sub(r"[^A-Za-z0-9]+", "_", self.function).strip("_").lower()
        return found if found[:1].isalpha() else f"f{found}"

    def exact(self, x: mpf) -> mpf:
        """The function's value in mpmath's working precision. Raises SpecError (G1502) where it has no real one."""
        try:
            found = evaluate(parsed(self.source), x) if self.source else FUNCTIONS[self.function](x)
            real = isinstance(found, type(x)) and abs(found) < float("inf")
        except (ZeroDivisionError, ValueError, OverflowError):
            real = False
        if not real:
            raise fail("G1502", f"{self.function} has no real value at {float(x):.6g}, within the domain")
        value: mpf = found
        return value

    def samples(self, count: int, closest: int = _NEAR[-1]) -> tuple[Array, Array]:
        """Chebyshev nodes of the interval and the function there, as long doubles, correctly rounded
        to 64 bits. Where a relative error meets a zero of the function, that node is left out and nodes close
        to it are added, down to 2^-closest beside it: a program must vanish there too."""
        return _samples(self, count, closest)

    @property
    def vanishes(self) -> bool:
        """Whether a relative error meets a zero."""
        return bool(_beside_zeros(self, _NEAR[-1]))

    def precise_samples(self, count: int) -> tuple[Array, Array, Array]:
        """Those nodes, the function there and what errors are divided by, in mpmath's working precision, as arrays
        of objects."""
        xs = _nodes(self, count, _NEAR[-1])
        pairs = [(x, y) for x in xs if (y := self.exact(x)) != 0 or self.error == ABSOLUTE]
        x, y = (np.array(list(column), object) for column in zip(*pairs, strict=True))
        return x, y, np.abs(y) if self.error == RELATIVE else np.array([1] * len(y), object)

    def scale(self, y: Array) -> Array:
        """What a residual f - y is divided by."""
        return np.abs(y) if self.error == RELATIVE else np.ones_like(y)


@lru_cache(maxsize=32)
def _samples(target: Target, count: int, closest: int) -> tuple[Array, Array]:
    import mpmath

    with mpmath.workprec(120):
        xs = [_long(x) for x in _nodes(target, count, closest)]
        exact = [target.exact(_multiple(x)) for x in xs]
        ys = [_long(y) for y in exact]
    for at, wanted, rounded in zip(xs, exact, ys, strict=True):
        if not np.isfinite(rounded) or (rounded == 0) != (wanted == 0):
            raise fail("G1502", f"{target.function} at {float(at):.6g} is beyond what a float64 holds")
    x, y = np.array(xs, np.longdouble), np.array(ys, np.longdouble)
    keep = y != 0 if target.error == RELATIVE else np.ones(len(y), bool)
    if 2 * np.count_nonzero(keep) < len(keep):
        raise fail("G1502", f"{target.function} is zero on its domain: a relative error has no meaning")
    return x[keep], y[keep]


def _nodes(target: Target, count: int, closest: int) -> list[mpf]:
    import mpmath

    low, high = mpmath.mpf(target.low), mpmath.mpf(target.high)
    turns = [mpmath.cos(mpmath.pi * (i + mpmath.mpf("0.5")) / count) for i in range(count)]
    return sorted(
        [(low + high) / 2 - (high - low) / 2 * turn for turn in turns] + _beside_zeros(target, closest)
    )


@lru_cache(maxsize=32)
def _beside_zeros(target: Target, closest: int) -> list[mpf]:
    """Points close to the function's zeros at 0 and 1, for a relative error."""
    import mpmath

    if target.error != RELATIVE:
        return []
    zeros = [z for z in (0, 1) if target.low <= z <= target.high and target.exact(mpmath.mpf(z)) == 0]
    near = [z + sign * mpmath.mpf(2) ** -k for z in zeros for sign in (-1, 1) for k in _NEAR if k <= closest]
    return [x for x in near if target.low <= x <= target.high]


def _long(value: mpf) -> np.longdouble:
    """The nearest long double, by its two halves."""
    import mpmath

    high = float(value)
    if not np.isfinite(high):
        return np.longdouble(high)
    return np.longdouble(high) + np.longdouble(float(value - mpmath.mpf(high)))


def _multiple(value: np.longdouble) -> mpf:
    import mpmath

    high = float(value)
    return mpmath.mpf(high) + mpmath.mpf(float(value - np.longdouble(high)))


def _mp(name: str) -> Callable[[Any], Any]:
    def call(x: Any) -> Any:
        import mpmath

        return getattr(mpmath, name)(x)

    return call


def _log2(x: Any) -> Any:
    import mpmath

    return mpmath.log(x) / mpmath.log(2)


def _sigmoid(x: Any) -> Any:
    import mpmath

    return 1 / (1 + mpmath.exp(-x))


def _gelu(x: Any) -> Any:
    import mpmath

    return x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2


def _softplus(x: Any) -> Any:
    import mpmath

    return mpmath.log1p(mpmath.exp(x)) if x < 0 else x + mpmath.log1p(mpmath.exp(-x))


FUNCTIONS: Mapping[str, Callable[[Any], Any]] = {
    "exp": _mp("exp"),
    "exp2": lambda x: 2**x,
    "log": _mp("log"),
    "log2": _log2,
    "sin": _mp("sin"),
    "cos": _mp("cos"),
    "tanh": _mp("tanh"),
    "erf": _mp("erf"),
    "sigmoid": _sigmoid,
    "gelu": _gelu,
    "silu": lambda x: x * _sigmoid(x),
    "softplus": _softplus,
    "rsqrt": lambda x: 1 / _mp("sqrt")(x),
}
"""Name -> the function in mpmath's working precision: the reference of every error."""
