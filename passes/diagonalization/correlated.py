"""One input for all states: how large a weighted sum of what it brings them to can be.

A state's own reach is taken on by an input made for it; no input does so for all of them, if they oscillate at
different frequencies. The largest Σ |A u| over inputs of size 1 is the norm of A from ∞ to 1, and for all
positive p and r

    Σ |A u| ≤ √(Σ p · Σ r · λ),  λ the largest eigenvalue of R^-1/2 Aᵀ P⁻¹ A R^-1/2

by two uses of Cauchy and Schwarz: the dual of the semidefinite relaxation of a largest cut, whose best p and r
come within 1.79 of the norm (Grothendieck). p and r are sought; the bound holds for any.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .diagonal import powers
from .system import Array

LONGEST = 1024
"""Steps beyond which no bound is sought."""
ROUNDS, SHARE, SAMPLES, POWER = 16, 0.12, 16, 4
"""Of the search for p and r: rounds, how far each goes, vectors and the power of the matrix to look along."""
WORTHWHILE = 1.25
"""How far a bound must be above what an input reaches for it to be sought."""


@dataclass(frozen=True, eq=False)
class Weighted:
    """Σ over t and k of weights[t, k] |x_k(t)| + turned[t, k] |(λ x)_k(t)|, for poles λ and
    x(t) = Σ λᵗ⁻ˢ b u(s), k over real and then imaginary parts."""

    poles: Array
    b: Array
    weights: Array
    turned: Array

    @property
    def length(self) -> int:
        return len(self.weights)

    def responses(self) -> Array:
        """[t, quantities]: of x, then of λ x."""
        table = powers(self.poles, self.length) * self.b
        after = table * self.poles
        return np.concatenate([table.real, table.imag, after.real, after.imag], axis=1)

    def all_weights(self) -> Array:
        return np.concatenate([self.weights, self.turned], axis=1)

    def gram(self, scale: Array) -> Array:
        """Aᵀ P⁻¹ A of inputs at s and s', p the weights times scale[quantities]. With ω = weights / scale of the real
        and the imaginary part, Σ ω Re(z)² + ω' Im(z)² = (ω + ω') |z|² / 2 + Re((ω - ω') z²) / 2."""
        m = len(self.poles)
        w = self.all_weights() / scale
        re, im, turned_re, turned_im = (w[:, i * m : (i + 1) * m] for i in range(4))
        square = np.abs(self.poles) ** 2
        even = (re + im + square * (turned_re + turned_im)) / 2
        odd = (re - im + self.poles**2 * (turned_re - turned_im)) / 2
        later = np.zeros((self.length, m), complex)
        a, c = np.zeros(m), np.zeros(m, complex)
        for t in range(self.length - 1, -1, -1):
            a, c = even[t] + square * a, odd[t] + self.poles**2 * c
            later[t] = a * np.abs(self.b) ** 2 + c * self.b**2
        gap = (powers(self.poles, self.length) @ later.T).real  # [s' - s, s']
        at = np.arange(self.length)
        upper = np.triu(gap[(at[None, :] - at[:, None]).clip(0), at[None, :]])
        return np.asarray(upper + np.triu(upper, 1).T)


@dataclass(frozen=True, eq=False)
class Convolution:
    """x[t, k] = Σ h[t - s, k] u[s], and its transpose."""

    spectrum: Array
    length: int

    @classmethod
    def of(cls, responses: Array) -> Convolution:
        return cls(np.fft.rfft(responses, 2 * len(responses), axis=0), len(responses))

    def apply(self, u: Array) -> Array:
        product = self.spectrum * np.fft.rfft(u, 2 * self.length)[:, None]
        return np.asarray(np.fft.irfft(product, axis=0)[: self.length])

    def transposed(self, s: Array) -> Array:
        product = self.spectrum.conj() * np.fft.rfft(s, 2 * self.length, axis=0)
        return np.asarray(np.fft.irfft(product.sum(axis=1))[: self.length])


def worst_known(weighted: Weighted) -> tuple[float, Array]:
    """A large sum and its input: signs turned to agree until they do, from inputs at the slowest poles."""
    convolution, w = Convolution.of(weighted.responses()), weighted.all_weights()
    t = np.arange(weighted.length)
    with np.errstate(divide="ignore"):
        size = np.abs(weighted.b) / np.maximum(1 - np.abs(weighted.poles), 1e-3)
    slow = weighted.poles[np.argsort(-size * (weighted.weights.sum(axis=0).reshape(2, -1).sum(axis=0)))[:4]]
    best, found = 0.0, np.ones(weighted.length)
    for start in (np.ones(weighted.length), *(np.cos(np.angle(p) * t + 0.3) for p in slow)):
        u, last = _signs(start), -1.0
        for _ in range(30):
            x = convolution.apply(u) * w
            total = float(np.abs(x).sum())
            if total > best:
                best, found = total, u
            if total <= last * (1 + 1e-6):
                break
            last, u = total, _signs(convolution.transposed(np.sign(x) * w))
    return best, found


def _signs(x: Array) -> Array:
    return np.where(x >= 0, 1.0, -1.0)


def largest_sum(weighted: Weighted, otherwise: float) -> float:
    """An upper bound on the sum for inputs of size 1: the one of this module where it is far enough below
    the bound `otherwise`, which holds already."""
    if weighted.length > LONGEST:
        return otherwise
    reached, known = worst_known(weighted)
    return min(otherwise, _dual(weighted, known)) if otherwise > WORTHWHILE * reached else otherwise


def _dual(weighted: Weighted, known: Array) -> float:
    """The bound on the sum for inputs of size 1, from p and r fitted to the input `known` and then improved."""
    convolution, w = Convolution.of(weighted.responses()), weighted.all_weights()
    draws = np.random.default_rng(0)
    reached = convolution.apply(known)
    scale = np.sqrt(np.mean(reached**2, axis=0)) + 1e-3 * np.abs(weighted.responses()).sum(axis=0) + 1e-300
    r = np.abs(convolution.transposed(np.sign(reached) * w))
    r = r / r.sum() + 0.3 / len(r)
    best = np.inf
    for again in range(ROUNDS + 1):
        r, scale = r / r.sum(), scale / (w @ scale).sum()
        root = 1 / np.sqrt(r)
        matrix = root[:, None] * weighted.gram(scale) * root
        if again in (0, ROUNDS):
            best = min(best, float(np.sqrt(max(np.linalg.eigvalsh(matrix)[-1], 0.0))))
        along = draws.standard_normal((len(r), SAMPLES))
        for _ in range(POWER):
            along = matrix @ along
            along /= np.linalg.norm(along)
        share = (along**2).sum(axis=1)
        moved = sum(convolution.apply(v) ** 2 for v in (root[:, None] * along).T)
        taken = (moved * w / scale).sum(axis=0)
        given = (w * scale).sum(axis=0)
        ratio = np.divide(taken / taken.sum(), given, out=np.ones_like(given), where=given > 0)
        r, scale = (1 - SHARE) * r + SHARE * share, scale * (1 - SHARE + SHARE * ratio)
    return best
