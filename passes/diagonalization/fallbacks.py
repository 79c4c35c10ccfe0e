"""Exact forms for what has no good diagonal one: blocks, and a diagonal plus a low rank."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .candidates import completion, dissipation, input_normal
from .diagonal import Diagonal, normal_form
from .system import Array, System

SPLIT_STEPS = 60


@dataclass(frozen=True, eq=False)
class Blocks:
    """`inverse A transform` is block-diagonal; `sizes` are the blocks' orders, in order."""

    transform: Array
    inverse: Array
    sizes: tuple[int, ...]
    condition: float


@dataclass(frozen=True, eq=False)
class LowRank:
    """A = V (Λ - 2 P Re(Q* ·)) over kept poles: `form` is the diagonal part, p[m, r], q[m, r]."""

    form: Diagonal
    p: Array
    q: Array


def block_form(a: Array, condition: float = 100.0, least: int = 2) -> Blocks:
    """Real blocks from spectral divide and conquer: the sign function of A - t splits the spectrum at
    the real part t (Bai and Demmel 1998). A split that would bring the condition of the transform
    above `condition` is not made, so one block of the whole is the worst case."""
    transform = np.eye(a.shape[0])
    parts = [(0, a.shape[0])]
    done: list[int] = []
    while parts:
        start, size = parts.pop(0)
        inverse = np.linalg.inv(transform)
        block = (inverse @ a @ transform)[start : start + size, start : start + size]
        split = _split(block) if size > least else None
        if split is not None:
            basis, first = split
            moved = transform.copy()
            moved[:, start : start + size] = transform[:, start : start + size] @ basis
            if np.linalg.cond(moved) <= condition:
                transform = moved
                parts = [(start, first), (start + first, size - first), *parts]
                continue
        done.append(size)
    inverse = np.linalg.inv(transform)
    return Blocks(transform, inverse, tuple(done), float(np.linalg.cond(transform)))


def _split(block: Array) -> tuple[Array, int] | None:
    """Bases of the two invariant subspaces on either side of the widest gap in the real parts, and
    the dimension of the first; None where all real parts are equal or the iteration fails."""
    parts = np.sort(np.linalg.eigvals(block).real)
    gaps = np.diff(parts)
    if not gaps.size or gaps.max() <= 1e-6 * max(1e-300, float(np.abs(parts).max())):
        return None
    at = int(np.argmax(gaps))
    sign = _sign(block - np.eye(len(block)) * (parts[at] + parts[at + 1]) / 2)
    if sign is None:
        return None
    projector = (np.eye(len(block)) - sign) / 2
    u, values, vt = np.linalg.svd(projector)
    first = round(float(np.trace(projector)))
    if not 0 < first < len(block) or values[first] > 1e-6 * values[0]:
        return None
    return np.concatenate([u[:, :first], vt[first:].T], axis=1), first


def _sign(a: Array) -> Array | None:
    """The matrix sign function by Newton's iteration with determinantal scaling."""
    x = a
    for _ in range(SPLIT_STEPS):
        try:
            inverse = np.linalg.inv(x)
        except np.linalg.LinAlgError:
            return None
        if not np.isfinite(inverse).all():
            return None
        _, logdet = np.linalg.slogdet(x)
        mu = np.exp(-logdet / len(x))
        following = (mu * x + inverse / mu) / 2
        if np.linalg.norm(following - x, 1) <= 1e-13 * np.linalg.norm(following, 1):
            return np.asarray(following)
        x = following
    return None


def low_rank_form(system: System, rank: int = 4) -> LowRank | None:
    """The exact diagonal-plus-low-rank form with unitary eigenvectors.

    Continuous: a dissipative A is `-c I / 2 + skew - P Pᵀ / 2`. Discrete: in input-normal coordinates A is
    an orthogonal matrix less one of the rank of the inputs (the all-pass completion fed back).
    None where neither has a rank of at most `rank`."""
    if system.discrete:
        return _discrete_low_rank(system, rank)
    found = dissipation(system)
    if found is None or found.p.shape[1] > rank:
        return None
    p = found.p / np.sqrt(2.0)
    return _from_normal(system, system.a + p @ p.T, p, p)


def _discrete_low_rank(system: System, rank: int) -> LowRank | None:
    count = system.b.shape[1]
    coordinates = input_normal(system) if count <= rank else None
    if coordinates is None:
        return None
    transform, inverse = coordinates
    inner = system.with_state(transform, inverse)
    out, through = completion(inner.a, inner.b)
    # a gain with 1 - K D far from singular: the sign that agrees with D least
    gain = np.eye(count) if np.trace(through) <= 0 else -np.eye(count)
    left = inner.b @ np.linalg.inv(np.eye(count) - gain @ through) @ gain
    # orthogonal but for rounding, which the Gramian's condition may have enlarged
    u, values, vt = np.linalg.svd(inner.a + left @ out)
    if np.abs(values - 1).max() > 1e-6:
        return None
    found = _from_normal(inner, u @ vt, left, out.T)
    if found is None:
        return None
    form = found.form
    moved = Diagonal(
        form.poles,
        form.b,
        form.c,
        form.condition,
        transform @ form.vectors,
        form.entering @ inverse,
        True,
    )
    return LowRank(moved, found.p, found.q)


def _from_normal(system: System, normal: Array, p: Array, q: Array) -> LowRank | None:
    """A = normal - p qᵀ in the eigenvectors of the normal part. A kept pole x̂ of a pair stands for
    itself and its conjugate, so qᵀ x = 2 Re(q̂* x̂), q̂ halved at real poles."""
    form = normal_form(System(normal, system.b, system.c, system.discrete))
    if form is None:
        return None
    return LowRank(form, form.entering @ p, form.vectors.conj().T @ q)
