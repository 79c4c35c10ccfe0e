"""What a compile did, pass by pass: plain records that become JSON (and a page, in tools/reports)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ...graph.ir import Program
from .budget import BudgetFinding
from .measurement import Measurement
from .verdict import Verdict


@dataclass(frozen=True)
class PassRecord:
    """One pass. `seconds` is processor time of the pass, `verify_seconds` of its checks;
    `unchecked` are sites without a boundary of their own (the outputs were compared). `error` is
    the largest one found, in the contract's own measure."""

    name: str
    options: Mapping[str, Any]
    contract: str
    verdict: Verdict | None
    seconds: float
    verify_seconds: float = 0.0
    before: Measurement = field(default_factory=Measurement)
    after: Measurement = field(default_factory=Measurement)
    sites: int = 0
    unchecked: int = 0
    error: float = 0.0
    output_error: float = 0.0
    ties: float = 0.0
    drift: float | None = None
    reason: str = ""
    hits: Mapping[str, int] = field(default_factory=dict)
    visits: int = 0
    attempts: int = 0
    notes: tuple[str, ...] = ()
    budgets: tuple[BudgetFinding, ...] = ()
    reproducer: str | None = None


@dataclass(frozen=True)
class CompileRecord:
    """A whole compile: the program that came out, and the record of every pass in order."""

    program: Program
    passes: tuple[PassRecord, ...]
    start: Measurement
    end: Measurement
    verify: str
    seed: int
    verdict: Verdict | None = None
    reason: str = ""
    budgets: tuple[BudgetFinding, ...] = ()

    @property
    def seconds(self) -> float:
        return sum(p.seconds + p.verify_seconds for p in self.passes)

    def to_json(self) -> dict[str, Any]:
        """Everything but the program, as plain data."""
        found: dict[str, Any] = {
            "program": self.program.name,
            "variant": self.program.variant,
            "verify": self.verify,
            "seed": self.seed,
            "verdict": self.verdict.value if self.verdict else None,
            "reason": self.reason,
            "seconds": self.seconds,
            "start": asdict(self.start),
            "end": asdict(self.end),
            "budgets": [b.to_json() for b in self.budgets],
            "passes": [_pass_json(p) for p in self.passes],
        }
        return found


def _pass_json(record: PassRecord) -> dict[str, Any]:
    found = {
        name: getattr(record, name)
        for name in record.__dataclass_fields__
        if name not in ("before", "after", "verdict", "budgets", "options")
    }
    found["notes"] = list(record.notes)
    found["hits"] = dict(record.hits)
    found["options"] = {k: v if _plain(v) else str(v) for k, v in record.options.items()}
    found["verdict"] = record.verdict.value if record.verdict else None
    found["before"], found["after"] = asdict(record.before), asdict(record.after)
    found["budgets"] = [b.to_json() for b in record.budgets]
    return found


def _plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_plain, value))
    if isinstance(value, dict):
        return all(isinstance(k, str) and _plain(v) for k, v in value.items())
    return value is None or isinstance(value, bool | int | float | str)
