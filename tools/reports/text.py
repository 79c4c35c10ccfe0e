"""A compile's report for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def summary(data: Mapping[str, Any], folder: str) -> str:
    """What was done and measured, in a screenful."""
    lines = [f"{data['program']} ({data['variant']})"]
    lines += [_pass_line(p) for p in data["passes"]]
    start, end = data["start"], data["end"]
    lines.append("")
    for name, unit in (("nodes", ""), ("parameters", ""), ("bytes", " B"), ("macs", "")):
        lines.append(f"  {name:<11} {start[name]:>12,}{unit} -> {end[name]:>12,}{unit}")
    for name, value in data.get("latency_ms", {}).items():
        lines.append(f"  latency {name:<7} {value:9.3f} ms (CPU, least of 20)")
    if data["checks"]:
        worst = max(data["checks"], key=lambda c: float(c["max_abs"]))
        lines.append(
            f"  emitted model against the program: largest difference {worst['max_abs']:.3g} ({worst['output']})"
        )
    verdict = data["verdict"] or "not verified"
    lines.append(f"  contracts: {verdict}" + (f" ({data['reason']})" if data["reason"] else ""))
    lines.append(f"wrote {folder}/{data['artefact']}, {folder}/report.html, {folder}/report.json")
    return "\n".join(lines)


def _pass_line(record: Mapping[str, Any]) -> str:
    before, after = record["before"]["nodes"], record["after"]["nodes"]
    verdict = record["verdict"] or "-"
    return (
        f"  {record['name']:<20} {record['contract']:<22} {verdict:<12} {record['sites']:>4} sites  "
        f"error {record['error']:.2g}  nodes {before} -> {after}  {record['seconds'] + record['verify_seconds']:.2f} s"
    )
