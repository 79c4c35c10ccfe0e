"""HiPPO state matrices and their diagonal forms, in float64.

Gu, Dao, Ermon, Rudra, Ré: HiPPO (arXiv 2008.07669), and How to Train Your HiPPO (arXiv 2206.12037).
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def legs(n: int) -> tuple[Array, Array]:
    """Scaled Legendre: A[n, n], B[n] with `A + Aᵀ = -I - B Bᵀ`; eigenvalues -1 … -n."""
    b = np.sqrt(2.0 * np.arange(n) + 1.0)
    a = -np.tril(np.outer(b, b), -1) - np.diag(np.arange(n) + 1.0)
    return a, b


def legt(n: int) -> tuple[Array, Array]:
    """Translated Legendre for a window of length 1 (the delay of the LMU): A[n, n], B[n]."""
    b = np.sqrt(2.0 * np.arange(n) + 1.0)
    i, j = np.indices((n, n))
    signs = np.where(i < j, (-1.0) ** (i - j), 1.0)
    return -np.outer(b, b) * signs, b


def lagt(n: int) -> tuple[Array, Array]:
    """Translated Laguerre: A[n, n] = I/2 - tril(1), B[n] = 1, with `A + Aᵀ = -B Bᵀ`."""
    return np.eye(n) / 2 - np.tril(np.ones((n, n))), np.ones(n)


def lmu(n: int) -> tuple[Array, Array]:
    """The Legendre memory unit for a window of length 1 (Voelker et al. 2019, eq. 2): A[n, n], B[n]."""
    i, j = np.indices((n, n))
    rows = 2.0 * np.arange(n) + 1.0
    a = rows[:, None] * np.where(i < j, -1.0, (-1.0) ** (i - j + 1))
    return a, rows * (-1.0) ** np.arange(n)


MATRICES = {"legs": legs, "legt": legt, "lagt": lagt, "lmu": lmu}


def normal_part(n: int) -> Array:
    """`A + B Bᵀ / 2` of LegS: -I/2 plus a skew matrix."""
    a, b = legs(n)
    return a + np.outer(b, b) / 2


def upper_half(poles: Array, tolerance: float = 1e-12) -> Array:
    """The positions of one pole of each conjugate pair, and of the real poles, by imaginary part.
    A pole is real where its imaginary part is below `tolerance` of the largest pole."""
    scale = float(np.max(np.abs(poles), initial=0.0))
    kept = np.flatnonzero(poles.imag >= -tolerance * scale)
    real = np.abs(poles.imag) <= tolerance * scale
    kept = np.array([i for i in kept if real[i] or poles.imag[i] > 0], dtype=np.int64)
    return kept[np.lexsort((poles[kept].real, poles[kept].imag))]


def legs_diagonal(n: int, tau: float) -> tuple[Array, Array, Array]:
    """LegS perturbed by `tau B Bᵀ` with B scaled by `1 - tau`, diagonalised: poles[m], the input in
    eigenvector coordinates[m], and eigenvectors[n, m], all complex.

    One pole of each pair is kept, real poles with half an eigenvector, so that x = 2 Re(V x̂).
    tau = 1/2 is S4D-LegS (the normal part, B halved); for tau < 1/2 the transfer function of every
    readout is HiPPO's over `1 + theta π(s)`, theta = tau / (1 - tau) and |π| = 1 on the imaginary axis.
    """
    a, b = legs(n)
    perturbed = a + tau * np.outer(b, b)
    if tau == 0.5:
        imaginary, vectors = np.linalg.eigh(-1j * (perturbed + np.eye(n) / 2))
        poles, inverse = -0.5 + 1j * imaginary, vectors.conj().T
    else:
        poles, vectors = np.linalg.eig(perturbed)
        inverse = np.linalg.inv(vectors)
    kept = upper_half(np.asarray(poles, np.complex128))
    halves = np.where(np.abs(poles[kept].imag) <= 1e-12 * np.abs(poles).max(), 0.5, 1.0)
    entering = inverse @ (b * (1 - tau))
    return poles[kept].astype(np.complex128), entering[kept], vectors[:, kept] * halves


def entering(n: int, vectors: Array) -> Array:
    """W[m, n] with W x = x̂ where x = 2 Re(vectors x̂): the kept rows of the eigenvectors' inverse, zero
    for a column of zeros. A real eigenvector comes as half of itself."""
    used = np.linalg.norm(vectors, axis=0) > 0
    real = np.abs(vectors.imag).max(axis=0, initial=0.0) == 0.0
    pairs, alone = vectors[:, used & ~real], vectors[:, used & real]
    whole = np.concatenate([pairs, pairs.conj(), 2 * alone], axis=1)
    inverse = np.linalg.inv(whole)
    found = np.zeros((vectors.shape[1], n), np.complex128)
    found[used & ~real] = inverse[: pairs.shape[1]]
    found[used & real] = inverse[2 * pairs.shape[1] :]
    return found
