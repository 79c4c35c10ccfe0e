"""What certified facts come to: theorems, what is left, in words and as records."""

from __future__ import annotations

from typing import Any

from ...graph.theory import Falsehood, Goal
from ...graph.theory.infix_printer import print_statement
from .certificates import Theorem
from .facts import Facts


def accepted(facts: Facts) -> list[Theorem]:
    """The theorems that the kernel accepted: nothing else is one."""
    return [t for t in facts.theorems if t.name in facts.rests]


def unproved(facts: Facts) -> list[Goal]:
    """The goals that are left, conjectures too."""
    known = {t.name for t in accepted(facts)}
    return [g for g in facts.theory.goals if g.name not in known]


def contradiction(facts: Facts) -> str | None:
    """The theorem that says "false", if the axioms contradict each other."""
    return next((t.name for t in accepted(facts) if isinstance(t.statement, Falsehood)), None)


def is_complete(facts: Facts) -> bool:
    """Whether every goal is a theorem that every checker at hand accepts."""
    left = any(not g.conjectured for g in unproved(facts))
    return not left and contradiction(facts) is None and not any(v.is_bad for v in facts.verdicts)


def counted(facts: Facts) -> str:
    """`57 of 58 goals proved, 12 of 20 conjectures`."""
    left = {g.name for g in unproved(facts)}
    parts = []
    for word, flag in (("goals proved", False), ("conjectures", True)):
        names = [g.name for g in facts.theory.goals if g.conjectured is flag]
        if names:
            parts.append(f"{sum(n not in left for n in names)} of {len(names)} {word}")
    return ", ".join(parts) or "no goals"


def records(facts: Facts) -> list[dict[str, Any]]:
    """One record a theorem, as in `theorems.jsonl`."""
    return [
        {
            "name": t.name,
            "statement": print_statement(t.statement),
            "method": facts.methods.get(t.name, ""),
            "steps": len(t.steps),
            "cites": list(t.cited),
            "rests_on": list(facts.rests[t.name]),
            "verdicts": {v.checker: v.verdict for v in facts.verdicts},
        }
        for t in accepted(facts)
    ]


def summary_json(facts: Facts) -> dict[str, Any]:
    """The whole for machines."""
    return {
        "theory": facts.theory.name,
        "goals": len(facts.theory.goals),
        "theorems": records(facts),
        "unproved": [{"name": g.name, "statement": print_statement(g.statement)} for g in unproved(facts)],
        "verdicts": [
            {"checker": v.checker, "verdict": v.verdict, "detail": v.detail} for v in facts.verdicts
        ],
        "stopped": facts.stopped,
        "interrupted": facts.stopped == "interrupted",
        "contradiction": contradiction(facts),
    }
