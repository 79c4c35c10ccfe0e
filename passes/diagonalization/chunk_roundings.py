"""What roundings may add to the output of a layer that runs in chunks: the tables, and what is made of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...backends.runtime.state_space_cost import CHUNKS
from .correlated import Weighted, largest_sum
from .realisation import Reach, Realisation
from .roundings import (
    SAFE,
    enlarged,
    entering_roundings,
    lasting,
    moved_size,
    moving_roundings,
    product_roundings,
    read_out,
    step_roundings,
    sum_rounding,
    through_roundings,
    times,
)
from .summation import ARITHMETIC, Arithmetic
from .system import Array

UNIT = 2.0**-53
LEAST_JUMP = 2.0**-6
"""Roundings of a state that a power of a pole may be off by. Tables made once read outputs from states that are moved
on by one chunk, which a smaller power would lose."""
LONG = 1024
"""Steps above which what states reach is computed once for all ways to run."""
COMPLEX = 2 * np.sqrt(2.0)
"""A product of complex numbers errs by at most so many units of roundoff of its modulus, fused or not
(Higham 2002, lemma 3.5)."""


def held_powers(poles: Array, steps: int, dtype: str) -> Array:
    """The powers of the poles that a program of `dtype` moves states on by: none too small to be taken back."""
    least, power = ARITHMETIC[dtype].unit * LEAST_JUMP, np.asarray(poles**steps)
    size = np.abs(power)
    return np.where(size < least, least * np.where(size > 0, power / np.where(size > 0, size, 1), 1), power)


@dataclass(frozen=True, eq=False)
class Moved:
    """Outputs read from states that are moved on already: `out`[T, O, S] from `powers` times the state before
    (`jump`), and how far the program's numbers may lie from each."""

    out: Array
    jump: Realisation
    off: tuple[Array, Array]

    @classmethod
    def of(cls, out: Array, system: Realisation, chunk: int, dtype: str) -> Moved:
        assert system.poles is not None
        m, held = len(system.poles), held_powers(system.poles, chunk, dtype)
        table = (out[..., :m] - 1j * out[..., m:]) / held
        moved = np.concatenate([table.real, -table.imag], axis=2)
        return cls(moved, replace(system, poles=held), (_cut(moved, dtype), _cut(held, dtype)))


@dataclass(frozen=True, eq=False)
class Tables:
    """`local`[T, O, I] within a chunk, `end`[T, S, I] to its end by the steps that are left, `out`[T, O, S] from
    the state before it, `jump` with Aᵀ; each with how far the program's numbers may lie from it. `moved` where
    outputs are read from Aᵀ times the state before."""

    local: Array
    end: Array
    out: Array
    jump: Realisation
    off: tuple[Array, Array, Array, Array]
    moved: Moved | None = None

    @classmethod
    def of(cls, system: Realisation, chunk: int, dtype: str, made: str) -> Tables:
        end = np.concatenate(list(system.reached(system.b, chunk)))
        out = np.concatenate(list(system.seen(chunk + 1)))[1:]
        local, jump = system.c @ end, system.power(chunk)
        if system.through is not None and made == "once":
            local[0] += system.through
        found = cls(local, end, out, jump, (np.zeros(0),) * 4)
        if made == "own":
            return replace(found, off=_computed(system, found, dtype))
        # computed in float64 in sums that may cancel
        lost = 4 * UNIT * (chunk + system.states) * (np.abs(system.c) @ np.abs(end)) + UNIT * np.abs(local)
        cut = (_cut(local, dtype) + lost, _cut(end, dtype), _cut(out, dtype))
        if jump.matrix is not None:
            return replace(found, off=(*cut, _cut(jump.matrix, dtype)))
        moved = Moved.of(out, system, chunk, dtype)
        assert moved.jump.poles is not None and jump.poles is not None
        off = moved.off[1] + np.abs(moved.jump.poles - jump.poles)
        return replace(found, off=(*cut, off), moved=moved)


def _cut(numbers: Array, dtype: str) -> Array:
    """How far numbers are from those of a dtype; of complex ones the farther part."""
    if np.iscomplexobj(numbers):
        return np.asarray(np.maximum(_cut(numbers.real, dtype), _cut(numbers.imag, dtype)))
    return np.asarray(
        np.abs(numbers - numbers.astype(dtype).astype(np.float64)) + 512 * UNIT * np.abs(numbers)
    )


