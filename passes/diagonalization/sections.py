"""Companion forms as second-order sections in a row: what no diagonal form near them gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

import numpy as np

from .chunk_roundings import Emitted, emitted_roundings
from .diagonal import Diagonal, powers
from .realisation import Realisation
from .system import Array, System, kernel


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


# --- sections as layers --------------------------------------------------------------------------

SMALL = 0.25
"""Poles nearer to zero are not divided by."""
NEAR = 0.02
"""A pair whose angle is smaller has residues that cancel."""


@dataclass(frozen=True, eq=False)
class Stage:
    """One section as a layer of one input and output: `y = Re(2 c x) + d u` of one pole of a pair, or
    `y = c x + d u` of a real matrix."""

    a: Array
    b: Array
    c: Array
    d: float

    @property
    def is_pair(self) -> bool:
        return np.iscomplexobj(self.a)

    @property
    def states(self) -> int:
        return 2 if self.is_pair else len(self.a)

    def arrays(self) -> tuple[Array, Array, Array, Array]:
        """A, B, C and D as the operator takes them: one group."""
        parts = (self.a, self.b, self.c)
        if self.is_pair:
            pole, *rest = (np.stack([x.real, x.imag], axis=-1)[None] for x in parts)
            return pole[:, 0], rest[0], rest[1], np.full((1, 1, 1), self.d)
        return self.a[None], self.b[None], self.c[None], np.full((1, 1, 1), self.d)

    def rounded(self, dtype: str) -> Stage:
        kind = np.dtype(dtype)

        def cut(x: Array) -> Array:
            if not np.iscomplexobj(x):
                return x.astype(kind).astype(np.float64)
            return np.asarray(
                x.real.astype(kind).astype(np.float64) + 1j * x.imag.astype(kind).astype(np.float64)
            )

        return Stage(cut(self.a), cut(self.b), cut(self.c), float(kind.type(self.d)))

    def kernel(self, length: int) -> Array:
        """The impulse response [length]."""
        if self.is_pair:
            response = 2 * (self.c[0, 0] * self.b[0, 0] * powers(self.a[0], length)[:, 0]).real
        else:
            response = kernel(System(self.a, self.b, self.c), length)[:, 0, 0]
        response[0] += self.d
        return np.asarray(response)

    def roundings(self, length: int, dtype: str) -> Emitted:
        """What roundings add at most per unit input."""
        layer: Diagonal | System = System(self.a, self.b, self.c)
        if self.is_pair:
            layer = Diagonal(self.a[0], self.b, self.c, 1.0, self.c.T, self.b.T)
        system = replace(Realisation.of(layer), through=np.full((1, 1), self.d) if self.d else None)
        return emitted_roundings(system, length, dtype)


def roundings_in_a_row(stages: Sequence[Stage], length: int, dtype: str) -> Emitted:
    """What stages one after the other add at most: each by the input that reaches it, then through those after it."""
    response, entering, found = np.eye(1, length)[0], [], []
    for stage in stages:
        own = stage.kernel(length)
        entering.append(float(np.abs(response).sum()))
        found.append((own, stage.roundings(length, dtype)))
        response = np.convolve(response, own)[:length]
    totals = [
        _carried_on([own for own, _ in found], entering, [getattr(e, mode) for _, e in found])
        for mode in ("step", "once", "own")
    ]
    return Emitted(*totals)


def _carried_on(responses: Sequence[Array], entering: Sequence[float], made: Sequence[float]) -> float:
    length = len(responses[0])
    more, errors = 0.0, []
    for own, size, share in zip(responses, entering, made, strict=True):
        errors.append(share * (size + more))
        more = float(np.abs(own).sum()) * more + errors[-1]
    leaving, total = np.eye(1, length)[0], 0.0
    for own, error in zip(reversed(responses), reversed(errors), strict=True):
        total += error * float(np.abs(leaving).sum())
        leaving = np.convolve(leaving, own)[:length]
    return total


def stages_of(system: System) -> list[Stage] | None:
    """The sections of a stable filter in companion form as layers; None for another system."""
    polynomials = companion_polynomials(system)
    if polynomials is None or not system.is_stable:
        return None
    found = second_order_sections(*polynomials)
    return [_stage(b, a) for b, a in zip(found.b, found.a, strict=True)]


def _stage(b: Array, a: Array) -> Stage:
    """The layer of (b0 + b1 z⁻¹ + b2 z⁻²) / (1 + a1 z⁻¹ + a2 z⁻²): a pair of poles by its residue, real ones one
    after the other (so that two may meet), small or nearly equal complex ones in transposed direct form."""
    first, second = sorted(np.roots([1.0, *a]), key=abs)
    if abs(first) < SMALL or 0 < abs(first.imag) < NEAR * abs(first):
        matrix = np.array([[-a[0], 1.0, 0.0], [-a[1], 0.0, 0.0], [1.0, 0.0, 0.0]])
        entering = np.array([[b[1] - a[0] * b[0]], [b[2] - a[1] * b[0]], [b[0]]])
        return Stage(matrix, entering, np.array([[0.0, 0.0, 1.0]]), 0.0)
    if np.iscomplex(second):
        pole = complex(second)
        residue = (b[0] + b[1] / pole + b[2] / pole**2) / (1 - pole.conjugate() / pole)
        return Stage(np.array([[pole]]), np.ones((1, 1), complex), np.array([[residue]]), float(b[2] / a[1]))
    first, second = float(first.real), float(second.real)
    d = b[2] / (first * second)
    of_first = (-b[1] - d * (first + second)) / second
    read = np.array([[of_first, b[0] - d - of_first]])
    return Stage(np.array([[first, 0.0], [first, second]]), np.ones((2, 1)), read, float(d))
