"""A compile's report for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LOSSY = " drops by at most "
"""What the text of a Budget contract has in it."""
NOTED = frozenset({"lower_quantized", "raise_ssm", "diagonalize", "chunk_ssm", "substitute_functions"})
"""Passes whose notes say what came of each layer: there are few, and people look for them."""


def summary(data: Mapping[str, Any], folder: str) -> str:
    """What was done and measured, in a screenful."""
    lines = [f"{data['program']} ({data['variant']})"]
    for record in data["passes"]:
        lines.append(_pass_line(record))
        if LOSSY in record["contract"] or record["name"] in NOTED:
            lines += [f"      {note}" for note in record["notes"]]
        lines += [f"      {_budget_line(b)}" for b in record["budgets"]]
    start, end = data["start"], data["end"]
    lines.append("")
    for name, unit in (("nodes", ""), ("parameters", ""), ("bytes", " B"), ("macs", "")):
        lines.append(f"  {name:<11} {start[name]:>12,}{unit} -> {end[name]:>12,}{unit}")
    for name, value in data.get("latency_ms", {}).items():
        lines.append(f"  latency {name:<7} {value:9.3f} ms (CPU, least of 20)")
    for name, (before, after) in data.get("metrics", {}).items():
        lines.append(f"  {name:<15} {before:12.5g} -> {after:12.5g}")
    lines += [f"  {_budget_line(b)}" for b in data.get("budgets", ())]
    if data["checks"]:
        lines.append(f"  emitted model against the program: {_largest(data['checks'])}")
        if data["drift"]:
            lines.append(f"  emitted model against the program before the passes: {_largest(data['drift'])}")
        lines += _nonfinite(data["checks"])
    verdict = data["verdict"] or "not verified"
    lines.append(f"  contracts: {verdict}" + (f" ({data['reason']})" if data["reason"] else ""))
    lines.append(f"wrote {folder}/{data['artefact']}, {folder}/report.html, {folder}/report.json")
    return "\n".join(lines)


def _largest(checks: Sequence[Mapping[str, Any]]) -> str:
    worst = max(checks, key=lambda c: float(c["max_abs"]))
    return f"largest difference {worst['max_abs']:.3g} ({worst['output']}, {worst['max_rel']:.1e} of its largest)"


def _nonfinite(checks: Sequence[Mapping[str, Any]]) -> list[str]:
    """A warning for every output with NaN or infinities, of the sizes where most of its numbers are."""
    worst: dict[str, Mapping[str, Any]] = {}
    for check in sorted(checks, key=lambda c: int(c["nonfinite"])):
        if check["nonfinite"]:
            worst[check["output"]] = check
    return [
        f"  warning: {c['nonfinite']:,} of {c['count']:,} numbers of '{name}' are NaN or infinite on drawn inputs, "
        "in the program itself"
        for name, c in worst.items()
    ]


def _budget_line(budget: Mapping[str, Any]) -> str:
    return f"budget {budget['text']}: {budget['verdict']}, margin {budget['margin']:+.3g}"


def _pass_line(record: Mapping[str, Any]) -> str:
    before, after = record["before"]["nodes"], record["after"]["nodes"]
    verdict = record["verdict"] or "-"
    return (
        f"  {record['name']:<20} {record['contract']:<22} {verdict:<12} {record['sites']:>4} sites  "
        f"error {record['error']:.2g}  nodes {before} -> {after}  {record['seconds'] + record['verify_seconds']:.2f} s"
    )
