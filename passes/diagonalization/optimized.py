"""A perturbation that makes a matrix's eigenvectors well conditioned, found by gradient descent."""

from __future__ import annotations

import numpy as np

from .system import Array


def conditioning(a: Array) -> tuple[float, Array]:
    """log Σᵢ ‖vᵢ‖ ‖wᵢ‖ over right eigenvectors vᵢ and rows wᵢ of their inverse (the sum of the
    eigenvalues' condition numbers, whatever the vectors' scale), and its gradient by A.

    From `dV = V Q`, `Qⱼₖ = (W dA V)ⱼₖ / (λₖ - λⱼ)`. Raises numpy.linalg.LinAlgError where the
    eigenvectors are singular."""
    poles, v = np.linalg.eig(a)
    w = np.linalg.inv(v)
    right, left = np.linalg.norm(v, axis=0), np.linalg.norm(w, axis=1)
    sizes = right * left
    share = sizes / sizes.sum()
    gaps = poles[None, :] - poles[:, None]
    np.fill_diagonal(gaps, 1.0)
    of_v = (v.conj().T @ v).T * (share / right**2)[None, :]
    of_w = (w @ w.conj().T).T * (share / left**2)[:, None]
    z = (of_v - of_w) / gaps
    np.fill_diagonal(z, 0.0)
    return float(np.log(sizes.sum())), (v @ z.T @ w).real.T


def optimized_perturbation(a: Array, size: float, steps: int, seed: int, rate: float = 0.1) -> Array:
    """E of 2-norm `size` for which A + E has small eigenvector condition numbers: Adam over M with
    E = size M / ‖M‖₂, from a real Ginibre M; the best E of the way. Deterministic in the seed."""
    generator = np.random.default_rng(seed)
    m = generator.standard_normal(a.shape)
    first, second = np.zeros_like(m), np.zeros_like(m)
    best: Array = np.asarray(size * m / np.linalg.norm(m, 2))
    least = np.inf
    for step in range(1, steps + 1):
        u, values, vt = np.linalg.svd(m)
        e: Array = np.asarray(size * m / values[0])
        try:
            loss, of_e = conditioning(a + e)
        except np.linalg.LinAlgError:
            return best
        if not np.isfinite(of_e).all():
            return best
        if loss < least:
            best, least = e, loss
        gradient = (size / values[0]) * (
            of_e - np.outer(u[:, 0], vt[0]) * float(np.sum(of_e * m)) / values[0]
        )
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        m = m - rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-12)
    return best
