"""From a theory to checked theorems in files: `theorems.jsonl`, `certificates.jsonl`, `theory.mm`,
`index.html` and the pages of proofs, by passes over its grid."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...backends.logic.backend import LogicBackend, LogicEvaluator
from ...backends.logic.certificates import Theorem, header
from ...backends.logic.checkers import REJECTED, kernel_verdict
from ...backends.logic.engine.prover import Cycle
from ...backends.logic.exporters.files import CERTIFICATES, PAGES, THEOREMS
from ...backends.logic.exporters.records import ExportError
from ...backends.logic.facts import Facts
from ...backends.logic.reading import read_theorems, theorem_lines
from ...backends.logic.results import contradiction, is_complete, summary_json
from ...graph.ir import Program
from ...graph.theory import Theory
from ...passes.logic.lowering import canonical, lower
from ...passes.logic.theory_pass import theorems_node
from ...passes.manager.manager import PassManager
from ...passes.manager.pass_ import Context
from ...passes.manager.pipeline import Pipeline, Step
from ...passes.manager.record import CompileRecord
from .loading import methods_of, read_lines

Progress = Callable[[Cycle], None]
REPORT, REPORT_PAGE = "report.json", "report.html"


@dataclass(frozen=True)
class Proved:
    """A run: the record of its passes, and what is known at the end."""

    record: CompileRecord
    facts: Facts
    files: dict[str, str]

    @property
    def theory(self) -> Theory:
        return self.facts.theory

    @property
    def is_complete(self) -> bool:
        """Whether every goal is a theorem that every checker at hand accepts."""
        return is_complete(self.facts)

    @property
    def interrupted(self) -> bool:
        return self.facts.stopped == "interrupted"

    @property
    def contradiction(self) -> str | None:
        return contradiction(self.facts)

    def to_json(self) -> dict[str, Any]:
        """The summary for machines, with a record a pass."""
        return {**summary_json(self.facts), "passes": self.record.to_json()["passes"]}


def standard_passes(
    *, conjectures: bool, operators: int | None = None, workers: int = 1, **bounds: Any
) -> Pipeline:
    """The passes of `graphwright prove`."""
    from ...passes.logic.certify import Certify
    from ...passes.logic.compress import Compress
    from ...passes.logic.conjecture import Conjecture
    from ...passes.logic.export import Export
    from ...passes.logic.filter import Filter
    from ...passes.logic.functionalise import Functionalise
    from ...passes.logic.prove import Prove

    passes = (
        Functionalise(),
        *((Conjecture(operators),) if conjectures else ()),
        Filter(),
        Prove(workers, **bounds),
        Compress(),
        Certify(),
        Export(),
    )
    return Pipeline(tuple(Step(p) for p in passes))


def prove(
    theory: Theory,
    passes: Pipeline | None = None,
    *,
    known: Sequence[str] = (),
    methods: Sequence[str] = (),
    verify: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Proved:
    """Runs the passes on the theory's grid, then the program that comes out. `known` are the lines of
    theorems of an earlier run, `methods` how each was proved. Raises SpecError: what passes raise.

    Ctrl-C ends the search; what was proved until then is kept and checked (`interrupted`).
    """
    program = lower(theory)
    if known:
        earlier = theorems_node(program.names["axioms"], list(known), list(methods))
        program = lower(theory, earlier.outputs[0])
    steps = passes or standard_passes(conjectures=not theory.goals)
    record = PassManager().run(program, steps, Context(seed=seed, progress=progress), verify)
    return result_of(record)


def result_of(record: CompileRecord) -> Proved:
    """What the program says that came out of the passes: the logic backend runs it."""
    program: Program = record.program
    LogicBackend().load(program)  # refuses what it can't run
    evaluator = LogicEvaluator(program)
    facts, *texts = evaluator.values(program.graph.outputs)
    assert isinstance(facts, Facts)
    files = dict(zip(texts[0].tolist(), texts[1].tolist(), strict=True)) if len(texts) == 2 else {}
    return Proved(record, facts, files)


# --- files --------------------------------------------------------------------------------


def resume(theory: Theory, folder: Path) -> tuple[list[str], list[str]]:
    """The lines and methods of the theorems in a folder that are goals of this theory, or that these
    cite; nothing where the kernel rejects them or they are of another theory."""
    path = folder / CERTIFICATES
    if not path.exists():
        return [], []
    lines = read_lines(path)
    theory = canonical(theory)
    own = list(header(theory))
    if lines[: len(own)] != own or kernel_verdict(lines)[0].verdict == REJECTED:
        return [], []
    try:
        found = list(_wanted(theory, read_theorems(lines, theory)))
    except ExportError:
        return [], []
    methods = methods_of(folder / THEOREMS)
    return theorem_lines(theory, found), [methods.get(t.name, "") for t in found]


def _wanted(theory: Theory, theorems: Sequence[Theorem]) -> Iterator[Theorem]:
    goals = {g.name: g.statement for g in theory.goals}
    needed = {t.name for t in theorems if goals.get(t.name) == t.statement}
    for theorem in reversed(theorems):
        if theorem.name in needed:
            needed.update(theorem.cited)
    return (t for t in theorems if t.name in needed and goals.get(t.name, t.statement) == t.statement)


def write(proved: Proved, folder: Path) -> list[str]:
    """Writes every file, each whole or not at all, and the passes' report; their names. Pages of
    proofs that are no more go. The certificates come last, so that what they say is in the others
    too."""
    folder.mkdir(parents=True, exist_ok=True)
    data = proved.to_json()
    report = {**data, "seconds": proved.record.seconds, "verify": proved.record.verify}
    files = {REPORT: json.dumps(report, indent=1, ensure_ascii=False) + "\n", **proved.files}
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        write_text(folder / name, text)
    for page in (folder / PAGES).glob("*.html"):
        if re.fullmatch(r"\d+", page.stem) and f"{PAGES}/{page.name}" not in files:
            page.unlink()
    return list(files)


def write_text(path: Path, text: str) -> None:
    """The file, whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8", newline="\n")
    os.replace(part, path)


def with_bounds(theory: Theory, **changes: Any) -> Theory:
    """The theory with some of its bounds changed; those that are None stay."""
    given = {k: v for k, v in changes.items() if v is not None}
    return replace(theory, bounds=replace(theory.bounds, **given)) if given else theory
