"""What was measured of each goal, kept beside the page that shows it: when, at which commit, on what machine.

A goal that is measured again replaces its own record and no other; the page is written from the records.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import process_time
from typing import TypeVar

from ...backends.native.compiler import cpu, instruction_set
from ...backends.runtime.cache import write_atomically
from .goals import Goal

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "reference"
"""Of pages and records: in a checkout only."""
RESULTS = Path(".build/bench")
MEASURED = ("measured", "met", "when, commit")
"""The columns of `measured_cells`."""


@dataclass(frozen=True)
class Record:
    """One measurement. `met` is None where it failed, or where there is nothing to meet; `commit` ends in + where
    files differed from it. `seconds` are of CPU time, without what an interrupted measurement had kept. What an old
    record lacks is empty, and its seconds None."""

    figure: str
    met: bool | None
    seconds: float | None
    date: str
    commit: str
    instructions: str
    versions: str


@dataclass(frozen=True)
class Line(Record):
    """A record with its goal, where the measurement itself says what the goal is. `name` is empty for a line that
    belongs to no goal."""

    name: str
    target: str
    command: str
    prototype: str


R = TypeVar("R", bound=Record)


# --- measuring -----------------------------------------------------------------------------------------


def wanted(names: Iterable[str]) -> list[str]:
    """Those that the variable GRAPHWRIGHT_GOALS names, all where it is `all`."""
    asked = os.environ.get("GRAPHWRIGHT_GOALS", "").replace(",", " ").split()
    return [name for name in names if name in asked or "all" in asked]


@dataclass(frozen=True)
class Measurement:
    """One that has begun: when, at which commit, and the CPU seconds that were used till then."""

    date: str
    commit: str
    used: float

    def record(self, figure: str, met: bool | None, instructions: str) -> Record:
        """As of now and here."""
        seconds = round(_cpu_seconds() - self.used, 1)
        return Record(figure, met, seconds, self.date, self.commit, instructions, _versions())


def begin() -> Measurement:
    return Measurement(datetime.now(UTC).strftime("%Y-%m-%d %H:%M"), commit(), _cpu_seconds())


def measure(goals: Iterable[Goal], command: str) -> Iterator[Line]:
    """A line for each goal as it comes; its seconds are those since the line before, so that all together are
    those of the command."""
    measurement, here = begin(), f"{cpu()[0]}, {instruction_set()}"
    for goal in goals:
        met = None if goal.met is None else bool(goal.met)
        record = measurement.record(goal.measured, met, here)
        measurement = replace(measurement, used=_cpu_seconds())
        yield Line(
            **asdict(record), name=goal.name, target=goal.target, command=command, prototype=goal.prototype
        )


def commit() -> str:
    """The checkout's commit, short; + where files that it tracks have changed since, other than records and
    pages. `unknown` outside of a checkout."""
    head = _git("rev-parse", "--short=9", "HEAD")
    if not head:
        return "unknown"
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs")
    return f"{head}+" if changed else head


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _cpu_seconds() -> float:
    """Of this process and of those that it started and that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return process_time() + children.ru_utime + children.ru_stime


def _versions() -> str:
    found = [f"Python {platform.python_version()}"]
    for name in ("onnxruntime", "onnxruntime-gpu", "torch", "numpy"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


# --- keeping -------------------------------------------------------------------------------------------


def folder() -> Path:
    """Where pages and records are: `docs/reference` of a checkout, else a folder of results."""
    return FOLDER if FOLDER.is_dir() else RESULTS


def read_records(path: Path, kind: Callable[..., R]) -> dict[str, R]:
    """Goal -> its record, of the class `kind`; empty where there is no such file."""
    if not path.exists():
        return {}
    return {name: kind(**row) for name, row in json.loads(path.read_text(encoding="utf-8")).items()}


def write_records(path: Path, records: Mapping[str, Record], order: Sequence[str]) -> None:
    """In the order of the goals, so that a measurement changes its own lines only."""
    rows = {name: asdict(records[name]) for name in order if name in records}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(rows, indent=1, ensure_ascii=False) + "\n").encode("utf-8"))


def write_page(path: Path, text: str) -> None:
    """Writes the page and prints it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.encode("utf-8"))
    print(text)


# --- the page ------------------------------------------------------------------------------------------


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown, without a newline at its end."""
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    return "\n".join(
        [*lines, *(f"| {' | '.join(c.replace('|', chr(92) + '|') for c in row)} |" for row in rows)]
    )


def measured_cells(record: Record | None) -> tuple[str, str, str]:
    """What MEASURED heads."""
    if record is None:
        return "not measured yet", "-", ""
    return record.figure, {True: "yes", False: "**no**", None: "-"}[record.met], when([record])


def when(records: Sequence[Record]) -> str:
    """Date and commit of what was measured together, and the CPU seconds of all, as far as they were recorded."""
    known = [record.seconds for record in records if record.seconds is not None]
    seconds = f"{round(sum(known), 1):g} CPU s" if len(known) == len(records) else ""
    return ", ".join(filter(None, (records[0].date, records[0].commit, seconds)))


def where(record: Record) -> str:
    """Instruction sets and versions, as far as they were recorded."""
    return "; ".join(filter(None, (record.instructions, record.versions)))


def machines(records: Mapping[str, Record]) -> str:
    """The instruction sets and versions, with the goals that were measured there."""
    groups: dict[str, list[str]] = {}
    for name, record in records.items():
        groups.setdefault(where(record), []).append(name)
    rows = [f"- {', '.join(names)}: {machine}" for machine, names in groups.items()]
    return "Instruction sets and versions:\n\n" + "\n".join(rows) + "\n" if rows else ""
