"""State-space layers with constant matrices written out in chunks, their tables computed in float64."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ...backends.onnx.emitting.state_space import (
    ChunkTables,
    chunked,
    parted_state,
    start_state,
    with_input,
)
from ...backends.onnx.emitting.state_space_tables import Recurrence, reshape, size
from ...backends.runtime.state_space_cost import Layer, plans
from ...graph.ir import Node, Program, Value
from ..manager.contract import Bounded, Contract
from ..manager.pass_ import Context, Result
from ..rewriting import Procedure, Site
from ..rewriting.rewriting_pass import result_of
from ..rewriting.sweep import rewrite
from .chunk_roundings import chunk_roundings, held_powers
from .layers import Numbers, kept_rank, label, numbers_of, operand
from .realisation import Realisation
from .system import Array, discretise

LARGEST = 64_000_000
"""Numbers of all tables of one layer: more are not stored."""


@dataclass(frozen=True)
class ChunkSsm:
    """Writes state-space layers with constant matrices as matrix products over chunks of `chunk` steps
    (0: the cost model's choice for `target`) and a Scan over chunks. The tables of powers come from
    float64 and are rounded once, which the operator's own emission in the program's dtype can't do.

    A layer that is cheaper step by step is left. Needs constants, as `diagonalize` does.
    """

    name: ClassVar[str] = "chunk_ssm"
    variants: ClassVar[frozenset[str]] = frozenset({"infer"})

    chunk: int = 0
    length: int = 1024
    target: str = "onnx"

    def __post_init__(self) -> None:
        if self.target not in ("torch", "onnx") or self.chunk < 0 or self.length < 1:
            raise ValueError("target is torch or onnx, chunk at least 0, length at least 1")

    @property
    def contract(self) -> Contract:
        return Bounded("gain", float("inf"))

    def run(self, program: Program, context: Context) -> Result:
        bounds: dict[Value, float] = {}
        notes: list[str] = []
        read: set[Node] = set()

        def chunk(node: Node, site: Site) -> Sequence[Value] | str | None:
            if site.readers(node.outputs[1]):
                read.add(node)
            found = self._chunked(node, site, bounds)
            if isinstance(found, str):
                notes.append(f"{label(node)} left as it is: {found}")
            return found

        rewritten = rewrite(program, (Procedure("chunked", ("LtiSsm",), chunk),), self.name, context.firings)
        result = result_of(rewritten, tuple(dict.fromkeys(notes)))
        sites = []
        for r in result.replacements:  # without a last state that nothing reads
            count = 2 if r.old[0].node in read else 1
            sites.append(replace(r, old=r.old[:count], new=r.new[:count], bound=bounds.get(r.new[0])))
        return replace(result, replacements=tuple(sites))

    def _chunked(self, node: Node, site: Site, bounds: dict[Value, float]) -> Sequence[Value] | str:
        numbers = numbers_of(node, site)
        if isinstance(numbers, str):
            return numbers
        if not all(np.isfinite(a).all() for a in numbers.arrays.values()):
            return "its matrices hold NaN or infinities"
        u = node.inputs[0]
        assert u is not None
        tables = replace(Powers.of(node, numbers), through=_through(node, site))
        length = u.tensor.shape[2]
        chunk = self._size(node, tables, length if isinstance(length, int) else self.length)
        if chunk <= 1:
            return "it is cheaper step by step"
        initial = operand(node, "initial")
        if initial is not None and not (isinstance(length, int) and length % chunk == 0):
            return f"it has an initial state, and a length that is no multiple of {chunk}"
        weights = tables.weights(site, chunk, numbers.dtype)
        if isinstance(weights, str):
            return weights
        results = _written(node, weights, operand(node, "D") if tables.through is None else None)
        bounds[results[0]] = tables.roundings(
            chunk,
            length if isinstance(length, int) else self.length,
            numbers.dtype,
            initial=initial is not None,
            last=site.readers(node.outputs[1]) > 0,
        )
        return results

    def _size(self, node: Node, tables: Powers, length: int) -> int:
        if self.chunk:
            return min(self.chunk, length)
        u = node.inputs[0]
        assert u is not None
        batch, rank = u.tensor.shape[0], kept_rank(node)
        layer = Layer(
            batch if isinstance(batch, int) else 1,
            tables.groups,
            tables.b.shape[2],
            tables.c.shape[1],
            2 * tables.b.shape[1] if tables.poles is not None else tables.b.shape[1],
            length,
            tables.poles is not None or rank > 0,
            rank=rank,
        )
        best = plans(layer, self.target)[0]
        return min(best.chunk, length) if best.mode == "chunk" else 1


def _through(node: Node, site: Site) -> Array | None:
    """D[G, O, I] where it is constant."""
    value = operand(node, "D")
    array = site.array(value) if value is not None else None
    if array is None or array.ndim == 3:
        return None if array is None else array.astype(np.float64)
    b = operand(node, "B")
    assert b is not None
    groups = size(b, 0)
    return np.stack([np.diag(row) for row in array.astype(np.float64).reshape(groups, -1)])


def _written(node: Node, tables: ChunkTables, d: Value | None) -> tuple[Value, Value]:
    u = node.inputs[0]
    assert u is not None
    fed = reshape(u, 0, size(tables.local, 0), tables.inputs, -1)
    start = start_state(fed, operand(node, "initial"), node.attribute("form"), tables.jump.states)
    y, last = chunked(tables, fed, start, at_rest=operand(node, "initial") is None)
    return with_input(y, d, fed), parted_state(last, node)


@dataclass(frozen=True, eq=False)
class Powers:
    """The discrete layer in float64: `poles`[G, M] complex with b[G, M, I] and c[G, O, M] complex and
    y = 2 Re(c x), or `matrix`[G, N, N] with real b[G, N, I] and c[G, O, N]. `through`[G, O, I] is a D that is
    part of the tables."""

    b: Array
    c: Array
    poles: Array | None = None
    matrix: Array | None = None
    through: Array | None = None

    @classmethod
    def of(cls, node: Node, numbers: Numbers) -> Powers:
        form, disc = node.attribute("form"), node.attribute("disc")
        if form == "diagonal":
            return _diagonal(numbers, disc)
        systems = [discretise(numbers.system(form, g), numbers.step(g), disc) for g in range(numbers.groups)]
        a, b, c = (np.stack([getattr(s, n) for s in systems]) for n in "abc")
        return cls(b, c, None, a)

    @property
    def groups(self) -> int:
        return int(self.b.shape[0])

    def moved(self, x: Array) -> Array:
        """A x of columns x[G, S, k]."""
        if self.poles is not None:
            return np.asarray(self.poles[:, :, None] * x)
        assert self.matrix is not None
        return np.asarray(self.matrix @ x)

    def reached(self, count: int) -> Array:
        """Aᵗ b: [count, G, S, I]."""
        found = [self.b]
        for _ in range(1, count):
            found.append(self.moved(found[-1]))
        return np.stack(found)

    def seen(self, count: int) -> Array:
        """c Aᵗ⁺¹: [count, G, O, S]."""
        found, row = [], self.c
        for _ in range(count):
            row = row * self.poles[:, None, :] if self.poles is not None else row @ self.matrix
            found.append(row)
        return np.stack(found)

    def jump(self, steps: int, dtype: str) -> Array:
        """Aᵗ; of poles none that is too small for `dtype` to be taken back."""
        if self.poles is not None:
            return held_powers(self.poles, steps, dtype)
        assert self.matrix is not None
        return np.linalg.matrix_power(self.matrix, steps)

    def weights(self, site: Site, chunk: int, dtype: str) -> ChunkTables | str:
        """The tables as constants of the program, or why there are none."""
        groups, states, inputs = self.b.shape
        outputs = self.c.shape[1]
        real = 2 * states if self.poles is not None else states
        if groups * (inputs * chunk * (outputs * chunk + real) + outputs * chunk * real) > LARGEST:
            return f"its tables for chunks of {chunk} steps hold more than {LARGEST} numbers"
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            jump = self.jump(chunk, dtype)
            arrays = [self.local(chunk), self.end(chunk), self.out(chunk, jump)]
        arrays += [jump.real, jump.imag] if self.poles is not None else [jump[:, None]]
        with np.errstate(over="ignore"):
            arrays = [np.ascontiguousarray(a, dtype) for a in arrays]
        if not all(np.isfinite(a).all() for a in arrays):
            return "its tables are not finite"
        values = [site.constant(a, "state_space") for a in arrays]
        if any(v is None for v in values):
            return "its tables are too large for a body"
        local, end, out, *rest = (v for v in values if v is not None)
        if self.poles is not None:
            system = Recurrence(end, out, (rest[0], rest[1]))
        else:
            system = Recurrence(end, out, None, rest[0])
        return ChunkTables(local, end, out, system, inputs, outputs, chunk, ahead=self.poles is not None)

    def local(self, chunk: int) -> Array:
        """K[t - s] from (I, s) to (O, t): [G, I T, O T]."""
        kernel = np.einsum("gos,tgsi->gtoi", self.c, self.reached(chunk))
        kernel = 2 * kernel.real if self.poles is not None else kernel
        if self.through is not None:
            kernel[:, 0] += self.through
        gap = np.arange(chunk)[None, :] - np.arange(chunk)[:, None]
        table = np.where((gap >= 0)[None, :, :, None, None], kernel[:, gap.clip(0)], 0.0)
        return table.transpose(0, 4, 1, 3, 2).reshape(self.groups, self.b.shape[2] * chunk, -1)

    def end(self, chunk: int) -> Array:
        """From (I, s) to the state at the chunk's end: [G, I T, S]."""
        table = self._split(self.reached(chunk)[::-1], 2)
        return table.transpose(1, 3, 0, 2).reshape(self.groups, self.b.shape[2] * chunk, -1)

    def out(self, chunk: int, jump: Array) -> Array:
        """From the state before a chunk, with poles from `jump` times it, to (O, t): [G, S, O T]."""
        table = self.seen(chunk)
        if self.poles is not None:
            table = table / jump[None, :, None, :]
            table = np.concatenate([2 * table.real, -2 * table.imag], axis=3)
        return table.transpose(1, 3, 2, 0).reshape(self.groups, table.shape[3], -1)

    def _split(self, table: Array, axis: int) -> Array:
        return np.concatenate([table.real, table.imag], axis=axis) if self.poles is not None else table

    def roundings(
        self, chunk: int, length: int, dtype: str, *, initial: bool = False, last: bool = False
    ) -> float:
        """What rounding tables and products may add at most per unit of the input and of an `initial` state, to
        outputs and to the `last` state."""
        worst = 0.0
        for group in range(self.groups):
            system = self.realisation(group)
            identity = np.eye(system.states)
            read = np.concatenate([system.c, identity]) if last else system.c
            through = system.through
            if through is not None and last:
                through = np.concatenate([through, np.zeros((system.states, through.shape[1]))])
            system = replace(system, c=read, through=through, start=identity if initial else None)
            worst = max(worst, float(chunk_roundings(system, length, chunk, dtype).max(initial=0.0)))
        return worst

    def realisation(self, group: int) -> Realisation:
        """One group in the coordinates of the tables."""
        b, c = self.b[group], self.c[group]
        through = None if self.through is None else self.through[group]
        if self.poles is None:
            assert self.matrix is not None
            return Realisation(b, c, None, self.matrix[group], through=through)
        rows = np.concatenate([2 * c.real, -2 * c.imag], axis=1)
        return Realisation(np.concatenate([b.real, b.imag]), rows, self.poles[group], through=through)


def _diagonal(numbers: Numbers, disc: str) -> Powers:
    a, b, c = (numbers.arrays[n].astype(np.float64) for n in "ABC")
    poles, entering, leaving = (x[..., 0] + 1j * x[..., 1] for x in (a, b, c))
    if disc == "none":
        return Powers(entering, leaving, poles)
    dt = numbers.arrays["dt"].astype(np.float64)
    step = dt if dt.ndim == 2 else dt[:, None]
    z = poles * step
    if disc == "zoh":
        near = np.abs(z) < 1e-8
        factor = np.where(near, 1 + z / 2, np.expm1(z) / np.where(near, 1, z)) * step
        return Powers(entering * factor[:, :, None], leaving, np.exp(z))
    factor = step / (1 - z / 2)
    return Powers(entering * factor[:, :, None], leaving, (1 + z / 2) / (1 - z / 2))
