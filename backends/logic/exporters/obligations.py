"""What a proof asks of first-order logic alone: its inductions taken apart.

An obligation is a step whose proof uses no induction on the way from statements that are cited, and
from conclusions of inductions: each premise of an induction, and the last step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .records import Json, TheoremRecord


@dataclass(frozen=True, slots=True)
class Obligation:
    """`given` entail `conclusion`; all are closed formulas. `cited` are names of statements."""

    name: str
    cited: tuple[str, ...]
    given: tuple[Json, ...]
    conclusion: Json


def obligations(theorem: TheoremRecord) -> Iterator[Obligation]:
    """The obligations of a proof, in the order of its steps."""
    rests = assumptions(theorem)
    targets = {p for s in theorem.steps.values() if s["rule"] == "induction" for p in s["premises"]}
    for target in sorted(targets | {theorem.qed}):
        if theorem.steps[target]["rule"] == "induction":
            continue
        cited, given = _leaves(theorem, target, rests)
        closed = sequent(theorem, target, rests)
        yield Obligation(f"{theorem.name} {target}", cited, tuple(given), closed)


def assumptions(theorem: TheoremRecord) -> dict[int, frozenset[int]]:
    """The assumptions that each step rests on."""
    found: dict[int, frozenset[int]] = {}
    for number, step in theorem.steps.items():
        ids = step["premises"]
        rests = frozenset[int]().union(*[found[p] for p in ids])
        if step["rule"] == "assume":
            rests = frozenset((number,))
        elif step["rule"] == "close":
            rests = found[ids[0]].difference(ids[1:])
        elif step["rule"] == "open":
            rests = found[ids[0]] | found[ids[1]].difference(ids[2:])
        elif step["rule"] == "cases":
            pairs = zip(ids[1::2], ids[2::2], strict=True)
            rests = found[ids[0]].union(*[found[c] - {h} for c, h in pairs])
        found[number] = rests
    return found


def sequent(theorem: TheoremRecord, step: int, rests: dict[int, frozenset[int]]) -> Json:
    """What a step says, its assumptions as premises, its free variables bound."""
    premises = [theorem.steps[h]["conclusion"] for h in sorted(rests[step])]
    conclusion = theorem.steps[step]["conclusion"]
    names = sorted({n for f in (*premises, conclusion) for n in free_names(f, theorem.variables)})
    if not names and not premises:
        return conclusion
    return ["all", [[n, theorem.variables[n]] for n in names], premises, conclusion]


def free_names(formula: Json, variables: dict[str, str]) -> set[str]:
    """The free variables of a formula or term."""
    if isinstance(formula, str):
        return {formula} & variables.keys()
    if formula[0] in ("all", "some") and len(formula) > 2 and isinstance(formula[2], list):
        inner = [f for part in (formula[2], formula[3:]) for f in part]
        found = set[str]().union(*[free_names(f, variables) for f in inner])
        return found - {name for name, _ in formula[1]}
    skipped = 2 if formula[0] == "is" else 1
    return set[str]().union(*[free_names(part, variables) for part in formula[skipped:]])


def _leaves(
    theorem: TheoremRecord, target: int, rests: dict[int, frozenset[int]]
) -> tuple[tuple[str, ...], list[Json]]:
    """The statements cited on the way to a step, and the conclusions of inductions on it."""
    cited: dict[str, None] = {}
    given: list[Json] = []
    seen: set[int] = set()
    stack = [target]
    while stack:
        number = stack.pop()
        if number in seen:
            continue
        seen.add(number)
        step = theorem.steps[number]
        if step["rule"] == "cite":
            cited[step["name"]] = None
        elif step["rule"] == "induction":
            given.append(sequent(theorem, number, rests))
        else:
            stack.extend(step["premises"])
    return tuple(sorted(cited)), given
