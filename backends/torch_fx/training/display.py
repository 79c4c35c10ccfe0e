"""How a training shows itself: a bar on a terminal, one line an epoch elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Protocol


class Display(Protocol):
    """What the trainer tells."""

    def start(self, total: int, done: int) -> None: ...

    def advance(self, step: int, loss: float) -> None:
        """Step `step` is done."""
        ...

    def epoch(self, record: Mapping[str, Any]) -> None: ...

    def stop(self) -> None: ...


class Silent:
    """Tells nothing."""

    def start(self, total: int, done: int) -> None: ...

    def advance(self, step: int, loss: float) -> None: ...

    def epoch(self, record: Mapping[str, Any]) -> None: ...

    def stop(self) -> None: ...


class Lines(Silent):
    """One line an epoch, to standard error."""

    def epoch(self, record: Mapping[str, Any]) -> None:
        print(describe(record), file=sys.stderr, flush=True)


class Bar(Silent):
    """rich's progress bar, to standard error."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True))
        self._task: Any = None

    def start(self, total: int, done: int) -> None:
        self._task = self._bar.add_task("training", total=total, completed=done)
        self._bar.start()

    def advance(self, step: int, loss: float) -> None:
        self._bar.update(self._task, completed=step, description=f"loss {loss:.4g}")

    def epoch(self, record: Mapping[str, Any]) -> None:
        self._bar.console.print(describe(record), highlight=False)

    def stop(self) -> None:
        self._bar.stop()


def describe(record: Mapping[str, Any]) -> str:
    """`epoch 3: loss 0.123, validation accuracy 0.98`."""
    parts = [f"{name} {value:.4g}" for name, value in record["losses"].items()]
    for part in ("validation", "test"):
        parts += [f"{part} {name} {value:.4g}" for name, value in record.get(part, {}).items()]
    where = f"epoch {record['epoch']}" if "epoch" in record else f"step {record['step']}"
    return f"{where}: {', '.join(parts)}"


def choose_display(progress: bool | None) -> Display:
    """A bar on a terminal, lines elsewhere (None); lines (True); nothing (False)."""
    if progress is False:
        return Silent()
    return Bar() if progress is None and sys.stderr.isatty() else Lines()
