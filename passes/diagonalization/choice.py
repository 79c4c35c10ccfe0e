"""Which form replaces a system: candidates in order, held against the tolerance by certificate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from .candidates import CANDIDATES, Candidate, Draws
from .certificates import FARTHEST, Certificate, absolute_gain, certify, with_roundings, with_tail
from .diagonal import Diagonal, bilinear, rounded, zero_order_hold
from .growth import reliable_kernel
from .refit import refitted
from .system import Array, System, discretise
from .truncation import Truncated, balanced_truncation

Reliable = tuple[Array, float]
"""An impulse response, and what roundings may have done to it."""
GONE = 1e-6
"""Of its size: a state that is worth nothing any more."""
SHARPEST = 4_000_000
"""Steps squared times poles of all heads up to which roundings are bounded for all states under one input."""
DISCRETE_ONLY = frozenset({"lossless"})


@dataclass(frozen=True)
class Wanted:
    """What is asked: an error of at most `tolerance` times the system's largest gain, T1 and the
    roundings to expect together, for numbers in `dtype`, inputs of `length` steps, and runs step by step and,
    with a `chunk` above 1, in chunks. `heads` is how many such layers there are at once. `arithmetic` weighs
    the roundings (0: the numbers alone count, for kernels made in float64). `truncate` > 0 first drops Hankel
    singular values that sum to that share of the largest. `candidates` are tried in order. `lasting`: inputs may
    be longer than `length`, so that the certificate goes on until the response is gone."""

    tolerance: float = 1e-3
    dtype: str = "float32"
    length: int = 1024
    chunk: int = 64
    heads: int = 1
    arithmetic: float = 1.0
    truncate: float = 0.0
    candidates: tuple[str, ...] = tuple(CANDIDATES)
    draws: Draws = field(default_factory=Draws)
    lasting: bool = False


@dataclass(frozen=True, eq=False)
class Outcome:
    """The discrete diagonal form with its certificate, or why there is none. `tried` says of each
    candidate what the best of its kind reached."""

    form: Diagonal | None
    certificate: Certificate | None
    reason: str = ""
    tried: tuple[str, ...] = ()
    discrete: System | None = None


def diagonalise(system: System, wanted: Wanted, dt: float = 1.0, method: str = "none") -> Outcome:
    """The first candidate whose certificate keeps the tolerance; of its kind the best one.

    Declines, with the reason, a system with NaN or infinite entries, an unstable one, and one that no
    candidate brings within the tolerance."""
    problem = refusal(system, dt)
    if problem:
        return Outcome(None, None, problem)
    discrete = discretise(system, dt, method)
    if not discrete.is_finite:
        return Outcome(None, None, "its discretisation is not finite")
    if discrete.radius >= 1.0:
        return Outcome(None, None, f"it is unstable: spectral radius {discrete.radius:.6g}")
    if wanted.lasting:
        wanted = replace(wanted, length=max(wanted.length, _lifetime(discrete)))
    exact = reliable_kernel(discrete, wanted.length)
    if not np.isfinite(exact[0]).all():
        return Outcome(None, None, "its impulse response is not finite")
    return _search(system, discrete, exact, wanted, dt, method)


def _lifetime(system: System) -> int:
    """Steps after which the slowest state is below GONE, at most FARTHEST."""
    if system.radius <= 0.0:
        return system.order
    return int(min(np.log(GONE) / np.log(system.radius) + system.order, FARTHEST))


def refusal(system: System, dt: float) -> str:
    """Why nothing can be done with the system, "" where something may."""
    if not system.is_finite:
        return "its matrices hold NaN or infinities"
    if not np.isfinite(dt) or dt <= 0:
        return f"its step {dt:g} is not positive"
    if system.order == 0:
        return "it has no states"
    return ""


def _search(
    system: System, discrete: System, exact: Reliable, wanted: Wanted, dt: float, method: str
) -> Outcome:
    tried: list[str] = []
    norm = absolute_gain(exact[0])
    limit = wanted.tolerance * norm
    for name in wanted.candidates:
        best: tuple[Diagonal, Certificate] | None = None
        for candidate in _forms(name, system, discrete, wanted, dt, method):
            found = assessed(discrete, candidate, exact, wanted)
            if found is not None and (best is None or _score(found, wanted) < _score(best, wanted)):
                best = found
        if best is None:
            tried.append(f"{name}: does not apply")
            continue
        tried.append(f"{best[1].kind}: {_share(_score(best, wanted), norm)}")
        if _score(best, wanted) <= limit or norm == 0.0:
            form, certificate = best
            work = wanted.heads * wanted.length**2 * len(form.poles)
            certificate = with_roundings(certificate, form, wanted.chunk, sharp=work <= SHARPEST)
            return Outcome(form, with_tail(certificate, discrete, form), "", tuple(tried), discrete)
    reason = f"no candidate keeps {wanted.tolerance:g}: " + "; ".join(tried)
    return Outcome(None, None, reason, tuple(tried), discrete)


def _score(found: tuple[Diagonal, Certificate], wanted: Wanted) -> float:
    return found[1].gain + wanted.arithmetic * found[1].expected


def _share(gain: float, norm: float) -> str:
    return f"{gain / norm:.2g}" if norm > 0 else f"{gain:.2g}"


def _forms(
    name: str, system: System, discrete: System, wanted: Wanted, dt: float, method: str
) -> Iterator[Candidate]:
    """Discrete candidates of one kind: of the continuous system, discretised after it is diagonal,
    where there is one, and of the truncated discrete system where that is asked for or needed."""
    generate = CANDIDATES[name]
    if wanted.truncate > 0 or name in DISCRETE_ONLY:
        small = balanced_truncation(discrete, wanted.truncate or 1e-2 * wanted.tolerance)
        if small is None:
            return
        for candidate in generate(small.system, wanted.draws):
            yield replace(candidate, form=_lifted(candidate.form, small))
        return
    if method == "none":
        yield from generate(discrete, wanted.draws)
        return
    move = zero_order_hold if method == "zoh" else bilinear
    for candidate in generate(replace(system, discrete=False), wanted.draws):
        yield replace(candidate, form=move(candidate.form, dt))


def _lifted(form: Diagonal, small: Truncated) -> Diagonal:
    return replace(form, vectors=small.lift @ form.vectors, entering=form.entering @ small.drop)


def assessed(
    discrete: System, candidate: Candidate, exact: Reliable, wanted: Wanted
) -> tuple[Diagonal, Certificate] | None:
    """The candidate with the numbers that the program would hold, and its certificate; None where it
    is unstable or not finite. The readout is fitted again where that makes T1 smaller."""
    form = candidate.form
    if not form.is_stable or not all(np.isfinite(x).all() for x in (form.poles, form.b, form.c)):
        return None
    held = rounded(balanced(form), np.dtype(wanted.dtype))
    if not held.is_stable or not np.isfinite(held.c).all() or not np.isfinite(held.b).all():
        return None
    best: tuple[Diagonal, Certificate] | None = None
    for option in (held, refitted(held, exact[0], np.dtype(wanted.dtype))):
        found = certify(
            discrete,
            option,
            wanted.length,
            wanted.dtype,
            kind=candidate.kind,
            parameter=candidate.parameter,
            bound=candidate.bound,
            exact=exact,
        )
        if np.isfinite(found.score) and (
            best is None or _score((option, found), wanted) < _score(best, wanted)
        ):
            best = option, found
    return best


def balanced(form: Diagonal) -> Diagonal:
    """Each state scaled so that its input and its output are of a size: no overflow in a short dtype.
    A state that is not reached or not read keeps its scale."""
    entering = np.linalg.norm(form.b, axis=1)
    leaving = np.linalg.norm(form.c, axis=0)
    usable = (entering > 0) & (leaving > 0)
    scale = np.where(usable, np.sqrt(np.where(usable, leaving, 1) / np.where(usable, entering, 1)), 1.0)
    return replace(
        form,
        b=form.b * scale[:, None],
        c=form.c / scale,
        vectors=form.vectors / scale,
        entering=form.entering * scale[:, None],
    )
