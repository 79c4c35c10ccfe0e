"""Accuracy of diagonalised state-space layers: goals G1 to G6 and G10, and what goes beyond them.

`GRAPHWRIGHT_CASES` sets the number of generated cases of G5 (10,000 by default).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import replace
from time import process_time
from typing import Any

import numpy as np

from ...graph.build.prelude.hippo import legs
from ...passes.diagonalization.candidates import Draws, dissipative
from ...passes.diagonalization.certificates import absolute_gain, worst_input
from ...passes.diagonalization.choice import Outcome, Wanted, balanced, diagonalise
from ...passes.diagonalization.diagonal import diagonal_form, diagonal_kernel, zero_order_hold
from ...passes.diagonalization.growth import reliable_kernel
from ...passes.diagonalization.sections import stages_of
from ...passes.diagonalization.system import Array, System, discretise, kernel
from .goals import Goal, show
from .recurrences import Case, recurrences
from .state_space_cases import violated

COMMAND = "python -m graphwright.tools.bench state_space"


def report() -> None:
    """The table of goals, one line each."""
    print(f"command: {COMMAND}")
    show(goals())


def goals() -> Iterator[Goal]:
    """G1 to G6 and G10, and what goes beyond them."""
    for part in (closed_form, kernels, improvement, zoo, violations, beyond):
        yield from part()


def _legs(n: int, seed: int = 0) -> System:
    a, b = legs(n)
    return System(a, b[:, None], np.random.default_rng(seed).standard_normal((1, n)), False)


def states_error(n: int, tau: float, dtype: str = "float64") -> tuple[float, float, float, float]:
    """(κ, sup error of the state, CPU seconds of the decomposition, closed-form bound) of LegS
    perturbed by τ; the sup over a grid and around the poles, of the state in HiPPO's coordinates."""
    a, b = legs(n)
    start = process_time()
    poles, vectors = np.linalg.eig(a + tau * np.outer(b, b))
    entering = np.linalg.solve(vectors, b * (1 - tau) + 0j)
    seconds = process_time() - start
    values = np.linalg.svd(vectors, compute_uv=False)
    kind: Any = np.complex64 if dtype == "float32" else np.complex128
    poles_, vectors_, entering_ = (x.astype(kind) for x in (poles, vectors, entering))
    spikes = np.abs(poles.imag)
    s4d = np.abs(np.linalg.eigvals(a + 0.5 * np.outer(b, b)).imag)
    points = np.concatenate([np.geomspace(0.01, 2 * n * n, 60), spikes, s4d])
    points = points if n <= 64 else points[:: max(1, len(points) // 160)]
    worst = 0.0
    for w in np.unique(points):
        exact = np.linalg.solve(1j * w * np.eye(n) - a, b + 0j)
        near = vectors_ @ (entering_ / (kind(1j * w) - poles_))
        worst = max(worst, float(np.linalg.norm(near - exact)))
    theta = tau / (1 - tau)
    bound = theta / (1 - theta) if theta < 1 else np.inf
    return float(values[0] / values[-1]), worst, seconds, bound


def closed_form() -> Iterator[Goal]:
    """G1."""
    for n in (16, 64, 256, 512):
        condition, error, seconds, bound = states_error(n, 9.9e-4)
        met = condition <= 1100 and bound <= 1e-3 and error <= bound and (n > 256 or seconds < 1)
        yield Goal(
            "G1",
            f"LegS n={n}: certified <= 1e-3 with kappa <= 1100, < 1 s to 256",
            f"certified {bound:.3g}, measured {error:.2g}, kappa {condition:.0f}, {seconds:.2f} s",
            met,
            "5e-4, kappa 660-986",
        )


def kernels() -> Iterator[Goal]:
    """G2: the kernel of the numbers that a float32 graph holds, against float64."""
    for n in (16, 64, 256):
        found = diagonalise(
            _legs(n), Wanted(length=4096, candidates=("dissipative",), arithmetic=0.0), 1e-3, "zoh"
        )
        error = _relative(found)
        text = (
            f"{error:.2g} (certificate {found.certificate.gain / found.certificate.norm:.2g})"
            if found.certificate
            else found.reason
        )
        target = f"LegS n={n}, L=4096, dt 1e-3: float32 kernel error <= 1e-4"
        yield Goal("G2", target, text, error <= 1e-4, "9e-5")


def _relative(found: Outcome) -> float:
    if found.form is None or found.certificate is None or found.discrete is None:
        return np.inf
    exact = kernel(found.discrete, found.certificate.length)
    return absolute_gain(exact - diagonal_kernel(found.form, found.certificate.length)) / absolute_gain(exact)


def improvement() -> Iterator[Goal]:
    """G3."""
    s4d = states_error(64, 0.5, "float32")[1]
    ptd = min(states_error(64, tau, "float32")[1] for tau in (3e-4, 1e-4, 2e-4))
    text = f"{s4d:.1f} / {ptd:.2g} = {s4d / ptd:.2g}"
    yield Goal("G3", "S4D / PTD sup error at n=64 in float32 >= 5e4", text, s4d / ptd >= 5e4, "8e4")


def zoo() -> Iterator[Goal]:
    """G4, G6 and G10."""
    within, finer, declined, failed, ratios = 0, 0, [], 0, []
    for name, (system, dt, method) in recurrences().items():
        found = diagonalise(system, Wanted(length=512), dt, method)
        failed += _plain_fails(system, dt, method)
        share = found.certificate.gain / found.certificate.norm if found.certificate else np.inf
        if not np.isfinite(share):
            declined.append(name)
        else:
            ratios.append(_tightness(found))
        within, finer = within + (share <= 1e-3), finer + (share <= 2.5e-4)
        kind = found.certificate.kind if found.certificate else "declined"
        text = f"{kind}: certified {share:.2g} of the gain" if np.isfinite(share) else found.reason[:74]
        yield Goal("", name, text)
    yield Goal(
        "G4",
        ">= 14 of 15 certified <= 1e-3, >= 13 <= 2.5e-4, the rest declined",
        f"{within} and {finer}; declined: {', '.join(declined) or 'none'}; plain eig fails on {failed}",
        within >= 14 and finer >= 13 and within + len(declined) == 15,
        "14, 13",
    )
    text = f"largest {max(ratios):.4f}"
    yield Goal("G6", "T1 over the error of its worst input <= 1.5", text, max(ratios) <= 1.5)
    yield from truncation()


def _plain_fails(system: System, dt: float, method: str) -> bool:
    discrete = discretise(system, dt, method)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        form = diagonal_form(discrete)
        if form is None:
            return True
        exact = kernel(discrete, 512)
        error = absolute_gain(exact - diagonal_kernel(form, 512)) / absolute_gain(exact)
    return not error <= 0.5


def _tightness(found: Outcome) -> float:
    assert found.form is not None and found.discrete is not None and found.certificate is not None
    length = found.certificate.length
    difference = kernel(found.discrete, length) - diagonal_kernel(found.form, length)
    u = worst_input(difference)
    reached = np.abs(np.einsum("loi,li->o", difference[::-1], u)).max()
    return float(found.certificate.gain / reached) if reached > 0 else 1.0


def truncation() -> Iterator[Goal]:
    """G10: real states left of 64, and the certified share of the gain."""
    names = (
        "gamma filter",
        "DAG diffusion",
        "digraph walk",
        "triangular RNN",
        "convection-diffusion",
        "Ginibre RNN",
    )
    cases: dict[str, Case] = dict(recurrences())
    kept = []
    for name in names:
        system, dt, method = cases[name]
        found = diagonalise(system, Wanted(length=512, truncate=1e-4, tolerance=5e-4), dt, method)
        poles = found.form.poles if found.form is not None else np.zeros(system.order)
        states = int(np.sum(np.where(np.abs(np.imag(poles)) > 0, 2, 1)))
        share = found.certificate.gain / found.certificate.norm if found.certificate else np.inf
        kept.append((states, share))
    ok = all(s <= 32 and e <= 5e-4 for s, e in kept)
    text = ", ".join(f"{s} ({e:.1g})" for s, e in kept)
    yield Goal(
        "G10", ">= 50 % fewer of 64 states at <= 5e-4 (gamma, DAG, walk, …)", text, ok, "21/7/10/15/26/32"
    )


def violations() -> Iterator[Goal]:
    """G5: generated (A, B, C, u), float32 numbers run in float32 arithmetic, roundings also held to their own bound."""
    cases = int(os.environ.get("GRAPHWRIGHT_CASES", "10000"))
    broken, declined = violated(cases)
    text = f"{broken} of {cases - declined} ({declined} declined), in steps and chunks, any order"
    yield Goal("G5", "certificates violated in generated cases: 0", text, broken == 0)


# --- beyond the goals ------------------------------------------------------------------------------


def beyond() -> Iterator[Goal]:
    """Open points: the feedback vector, several inputs, int8, second-order sections."""
    yield from feedback_vector()
    yield from several_inputs()
    yield from eight_bits()
    yield from sections()


def feedback_vector() -> Iterator[Goal]:
    """(iii) E = B Kᵀ with a K that is not along B: only the transfer function's factor 1 / (1 - Kᵀ x) changes."""
    for n in (16, 64):
        ours, theirs = (product_of(n, direction) for direction in ("tilted", "along B"))
        text = f"{ours:.3f} with K tilted, {theirs:.3f} along B"
        yield Goal(
            "(iii)", f"LegS n={n}: kappa times error below 1/2 by choice of K", text, ours < min(theirs, 0.5)
        )


def product_of(n: int, direction: str, size: float = 1e-3) -> float:
    """The least κ times sup error of the state over A + s B Kᵀ, s of both signs, at errors near `size`: K along B,
    or B tilted to the later states by a power of their number, B scaled to keep the response at rest."""
    a, b = legs(n)
    best = np.inf
    tilts = (0.0,) if direction == "along B" else (-0.5, -0.25, 0.25, 0.5, 1.0)
    for tilt in tilts:
        k = b * (np.arange(n) + 1.0) ** tilt
        k *= np.linalg.norm(b) / np.linalg.norm(k)
        for sign in (1.0, -1.0):
            best = min(best, _product(a, b, sign * size * k))
    return best


def _product(a: Array, b: Array, k: Array) -> float:
    n = len(a)
    rest = 1 - k @ np.linalg.solve(-a, b)
    poles, vectors = np.linalg.eig(a + np.outer(b, k))
    if poles.real.max() >= 0:
        return float("inf")
    values = np.linalg.svd(vectors, compute_uv=False)
    worst = 0.0
    for w in np.concatenate([np.geomspace(0.01, 2 * n * n, 200), np.abs(poles.imag)]):
        x = np.linalg.solve(1j * w * np.eye(n) - a, b + 0j)
        worst = max(worst, float(np.linalg.norm(x) * abs(rest / (1 - k @ x) - 1)))
    return float(values[0] / values[-1]) * worst


def several_inputs() -> Iterator[Goal]:
    """(ii) The lossless embedding of several inputs."""
    draws = np.random.default_rng(1)
    for inputs in (2, 4):
        a = 0.9 * np.eye(32) + 0.1 * np.eye(32, k=-1)
        system = System(a, draws.standard_normal((32, inputs)), draws.standard_normal((2, 32)))
        found = diagonalise(system, Wanted(length=256, candidates=("lossless",)))
        name = f"Jordan block of 32, {inputs} inputs: lossless embedding <= 1e-3"
        if found.certificate is None:
            yield Goal("(ii)", name, found.reason[:74], False)
            continue
        c = found.certificate
        text = f"certified {c.gain / c.norm:.2g} at k = {c.parameter:g}, kappa {c.condition:.2g}"
        yield Goal("(ii)", name, text, c.gain <= 1e-3 * c.norm)


def eight_bits() -> Iterator[Goal]:
    """(iv) Symmetric int8 for b and c with one scale a tensor, after perturbations of every size."""
    system = _legs(64)
    exact = kernel(discretise(system, 0.01, "zoh"), 1024)
    gain = absolute_gain(exact)
    for found in dissipative(system, Draws()):
        if found.parameter not in (0.1, 1e-2, 1e-3, 1e-4):
            continue
        form = balanced(zero_order_hold(found.form, 0.01))
        cut = replace(form, b=_int8(form.b), c=_int8(form.c))
        whole, rounding = (
            absolute_gain(x - diagonal_kernel(cut, 1024)) / gain for x in (exact, diagonal_kernel(form, 1024))
        )
        text = f"kernel error {whole:.2g}, of which int8 {rounding:.2g}"
        yield Goal("(iv)", f"int8 b and c after tau = {found.parameter:g} (kappa {form.condition:.3g})", text)


def _int8(x: Array) -> Array:
    scale = max(np.abs(x.real).max(), np.abs(x.imag).max()) / 127
    return np.asarray((np.round(x.real / scale) + 1j * np.round(x.imag / scale)) * scale)


def sections() -> Iterator[Goal]:
    """(v) The recurrence that every diagonal form fails on, as layers of one pair of poles in a row."""
    system, _, _ = recurrences()["companion AR(16)"]
    stages = stages_of(system)
    assert stages is not None
    exact, _ = reliable_kernel(system, 512)
    gain = absolute_gain(exact)
    for dtype in ("float64", "float32"):
        response = np.eye(512)[0]
        for stage in stages:
            response = np.convolve(response, stage.rounded(dtype).kernel(512))[:512]
        error = float(np.abs(response - exact[:, 0, 0]).sum()) / gain
        text = f"{error:.2g} (the companion form itself, run in float64: {_own_loss(system, exact):.2g})"
        yield Goal("(v)", f"companion AR(16) by sections in {dtype} numbers <= 1e-3", text, error <= 1e-3)


def _own_loss(system: System, exact: Array) -> float:
    return absolute_gain(kernel(system, len(exact)) - exact) / absolute_gain(exact)
