"""Executors for so many workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ...backends.runtime.executor import ProcessExecutor, SerialExecutor
from ...passes.functions.evolution import Executor


@contextmanager
def executor_of(workers: int) -> Iterator[Executor]:
    """This process for one worker, a pool of processes for more; closed at the end."""
    if workers == 1:
        yield SerialExecutor()
        return
    with ProcessExecutor(workers) as executor:
        yield executor
