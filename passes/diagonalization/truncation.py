"""Balanced truncation of discrete systems (Moore 1981), by the square-root method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .candidates import gramian_of
from .system import Array, System


@dataclass(frozen=True, eq=False)
class Truncated:
    """The smaller system; its state lifted back to the old one, x ≈ lift z, z = drop x; the bound
    2 Σ σₖ of the dropped Hankel singular values on the gain from energy to energy."""

    system: System
    lift: Array
    drop: Array
    hankel: Array
    bound: float


def balanced_truncation(system: System, tolerance: float, order: int | None = None) -> Truncated | None:
    """The least order whose dropped Hankel singular values sum to at most `tolerance` times the
    largest one (or the order given); None for a system whose Gramians do not exist.

    The reduced system is balanced, so that its Gramians are diagonal and it is as well scaled as any."""
    reach, seen = gramian_of(system.a, system.b), gramian_of(system.a.T, system.c.T)
    if reach is None or seen is None:
        return None
    left, right = _root(reach), _root(seen)
    if not left.size or not right.size:
        return None
    u, hankel, vt = np.linalg.svd(right.T @ left, full_matrices=False)
    if hankel[0] == 0.0:
        return None
    tails = np.append(np.cumsum(hankel[::-1])[::-1], 0.0)
    kept = order if order is not None else int(np.argmax(2 * tails <= tolerance * hankel[0]))
    kept = max(1, min(kept, int(np.sum(hankel > 1e-15 * hankel[0]))))
    scale = 1 / np.sqrt(hankel[:kept])
    lift, drop = left @ vt[:kept].T * scale, (right @ u[:, :kept] * scale).T
    reduced = System(drop @ system.a @ lift, drop @ system.b, system.c @ lift)
    return Truncated(reduced, lift, drop, hankel, float(2 * tails[kept]))


def _root(gramian: Array) -> Array:
    """R with R Rᵀ = gramian, of the columns that are not rounding."""
    values, vectors = np.linalg.eigh(gramian)
    kept = values > 1e-16 * max(float(values[-1]), 0.0)
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept]))
