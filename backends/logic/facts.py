"""What a value of the `facts` type is while a program runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...graph.theory import Formula, Theory
from .certificates import Theorem
from .checkers import Verdict


@dataclass(frozen=True)
class Facts:
    """Statements by name (axioms, definitions, theorems), premises that are assumed, and theorems
    with their proofs in an order in which each cites earlier ones only."""

    theory: Theory
    statements: Mapping[str, Formula] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()
    theorems: tuple[Theorem, ...] = ()
    methods: Mapping[str, str] = field(default_factory=dict)
    stopped: str = ""
    verdicts: tuple[Verdict, ...] = ()
    rests: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    database: str = ""


def merged(parts: Sequence[Facts]) -> Facts:
    """All that the parts say, each thing once, theorems in the order of the parts."""
    assumed: dict[str, None] = {}
    theorems: dict[str, Theorem] = {}
    methods: dict[str, str] = {}
    for part in parts:
        assumed.update(dict.fromkeys(part.assumed))
        for theorem in part.theorems:
            theorems.setdefault(theorem.name, theorem)
        methods.update(part.methods)
    stopped = next((p.stopped for p in parts if p.stopped), "")
    statements = _united([p.statements for p in parts])
    return Facts(parts[0].theory, statements, tuple(assumed), tuple(theorems.values()), methods, stopped)


def _united(parts: Sequence[Mapping[str, Formula]]) -> Mapping[str, Formula]:
    """The union; the largest part itself where it has everything, as it mostly does."""
    largest = max(parts, key=len)
    missing = [p for p in parts if p is not largest and not p.keys() <= largest.keys()]
    if not missing:
        return largest
    united = dict(largest)
    for part in missing:
        united.update(part)
    return united