Off = tuple[Array, Array, Array]
"""How far `end`, `out` and the power of A may be off."""


def _computed(system: Realisation, tables: Tables, dtype: str) -> tuple[Array, Array, Array, Array]:
    """How far tables computed by doubling in `dtype` may be off."""
    arithmetic = ARITHMETIC[dtype]
    found = _of_poles if system.poles is not None else _of_matrix
    end, out, jump = found(system, tables, arithmetic)
    local, exact = np.empty_like(tables.local), np.zeros_like(system.c[:, None, :])
    for t, reached in enumerate(tables.end):
        moved = np.abs(system.c) @ end[t]
        size = np.abs(tables.local[t]) + moved
        sums = product_roundings(system.c[:, None, :], (np.abs(reached) + end[t]).T, size, arithmetic, exact)
        local[t] = moved + sums
    return local, end, out, jump


def _of_poles(system: Realisation, tables: Tables, arithmetic: Arithmetic) -> Off:
    """The t-th power is t products of complex numbers, however they are put together."""
    poles = system.poles
    assert poles is not None
    chunk, m = len(tables.end), len(poles)
    share = COMPLEX * arithmetic.unit * np.arange(chunk + 1)
    share = share / (1 - share)
    size = np.abs(poles) ** np.arange(chunk + 1)[:, None]
    column = np.hypot(system.b[:m], system.b[m:])
    row = np.hypot(system.c[:, :m], system.c[:, m:])
    end = np.tile((share[:-1, None] * size[:-1])[:, :, None] * column, (1, 2, 1))
    out = np.tile((share[1:, None] * size[1:])[:, None, :] * row, (1, 1, 2))
    return end, out, share[-1] * size[-1]


def _of_matrix(system: Realisation, tables: Tables, arithmetic: Arithmetic) -> Off:
    """In norms: a product of matrices in any order errs by at most γₙ times both norms (Higham 2002, §3.5)."""
    assert system.matrix is not None
    matrix, chunk, n = system.matrix, len(tables.end), system.states
    gamma = n * arithmetic.unit / (1 - n * arithmetic.unit)
    sizes, norms, errors = [], [], [0.0]
    power = matrix
    for _ in range(chunk.bit_length() + 1):
        sizes.append(float(np.linalg.norm(power)))  # bounds that of |power|, which rounds
        norms.append(float(np.linalg.norm(power, 2)))
        size, error = sizes[-1] + errors[-1], errors[-1]
        # products, as a power of a float that is too large raises an error
        errors.append(2 * norms[-1] * error + error * error + gamma * (size * size))
        power = power @ power

    def after(k: int, off: Any, size: Any) -> Any:
        """How far A to the 2ᵏ times a vector of that size, itself off, is off."""
        return norms[k] * off + (errors[k] + gamma * (sizes[k] + errors[k])) * (size + off)

    def doubled(lengths: Array, first: float) -> Array:
        """Of vectors[t, …] with these norms, the t-th made from one 2ᵏ before it."""
        off = np.full_like(lengths, first)
        for t in range(1, chunk):
            k = t.bit_length() - 1
            off[t] = after(k, off[t - 2**k], lengths[t - 2**k])
        return off

    end = doubled(np.linalg.norm(tables.end, axis=1), 0.0)
    first = gamma * sizes[0] * float(np.linalg.norm(system.c, axis=1).max(initial=0.0))
    out = doubled(np.linalg.norm(tables.out, axis=2), first)
    jump, at = (0.0, 1.0), 0
    for k in range(chunk.bit_length()):
        if chunk >> k & 1:
            off, size = jump
            at += 2**k
            jump = after(k, off, size), float(np.linalg.norm(np.linalg.matrix_power(matrix, at)))
    whole = np.full((n, n), jump[0])
    return np.repeat(end[:, None], n, axis=1), np.repeat(out[:, :, None], n, axis=2), whole


