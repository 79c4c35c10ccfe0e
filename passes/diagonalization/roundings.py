"""What roundings may add at most to the output of a state-space layer, for every input of size 1.

With its coefficients fixed a layer is linear, so an error made in a quantity reaches an output as the error
times that quantity's own gain: nothing of second order is left out. Rounding to nearest errs by at most
u ufp(q) (Rump, Ogita, Oishi 2008), ufp(q) the power of two at or below |q|, and |q| is at most its reach, the
sum of its absolute response to the input, enlarged by what the roundings before may have added to it.

This is the one place that says how programs compute a layer:
- step: B u, A x (of poles a product of complex numbers, rounded as products and then their sum), their sum, C x;
- chunk: the products with the tables of `chunk` steps, the state moved on by a power of A once a chunk. Tables
  are rounded `once` from float64, or `own`: computed by doubling in the program's dtype.
A product of matrices may sum in any order, and any product may be fused with the sum that takes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .correlated import Weighted, largest_sum
from .diagonal import powers
from .realisation import Reach, Realisation
from .summation import ARITHMETIC, Arithmetic
from .system import Array

SAFE = 1 + 1e-6
"""What the bounds' own float64 arithmetic may lose, and roundings of what was rounded before."""
ENLARGED = 4
"""Times that a bound on the states' roundings is doubled before none is found."""
GRID = 1.2
"""Times at which the roundings of a full matrix are looked at grow by this factor."""
FINEST, FINE = 4096, 1.01
"""Poles are looked at every so many steps, and beyond them at times that grow by this factor."""


# --- what is rounded -------------------------------------------------------------------------------


def product_roundings(
    numbers: Array, sizes: Array, result: Array, arithmetic: Arithmetic, off: Array
) -> Array:
    """The roundings of numbers[…, n] times quantities of at most sizes[…, n], summed in any order to
    at most result[…]."""
    made = arithmetic.products(numbers, sizes, off).sum(axis=-1)
    return np.asarray(made + arithmetic.sums((np.abs(numbers) + off) * sizes, result))


def moving_roundings(
    system: Realisation, x: Array, moved: Array, arithmetic: Arithmetic, off: Array
) -> Array:
    """The roundings of A x for states of at most x[t, S], A x at most moved[t, S]; the numbers of A (of poles
    both parts) are off by `off`, shaped as they are."""
    if system.matrix is not None:
        return product_roundings(system.matrix, x[:, None, :], moved, arithmetic, off)
    assert system.poles is not None
    m = len(system.poles)
    re, im = (np.tile(p, 2) for p in (system.poles.real, system.poles.imag))
    off, other = np.tile(off, 2), np.concatenate([x[:, m:], x[:, :m]], axis=1)
    made = arithmetic.products(re, x, off) + arithmetic.products(im, other, off)
    first, second = (np.abs(re) + off) * x, (np.abs(im) + off) * other
    return np.asarray(made + sum_rounding(first, second, moved + made, arithmetic))


def sum_rounding(first: Array, second: Array, result: Array, arithmetic: Arithmetic) -> Array:
    """The rounding of one sum: it moves by no more than either side."""
    return np.asarray(np.minimum(arithmetic.rounded(result), np.minimum(first, second)))


