"""Linear time-invariant systems in float64: discretisation, impulse response, transfer function."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class System:
    """`x[t] = A x[t-1] + B u[t]`, `y[t] = C x[t]` (discrete), or `x' = A x + B u`, `y = C x`.
    A[n, n], B[n, inputs], C[outputs, n]."""

    a: Array
    b: Array
    c: Array
    discrete: bool = True

    @property
    def order(self) -> int:
        return int(self.a.shape[0])

    @property
    def radius(self) -> float:
        """The largest |eigenvalue|; of a triangular matrix read off its diagonal."""
        return float(np.max(np.abs(eigenvalues(self.a)), initial=0.0))

    @property
    def abscissa(self) -> float:
        """The largest real part of an eigenvalue."""
        return float(np.max(eigenvalues(self.a).real, initial=-np.inf))

    @property
    def is_stable(self) -> bool:
        return self.radius < 1.0 if self.discrete else self.abscissa < 0.0

    @property
    def is_finite(self) -> bool:
        return all(bool(np.isfinite(m).all()) for m in (self.a, self.b, self.c))

    def with_state(self, transform: Array, inverse: Array) -> System:
        """In coordinates x = transform z: the same input and output."""
        return replace(self, a=inverse @ self.a @ transform, b=inverse @ self.b, c=self.c @ transform)


def eigenvalues(a: Array) -> Array:
    """The eigenvalues; a triangular matrix has them exactly on its diagonal."""
    if not a.size:
        return np.zeros(0, np.complex128)
    if not np.any(np.tril(a, -1)) or not np.any(np.triu(a, 1)):
        return np.diagonal(a).astype(np.complex128)
    return np.asarray(np.linalg.eigvals(a), np.complex128)


def exponential(a: Array) -> Array:
    """exp(A) by scaling and squaring of the [13/13] Padé approximant (Higham 2005)."""
    norm = float(np.linalg.norm(a, 1))
    squarings = max(0, ceil(np.log2(norm / 5.371920351148152))) if norm > 5.371920351148152 else 0
    scaled = a / 2.0**squarings
    result = _pade13(scaled)
    for _ in range(squarings):
        result = result @ result
    return result


_PADE13 = (
    64764752532480000.0,
    32382376266240000.0,
    7771770303897600.0,
    1187353796428800.0,
    129060195264000.0,
    10559470521600.0,
    670442572800.0,
    33522128640.0,
    1323241920.0,
    40840800.0,
    960960.0,
    16380.0,
    182.0,
    1.0,
)


def _pade13(a: Array) -> Array:
    p, one = _PADE13, np.eye(a.shape[0])
    a2 = a @ a
    a4 = a2 @ a2
    a6 = a2 @ a4
    odd = a6 @ (p[13] * a6 + p[11] * a4 + p[9] * a2) + p[7] * a6 + p[5] * a4 + p[3] * a2 + p[1] * one
    even = a6 @ (p[12] * a6 + p[10] * a4 + p[8] * a2) + p[6] * a6 + p[4] * a4 + p[2] * a2 + p[0] * one
    return np.asarray(np.linalg.solve(even - a @ odd, even + a @ odd))


def discretise(system: System, dt: float, method: str) -> System:
    """The discrete system of a continuous one: `zoh` (the input held over a step) or `bilinear`
    (Tustin, with B (1 - A dt/2)⁻¹ dt; not finite for a pole at 2 / dt); `none` returns it as a discrete one."""
    n = system.order
    if method == "none":
        return replace(system, discrete=True)
    if method == "zoh":
        columns = system.b.shape[1]
        wide = np.zeros((n + columns, n + columns))
        wide[:n, :n], wide[:n, n:] = system.a * dt, system.b * dt
        power = exponential(wide)
        return System(power[:n, :n], power[:n, n:], system.c)
    left, right = np.eye(n) - system.a * (dt / 2), np.eye(n) + system.a * (dt / 2)
    try:
        solved = np.linalg.solve(left, np.concatenate([right, system.b * dt], axis=1))
    except np.linalg.LinAlgError:  # a pole at 2 / dt
        solved = np.full((n, n + system.b.shape[1]), np.nan)
    return System(solved[:, :n], solved[:, n:], system.c)


def kernel(system: System, length: int) -> Array:
    """The impulse response K[l] = C Aˡ B of a discrete system: [length, outputs, inputs].

    Step by step: a power of A taken ahead may have eigenvalues outside the circle although A has
    none, where A is far from normal; a step rounds like one in a near A."""
    states = np.empty((length, *system.b.shape))
    x = system.b
    for step in range(length):
        states[step] = x
        x = system.a @ x
    return np.asarray(system.c @ states)


def transfer(system: System, points: Array) -> Array:
    """G(s) = C (s - A)⁻¹ B at complex points: [points, outputs, inputs]. A discrete system's impulse
    response starts at once, so its transform is z G(z)."""
    identity = np.eye(system.order)
    return np.stack([system.c @ np.linalg.solve(s * identity - system.a, system.b) for s in points])


def resolvent(system: System, points: Array) -> Array:
    """(s - A)⁻¹ B at complex points: [points, n, inputs]."""
    identity = np.eye(system.order)
    return np.stack([np.linalg.solve(s * identity - system.a, system.b) for s in points])
