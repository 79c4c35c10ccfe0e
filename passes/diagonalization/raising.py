"""A linear recurrence written as LtiSsm: its operands brought to [batch, channels, steps] and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...backends.onnx.emitting.state_space_tables import concat, ints, part, reshape, unsqueeze
from ...graph.ir import Value, apply, apply_all, constant
from ...graph.types.dimensions import Dimension
from ..rewriting import Site
from .certificates import UNIT, absolute_gain
from .chunk_roundings import emitted_roundings
from .growth import roundings_by_entries
from .linear_step import Step
from .realisation import Realisation
from .system import Array, System, kernel

LONGEST = 131072
"""Steps up to which roundings are bounded by what states can reach."""


@dataclass(frozen=True, eq=False)
class Recurrence:
    """`states`, `scanned` (steps in front) and `held` (the same at every step) are values outside;
    `step` maps [states, scanned, held] of a row to [new states, outputs]."""

    states: tuple[Value, ...]
    scanned: tuple[Value, ...]
    held: tuple[Value, ...]
    outputs: tuple[tuple[int, ...], ...]  # shapes of a row's outputs
    step: Step
    length: Dimension


@dataclass(frozen=True, eq=False)
class Matrices:
    """x = A x + B u, y = C x + D u, exactly the step's; states after the first `kept` are added."""

    a: Array
    b: Array
    c: Array
    d: Array
    kept: int


def matrices_of(step: Step, states: int) -> Matrices:
    """From y = Cy x[t-1] + Dy u: C with C A = Cy and D = Dy - C B where there is one (outputs that
    read the new state), else y itself becomes part of the state."""
    matrix = np.concatenate([step.matrix, step.offset[:, None]], axis=1)
    if not np.any(step.offset):
        matrix = matrix[:, :-1]
    a, b = matrix[:states, :states], matrix[:states, states:]
    of_state, of_input = matrix[states:, :states], matrix[states:, states:]
    c = _readout(a, b, of_state, of_input)
    if c is not None:
        return Matrices(a, b, c, of_input - c @ b, states)
    rows = len(of_state)
    wide = np.zeros((states + rows, states + rows))
    wide[:states, :states], wide[states:, :states] = a, of_state
    read = np.concatenate([np.zeros((rows, states)), np.eye(rows)], axis=1)
    return Matrices(wide, np.concatenate([b, of_input]), read, np.zeros_like(of_input), states)


def _readout(a: Array, b: Array, of_state: Array, of_input: Array) -> Array | None:
    """C with C A = Cy: a choice of new states as it stands, else by least squares where that is
    exact and no larger than what it comes from."""
    both, wanted = np.concatenate([a, b], axis=1), np.concatenate([of_state, of_input], axis=1)
    rows = np.zeros((len(wanted), len(a)))
    for i, row in enumerate(wanted):
        match = np.flatnonzero((both == row).all(axis=1))
        if not match.size:
            break
        rows[i, match[0]] = 1.0
    else:
        return rows
    c = np.asarray(np.linalg.lstsq(both.T, wanted.T, rcond=1e-10)[0].T)
    if np.abs(c @ both - wanted).max(initial=0.0) <= 1e-12 * np.abs(wanted).max(initial=1e-300):
        return c
    c = np.asarray(np.linalg.lstsq(a.T, of_state.T, rcond=1e-10)[0].T)
    scale = np.abs(of_state).max(initial=0.0)
    if (
        np.abs(c @ a - of_state).max(initial=0.0) > 1e-12 * max(scale, 1e-300)
        or np.abs(c).max(initial=0.0) > 1e3
    ):
        return None
    return c


def raised(found: Recurrence, site: Site, length: int) -> tuple[list[Value], float] | str:
    """The last states and the stacked outputs, and the bound of the rewriting: what rounding the
    matrices to the program's dtype may do per unit of the operands, over `length` steps."""
    dtype = found.states[0].tensor.dtype.name
    sizes = [_row_size(v, found.step.axis) for v in found.states]
    m = matrices_of(found.step, sum(sizes))
    bound = rounding_bound(m, dtype, length)
    if not bound < UNIT[dtype] * float(np.finfo(dtype).max):
        return "its response overflows within its steps, or what it rounds as a layer has no bound"
    groups = [x[None].astype(dtype) for x in (m.a, m.b, m.c, m.d)]
    if not m.c.size:  # nothing but the last state is asked for
        groups[2:] = [np.zeros((1, 1, len(m.a)), dtype), np.zeros((1, 1, m.b.shape[1]), dtype)]
    weights = [site.constant(g, "recurrence") for g in groups]
    if any(w is None for w in weights):
        return "its matrices are too large for a body"
    axis = found.step.axis
    start = concat(*(_rows(v, axis) for v in found.states), axis=1)
    if len(m.a) > m.kept:
        start = apply("Pad", start, ints(0, 0, 0, len(m.a) - m.kept))
    fed = _inputs(found, start, m.b.shape[1])
    y, last = apply_all(
        "LtiSsm",
        fed,
        *weights,
        None,
        unsqueeze(start, 1),
        domain="graphwright",
        form="dense",
    )
    return _results(found, sizes, y, last), bound


