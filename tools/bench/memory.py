"""The memory of a piece of work, measured in a process that did nothing else."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def status_megabytes(key: str) -> float:
    """VmHWM (the most that this process held) or VmRSS (what it holds), in MB; NaN where the system does
    not tell. `ru_maxrss` would count what its parent held before the process became itself."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return float("nan")
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{key}:")), float("nan"))


def apart(work: Callable[..., T], *arguments: object) -> T:
    """The result of the work in a new process, whose peak nothing else has raised."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)
