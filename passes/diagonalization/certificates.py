"""A-posteriori certificates: how far the output of a replaced system may lie from the old one.

All are computed from the two impulse responses or the two realisations, with the numbers that the
program holds, in float64; none rests on a condition number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .chunk_roundings import Emitted, emitted_roundings
from .diagonal import Diagonal, amplification, diagonal_kernel
from .growth import reliable_kernel
from .realisation import Realisation
from .system import Array, System, eigenvalues, kernel

AXIS = 1e-5
"""Eigenvalues this near to the imaginary axis count as on it: on the safe side."""
SHARE, FARTHEST = 0.1, 16384
"""A tail below this share of T1 is not looked into, nor one beyond so many steps."""
UNIT = {"float32": 2.0**-24, "float64": 2.0**-53}


@dataclass(frozen=True)
class Certificate:
    """`gain` bounds max |Δy| over max |u| for inputs of at most `length` steps from a zero state, in
    real arithmetic (T1); `rounding` what arithmetic in `dtype` adds in any order of its sums, the worst of
    `emitted`, the ways to run it; `tail` what longer inputs add
    (T2; infinite where nothing bounds it). `norm` is the old system's own largest gain ‖K‖₁.

    `expected` is the size that roundings have in practice: one of each term of the sums, as no
    worst case. `kind` is the candidate, `bound` its closed-form relative error.
    """

    kind: str
    gain: float
    rounding: float
    tail: float
    norm: float
    length: int
    dtype: str
    parameter: float = 0.0
    bound: float | None = None
    condition: float = 1.0
    expected: float = 0.0
    emitted: Emitted | None = None

    @property
    def score(self) -> float:
        """What candidates are compared by: T1 and the roundings to expect."""
        return self.gain + self.expected

    @property
    def total(self) -> float:
        """Certified max |Δy| per unit input, up to `length` steps, roundings included."""
        return self.gain + self.rounding

    @property
    def relative(self) -> float:
        return self.total / self.norm if self.norm > 0 else self.total

    def __str__(self) -> str:
        ever = f", {self.gain + self.tail:.3g} for any length" if np.isfinite(self.tail) else ""
        share = f"{self.gain / self.norm:.2g} of the largest gain {self.norm:.3g}" if self.norm else "no gain"
        return (
            f"{self.kind}: certified max |Δy| {self.gain:.3g} per unit input up to {self.length} steps"
            f"{ever} ({share}); {self.dtype} arithmetic adds at most {self._roundings()}; "
            f"κ {self.condition:.3g}"
        )

    def _roundings(self) -> str:
        if self.emitted is None or not self.emitted.own:
            return f"{self.rounding:.2g}"
        own = f"{self.emitted.own:.2g}" if np.isfinite(self.emitted.own) else "without a bound"
        return (
            f"{self.emitted.step:.2g} step by step, {self.emitted.once:.2g} in chunks, {own} with "
            f"tables in {self.dtype}"
        )


def absolute_gain(difference: Array) -> float:
    """max over outputs of Σ |K[l, output, input]|: the gain from max |u| to max |y|."""
    return float(np.max(np.abs(difference).sum(axis=(0, 2)), initial=0.0))


def worst_input(difference: Array) -> Array:
    """The input of size 1 that reaches `absolute_gain` at its last step: [length, inputs]."""
    output = int(np.argmax(np.abs(difference).sum(axis=(0, 2))))
    signs = np.sign(difference[::-1, output, :])
    return np.asarray(np.where(signs == 0, 1.0, signs))


def certify(
    system: System,
    form: Diagonal,
    length: int,
    dtype: str,
    *,
    kind: str = "",
    parameter: float = 0.0,
    bound: float | None = None,
    exact: tuple[Array, float] | None = None,
) -> Certificate:
    """T1 for a discrete system and the diagonal form (already rounded to what the program
    holds) that replaces it. `exact` is the system's `reliable_kernel` where it is known already. T2 and the
    roundings are left infinite: `with_tail` and `with_roundings` add them.

    T1 is enlarged by what float64 itself may have lost in both kernels."""
    old, lost = reliable_kernel(system, length) if exact is None else exact
    new = diagonal_kernel(form, length)
    summed = amplification(form, length)
    # a power of a pole is as many complex products, and a term of the sum over poles as many sums, in float64
    slack = lost + 4 * UNIT["float64"] * summed * (form.order + length)
    return Certificate(
        kind or "eig",
        absolute_gain(old - new) + slack,
        np.inf,
        np.inf,
        absolute_gain(old),
        length,
        dtype,
        parameter,
        bound,
        form.condition,
        UNIT[dtype] * summed,
    )


def with_roundings(found: Certificate, form: Diagonal, chunk: int, *, sharp: bool = False) -> Certificate:
    """The certificate with what arithmetic adds at most, however the program runs the layer."""
    system = Realisation.of(form)
    emitted = emitted_roundings(system, found.length, found.dtype, chunk, sharp=sharp)
    return replace(found, rounding=emitted.worst, emitted=emitted)


def with_tail(found: Certificate, system: System, form: Diagonal) -> Certificate:
    """The certificate with T2: the difference of the responses summed on in blocks of `length` steps, until
    what both responses have left together is small beside it."""
    total = np.zeros(system.c.shape[0])
    column, jump = np.linalg.matrix_power(system.a, found.length) @ system.b, form.poles**found.length
    reach, tail = found.length, np.inf
    while True:
        rest = tail_gain(system, reach) + diagonal_tail(form, reach)
        tail = min(tail, float(total.max(initial=0.0)) + rest)
        if not np.isfinite(rest) or rest <= SHARE * found.gain or reach - found.length >= FARTHEST:
            return replace(found, tail=tail)
        block = min(reach, FARTHEST)
        old = kernel(replace(system, b=column), block)
        new = diagonal_kernel(replace(form, b=form.b * jump[:, None]), block)
        total += np.abs(old - new).sum(axis=(0, 2))
        column, jump = np.linalg.matrix_power(system.a, block) @ column, jump * form.poles**block
        reach += block


def tail_gain(system: System, length: int) -> float:
    """Σ over l ≥ length of |C Aˡ B|, bounded by a power of A with norm below 1/2:
    `‖C Aᴸ‖ Σ_{l<T} ‖Aˡ B‖ / (1 - ‖Aᵀ‖)` row by row; infinite where no power up to 2²⁰ has one."""
    power, steps = system.a, 1
    while np.linalg.norm(power, 2) > 0.5:
        power, steps = power @ power, steps * 2
        if steps > 2**20 or not np.isfinite(power).all():
            return np.inf
    head = np.abs(system.c @ np.linalg.matrix_power(system.a, length))
    rows = np.linalg.norm(head, axis=1)
    column, total = system.b, 0.0
    for _ in range(min(steps, 4096)):
        total += float(np.linalg.norm(column, axis=0).sum())
        column = system.a @ column
    if steps > 4096:
        return np.inf
    return float(np.max(rows, initial=0.0) * total / (1 - np.linalg.norm(power, 2)))


def diagonal_tail(form: Diagonal, length: int) -> float:
    """Σ over l ≥ length of 2 |c| |λ|ˡ |b|: infinite for a pole on or outside the circle."""
    size = np.abs(form.poles)
    if np.any(size >= 1.0):
        return np.inf
    weights = 2 * np.abs(form.c) * np.abs(form.b).sum(1) * size**length / (1 - size)
    return float(np.max(weights.sum(axis=1), initial=0.0))


# --- energy ---------------------------------------------------------------------------------------


def response_gain(difference: Array, rest: float = 0.0) -> float:
    """An upper bound on the gain from ‖u‖₂ to ‖Δy‖₂ by the difference of the impulse responses [length, outputs,
    inputs] and what the later steps sum to: the peak over 8 frequencies a step, which a polynomial of that degree
    exceeds by no more than 1 / cos(π / 16) (Ehlich and Zeller 1964). Unlike a Hamiltonian of both systems
    it loses nothing where their difference is small."""
    count = 8 * len(difference)
    peak = np.linalg.norm(np.fft.rfft(difference, count, axis=0), 2, axis=(1, 2)).max(initial=0.0)
    return float(peak / np.cos(np.pi / 16)) + rest


def error_system(system: System, other: System) -> System:
    """The difference of two systems of one kind, as one of the sum of their orders."""
    n, m = system.order, other.order
    a = np.zeros((n + m, n + m))
    a[:n, :n], a[n:, n:] = system.a, other.a
    return System(
        a,
        np.concatenate([system.b, other.b]),
        np.concatenate([system.c, -other.c], axis=1),
        system.discrete,
    )


def real_system(form: Diagonal) -> System:
    """The diagonal form as a real system: 2 × 2 blocks for all poles, the real ones too."""
    m = len(form.poles)
    a = np.zeros((2 * m, 2 * m))
    a[:m, :m] = a[m:, m:] = np.diag(form.poles.real)
    a[m:, :m], a[:m, m:] = np.diag(form.poles.imag), -np.diag(form.poles.imag)
    b = np.concatenate([form.b.real, form.b.imag])
    c = np.concatenate([2 * form.c.real, -2 * form.c.imag], axis=1)
    return System(a, b, c, form.discrete)


def energy_gain(system: System, tolerance: float = 1e-4) -> float:
    """An upper bound on the H-infinity norm (the gain from ‖u‖₂ to ‖y‖₂), within `tolerance` of it:
    bisection on the Hamiltonian's imaginary eigenvalues (Boyd, Balakrishnan, Kabamba 1989), a
    discrete system first made continuous by z = (1 + s) / (1 - s). Infinite where it is unstable. For the
    small difference of two systems float64 loses digits: `response_gain` does not."""
    if not system.is_stable:
        return np.inf
    a, b, c, d = _continuous(system)
    low = _peak(a, b, c, d)
    high = max(2 * low, 1e-300)
    for _ in range(64):
        if not _reaches(a, b, c, d, high):
            break
        low, high = high, 2 * high
    else:
        return np.inf
    while high - low > tolerance * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _reaches(a, b, c, d, middle) else (low, middle)
    return float(high)


def _continuous(system: System) -> tuple[Array, Array, Array, Array]:
    """(A, B, C, D) in continuous time with the same norm. The discrete one has y[t] = C x[t], which
    is z C (z - A)⁻¹ B: its D is C B, its C is C A."""
    a, b, c = system.a, system.b, system.c
    if not system.discrete:
        return a, b, c, np.zeros((c.shape[0], b.shape[1]))
    d, c = c @ b, c @ a
    inverse = np.linalg.inv(a + np.eye(system.order))
    root = np.sqrt(2.0)
    return inverse @ (a - np.eye(system.order)), root * inverse @ b, root * c @ inverse, d - c @ inverse @ b


def _peak(a: Array, b: Array, c: Array, d: Array) -> float:
    """The largest singular value over frequencies at and around every pole, and at the ends."""
    poles = eigenvalues(a)
    points = [0.0]
    for pole in poles:
        points += [abs(pole.imag), abs(pole.imag) + abs(pole.real), abs(abs(pole.imag) - abs(pole.real))]
    best = float(np.linalg.norm(d, 2))
    for w in points:
        g = d + c @ np.linalg.solve(1j * w * np.eye(len(a)) - a, b.astype(np.complex128))
        best = max(best, float(np.linalg.norm(g, 2)))
    return best


def _reaches(a: Array, b: Array, c: Array, d: Array, gain: float) -> bool:
    """Whether some frequency has a gain of at least `gain`."""
    r = gain**2 * np.eye(d.shape[1]) - d.T @ d
    if np.linalg.eigvalsh(r)[0] <= 0:
        return True
    inner = np.linalg.solve(r, np.concatenate([d.T @ c, b.T], axis=1))
    n = a.shape[0]
    top = a + b @ inner[:, :n]
    s = np.eye(d.shape[0]) + d @ np.linalg.solve(r, d.T)
    # scaled so that both corners are of a size: it is similar to the usual one
    hamiltonian = np.block([[top, b @ inner[:, n:] * gain], [-c.T @ s @ c / gain, -top.T]])
    values = np.linalg.eigvals(hamiltonian)
    return bool(np.any(np.abs(values.real) <= AXIS * np.maximum(np.abs(values), 1e-3)))
