"""Impulse responses that can be relied on where float64 may lose them."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np

from ...backends.runtime.state_space_cost import CHUNKS
from .summation import ARITHMETIC
from .system import Array, System, kernel

UNIT = 2.0**-53


def _by_entries(system: System, length: int, more: int = 0) -> float:
    """Each term of Σ |C| |A|ˡ |B| is rounded once a step and once for every sum that it enters, and `more` times."""
    a, column, row = np.abs(system.a), np.abs(system.b), np.abs(system.c)
    total, depth = np.zeros(len(row)), system.order + system.b.shape[1] + 2
    for step in range(length):
        total += (row @ column).sum(axis=1) * (depth * (step + 1) + more)
        column = a @ column
        if not np.any(column) or not np.isfinite(total).all():
            break
    return float(total.max(initial=0.0))


def roundings_by_entries(system: System, length: int, dtype: str) -> float:
    """What roundings add at most to an output per unit input, step by step or in chunks of at most 128 steps, with
    tables rounded or computed in `dtype`: every term of Σ |C| |A|ˡ |B| passes at most so many roundings, and
    k of them are a factor within γₖ of 1 (Higham 2002, lemma 3.1). Also of systems that grow."""
    unit, inputs = ARITHMETIC[dtype].unit, system.b.shape[1]
    depth = (system.order + inputs + 2) * (length + 1) + CHUNKS[-1] * inputs
    if depth * unit >= 0.5:
        return np.inf
    with np.errstate(over="ignore", invalid="ignore"):
        terms = _by_entries(system, length, CHUNKS[-1] * inputs)
        found = unit * terms / (1 - depth * unit)
    return found if np.isfinite(found) else np.inf


def _by_norms(system: System, length: int) -> float:
    """A step errs by γ (‖A‖_F ‖x‖ + ‖B‖_F), γ the depth of its sums (Higham 2002, §3.5), where
    ‖x‖ ≤ Σ ‖Aˡ B‖; an error in the state reaches the output by Σ ‖C Aˡ‖."""
    depth = system.order + system.b.shape[1] + 2
    column, row = system.b, system.c
    states, leaving = 0.0, np.zeros(len(row))
    for _ in range(length):
        states += float(np.linalg.norm(column, axis=0).sum())
        leaving += np.linalg.norm(row, axis=1)
        column, row = system.a @ column, row @ system.a
        if not np.any(column) and not np.any(row):
            break
    made = depth * (float(np.linalg.norm(system.a)) * states + float(np.linalg.norm(system.b)))
    read = depth * np.linalg.norm(system.c, axis=1) * states
    return float(np.max(leaving * made + read, initial=0.0))


SHARE = 1e-6
"""A float64 response whose own roundings may be a larger share of it is computed again with more digits."""
LARGEST, DIGITS = 5_000_000, 50


def reliable_kernel(system: System, length: int) -> tuple[Array, float]:
    """The impulse response and what its own roundings may sum up to: in float64, and in 50 decimal digits where
    A is so far from normal that float64 loses it (a companion form of clustered poles) and is small enough."""
    found = kernel(system, length)
    with np.errstate(over="ignore", invalid="ignore"):
        growth = _by_norms(system, length)
        norm = float(np.abs(found).sum(axis=(0, 2)).max(initial=0.0))
        if not UNIT * growth <= SHARE * norm:
            growth = min((g for g in (growth, _by_entries(system, length)) if np.isfinite(g)), default=np.inf)
    work = length * system.order**2 * system.b.shape[1]
    if UNIT * growth <= SHARE * norm or not np.isfinite(found).all() or work > LARGEST:
        return found, UNIT * growth
    found = _in_decimal(system, length)
    return found, 4 * UNIT * float(np.abs(found).sum(axis=(0, 2)).max(initial=0.0))


def _in_decimal(system: System, length: int) -> Array:
    exact = np.vectorize(Decimal, otypes=[object])
    a, x, c = (exact(m) for m in (system.a, system.b, system.c))
    found = []
    with localcontext() as context:
        context.prec = DIGITS
        for _ in range(length):
            found.append((c @ x).astype(np.float64))
            x = a @ x
    return np.stack(found)
