"""Simplify on real exports beside other optimizers: cost, memory, nodes, latency, difference.

    python -m graphwright.tools.bench.exports [--model NAME …] [--way WAY …]

measures a part; `python -m graphwright.tools.bench exports` all of it. Writes `.build/bench/exports.json`.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import click

from ..testing.exports.catalogue import ARCHITECTURES
from ..testing.exports.exporting import DEFAULT_FOLDER, WAYS, export_path, exported
from .export_costs import Cost, costs
from .export_latency import Latencies, latencies
from .peers import COMPILED, OURS, PYTHON, TOOLS, installed

Export = tuple[str, str]
JSON = DEFAULT_FOLDER.parent / "bench" / "exports.json"
CLOSE = 1.07
"""A latency ratio below this is no difference: what repeated measurements scatter by."""


@dataclass(frozen=True)
class Row:
    """One export: every tool's cost, and the latency of what each made (`original`: of the export)."""

    name: str
    way: str
    nodes: int
    costs: Mapping[str, Cost]
    rounds: Sequence[Latencies]

    def latency(self, variant: str) -> float:
        """Milliseconds, the median of the processes; NaN where it was not measured."""
        found = [r[variant] for r in self.rounds if variant in r]
        return median(found) if found else math.nan

    def ratio(self, variant: str) -> float:
        """Our latency over the variant's, the median of the processes' ratios."""
        found = [r[OURS] / r[variant] for r in self.rounds if variant in r and OURS in r]
        return median(found) if found else math.nan

    @property
    def best_peer(self) -> str | None:
        """The peer whose model runs fastest, of those whose results are right."""
        right = [t for t in self.costs if t != OURS and not self.costs[t].problem]
        return min(right, key=self.latency, default=None)

    @property
    def same_operators(self) -> bool:
        best = self.best_peer
        return best is None or dict(self.costs[best].operators) == dict(self.costs[OURS].operators)

    @property
    def holds(self) -> bool:
        """Whether ONNX Runtime's graph has the best peer's operators, or runs as fast."""
        best = self.best_peer
        return not self.costs[OURS].problem and (
            best is None or self.same_operators or self.ratio(best) <= CLOSE
        )

    def cost_ratio(self, peers: Sequence[str]) -> float:
        """Our CPU seconds over those of the fastest of the peers."""
        found = [c.seconds for t in peers if (c := self.costs.get(t)) and not math.isnan(c.seconds)]
        return self.costs[OURS].seconds / min(found) if found else math.nan


def measure(exports: Sequence[Export], tools: Sequence[str]) -> list[Row]:
    """Every tool on every export, then the latencies of what came out."""
    originals = {e: exported(*e) for e in exports}
    with tempfile.TemporaryDirectory() as folder:
        found = {tool: costs(tool, exports, Path(folder)) for tool in tools}
        models: dict[Export, dict[str, Path]] = {}
        for i, export in enumerate(exports):
            name, way = export
            right = [t for t in tools if not found[t][i].problem]
            models[export] = {t: Path(folder) / f"{name}-{way}-{t}.onnx" for t in right}
            models[export]["original"] = export_path(name, way)
        timed = latencies(exports, models)
    return [
        Row(*e, len(originals[e].graph.node), {t: found[t][i] for t in tools}, timed[e])
        for i, e in enumerate(exports)
    ]


# --- printing -------------------------------------------------------------------------------------


def show(rows: Sequence[Row]) -> None:
    """A line an export and tool, then a line an export, then what holds."""
    for row in rows:
        print(
            f"\n{row.name} {row.way}: {row.nodes} nodes, {row.latency('original'):.2f} ms"
            f" ({row.ratio('original'):.2f})"
        )
        for tool, cost in row.costs.items():
            operators = sum(cost.operators.values())
            numbers = (
                f"{cost.seconds:8.4f} CPU s {cost.megabytes:6.0f} MB {cost.nodes:5} nodes {operators:5} in ORT"
                f" {row.latency(tool):8.2f} ms ({row.ratio(tool):4.2f}) off by {cost.error:.0e}"
            )
            print(f"  {tool:<14}{numbers if not cost.problem else cost.problem}")
    print("\nexport                    best peer      operators    latency  CPU s: Python  C++")
    for row in rows:
        best = row.best_peer
        print(
            f"{row.name + ' ' + row.way:<25} {best or 'none':<14} {'same' if row.same_operators else 'other':<12}"
            f" {row.ratio(best or OURS):7.2f}  {row.cost_ratio(PYTHON):13.2f} {row.cost_ratio(COMPILED):4.2f}"
            f"  {'' if row.holds else 'BEHIND'}"
        )
    _summary(rows)


def _summary(rows: Sequence[Row]) -> None:
    held = sum(r.holds for r in rows)
    print(f"\nas good as the best peer in ONNX Runtime: {held} of {len(rows)}")
    for label, peers, limit in (("Python", PYTHON, 0.5), ("C++", COMPILED, 2.0)):
        ratios = [r.cost_ratio(peers) for r in rows]
        within = sum(x <= limit for x in ratios)
        print(
            f"CPU seconds over the fastest {label} peer: median {median(ratios):.2f},"
            f" at most {max(ratios):.2f}; {within} of {len(rows)} within {limit}"
        )
    _totals(rows)
    wrong = [
        f"{tool} on {r.name} {r.way} ({cost.problem})"
        for r in rows
        for tool, cost in r.costs.items()
        if cost.problem
    ]
    print(f"failures: {'; '.join(wrong) or 'none'}")


def _totals(rows: Sequence[Row]) -> None:
    """A line a tool, over the exports that every tool gets right."""
    common = [r for r in rows if not any(c.problem for c in r.costs.values())]
    if not common:
        print("no export that every tool gets right, so no totals")
        return
    print(f"over the {len(common)} exports that every tool gets right:")
    for tool in rows[0].costs:
        found = [r.costs[tool] for r in common]
        slower = [1 / r.ratio(tool) for r in common]
        seconds, nodes = sum(c.seconds for c in found), sum(c.nodes for c in found)
        megabytes = max((c.megabytes for c in found), default=0.0)
        right = sum(not r.costs[tool].problem for r in rows)
        print(
            f"  {tool:<14}{seconds:7.2f} CPU s {megabytes:5.0f} MB {nodes:6} nodes; latency over ours:"
            f" median {median(slower):.2f}, at most {max(slower):.2f};"
            f" right on {right} of {len(rows)}"
        )


def write_json(rows: Sequence[Row], path: Path = JSON) -> None:
    """Everything measured, as plain data."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found = [
        {
            **asdict(row),
            "best_peer": row.best_peer,
            "same_operators": row.same_operators,
            "ratios": {t: row.ratio(t) for t in (*row.costs, "original")},
            "holds": row.holds,
        }
        for row in rows
    ]
    path.write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(f"written: {path}")


def report(names: Sequence[str] = (), ways: Sequence[str] = ()) -> None:
    """Measures, prints and writes; all exports by default."""
    chosen = [(n, w) for n in names or ARCHITECTURES for w in ways or WAYS]
    rows = measure(chosen, [t for t in TOOLS if installed(t)])
    show(rows)
    write_json(rows)


@click.command()
@click.option("--model", "names", multiple=True, type=click.Choice(list(ARCHITECTURES)))
@click.option("--way", "ways", multiple=True, type=click.Choice(WAYS))
def main(names: tuple[str, ...], ways: tuple[str, ...]) -> None:
    """Measure some exports."""
    report(names, ways)


if __name__ == "__main__":
    main()
