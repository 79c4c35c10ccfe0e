"""What the goals of function programs came to, kept as it is measured; the page of goals is made of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from ...backends.native.compiler import cpu, instruction_set
from ...backends.runtime.cache import write_atomically

KEPT = Path(".build/bench/function_goals.json")


@dataclass(frozen=True)
class Record:
    """`goal` begins with the number of the goal; `met` is None for a line that only tells. `date` and `machine` are
    filled in when it is kept."""

    goal: str
    target: str
    measured: str
    met: bool | None
    command: str
    date: str = ""
    machine: str = ""

    def line(self) -> str:
        verdict = "" if self.met is None else ": met" if self.met else ": NOT met"
        return f"goal {self.goal}: {self.target}: {self.measured}{verdict}"


def keep(record: Record, path: Path = KEPT) -> None:
    """Puts the record in the place of an earlier one of its goal."""
    known = known_records(path)
    machine = f"{cpu()[0]}, {instruction_set()}"
    known[record.goal] = Record(
        **{**asdict(record), "date": datetime.now(UTC).date().isoformat(), "machine": machine}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps([asdict(known[goal]) for goal in sorted(known)], indent=1)
    write_atomically(path, (text + "\n").encode("utf-8"))


def known_records(path: Path = KEPT) -> dict[str, Record]:
    """The records kept, by goal."""
    if not path.exists():
        return {}
    found = [Record(**one) for one in json.loads(path.read_text(encoding="utf-8"))]
    return {record.goal: record for record in found}
