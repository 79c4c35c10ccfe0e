"""Ways to a diagonal form of a system, from cheap to dear.

Each takes a system that it may perturb and gives forms of systems near it. Which form is used is
decided afterwards by its certificate; nothing here is trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from .diagonal import Diagonal, diagonal_form, normal_form
from .optimized import optimized_perturbation
from .system import Array, System

TAUS = (1e-1, 1e-2, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 1e-6, 1e-7, 1e-8)
GAINS = (1e-2, 1e-3, 3e-4, 1e-4, 3e-5, 1e-6, 1e-8)
SIZES = (1e-1, 1e-2, 1e-3, 1e-4, 3e-5, 1e-6, 1e-8)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A diagonal form near a system. `parameter` is τ, k or the relative size of the perturbation;
    `bound` is the closed form's relative error of the transfer function (None: none is known)."""

    kind: str
    form: Diagonal
    parameter: float = 0.0
    bound: float | None = None


@dataclass(frozen=True)
class Draws:
    """How random candidates are drawn, and how long optimised ones are improved."""

    seed: int = 0
    best_of: int = 3
    steps: int = 60


Generator = Callable[[System, Draws], Iterator[Candidate]]


def unitary(system: System, draws: Draws) -> Iterator[Candidate]:
    """A normal matrix, by its unitary eigenvectors."""
    form = normal_form(system)
    if form is not None:
        yield Candidate("unitary", form, bound=0.0)


def plain(system: System, draws: Draws) -> Iterator[Candidate]:
    """The eigendecomposition as it is, where its eigenvectors are far from singular."""
    form = diagonal_form(system)
    if form is not None and np.isfinite(form.condition):
        yield Candidate("eig", form)


# --- closed forms --------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Dissipation:
    """`A + Aᵀ = -c I - P Pᵀ` with P[n, r]; `aligned` where P is one column along a single input."""

    c: float
    p: Array
    aligned: bool


def dissipation(system: System) -> Dissipation | None:
    """The dissipation of a continuous system with c ≥ 0; None where A is not dissipative.

    c is the least eigenvalue of -(A + Aᵀ), to which the largest group of eigenvalues must be equal
    for P to have a small rank; any c ≥ 0 is right, this one makes P smallest."""
    values, vectors = np.linalg.eigh(-(system.a + system.a.T))
    scale = float(np.max(np.abs(values), initial=0.0))
    c = float(values[0])
    if scale == 0.0 or c < -1e-6 * scale:
        return None
    c = max(c, 0.0)
    rest = np.maximum(values - c, 0.0)
    kept = rest > 1e-6 * scale  # A may have been rounded to float32
    p = vectors[:, kept] * np.sqrt(rest[kept])
    return Dissipation(c, p, _is_aligned(p, system.b))


def _is_aligned(p: Array, b: Array) -> bool:
    if p.shape[1] != 1 or b.shape[1] != 1:
        return False
    cosine = abs(float(p[:, 0] @ b[:, 0]))
    return cosine >= (1 - 1e-7) * float(np.linalg.norm(p) * np.linalg.norm(b))


def dissipative(system: System, draws: Draws) -> Iterator[Candidate]:
    """`A + τ P Pᵀ`. With P along the one input, B scaled by 1 - τ makes every transfer function the
    old one over `1 + θ π`, |π| ≤ 1: a relative error of at most θ / (1 - θ), θ = τ / (1 - τ), whatever
    the order. Otherwise the resolvent moves by at most `τ / (c (1 - 2 τ))`."""
    found = None if system.discrete else dissipation(system)
    if found is None or not found.p.size:
        return
    for tau in TAUS:
        near = replace(system, a=system.a + tau * (found.p @ found.p.T))
        if found.aligned:
            near = replace(near, b=system.b * (1 - tau))
        form = diagonal_form(near)
        if form is not None:
            theta = tau / (1 - tau)
            yield Candidate("rank-one" if found.aligned else "dissipative", form, tau, theta / (1 - theta))


