"""What was measured of each goal, kept beside the page that shows it: when, at which commit, on what machine.

A goal that is measured again replaces its own record and no other; the page is written from the records.
"""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

from ...backends.runtime.cache import write_atomically

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "reference"
"""Of pages and records: in a checkout only."""


class Line(Protocol):
    """A goal as the page shows it."""

    @property
    def name(self) -> str: ...
    @property
    def what(self) -> str: ...
    @property
    def target(self) -> str: ...


@dataclass(frozen=True)
class Record:
    """One measurement. `met` is None where it failed; `commit` ends in + where files differed from it."""

    figure: str
    met: bool | None
    seconds: float
    date: str
    commit: str
    instructions: str
    versions: str


def recorded(figure: str, met: bool | None, seconds: float, instructions: str) -> Record:
    """A record of now and here."""
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    return Record(figure, met, round(seconds, 1), date, commit(), instructions, _versions())


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


def _versions() -> str:
    found = [f"Python {platform.python_version()}"]
    for name in ("onnxruntime", "onnxruntime-gpu", "torch", "numpy"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def read_records(path: Path) -> dict[str, Record]:
    """Goal -> its record; empty where there is no such file."""
    if not path.exists():
        return {}
    return {name: Record(**row) for name, row in json.loads(path.read_text(encoding="utf-8")).items()}


def write_records(path: Path, records: Mapping[str, Record], order: Sequence[str]) -> None:
    """In the order of the goals, so that a measurement changes its own lines only."""
    rows = {name: asdict(records[name]) for name in order if name in records}
    write_atomically(path, (json.dumps(rows, indent=1) + "\n").encode("utf-8"))


def page(head: str, goals: Sequence[Line], records: Mapping[str, Record], command: str) -> str:
    """The table as a page. `command` has {} for the goal's name."""
    lines = ["| # | goal | target | measured | met | when, commit |", "| --- | --- | --- | --- | --- | --- |"]
    words = {True: "yes", False: "**no**", None: "-"}
    for goal in goals:
        found = records.get(goal.name)
        measured, met, when = (
            ("not measured yet", "-", "")
            if found is None
            else (found.figure, words[found.met], f"{found.date}, {found.commit}, {found.seconds:g} CPU s")
        )
        cells = (goal.name, goal.what, goal.target, measured, met, when)
        lines.append(f"| {' | '.join(c.replace('|', '/') for c in cells)} |")
    commands = "\n".join(command.format(goal.name) for goal in goals)
    return f"{head}\n" + "\n".join(lines) + _machines(records) + f"\n\n```console\n{commands}\n```\n"


def _machines(records: Mapping[str, Record]) -> str:
    """The instruction sets and versions, with the goals that were measured there."""
    groups: dict[str, list[str]] = {}
    for name, record in records.items():
        groups.setdefault(f"{record.instructions}; {record.versions}", []).append(name)
    rows = [f"- {' '.join(names)}: {machine}" for machine, names in groups.items()]
    return "\n\nInstruction sets and versions:\n\n" + "\n".join(rows) if rows else ""
