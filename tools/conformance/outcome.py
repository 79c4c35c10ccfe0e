"""What came of a case: one outcome for each check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

CHECKS = ("import", "types", "torch", "gradient", "onnx", "older")
"""In the order they run. `import`: file to IR. `types`: inferred types against strict inference.
`torch`: the emitted module's results against the suite's. `gradient`: against finite differences.
`onnx`: our export in ONNX Runtime against the original there. `older`: the same of the case's node at
older opsets."""

PASSED, FAILED, ABSENT = "passed", "failed", "absent"
STATUSES = (PASSED, FAILED, ABSENT)
"""`absent`: there is nothing to check, and the detail says why."""


@dataclass(frozen=True)
class Outcome:
    """One check's result. `counts`: what it counted (elements left out, values compared)."""

    status: str
    detail: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)


def passed(detail: str = "", **counts: int) -> Outcome:
    return Outcome(PASSED, detail, counts)


def failed(detail: str) -> Outcome:
    return Outcome(FAILED, " ".join(detail.split())[:400])


def absent(detail: str) -> Outcome:
    return Outcome(ABSENT, detail)


@dataclass(frozen=True)
class CaseRecord:
    """All outcomes of a case. `tier`: the lowest tier of its lowerings (`full` or `eager`), empty
    where the case is not read; `group`: "" for the standard's operators, else another domain."""

    key: str
    operators: tuple[str, ...]
    group: str
    tier: str
    outcomes: Mapping[str, Outcome]

    @property
    def collection(self) -> str:
        return self.key.partition("/")[0]

    @property
    def name(self) -> str:
        return self.key.partition("/")[2]

    def status(self, check: str) -> str:
        found = self.outcomes.get(check)
        return found.status if found is not None else ABSENT

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(found: Mapping[str, Any]) -> CaseRecord:
        """The record that `to_json` wrote. Raises KeyError or TypeError for anything else."""
        outcomes = {name: Outcome(**value) for name, value in found["outcomes"].items()}
        return CaseRecord(found["key"], tuple(found["operators"]), found["group"], found["tier"], outcomes)
