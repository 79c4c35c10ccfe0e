"""Diagonal systems in real arithmetic: one pole of each conjugate pair, outputs as 2 Re(C x)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...graph.build.prelude.hippo import upper_half
from .system import System

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Diagonal:
    """poles[m], b[m, inputs], c[outputs, m], complex; `y = 2 Re(c x)`, real poles with half a c.

    `condition` is κ₂ of the eigenvectors (infinite where they can't be told from singular);
    `vectors[n, m]` gives the state back: x = 2 Re(vectors x̂), and `entering[m, n]` takes it in.
    """

    poles: Array
    b: Array
    c: Array
    condition: float
    vectors: Array
    entering: Array
    discrete: bool = True

    @property
    def order(self) -> int:
        """States of the real system: two a pair, one a real pole."""
        return int(self.vectors.shape[0])

    @property
    def radius(self) -> float:
        return float(np.max(np.abs(self.poles), initial=0.0))

    @property
    def is_stable(self) -> bool:
        if self.discrete:
            return self.radius < 1.0
        return float(np.max(self.poles.real, initial=-np.inf)) < 0.0


SINGULAR = 1e12
"""A computed condition number above this is not to be trusted: it may be any larger one."""


def diagonal_form(system: System) -> Diagonal | None:
    """The system in its eigenvectors' coordinates, each scaled to length 1; None where they are
    singular, or where LAPACK gives something that is not finite."""
    try:
        poles, vectors = np.linalg.eig(system.a)
        inverse = np.linalg.inv(vectors)
    except np.linalg.LinAlgError:
        return None
    if not (np.isfinite(inverse).all() and np.isfinite(vectors).all()):
        return None
    values = np.linalg.svd(vectors, compute_uv=False)
    condition = float(values[0] / values[-1]) if values[-1] > 0 else np.inf
    return assembled(system, poles, vectors, inverse, condition)


def assembled(system: System, poles: Array, vectors: Array, inverse: Array, condition: float) -> Diagonal:
    """The real form of an eigendecomposition `A = vectors diag(poles) inverse`."""
    poles = np.asarray(poles, np.complex128)
    kept = upper_half(poles)
    scale = float(np.max(np.abs(poles), initial=0.0))
    halves = np.where(np.abs(poles[kept].imag) <= 1e-12 * scale, 0.5, 1.0)
    right = vectors[:, kept] * halves
    left = inverse[kept]
    return Diagonal(
        poles[kept],
        left @ system.b.astype(np.complex128),
        system.c @ right,
        condition if condition <= SINGULAR else np.inf,
        right,
        left.astype(np.complex128),
        system.discrete,
    )


def normal_form(system: System) -> Diagonal | None:
    """By a unitary eigendecomposition where A is normal to rounding; else None.

    A normal matrix is its symmetric plus its skew part, which commute, and so does the Hermitian
    `H + t i S`: its eigenvectors are A's, unless t makes two eigenvalues meet."""
    a = system.a
    scale = float(np.linalg.norm(a)) ** 2
    if np.linalg.norm(a @ a.T - a.T @ a) > 1e-13 * max(scale, 1e-300):
        return None
    mixed = (a + a.T) / 2 + np.sqrt(0.7) * 1j * (a - a.T) / 2
    _, vectors = np.linalg.eigh(mixed)
    rotated = vectors.conj().T @ a @ vectors
    poles = np.diagonal(rotated)
    if np.linalg.norm(rotated - np.diag(poles)) > 1e-12 * np.sqrt(max(scale, 1e-300)):
        return None
    return _paired(system, poles, vectors)


def _paired(system: System, poles: Array, vectors: Array) -> Diagonal | None:
    """The real form, where the poles of the upper half are as many as a real matrix has."""
    form = assembled(system, poles, vectors, vectors.conj().T, 1.0)
    scale = float(np.max(np.abs(poles), initial=0.0))
    real = np.abs(form.poles.imag) <= 1e-12 * scale
    if int(np.sum(np.where(real, 1, 2))) != system.order:
        return None
    if np.any(np.abs(form.vectors[:, real].imag) > 1e-9):  # a repeated real pole with complex vectors
        return None
    return form


def zero_order_hold(form: Diagonal, dt: float) -> Diagonal:
    """The discrete form of a continuous one, its input held over each step of length dt."""
    z = form.poles * dt
    factor = np.where(np.abs(z) > 1e-8, np.expm1(z) / np.where(z == 0, 1, z), 1 + z / 2) * dt
    return _moved(form, np.exp(z), factor)


def bilinear(form: Diagonal, dt: float) -> Diagonal:
    """The discrete form of a continuous one by Tustin's rule."""
    half = form.poles * (dt / 2)
    return _moved(form, (1 + half) / (1 - half), dt / (1 - half))


def _moved(form: Diagonal, poles: Array, factor: Array) -> Diagonal:
    return Diagonal(
        poles, form.b * factor[:, None], form.c, form.condition, form.vectors, form.entering, True
    )


def diagonal_kernel(form: Diagonal, length: int) -> Array:
    """K[l] = 2 Re(c λˡ b): [length, outputs, inputs], by a two-level table of powers."""
    block = max(1, int(np.ceil(np.sqrt(length))))
    inner = powers(form.poles, block)  # [block, m]
    outer = powers(inner[-1] * form.poles, int(np.ceil(length / block)))
    found = []
    for jump in outer:
        weights = inner * jump
        found.append(2 * np.einsum("om,lm,mi->loi", form.c, weights, form.b, optimize=True).real)
    return np.concatenate(found)[:length]


def powers(poles: Array, count: int) -> Array:
    """λ⁰ … λᶜ⁻¹: [count, m], by doubling."""
    table = np.ones((1, len(poles)), np.complex128)
    jump = np.asarray(poles, np.complex128)
    while len(table) < count:
        table = np.concatenate([table, table * jump])
        jump = jump * jump
    return table[:count]


def amplification(form: Diagonal, length: int) -> float:
    """The worst output's Σₗ Σⱼ 2 |cⱼ bⱼ| |λⱼ|ˡ: what a rounding of every product may add up to, in
    units of the roundoff."""
    size = np.minimum(np.abs(form.poles), 1.0)
    gap = 1.0 - size
    with np.errstate(divide="ignore", invalid="ignore"):
        total = np.where(gap > 1e-12, (1 - size**length) / np.where(gap > 1e-12, gap, 1.0), float(length))
    return float(np.max(np.sum(2 * np.abs(form.c) * total * np.abs(form.b).sum(1), axis=1), initial=0.0))


def rounded(form: Diagonal, dtype: Any) -> Diagonal:
    """The form with the numbers that a program of that dtype holds."""

    def cut(array: Array) -> Array:
        real = np.asarray(array.real, dtype).astype(np.float64)
        return np.asarray(real + 1j * np.asarray(array.imag, dtype).astype(np.float64))

    return Diagonal(
        cut(form.poles),
        cut(form.b),
        cut(form.c),
        form.condition,
        cut(form.vectors),
        cut(form.entering),
        form.discrete,
    )
