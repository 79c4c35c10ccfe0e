"""Independent work: in this process, in a pool of processes, or on a Ray cluster.

Tasks are plain data and functions are importable by name, so that workers can be spawned and
nothing depends on what the parent had in memory. `task_seed` gives each task its own seed, from
its position and not from the worker that happens to run it.
"""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from itertools import islice
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import Any, Generic, TypeVar

from ...graph.diagnostics import fail
from .philox import derived_seed

T = TypeVar("T")
R = TypeVar("R")


def task_seed(seed: int, position: int) -> int:
    """The seed of the task at `position`."""
    return derived_seed(seed, "task", position)


@dataclass(frozen=True)
class Shared(Generic[T]):
    """A handle to an object that many tasks read: `handle.get()` in a task. The object crosses to
    each worker once."""

    path: str

    def get(self) -> T:
        found: T = _unpickled(self.path)
        return found


@lru_cache(maxsize=32)
def _unpickled(path: str) -> Any:
    """What this program itself wrote into its own private folder."""
    with Path(path).open("rb") as file:
        return pickle.load(file)


@dataclass
class SerialExecutor:
    """Everything here and now, in order."""

    def map_unordered(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[int, R]]:
        for position, task in enumerate(tasks):
            yield position, function(task)

    def submit(self, function: Callable[[T], R], task: T) -> Future[R]:
        future: Future[R] = Future()
        try:
            future.set_result(function(task))
        except Exception as error:
            future.set_exception(error)
        return future

    def put(self, shared: T) -> Held[T]:
        return Held(shared)

    def close(self) -> None:
        """Nothing to release."""


@dataclass(frozen=True)
class Held(Generic[T]):
    """A handle within one process."""

    value: T

    def get(self) -> T:
        return self.value


@dataclass
class ProcessExecutor:
    """A pool of spawned processes, started by the first task. `chunk` tasks cross at a time;
    tasks are drawn from their iterable only as workers become free. Use it as a context manager."""

    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    chunk: int = 1
    _pool: ProcessPoolExecutor | None = field(default=None, init=False, repr=False)
    _folder: str | None = field(default=None, init=False, repr=False)
    _count: int = field(default=0, init=False, repr=False)

    def __enter__(self) -> ProcessExecutor:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def pool(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = get_context("spawn")
            self._pool = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_end_with_parent)
        return self._pool

    def map_unordered(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[int, R]]:
        """(position, result) as they finish. An exception of a task is raised here; what has not
        started is then given up. Raises SpecError G0969 where a worker died."""
        chunks = _chunks(tasks, self.chunk)
        waiting: dict[Future[list[R]], int] = {}
        try:
            while True:
                for first, chunk in islice(chunks, 2 * self.workers - len(waiting)):
                    waiting[self.pool.submit(_run_chunk, function, chunk)] = first
                if not waiting:
                    return
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    first = waiting.pop(future)
                    yield from enumerate(future.result(), first)
        except BrokenProcessPool as error:
            self._pool = None
            raise fail(
                "G0969",
                "a worker process died: most often it ran out of memory",
                hint="fewer workers, or smaller tasks",
            ) from error
        finally:
            for future in waiting:
                future.cancel()

    def submit(self, function: Callable[[T], R], task: T) -> Future[R]:
        return self.pool.submit(function, task)

    def put(self, shared: T) -> Shared[T]:
        """Writes the object once, into a folder that only this user can read."""
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="graphwright-")
        path = Path(self._folder) / f"{self._count}.pickle"
        self._count += 1
        with path.open("wb") as file:
            pickle.dump(shared, file, protocol=pickle.HIGHEST_PROTOCOL)
        return Shared(str(path))

    def close(self) -> None:
        """Waits for running tasks, gives up waiting ones, and removes what was put."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def _end_with_parent() -> None:
    """Ends this worker when the process that started it is gone: killed, it can't tell its workers, who would wait for
    tasks for ever."""
    parent = parent_process()
    if parent is not None:
        Thread(target=_exit_after, args=(parent,), daemon=True).start()


def _exit_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _chunks(tasks: Iterable[T], size: int) -> Iterator[tuple[int, list[T]]]:
    """(position of the first, tasks)."""
    iterator, first = iter(tasks), 0
    while chunk := list(islice(iterator, size)):
        yield first, chunk
        first += len(chunk)


def _run_chunk(function: Callable[[T], R], chunk: list[T]) -> list[R]:
    return [function(task) for task in chunk]


@dataclass
class RayExecutor:
    """A Ray cluster (extra [distributed]). Nothing is started implicitly: `address` is where a
    cluster runs, or "local" to start one on this machine."""

    address: str
    window: int = 1000
    _ray: Any = field(default=None, init=False, repr=False)

    def __enter__(self) -> RayExecutor:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def ray(self) -> Any:
        if self._ray is None:
            try:
                ray = import_module("ray")
            except ImportError as error:
                raise fail(
                    "G0970",
                    "running on a cluster needs Ray, which is not installed",
                    hint="pip install 'graphwright[distributed]'",
                ) from error
            ray.init(address=self.address, log_to_driver=False)
            self._ray = ray
        return self._ray

    def map_unordered(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[int, R]]:
        remote = self.ray.remote(function)
        pending: deque[Any] = deque()
        positions: dict[Any, int] = {}
        iterator = enumerate(tasks)
        while True:
            for position, task in islice(iterator, self.window - len(pending)):
                reference = remote.remote(task)
                positions[reference] = position
                pending.append(reference)
            if not pending:
                return
            done, rest = self.ray.wait(list(pending), num_returns=1)
            pending = deque(rest)
            for reference in done:
                yield positions.pop(reference), self.ray.get(reference)

    def submit(self, function: Callable[[T], R], task: T) -> Any:
        return _RayFuture(self.ray, self.ray.remote(function).remote(task))

    def put(self, shared: T) -> _RayShared[T]:
        return _RayShared(self.ray.put(shared))

    def close(self) -> None:
        """Leaves the cluster; one that was started here stops."""
        if self._ray is not None:
            self._ray.shutdown()
            self._ray = None


@dataclass(frozen=True)
class _RayFuture:
    ray: Any
    reference: Any

    def result(self) -> Any:
        return self.ray.get(self.reference)


@dataclass(frozen=True)
class _RayShared(Generic[T]):
    reference: Any

    def get(self) -> T:
        found: T = import_module("ray").get(self.reference)
        return found
