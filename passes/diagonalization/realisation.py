"""A layer in the real coordinates in which programs run it, and what its input brings the states to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from .diagonal import Diagonal, powers
from .system import Array, System

LARGEST = 1_000_000
"""Numbers of a response that are held at a time."""


@dataclass(frozen=True, eq=False)
class Realisation:
    """A discrete layer in the real coordinates that programs use: b[S, I], c[O, S], and `poles`[M] over states
    [re | im], S = 2 M, or `matrix`[S, S]. `start`[S, N] takes an initial state of size 1 in, `through`[O, I] is
    what is added of the input."""

    b: Array
    c: Array
    poles: Array | None = None
    matrix: Array | None = None
    start: Array | None = None
    through: Array | None = None

    @classmethod
    def of(cls, layer: Diagonal | System) -> Realisation:
        if isinstance(layer, System):
            return cls(layer.b, layer.c, None, layer.a)
        c = np.concatenate([2 * layer.c.real, -2 * layer.c.imag], axis=1)
        return cls(np.concatenate([layer.b.real, layer.b.imag]), c, layer.poles)

    @property
    def has_shared_input(self) -> bool:
        """Whether one number a step is all that enters."""
        return self.poles is not None and self.b.shape[1] == 1 and self.start is None

    @property
    def states(self) -> int:
        return int(self.b.shape[0])

    def reached(self, column: Array, count: int) -> Iterator[Array]:
        """Aᵗ column[S, k] for t < count, in blocks [steps, S, k]."""
        size = max(1, min(count, LARGEST // max(1, column.size)))
        if self.poles is None:
            yield from self._reached(column, count, size)
            return
        m = len(self.poles)
        table, first = powers(self.poles, size), column[:m] + 1j * column[m:]
        for at in range(0, count, size):
            part = (table[: count - at] * self.poles**at)[:, :, None] * first
            yield np.concatenate([part.real, part.imag], axis=1)

    def _reached(self, column: Array, count: int, size: int) -> Iterator[Array]:
        for at in range(0, count, size):
            found = []
            for _ in range(min(size, count - at)):
                found.append(column)
                column = self.matrix @ column
            yield np.stack(found)

    def seen(self, count: int) -> Iterator[Array]:
        """c Aᵗ for t < count, in blocks [steps, O, S]."""
        turned = replace(self, matrix=None if self.matrix is None else self.matrix.T)
        if self.poles is not None:  # w A of rows is Aᵀ w, the conjugate's product
            turned = replace(self, poles=self.poles.conj())
        for block in turned.reached(self.c.T, count):
            yield block.transpose(0, 2, 1)

    def power(self, steps: int) -> Realisation:
        """With A to a power."""
        if self.poles is not None:
            return replace(self, poles=self.poles**steps)
        assert self.matrix is not None
        return replace(self, matrix=np.linalg.matrix_power(self.matrix, steps))


@dataclass(frozen=True, eq=False)
class Reach:
    """What inputs of size 1 bring the quantities to at most: `states`[t, S] once t + 1 inputs are in (an
    initial state counts as before), `start`[S] of the initial state alone, `outputs`[O] of the inputs alone."""

    states: Array
    start: Array
    outputs: Array

    @classmethod
    def of(cls, system: Realisation, length: int) -> Reach:
        total, outputs, found = np.zeros(system.states), np.zeros(len(system.c)), []
        for block in system.reached(system.b, length):
            found.append(total + np.cumsum(np.abs(block).sum(axis=2), axis=0))
            total = found[-1][-1]
            outputs += np.abs(system.c @ block).sum(axis=(0, 2))
        start = np.zeros(system.states)
        if system.start is not None:
            for block in system.reached(system.start, length + 1):
                start = np.maximum(start, np.abs(block).sum(axis=2).max(axis=0))
        return cls(np.concatenate(found) + start, start, outputs)

    def before(self, at: Array) -> Array:
        """The states before the steps `at`."""
        return np.where((at > 0)[:, None], self.states[np.maximum(at, 1) - 1], self.start)
