"""From a theory to checked theorems in files: `theorems.jsonl`, `certificates.jsonl`, `theory.mm`,
`index.html`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...backends.logic.certificates import Certificate, Theorem
from ...backends.logic.engine.prover import Cycle, Outcome, Prover
from ...backends.logic.engine.rules import rule_of
from ...backends.logic.exporters.records import ExportError
from ...graph.theory import Goal, Theory
from ...graph.theory.infix_printer import print_statement
from .checkers import REJECTED, Verdict, all_verdicts, kernel_verdict
from .loading import methods_of, read_theorems

Progress = Callable[[Cycle], None]
THEOREMS, CERTIFICATES, DATABASE, EXPLORER = "theorems.jsonl", "certificates.jsonl", "theory.mm", "index.html"


@dataclass(frozen=True)
class Proved:
    """A run: what was proved and how, what is left, and what each checker says."""

    theory: Theory
    outcome: Outcome
    lines: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    rests: dict[str, tuple[str, ...]] = field(default_factory=dict)
    database: str | None = None
    interrupted: bool = False
    wanted: frozenset[str] | None = None  # the goals that are no conjectures; None: all are

    def is_wanted(self, name: str) -> bool:
        return self.wanted is None or name in self.wanted

    @property
    def is_complete(self) -> bool:
        """Whether every goal is a theorem that every checker at hand accepts."""
        left = any(self.is_wanted(g.name) for g in self.outcome.unproved)
        return not left and self.contradiction is None and not any(v.is_bad for v in self.verdicts)

    @property
    def contradiction(self) -> str | None:
        """The theorem that says "false", if the axioms contradict each other."""
        found = self.outcome.contradiction
        return found.name if found is not None and found.name in self.rests else None

    @property
    def theorems(self) -> list[Theorem]:
        """Those that the kernel accepted."""
        return [t for t in self.outcome.certificate.theorems if t.name in self.rests]

    def records(self) -> list[dict[str, Any]]:
        """One record a theorem, as in `theorems.jsonl`."""
        return [
            {
                "name": t.name,
                "statement": print_statement(t.statement),
                "method": self.outcome.methods.get(t.name, ""),
                "steps": len(t.steps),
                "cites": list(t.cited),
                "rests_on": list(self.rests[t.name]),
                "verdicts": {v.checker: v.verdict for v in self.verdicts},
            }
            for t in self.theorems
        ]

    def to_json(self) -> dict[str, Any]:
        """The summary for machines."""
        return {
            "theory": self.theory.name,
            "goals": len(self.theory.goals),
            "theorems": self.records(),
            "unproved": [
                {"name": g.name, "statement": print_statement(g.statement)} for g in self.outcome.unproved
            ],
            "verdicts": [
                {"checker": v.checker, "verdict": v.verdict, "detail": v.detail} for v in self.verdicts
            ],
            "cycles": len(self.outcome.cycles),
            "stopped": self.outcome.stopped,
            "interrupted": self.interrupted,
            "contradiction": self.contradiction,
        }


def prove(
    theory: Theory,
    *,
    known: Sequence[Theorem] = (),
    methods: dict[str, str] | None = None,
    executor: Any = None,
    progress: Progress | None = None,
    wanted: frozenset[str] | None = None,
) -> Proved:
    """Proves the theory's goals and checks what it found. `known` are theorems of an earlier run,
    `wanted` the goals that are no conjectures.

    Ctrl-C ends the search; what was proved until then is kept and checked (`interrupted`).
    """
    prover = Prover(theory, executor)
    done = _restore(prover, known, methods or {})
    goals = [g for g in theory.goals if g.name not in done]
    interrupted = False
    try:
        outcome = prover.run(goals, progress)
    except KeyboardInterrupt:
        interrupted = True
        outcome = _partial(prover, theory.goals)
    lines = tuple(outcome.certificate.lines())
    verdicts, rests, database = all_verdicts(lines)
    return Proved(theory, outcome, lines, tuple(verdicts), rests, database, interrupted, wanted)


def counted(proved: Proved) -> str:
    """`57 of 58 goals proved, 12 of 20 conjectures`."""
    left = {g.name for g in proved.outcome.unproved}
    parts = []
    for word, flag in (("goals proved", True), ("conjectures", False)):
        names = [g.name for g in proved.theory.goals if proved.is_wanted(g.name) is flag]
        if names or (flag and proved.wanted is None):
            parts.append(f"{sum(n not in left for n in names)} of {len(names)} {word}")
    return ", ".join(parts) or "no goals"


def _restore(prover: Prover, known: Iterable[Theorem], methods: dict[str, str]) -> set[str]:
    """Puts theorems of an earlier run into a prover; their names."""
    statements = {g.name: g.statement for g in prover.theory.goals}
    done: set[str] = set()
    for theorem in known:
        if statements.get(theorem.name) != theorem.statement:
            continue
        done.add(theorem.name)
        prover.theorems.append(theorem)
        prover.methods[theorem.name] = methods.get(theorem.name, "")
        if prover.methods[theorem.name].startswith("induction"):
            prover.shop.add(rule_of(theorem.name, theorem.statement))
    return done


def _partial(prover: Prover, goals: Sequence[Goal]) -> Outcome:
    names = {t.name for t in prover.theorems}
    return Outcome(
        Certificate(prover.theory, tuple(prover.theorems)),
        dict(prover.methods),
        tuple(g for g in goals if g.name not in names),
        cycles=prover.cycles,
        stopped="interrupted",
    )


# --- files --------------------------------------------------------------------------------


def resume(theory: Theory, folder: Path) -> tuple[list[Theorem], dict[str, str]]:
    """The theorems in a folder that the kernel accepts and this theory's declarations begin."""
    from .loading import read_lines

    path = folder / CERTIFICATES
    if not path.exists():
        return [], {}
    lines = read_lines(path)
    own = list(Certificate(theory).lines())
    if lines[: len(own)] != own or kernel_verdict(lines)[0].verdict == REJECTED:
        return [], {}
    try:
        return read_theorems(lines, theory), methods_of(folder / THEOREMS)
    except ExportError:
        return [], {}


def write(proved: Proved, folder: Path) -> list[str]:
    """Writes every file, each whole or not at all; their names. The certificates come last, so that
    what they say is in the others too."""
    from ..reports.explorer import explorer_page

    folder.mkdir(parents=True, exist_ok=True)
    files = {THEOREMS: "".join(f"{json.dumps(r, ensure_ascii=False)}\n" for r in proved.records())}
    if proved.database is not None:
        files[DATABASE] = proved.database
    files[EXPLORER] = explorer_page(proved)
    files[CERTIFICATES] = "".join(f"{line}\n" for line in proved.lines)
    for name, text in files.items():
        write_text(folder / name, text)
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
