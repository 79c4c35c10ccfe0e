"""What a backend is to the rest of the compiler."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from ...graph.diagnostics import Diagnostic
from ...graph.ir import Graph, Program, Value

Array = np.ndarray[Any, Any]
Feeds = Mapping[str, Array]
"""Leaf name -> array, for inputs, states, noise and parameters (one flat namespace)."""


class Executable(Protocol):
    """A program made ready to run."""

    def run(self, feeds: Feeds) -> dict[str, Array]:
        """Output name -> array, then state name -> its new value. Leaves that `feeds` leaves out
        take the program's weights. Raises SpecError for a missing or ill-typed feed."""
        ...


class Backend(Protocol):
    """A table of lowerings plus an emitter."""

    @property
    def name(self) -> str: ...

    def unsupported(self, program: Program) -> Sequence[Diagnostic]:
        """What it can't do in this program, each naming the operator and the spec line; empty
        where it can do all."""
        ...

    def load(self, program: Program) -> Executable:
        """Raises SpecError with `unsupported(program)` where that is not empty."""
        ...


class Evaluator(Protocol):
    """Computes values of a graph from arrays given for some of them."""

    def evaluate(
        self, outputs: Sequence[Value], given: Mapping[Value, Array], *, float64: bool = False
    ) -> list[Array]:
        """The arrays of `outputs`. Every leaf that they need and that is no small constant must
        be in `given` (leaves or inner values alike). With `float64`, every floating-point value
        is computed in float64 instead of its own dtype (the shadow run of contracts)."""
        ...


@runtime_checkable
class Watcher(Protocol):
    """An Evaluator that shows values as it computes them."""

    def watch(
        self, values: Sequence[Value], given: Mapping[Value, Array], see: Callable[[Value, Array], None]
    ) -> None:
        """Calls `see` with each of `values` and its array, while it is in a cache; none is kept, so memory
        is that of a plain run. `see` does not keep or change the array."""
        ...


@runtime_checkable
class BodyRecorder(Protocol):
    """An Evaluator that can tell what the bodies of If, Loop and Scan get."""

    def record_bodies(
        self, outputs: Sequence[Value], given: Mapping[Value, Array], steps: int
    ) -> list[tuple[Graph, list[dict[Value, Array]]]]:
        """For every body behind `outputs`, nested ones too, the arrays of its inputs in its first
        `steps` calls."""
        ...


T = TypeVar("T")
R = TypeVar("R")


class Executor(Protocol):
    """Independent work, here or on a cluster, with deterministic seeds for each task."""

    def map_unordered(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[int, R]]:
        """(position of the task, result), as they finish."""
        ...

    def submit(self, function: Callable[[T], R], task: T) -> Any:
        """A future with `result()`."""
        ...

    def put(self, shared: Any) -> Any:
        """A handle for an object that many tasks read."""
        ...

    def close(self) -> None: ...