def _inputs(found: Recurrence, start: Value, wanted: int) -> Value:
    """[batch, channels, steps] of everything that enters; a channel of ones for an offset."""
    axis = found.step.axis
    parts = [_steps(v, axis) for v in found.scanned]
    steps = _count(found)
    parts += [_repeated(_rows(v, axis), steps) for v in found.held]
    have = sum(int(str(p.tensor.shape[1])) for p in parts)
    if have < wanted:  # an offset
        one = constant(np.ones(1, start.tensor.dtype.numpy))
        batch = apply("Shape", start, start=0, end=1)
        parts.append(apply("Expand", one, concat(batch, ints(1), steps, axis=0)))
    return concat(*parts, axis=1) if len(parts) > 1 else parts[0]


def _count(found: Recurrence) -> Value:
    if isinstance(found.length, int):
        return ints(found.length)
    return apply("Shape", found.scanned[0], start=0, end=1)


def _repeated(rows: Value, steps: Value) -> Value:
    return apply("Expand", unsqueeze(rows, 2), concat(ints(1, 1), steps, axis=0))


def _row_size(value: Value, axis: int | None) -> int:
    dims = list(value.tensor.shape)
    if axis is not None:
        del dims[axis]
    return int(np.prod([int(str(d)) for d in dims], dtype=np.int64))


def _front(value: Value, axis: int | None, lead: int = 0) -> Value:
    """With the batch (counted behind `lead` axes) in front, and those axes at the end."""
    rank = value.tensor.rank
    inner = list(range(lead, rank))
    batch = [] if axis is None else [inner.pop(axis)]
    perm = [*batch, *inner, *range(lead)]
    return value if perm == list(range(rank)) else apply("Transpose", value, perm=perm)


def _rows(value: Value, axis: int | None) -> Value:
    """[batch, all]."""
    return reshape(_front(value, axis), 1 if axis is None else 0, -1)


def _steps(value: Value, axis: int | None) -> Value:
    """value[steps, …] as [batch, all, steps]."""
    dims = list(value.tensor.shape[1:])
    if axis is not None:
        del dims[axis]
    width = int(np.prod([int(str(d)) for d in dims], dtype=np.int64))
    return reshape(_front(value, axis, 1), 1 if axis is None else 0, width, -1)


def _results(found: Recurrence, sizes: Sequence[int], y: Value, last: Value) -> list[Value]:
    axis, results, at = found.step.axis, [], 0
    for value, size in zip(found.states, sizes, strict=True):
        piece = part(last, 2, at, at + size)
        shape = [
            int(str(d))
            for i, d in enumerate(value.tensor.shape)
            if axis is None or i != axis % value.tensor.rank
        ]
        results.append(_back(reshape(piece, *([] if axis is None else [0]), *shape), axis, 0))
        at += size
    at = 0
    for shape_ in found.outputs:
        size = int(np.prod(shape_, dtype=np.int64))
        piece = part(y, 1, at, at + size)
        lead = [] if axis is None else [0]
        results.append(_back(reshape(piece, *lead, *shape_, -1), axis, 1))
        at += size
    return results


def _back(value: Value, axis: int | None, lead: int) -> Value:
    """From [batch, …, steps] to [steps, …] with the batch at its place."""
    rank = value.tensor.rank
    inner = list(range(rank - lead))
    if axis is not None:
        batch = inner.pop(0)
        inner.insert(len(inner) if axis == -1 else axis, batch)
    perm = [*range(rank - lead, rank), *inner]
    return value if perm == list(range(rank)) else apply("Transpose", value, perm=perm)


def rounding_bound(m: Matrices, dtype: str, length: int) -> float:
    """What the matrices' rounding to `dtype` and its arithmetic add at most per unit of every operand,
    to outputs and last states; in the matrices' own move initial states count like one more input."""
    n = len(m.a)
    exact = System(m.a, np.concatenate([m.b, np.eye(n)], axis=1), np.concatenate([m.c, np.eye(n)]))
    a, b, c, d = (x.astype(dtype).astype(np.float64) for x in (exact.a, exact.b, exact.c, m.d))
    with np.errstate(all="ignore"):
        moved = absolute_gain(kernel(exact, length + 1) - kernel(System(a, b, c), length + 1))
        through = np.abs(m.d - d).sum(axis=1).max(initial=0.0)
        scale = np.abs(d).sum(axis=1).max(initial=0.0) * (b.shape[1] + 4)
        roundings = roundings_by_entries(System(a, b, c), length + 1, dtype) + UNIT[dtype] * scale
        if length <= LONGEST:
            rows = np.concatenate([d, np.zeros((n, d.shape[1]))])
            system = Realisation(b[:, : m.b.shape[1]], c, None, a, np.eye(n), rows)
            roundings = min(roundings, emitted_roundings(system, length, dtype).worst)
    return float(moved + through + roundings)