def lossless(system: System, draws: Draws) -> Iterator[Candidate]:
    """Feedback of the all-pass completion, for any stable discrete system and any number of inputs.

    In input-normal coordinates `[A B]` has orthonormal rows; completed by rows `[C D]` to an
    orthogonal matrix it is all-pass, |b(z)| = 1 on the circle. The input `u = v + k Q (C x + D u)`
    gives x = R B (1 - k Q b)⁻¹ v: a relative error of at most k / (1 - k)."""
    if not system.discrete:
        return
    found = input_normal(system)
    if found is None:
        return
    transform, inverse = found
    normal = system.with_state(transform, inverse)
    out, through = completion(normal.a, normal.b)
    count = system.b.shape[1]
    for k in GAINS:
        for sign in (1.0, -1.0) if count == 1 else (1.0,):
            gain = sign * k * _rotation(count)
            loop = np.linalg.inv(np.eye(count) - gain @ through)
            near = replace(normal, a=normal.a + normal.b @ loop @ gain @ out, b=normal.b @ loop)
            form = diagonal_form(near)
            if form is not None:
                yield Candidate("lossless", _back(form, transform, inverse), sign * k, k / (1 - k))


def _rotation(count: int) -> Array:
    """A fixed orthogonal matrix that mixes all channels (the identity for one)."""
    draws = np.random.default_rng(0).standard_normal((count, count))
    return np.asarray(np.linalg.qr(draws)[0]) if count > 1 else np.eye(1)


def _back(form: Diagonal, transform: Array, inverse: Array) -> Diagonal:
    """The form with its state maps in the coordinates before `transform`."""
    return replace(form, vectors=transform @ form.vectors, entering=form.entering @ inverse)


def input_normal(system: System) -> tuple[Array, Array] | None:
    """T with T Tᵀ the controllability Gramian, and its inverse; None where that is singular to
    1e-12, or the system has an eigenvalue on the circle."""
    gramian = gramian_of(system.a, system.b)
    if gramian is None:
        return None
    values, vectors = np.linalg.eigh(gramian)
    if values[0] <= 1e-12 * values[-1]:
        return None
    root = np.sqrt(values)
    return vectors * root, (vectors / root).T


def gramian_of(a: Array, b: Array) -> Array | None:
    """P = A P Aᵀ + B Bᵀ by Smith's doubling; None where the powers of A do not die out."""
    total, power = b @ b.T, a
    for _ in range(64):
        with np.errstate(over="ignore", invalid="ignore"):
            step = power @ total @ power.T
        size = float(np.max(np.abs(step), initial=0.0))
        if not size < 1e150:
            return None
        total, power = total + step, power @ power
        if size <= 1e-17 * float(np.max(np.abs(total), initial=0.0)):
            return np.asarray((total + total.T) / 2)
    return None


def completion(a: Array, b: Array) -> tuple[Array, Array]:
    """(C, D) that complete the orthonormal rows [A B] to an orthogonal matrix."""
    rows = np.concatenate([a, b], axis=1)
    count = b.shape[1]
    q = np.linalg.qr(rows.T, mode="complete")[0][:, rows.shape[0] :].T
    return q[:, : rows.shape[1] - count], q[:, rows.shape[1] - count :]


# --- unstructured perturbations ------------------------------------------------------------------


def ginibre(system: System, draws: Draws) -> Iterator[Candidate]:
    """A + E with E of independent normal numbers, scaled to relative 2-norm sizes; of each size the
    best conditioned of `best_of` draws that stay stable."""
    generator = np.random.default_rng(draws.seed)
    scale = _size(system)
    for size in SIZES:
        best: Diagonal | None = None
        for _ in range(draws.best_of):
            e = generator.standard_normal(system.a.shape)
            form = diagonal_form(replace(system, a=system.a + e * (size * scale / np.linalg.norm(e, 2))))
            if form is not None and form.is_stable and (best is None or form.condition < best.condition):
                best = form
        if best is not None:
            yield Candidate("ginibre", best, size)


def optimized(system: System, draws: Draws) -> Iterator[Candidate]:
    """A + E with E of given 2-norm, improved by Adam on the sum of the eigenvalues' condition numbers:
    the objective of Yu et al. (arXiv 2310.01698), with their penalty as a constraint."""
    scale = _size(system)
    for size in (1e-2, 1e-3, 1e-4, 3e-5):
        e = optimized_perturbation(system.a, size * scale, draws.steps, draws.seed)
        form = diagonal_form(replace(system, a=system.a + e))
        if form is not None and form.is_stable:
            yield Candidate("optimized", form, size)


def _size(system: System) -> float:
    """‖A‖₂, at least a little, so that the zero matrix is perturbed too."""
    return max(float(np.linalg.norm(system.a, 2)), 1e-3)


CANDIDATES: Mapping[str, Generator] = {
    "unitary": unitary,
    "eig": plain,
    "dissipative": dissipative,
    "lossless": lossless,
    "ginibre": ginibre,
    "optimized": optimized,
}
"""By name, from cheap to dear. `dissipative` gives "rank-one" candidates where P is along B."""
