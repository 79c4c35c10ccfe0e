"""Goals as lines of a table: what was aimed at, what was measured, and by which command."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """`met` is None for a line that only tells; `prototype` what a prototype reached elsewhere."""

    name: str
    target: str
    measured: str
    met: bool | None = None
    prototype: str = ""

    @property
    def verdict(self) -> str:
        return "" if self.met is None else "yes" if self.met else "NO"


def show(goals: Iterable[Goal]) -> list[Goal]:
    """Prints each goal as it comes, and gives them all."""
    print(f"{'goal':5} {'target':60} {'measured':76} met  prototype")
    found = []
    for goal in goals:
        print(
            f"{goal.name:5} {goal.target:60} {goal.measured:76} {goal.verdict:4} {goal.prototype}", flush=True
        )
        found.append(goal)
    return found
