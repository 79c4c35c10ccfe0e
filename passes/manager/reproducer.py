"""A minimal reproducer of a broken contract: both forms of the site, its operands, both results."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...graph.ir import Graph, Program, Value, leaf
from ...graph.ir.graph import substitute
from ...graph.ir.printing import print_program
from ...graph.ir.program import Weights
from .site_check import widened
from .sites import is_constant
from .verification import BrokenSite

Array = np.ndarray[Any, Any]

RUN = '''"""Prints how far the two forms of this site lie apart: python {script}"""

import numpy as np

from graphwright.backends.reference import ReferenceEvaluator
from graphwright.graph.ir.parsing import parse_program

arrays = dict(np.load("operands.npz"))
results = []
for name in ("before", "after"):
    program = parse_program(open(f"{{name}}.txt", encoding="utf-8").read(), arrays)
    leaves = [n.outputs[0] for n in program.graph.nodes if n.outputs[0].role in ("Input", "Weight")]
    given = {{v: arrays[v.node.attribute("name")] for v in leaves}}
    results.append(ReferenceEvaluator().evaluate(program.graph.outputs, given))
for old, new in zip(*results):
    print("before", old, "after", new, "largest difference", np.abs(old - new).max(), sep="\\n")
'''


@dataclass(frozen=True)
class Case:
    """What goes into a reproducer: two programs over the same named operands."""

    before: Program
    after: Program
    operands: Mapping[str, Array]
    results: Mapping[str, Array]
    facts: Mapping[str, Any]


def site_case(site: BrokenSite, pass_name: str) -> Case:
    """The site cut out at its boundary: boundary values become inputs x0, x1, …"""
    names: dict[Value, Value] = {}
    operands: dict[str, Array] = {}
    for index, value in enumerate(v for v in site.given if not is_constant(v)):
        name = f"x{index}"
        names[value] = leaf("Input", name, value.type, known=value.known)
        operands[name] = site.given[value]
    weights = {v.node.attribute("name"): site.given[v] for v in site.given if is_constant(v)}
    replacement = site.region.replacement
    inputs = tuple(names.values())

    def program(title: str, values: tuple[Value, ...]) -> Program:
        outputs = substitute(values, names)
        labels = tuple(f"y{i}" for i in range(len(outputs)))
        return Program(title, Graph(inputs, outputs), labels, weights=Weights(weights))

    finding = site.run.finding
    results = {f"before_{i}": a for i, a in enumerate(site.run.old)}
    results |= {f"after_{i}": a for i, a in enumerate(site.run.new)}
    facts = {
        "pass": pass_name,
        "rule": replacement.rule,
        "reason": finding.reason,
        "error": finding.error,
        "allowed": finding.allowed,
    }
    before, after = program("before", replacement.old), program("after", replacement.new)
    return Case(before, after, {**operands, **weights}, results, facts)


def program_case(before: Program, after: Program, feeds: Mapping[str, Array], facts: Mapping[str, Any]) -> Case:
    """The whole programs, where no site could be named."""
    arrays = {**before.weights.arrays, **after.weights.arrays, **feeds}
    return Case(before, after, arrays, {}, facts)


def write_reproducer(case: Case, folder: Path) -> Path:
    """Writes the case as a new folder inside `folder`: it appears whole or not at all. Returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    rule = "".join(c if c.isalnum() or c in "-_" else "-" for c in str(case.facts.get("rule") or "outputs"))
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=folder))
    try:
        _fill(case, building)
        for number in range(1, 10_000):
            target = folder / f"{case.facts['pass']}-{rule}-{number}"
            if target.exists():
                continue
            try:
                os.rename(building, target)
            except OSError:
                if target.exists():
                    continue
                raise
            os.chmod(target, 0o755)
            return target
        raise FileExistsError(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _fill(case: Case, folder: Path) -> None:
    for name, program in (("before", case.before), ("after", case.after)):
        (folder / f"{name}.txt").write_text(print_program(program), encoding="utf-8")
    np.savez(folder / "operands.npz", **_storable(case.operands))  # type: ignore[arg-type]  # names are keywords
    if case.results:
        np.savez(folder / "results.npz", **_storable(case.results))  # type: ignore[arg-type]  # names are keywords
    (folder / "facts.json").write_text(json.dumps(dict(case.facts), indent=2, default=str) + "\n", encoding="utf-8")
    (folder / "run.py").write_text(RUN.format(script="run.py"), encoding="utf-8")
    (folder / "README.md").write_text(_readme(case), encoding="utf-8")


def _storable(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """What an npz file can hold without objects: other dtypes widened, strings left out."""
    found = {}
    for name, array in arrays.items():
        if array.dtype != object:
            found[name] = widened(array) if array.dtype.kind == "V" else array
    return found


def _readme(case: Case) -> str:
    lines = [f"# {case.facts['pass']} broke its contract", ""]
    lines += [f"- {key}: {value}" for key, value in case.facts.items()]
    lines += [
        "",
        "`before.txt` and `after.txt` are the two forms in the text form of the IR, `operands.npz` what",
        "they were computed from, `results.npz` what they gave. To run both again:",
        "",
        "    python run.py",
        "",
    ]
    return "\n".join(lines)


def difference_summary(old: Sequence[Array], new: Sequence[Array]) -> str:
    """The largest difference of two results, for people."""
    tops = [float(np.max(np.abs(widened(a) - widened(b)), initial=0.0)) for a, b in zip(old, new, strict=True)]
    return f"{max(tops, default=0.0):.3g}"