def chunk_roundings(
    system: Realisation,
    length: int,
    chunk: int,
    dtype: str,
    made: str = "once",
    *,
    sharp: bool = False,
    reach: Reach | None = None,
) -> Array:
    """What a run in chunks adds at most to each output per unit input, [O]; the tables are rounded `once` or the
    program's `own`. `sharp` and `reach`, of all chunks, as in `step_roundings`."""
    chunk = min(chunk, length)
    with np.errstate(over="ignore", invalid="ignore"):
        tables = Tables.of(system, chunk, dtype, made)
        count = -(-length // chunk)
        found = _chunk_parts(system, tables, reach or Reach.of(system, count * chunk), count, dtype)
        read = found.read(np.inf)
        if sharp and system.has_shared_input and count > 1:
            read = np.minimum(read, found.read(_together(system, tables, count) + found.more_read))
        if made == "own":  # else D is part of the tables
            read = read + through_roundings(system, found.whole, ARITHMETIC[dtype])
        return np.asarray(np.nan_to_num((found.chain + read).max(axis=0) * SAFE, nan=np.inf, posinf=np.inf))


@dataclass(frozen=True, eq=False)
class ChunkParts:
    """`chain`[T, O] of the roundings in states; of those in the outputs, `inner` within the chunk, of which the sum
    is one more term, of at most `local`[O], of what the state before adds: `out`[T, O, S], off by `off`, times a
    state of at most `before`[S], whose own roundings as it is moved on add `carried`[T, O]. `whole`[T, O] is what
    outputs are at most, `more_read`[O] what roundings add to the terms of their sums."""

    chain: Array
    inner: Array
    local: Array
    out: Array
    off: Array
    before: Array
    carried: Array
    whole: Array
    more_read: Array
    arithmetic: Arithmetic

    def read(self, together: Array | float) -> Array:
        """[T, O], where what states add to an output is at most `together`[O] in size."""
        if not np.any(self.before):
            return np.broadcast_to(self.inner, self.whole.shape)
        arithmetic, out, off = self.arithmetic, self.out, self.off
        moved = arithmetic.products(out, self.before, off).sum(axis=2)
        rounded = (off @ self.before) + arithmetic.unit * (together + out.shape[2] * arithmetic.least)
        terms = (np.abs(out) + off) * self.before
        inner = np.broadcast_to((self.local + self.inner)[:, None], (*terms.shape[:2], 1))
        summed = arithmetic.sums(
            np.concatenate([terms, inner], axis=2),
            self.whole + self.carried,
            together + self.local + self.inner,
        )
        return np.asarray(self.inner + self.carried + np.minimum(moved, rounded) + summed)


def _chunk_parts(system: Realisation, tables: Tables, reach: Reach, count: int, dtype: str) -> ChunkParts:
    arithmetic, jump, chunk = ARITHMETIC[dtype], tables.jump, len(tables.end)
    begun = entering_roundings(system.start, system.states, arithmetic)
    fixed, fed = _flat_product(tables.end, tables.off[1], arithmetic)
    ends = reach.states[chunk - 1 : count * chunk : chunk]

    def made(more: Array, at: Array) -> Array:
        first = (at == 0)[:, None]
        moved = ends[at] - ends[0] + reach.start
        moved = moved + np.where(first, moved_size(jump, begun), moved_size(jump, more))
        before = _before(ends, reach, at) + np.where(first, begun, more)
        moving = moving_roundings(jump, before, moved, arithmetic, tables.off[3])
        return fixed + moving + sum_rounding(moved + moving, fed + fixed, ends[at] + more, arithmetic)

    at = times(system, count)
    more = enlarged(jump, count + 1, lambda more: made(more, at[-1:])[0] + begun)
    errors = made(more, at)[np.searchsorted(at, np.arange(count - 1))]
    rows = replace(jump, c=tables.out.reshape(-1, system.states))
    chain = (read_out(rows, errors) + lasting(rows, count, begun)).reshape(chunk, -1)
    before = _before(ends, reach, np.array([count - 1]))[0]
    before = np.where(before > 0, before + more, 0.0) if count == 1 else before + more
    rest = np.abs(tables.out) @ (reach.start + more)
    inner, local = _flat_product(tables.local, tables.off[0], arithmetic)
    whole = reach.outputs + rest
    reached = ends[count - 1] - ends[0] + reach.start
    out, off, size, carried = _read(tables, before, reached, more, arithmetic)
    far = off @ size + carried
    if tables.moved is not None:
        far = far + np.abs(out) @ moved_size(tables.moved.jump, more)
    more_read = rest.max(axis=0) + far.max(axis=0)
    return ChunkParts(chain, inner, local, out, off, size, carried, whole, more_read, arithmetic)


def _read(
    tables: Tables, before: Array, reached: Array, more: Array, arithmetic: Arithmetic
) -> tuple[Array, Array, Array, Array]:
    """What outputs are read by and how far that is off, what they are read from in size, for states of at most
    `before` of which Aᵀ is at most `reached` but for `more`, and what its own roundings add."""
    moved = tables.moved
    if moved is None:
        return tables.out, tables.off[2], before, np.zeros(tables.out.shape[:2])
    exact, held = tables.jump.poles, moved.jump.poles
    assert exact is not None and held is not None
    grown = np.tile(np.abs(held) / np.maximum(np.abs(exact), 1e-300), 2)
    size = np.minimum(moved_size(moved.jump, before), SAFE * grown * reached + moved_size(moved.jump, more))
    made = moving_roundings(moved.jump, before[None], size[None], arithmetic, moved.off[1])[0]
    return moved.out, moved.off[0], size + made, (np.abs(moved.out) + moved.off[0]) @ made


def _together(system: Realisation, tables: Tables, count: int) -> Array:
    """What the states before a chunk add to an output, in size, under one input: [O]."""
    assert system.poles is not None
    m, length = len(system.poles), (count - 1) * len(tables.end)
    state = system.b[:m, 0] + 1j * system.b[m:, 0]
    out = tables.out
    if tables.moved is not None:  # read from states that are moved on
        assert tables.moved.jump.poles is not None
        out, state = tables.moved.out, state * tables.moved.jump.poles
    reached = Reach.of(replace(system, b=np.concatenate([state.real, state.imag])[:, None]), length)
    found = np.zeros(len(system.c))
    for o, size in enumerate(np.abs(out).max(axis=0)):
        weights = np.zeros((length, 2 * m))
        weights[-1] = size
        last = Weighted(system.poles, state, weights, np.zeros_like(weights))
        found[o] = largest_sum(last, float(size @ reached.states[-1]))
    return found


def _before(ends: Array, reach: Reach, at: Array) -> Array:
    """The states before the chunks `at`."""
    return np.where((at > 0)[:, None], ends[np.maximum(at, 1) - 1], reach.start)


def _flat_product(table: Array, off: Array, arithmetic: Arithmetic) -> tuple[Array, Array]:
    """The roundings of a product of table[T, k, I] with T inputs of size 1, and its largest result."""
    flat, far = (x.transpose(1, 0, 2).reshape(x.shape[1], -1) for x in (table, off))
    size = np.abs(flat).sum(axis=1)
    return product_roundings(flat, np.ones(1), size, arithmetic, far), size


@dataclass(frozen=True)
class Emitted:
    """The largest roundings of any output per unit input by how the program may run: step by step, in chunks whose
    tables are rounded once from float64 (`chunk_ssm`), and in chunks with tables of its own dtype."""

    step: float
    once: float
    own: float

    @property
    def worst(self) -> float:
        """Of all ways; a full matrix may have no bound for tables of its own dtype, and then counts the others."""
        return max(self.step, self.once, self.own if np.isfinite(self.own) else 0.0)


def emitted_roundings(
    system: Realisation, length: int, dtype: str, chunk: int = 64, *, sharp: bool = False
) -> Emitted:
    """What roundings add at most, in chunks of `chunk` steps and of all sizes that the cost model chooses among; a
    `chunk` of 1 leaves out chunks."""
    # one for all that is long: of a short one the steps after it would count
    reach = Reach.of(system, length + max(CHUNKS[-1], chunk)) if length > LONG else None
    step = float(step_roundings(system, length, dtype, sharp=sharp, reach=reach).max(initial=0.0))
    if chunk <= 1:
        return Emitted(step, 0.0, 0.0)
    sizes = sorted({min(c, length) for c in (*CHUNKS, chunk)})
    plain = {
        made: [
            float(chunk_roundings(system, length, c, dtype, made, reach=reach).max(initial=0.0))
            for c in sizes
        ]
        for made in ("once", "own")
    }
    once, sharper = max(plain["once"]), 0.0
    if sharp:  # the largest, until none that is left is larger
        for bound, c in sorted(zip(plain["once"], sizes, strict=True), reverse=True):
            if bound <= sharper:
                break
            sharper = max(
                sharper, float(chunk_roundings(system, length, c, dtype, sharp=True).max(initial=0.0))
            )
        once = min(once, sharper)
    return Emitted(step, once, max(plain["own"]))
