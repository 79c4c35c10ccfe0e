"""Companion forms as second-order sections in a row: what no diagonal form near them gives."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext

import numpy as np

from .system import Array, System


@dataclass(frozen=True, eq=False)
class Sections:
    """`b`[k, 3] and `a`[k, 2] of sections y = b0 u + b1 u⁻¹ + b2 u⁻² - a1 y⁻¹ - a2 y⁻², in a row."""

    b: Array
    a: Array

    def rounded(self, dtype: str) -> Sections:
        return Sections(*(x.astype(dtype).astype(np.float64) for x in (self.b, self.a)))

    def kernel(self, length: int, dtype: str = "float64") -> Array:
        """The impulse response [length], every product and sum rounded to `dtype`."""
        signal = np.zeros(length, dtype)
        signal[0] = 1
        for b, a in zip(self.b.astype(dtype), self.a.astype(dtype), strict=True):
            state = np.zeros(2, dtype)
            following = np.empty_like(signal)
            for t, u in enumerate(signal):  # transposed direct form II: one addition a delay
                y = b[0] * u + state[0]
                state[0] = b[1] * u - a[0] * y + state[1]
                state[1] = b[2] * u - a[1] * y
                following[t] = y
            signal = following
        return signal


def companion_polynomials(system: System) -> tuple[Array, Array] | None:
    """(numerator, denominator) in z⁻¹ of a single-input system in controllable companion form: A's first
    row is -denominator, the rest shifts, B is the first unit vector, C the numerator; else None."""
    a, b, c = system.a, system.b, system.c
    n = system.order
    if b.shape[1] != 1 or c.shape[0] != 1 or np.any(b[1:, 0]) or b[0, 0] != 1.0:
        return None
    if np.any(a[1:] != np.eye(n, k=-1)[1:]):
        return None
    return c[0].copy(), np.concatenate([[1.0], -a[0]])


def second_order_sections(numerator: Array, denominator: Array) -> Sections:
    """The sections of a ratio of polynomials in z⁻¹ of one stable filter: poles in conjugate pairs by
    radius, each with the zeros nearest to it, so that no section's gain leaves the others' range."""
    poles = _pairs(polished(denominator))
    lead = np.flatnonzero(numerator)
    if not lead.size:
        return Sections(np.zeros((1, 3)), np.zeros((1, 2)))
    delay, gain = int(lead[0]), float(numerator[lead[0]])
    zeros = _pairs(polished(numerator[delay:]))
    b, a = [], []
    for pole in sorted(poles, key=lambda p: -max(np.abs(p))):
        near = min(zeros, key=lambda z: abs(np.mean(z) - np.mean(pole))) if zeros else None
        if near is not None:
            zeros.remove(near)
        b.append(_quadratic(near or ()))
        a.append(_quadratic(pole)[1:])
    b += [_quadratic(z) for z in zeros]
    a += [np.zeros(2)] * len(zeros)
    while delay:
        step = min(delay, 2)
        b.append(np.eye(3)[step])
        a.append(np.zeros(2))
        delay -= step
    share = abs(gain) ** (1 / len(b))
    rows = np.stack(b) * share
    rows[0] *= np.sign(gain)
    return Sections(rows, np.stack(a))


Exact = tuple[Decimal, Decimal]
DIGITS, ROUNDS = 60, 200


def polished(polynomial: Array) -> Array:
    """The roots of a real polynomial, leading coefficient first, to float64's last digit: np.roots, then
    Aberth's iteration in 60 decimal digits. Roots in a cluster are lost in float64: those of its rounded
    polynomial lie elsewhere, with another response."""
    roots = np.roots(polynomial).astype(np.complex128)
    with localcontext() as context:
        context.prec = DIGITS
        coefficients = [Decimal(float(c)) for c in polynomial]
        found: list[Exact] = [(Decimal(z.real), Decimal(z.imag)) for z in roots]
        for _ in range(ROUNDS):
            moves = [_aberth(coefficients, found, i) for i in range(len(found))]
            found = [(z[0] - w[0], z[1] - w[1]) for z, w in zip(found, moves, strict=True)]
            if all(abs(w[0]) + abs(w[1]) < Decimal(10) ** -40 for w in moves):
                break
        real = [abs(z[1]) < Decimal(10) ** -30 * (1 + abs(z[0])) for z in found]
    return np.array([complex(z[0], 0 if r else z[1]) for z, r in zip(found, real, strict=True)])


def _aberth(coefficients: list[Decimal], roots: list[Exact], i: int) -> Exact:
    """Newton's step at a root over the polynomial without the others."""
    value: Exact = (Decimal(0), Decimal(0))
    slope: Exact = (Decimal(0), Decimal(0))
    for c in coefficients:
        slope = _times(slope, roots[i])
        slope = slope[0] + value[0], slope[1] + value[1]
        value = _times(value, roots[i])
        value = value[0] + c, value[1]
    if not any(value):
        return value
    pull = _over(slope, value)
    for j, other in enumerate(roots):
        gap = roots[i][0] - other[0], roots[i][1] - other[1]
        if j != i and any(gap):
            part = _over((Decimal(1), Decimal(0)), gap)
            pull = pull[0] - part[0], pull[1] - part[1]
    return _over((Decimal(1), Decimal(0)), pull) if any(pull) else (Decimal(0), Decimal(0))


def _times(x: Exact, y: Exact) -> Exact:
    return x[0] * y[0] - x[1] * y[1], x[0] * y[1] + x[1] * y[0]


def _over(x: Exact, y: Exact) -> Exact:
    norm = y[0] * y[0] + y[1] * y[1]
    return (x[0] * y[0] + x[1] * y[1]) / norm, (x[1] * y[0] - x[0] * y[1]) / norm


def _pairs(roots: Array) -> list[tuple[complex, ...]]:
    """Conjugates together, real roots two by two."""
    upper = [(complex(r), complex(r).conjugate()) for r in roots if r.imag > 0]
    real = sorted((complex(r) for r in roots if r.imag == 0), key=abs)
    found: list[tuple[complex, ...]] = [*upper]
    found += [tuple(real[i : i + 2]) for i in range(0, len(real), 2)]
    return found


def _quadratic(roots: tuple[complex, ...]) -> Array:
    """1 + c1 z⁻¹ + c2 z⁻² with these roots."""
    coefficients = np.real(np.poly(np.asarray(roots))) if roots else np.ones(1)
    return np.pad(np.atleast_1d(coefficients), (0, 2 - len(roots)))
