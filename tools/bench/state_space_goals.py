"""All goals of the state-space layers, each with the command that gives its line alone, as a table and as a page.

`python -m graphwright.tools.bench.state_space_goals --page docs/reference/state_space.md SECTION …` measures the
sections named (or all), keeps their lines with the day and the processor in the page's records (a JSON file beside
it), and writes the page from all records: one goal is measured again without the others.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from .goals import Goal

COMMAND = "python -m graphwright.tools.bench state_space_goals"
SECTIONS = {
    "state_space": "Accuracy",
    "state_space_certificates": "Certificates",
    "delay": "Delay regression",
    "state_space_choice": "The choice of a form",
    "state_space_speed": "Speed and memory",
    "spikes": "Digits under noise",
}
WIDE = ("avx512f", "avx2", "asimd", "sse2")


@dataclass(frozen=True)
class Line:
    """One line of a section, and when and where it was measured."""

    name: str
    target: str
    measured: str
    met: bool | None
    prototype: str
    day: str
    machine: str


def report() -> None:
    """G1 to G13 and what goes beyond them; the lines that only tell are left out."""
    print(f"command: {COMMAND}")
    print(f"{'goal':6} {'met':4} {'target':66} {'measured':76} {'prototype':24} command")
    found = [goal for section in SECTIONS for goal in _told(section) if goal.name]
    judged = [g for g in found if g.met is not None]
    print(f"met: {sum(bool(g.met) for g in judged)} of {len(judged)} lines")


def _told(section: str) -> Iterator[Goal]:
    """The section's goals, each printed as it comes."""
    module = import_module(f".{section}", __package__)
    for goal in module.goals():
        shown = f"{goal.name:6} {goal.verdict:4} {goal.target:66} {goal.measured:76} {goal.prototype:24}"
        print(f"{shown} {module.COMMAND}", flush=True)
        yield goal


def measured(section: str) -> list[Line]:
    """The section's lines, as of today on this machine."""
    day, here = datetime.now(UTC).date().isoformat(), machine()
    return [Line(g.name, g.target, g.measured, g.met, g.prototype, day, here) for g in list(_told(section))]


def machine() -> str:
    """Processor, widest vector instructions, and the runtimes."""
    import onnxruntime
    import torch

    text = ""
    with suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    parts = (line.partition(":") for line in text.splitlines())
    facts = {key.strip(): value.strip() for key, _, value in parts}
    flags = facts.get("flags", facts.get("Features", "")).split()
    wide = next((w for w in WIDE if w in flags), "unknown vectors")
    runtimes = f"ONNX Runtime {onnxruntime.__version__}, torch {torch.__version__.partition('+')[0]}"
    return f"{facts.get('model name', 'unknown processor')}, {wide}, {runtimes}"


def read(records: Path) -> dict[str, list[Line]]:
    """The lines kept by section."""
    if not records.exists():
        return {}
    known = json.loads(records.read_text(encoding="utf-8"))
    return {section: [Line(**line) for line in lines] for section, lines in known.items()}


def write(records: Path, known: Mapping[str, Sequence[Line]]) -> None:
    kept = {s: [asdict(line) for line in known[s]] for s in SECTIONS if s in known}
    records.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def page(known: Mapping[str, Sequence[Line]]) -> str:
    """The goals in order, then every section's own lines."""
    goals = [(s, line) for s in SECTIONS for line in known.get(s, ()) if line.met is not None]
    numbered = sorted((g for g in goals if g[1].name.startswith("G")), key=lambda g: int(g[1].name[1:]))
    further = [g for g in goals if not g[1].name.startswith("G")]
    met = sum(bool(line.met) for _, line in goals)
    parts = [
        HEAD,
        f"\n{met} of {len(goals)} lines are met.\n",
        _table(numbered, "goal"),
        "\n## Beyond the goals\n",
        _table([*further, *_points(known)], "point"),
    ]
    for section, title in SECTIONS.items():
        told = [line for line in known.get(section, ()) if not line.name]
        if told:
            parts += [f"\n## {title}\n", f"`python -m graphwright.tools.bench {section}`\n"]
            parts += ["| what | measured |\n| --- | --- |"]
            parts += [f"| {_cell(line.target)} | {_cell(line.measured)} |" for line in told]
    days = sorted({(line.day, line.machine, s) for s, lines in known.items() for line in lines})
    parts += ["\n## When and where\n", "| section | day | machine |\n| --- | --- | --- |"]
    parts += [f"| {s} | {day} | {where} |" for day, where, s in days]
    return "\n".join(parts) + "\n"


def _points(known: Mapping[str, Sequence[Line]]) -> list[tuple[str, Line]]:
    """Lines of open points that only tell."""
    return [(s, line) for s in SECTIONS for line in known.get(s, ()) if line.name and line.met is None]


def _table(lines: Sequence[tuple[str, Line]], first: str) -> str:
    rows = [
        f"| {first} | target | measured | met | prototype | command |\n| --- | --- | --- | --- | --- | --- |"
    ]
    for section, line in lines:
        verdict = "" if line.met is None else "yes" if line.met else "**no**"
        cells = (line.name, line.target, line.measured, verdict, line.prototype, f"`bench {section}`")
        rows.append("| " + " | ".join(_cell(c) for c in cells) + " |")
    return "\n".join(rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


HEAD = """<!-- generated by `python -m graphwright.tools.bench.state_space_goals --page …`; do not edit -->

# State-space layers: goals and what was measured

Every goal of the state-space layers with the command that gives its line (`bench NAME` is
`python -m graphwright.tools.bench NAME`), what was aimed at, what was measured, and what a prototype reached on a
machine of its own. Times are the least CPU time of one thread, all that is compared in the same rounds. The whole
table, without this page: `python -m graphwright.tools.bench state_space_goals`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, keeps, and writes the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--page", type=Path, required=True, help="the page; its records lie beside it")
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)} (all)")
    given = parser.parse_args(arguments)
    unknown = [s for s in given.sections if s not in SECTIONS]
    if unknown:
        parser.error(f"unknown section '{unknown[0]}': {', '.join(SECTIONS)}")
    records: Path = given.page.with_suffix(".json")
    known = read(records)
    for section in given.sections or SECTIONS:
        known[section] = measured(section)
        write(records, known)
        given.page.write_text(page(known), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
