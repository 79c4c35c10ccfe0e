"""The goals of function programs as a page: what was aimed at, what was measured where, and by which command.

The sections named in the page measure and keep their lines in `.build/bench`; this one puts them into
`docs/function_goals.json`, which holds those of earlier days too, and writes `docs/function_goals.md` from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from ...backends.runtime.cache import write_atomically
from .function_records import Record, known_records

COMMAND = "python -m graphwright.tools.bench function_goals"
ALL, PAGE = Path("docs/function_goals.json"), Path("docs/function_goals.md")
_HEAD = f"""# Goals of the function programs

Written by `{COMMAND}` from what the commands in the table measured; the numbers are those of the goals that this
part of the house has set itself.

| # | goal | measured | met | where, when | command |
| --- | --- | --- | --- | --- | --- |
"""


def report() -> None:
    """Takes in what was measured here, writes the page and prints it."""
    for record in known_records().values():
        _take(record)
    text = page(known_records(ALL))
    write_atomically(PAGE, text.encode("utf-8"))
    print(text)


def _take(record: Record) -> None:
    known = known_records(ALL)
    known[record.goal] = record
    lines = json.dumps([asdict(known[goal]) for goal in sorted(known)], indent=1)
    write_atomically(ALL, (lines + "\n").encode("utf-8"))


def page(records: Mapping[str, Record]) -> str:
    """The page in Markdown."""
    words = {True: "yes", False: "no", None: "-"}
    rows = []
    for goal in sorted(records):
        one = records[goal]
        cells = (
            goal,
            one.target,
            one.measured,
            words[one.met],
            f"{one.machine}, {one.date}",
            f"`{one.command}`",
        )
        rows.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return _HEAD + "\n".join(rows) + "\n"