def _exact(system: Realisation) -> Array:
    """Numbers of A that are not off."""
    return np.zeros_like(system.matrix) if system.matrix is not None else np.zeros(system.states // 2)


def entering_roundings(columns: Array | None, states: int, arithmetic: Arithmetic) -> Array:
    """The roundings of columns[S, k] times inputs of size 1: [S]."""
    if columns is None:
        return np.zeros(states)
    whole = np.abs(columns).sum(axis=1)
    return product_roundings(columns, np.ones(1), whole, arithmetic, np.zeros_like(columns))


def through_roundings(system: Realisation, y: Array, arithmetic: Arithmetic) -> Array:
    """The roundings of y + D u for outputs of at most y[…, O]."""
    d = system.through
    if d is None:
        return np.zeros(y.shape)
    whole = np.abs(d).sum(axis=1)
    return product_roundings(d, np.ones(1), whole, arithmetic, np.zeros_like(d)) + sum_rounding(
        y, whole, y + whole, arithmetic
    )


# --- how far it reaches ----------------------------------------------------------------------------


def moved_size(system: Realisation, x: Array) -> Array:
    """|A| x."""
    if system.matrix is not None:
        return np.asarray(np.abs(system.matrix) @ x)
    assert system.poles is not None
    m = len(system.poles)
    re, im = (np.abs(np.tile(p, 2)) for p in (system.poles.real, system.poles.imag))
    return np.asarray(re * x + im * np.concatenate([x[m:], x[:m]]))


def _spread(system: Realisation, steps: int, errors: Array) -> Array:
    """At least Σ |Aᵗ| errors over t < steps."""
    if system.poles is not None:
        m = len(system.poles)
        table = powers(system.poles, steps)
        re, im = np.abs(table.real).sum(axis=0), np.abs(table.imag).sum(axis=0)
        first, second = errors[:m], errors[m:]
        return np.concatenate([re * first + im * second, im * first + re * second])
    assert system.matrix is not None
    block = max(1, int(np.ceil(np.sqrt(steps))))
    near, jump = _absolute_powers(system.matrix, block)
    far, _ = _absolute_powers(jump, int(np.ceil(steps / block)))
    return np.asarray(near @ (far @ errors))


def _absolute_powers(matrix: Array, count: int) -> tuple[Array, Array]:
    """(Σ |Aᵗ| over t < count, A to the power count)."""
    total, power = np.zeros_like(matrix), np.eye(len(matrix))
    for _ in range(count):
        total, power = total + np.abs(power), matrix @ power
    return total, power


def enlarged(system: Realisation, steps: int, made: Callable[[Array], Array]) -> Array:
    """What roundings may add to the states: more with more ≥ Σ |Aᵗ| made(more), which holds then by induction
    over the steps; infinite where none is found."""
    needed = _spread(system, steps, made(np.zeros(system.states)))
    for _ in range(ENLARGED):  # a quantity at a power of two rounds twice as far as one below it
        more = 2 * needed
        needed = _spread(system, steps, made(more))
        if np.all(needed <= more):
            return np.asarray(more)
    return np.full(system.states, np.inf)


def read_out(system: Realisation, made: Array) -> Array:
    """Σ |c Aᵗ| made[-1 - t], [O]: what errors in the states at every step are at the output."""
    total, at = np.zeros(len(system.c)), len(made)
    for block in system.seen(len(made)):
        total += np.einsum("tos,ts->o", np.abs(block), made[at - len(block) : at][::-1], optimize=True)
        at -= len(block)
    return total


def lasting(system: Realisation, length: int, errors: Array) -> Array:
    """max |c Aᵗ| errors over t ≤ length, [O]."""
    worst = np.zeros(len(system.c))
    for block in system.seen(length + 1):
        worst = np.maximum(worst, (np.abs(block) @ errors).max(axis=0))
    return worst


def times(system: Realisation, count: int) -> Array:
    """Where roundings are looked at: what is made at one time bounds what is made before it."""
    if system.poles is not None and count <= FINEST:
        return np.arange(count)
    found = (
        np.ceil(GRID ** np.arange(0, 100)) if system.poles is None else FINEST * FINE ** np.arange(0, 1000)
    )
    found = np.unique(np.minimum(np.ceil(found), count).astype(np.int64)) - 1
    return found if system.poles is None else np.concatenate([np.arange(FINEST - 1), found])


# --- step by step ----------------------------------------------------------------------------------


def step_roundings(
    system: Realisation, length: int, dtype: str, *, sharp: bool = False, reach: Reach | None = None
) -> Array:
    """What `length` steps, one after the other, add at most to each output per unit input: [O]. `sharp` looks
    for a bound on all states under one input, which takes longer. `reach` is that of as many steps or more."""
    with np.errstate(over="ignore", invalid="ignore"):
        parts = _step_parts(system, reach or Reach.of(system, length), length, dtype)
        chain, read = parts.chain, parts.read
        if sharp and system.has_shared_input:
            for o in np.argsort(-(chain + read)):
                if (chain + read)[o] >= (chain + read).max():
                    chain[o], read[o] = _under_one_input(system, int(o), parts, length, dtype)
        return np.nan_to_num((chain + read) * SAFE, nan=np.inf, posinf=np.inf)


@dataclass(frozen=True, eq=False)
class Parts:
    """`chain`[O] of the roundings in states, `read`[O] of those in the outputs, of which `added`[O] by D; `fixed`[S]
    is the share of a state's roundings at every step that comes from the input alone. `states`[S] and
    `whole`[O] are what states and outputs are at most, `more`[S] what roundings may add to a state."""

    chain: Array
    read: Array
    added: Array
    fixed: Array
    states: Array
    more: Array
    whole: Array


def _step_parts(system: Realisation, reach: Reach, length: int, dtype: str) -> Parts:
    arithmetic, exact = ARITHMETIC[dtype], _exact(system)
    at = times(system, length)
    begun = entering_roundings(system.start, system.states, arithmetic)
    fixed = entering_roundings(system.b, system.states, arithmetic)
    entering = reach.states[0] - reach.start

    def made(more: Array, at: Array) -> Array:
        first = (at == 0)[:, None]
        moved = (
            reach.states[at] - entering + np.where(first, moved_size(system, begun), moved_size(system, more))
        )
        before = reach.before(at) + np.where(first, begun, more)
        moving = moving_roundings(system, before, moved, arithmetic, exact)
        return (
            fixed
            + moving
            + sum_rounding(moved + moving, entering + fixed, reach.states[at] + more, arithmetic)
        )

    more = enlarged(system, length + 1, lambda more: made(more, at[-1:])[0] + begun)
    errors = made(more, at)[np.searchsorted(at, np.arange(length))]
    whole = reach.outputs + np.abs(system.c) @ (reach.start + more)
    read = product_roundings(
        system.c, reach.states[length - 1] + more, whole, arithmetic, np.zeros_like(system.c)
    )
    added = through_roundings(system, whole, arithmetic)
    chain = read_out(system, errors) + lasting(system, length, begun)
    return Parts(chain, read + added, added, fixed, reach.states[length - 1], more, whole)


def rounded_sizes(row: Realisation, length: int) -> tuple[Weighted, Array]:
    """Of one output, what its states' roundings are in proportion to: all that is rounded in size, times its gain;
    and the gains of errors in a state, [length, S]."""
    assert row.poles is not None
    m = len(row.poles)
    gain = np.abs(np.concatenate(list(row.seen(length))))[::-1, 0]
    later = np.concatenate([gain[1:], np.zeros((1, 2 * m))])
    re, im = (np.abs(np.tile(p, 2)) for p in (row.poles.real, row.poles.imag))
    other = np.concatenate([later[:, m:], later[:, :m]], axis=1)
    state = row.b[:m, 0] + 1j * row.b[m:, 0]
    return Weighted(row.poles, state, gain + re * later + im * other, later * (im > 0)), gain


def _under_one_input(
    system: Realisation, output: int, parts: Parts, length: int, dtype: str
) -> tuple[float, float]:
    """Chain and reading of an output: each product and sum errs by u times its size at most, and one input
    brings all states to theirs."""
    arithmetic = ARITHMETIC[dtype]
    row = replace(system, c=system.c[output : output + 1])
    whole, gain = rounded_sizes(row, length)
    weights, turned = whole.weights, whole.turned
    # what roundings add to the states is as large as `more`, whatever the input
    apart = float(gain.sum(axis=0) @ (parts.fixed + 4 * arithmetic.unit * arithmetic.least))
    apart += arithmetic.unit * float(weights.sum(axis=0) @ parts.more)
    apart += arithmetic.unit * float(turned.sum(axis=0) @ moved_size(system, parts.more))
    otherwise = (float(parts.chain[output]) - apart) / arithmetic.unit
    chain = arithmetic.unit * largest_sum(whole, otherwise) + apart
    return min(chain, float(parts.chain[output])), _read_at_once(row, whole, parts, output, arithmetic)


def _read_at_once(
    row: Realisation, whole: Weighted, parts: Parts, output: int, arithmetic: Arithmetic
) -> float:
    """The roundings of an output, all states under one input."""
    size = np.abs(row.c[0])
    weights = np.zeros_like(whole.weights)
    weights[-1] = size
    at_once = replace(whole, weights=weights, turned=np.zeros_like(weights))
    total = largest_sum(at_once, float(size @ parts.states)) + float(size @ parts.more)
    made = arithmetic.products(row.c[0], parts.states + parts.more, np.zeros_like(size)).sum()
    made = min(made, arithmetic.unit * (total + len(size) * arithmetic.least))
    summed = arithmetic.sums(size * (parts.states + parts.more), parts.whole[output], total)
    return float(made + summed + parts.added[output])
