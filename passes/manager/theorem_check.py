"""Whether a pass over theories kept its promise: judged by what came out, not by the pass."""

from __future__ import annotations

import json

from ...backends.logic.certificates import formula_json, header
from ...backends.logic.kernel import check
from ...backends.logic.reading import certificate_lines, node_of, theory_of
from ...graph.ir import Program
from ...graph.theory import Theory
from .contract import Certified
from .verdict import Finding, Verdict


def check_theorems(before: Program, after: Program, contract: Certified) -> Finding:
    """The verdict on one pass. Proofs that were there before are not read again."""
    old, new = theory_of(before), theory_of(after)
    if old is None and new is None:
        return Finding(Verdict.HOLDS)
    if old is None or new is None:
        return _broken("the program lost its theory")
    reason = _axioms(old, new, contract.axioms, after) or _goals(old, new, contract.goals)
    reason = reason or _theorems(before, after, new)
    return _broken(reason) if reason else Finding(Verdict.HOLDS)


def _broken(reason: str) -> Finding:
    return Finding(Verdict.BROKEN, 1.0, reason=reason)


def _axioms(old: Theory, new: Theory, promise: str, after: Program) -> str:
    """Why more is taken for true than before; "" where it is not."""
    had, has = list(header(old)), list(header(new))
    if had == has:
        return ""
    if promise == "kept":
        return f"what is taken for true changed: {next(iter(set(has) ^ set(had)))}"
    from ..logic.functionalise import Licence, functionalised, licence

    licences = [one for r in old.signature.relations if isinstance(one := licence(old, r), Licence)]
    if list(header(functionalised(old, licences))) != has:
        return "an axiom changed by more than the licensed functions"
    shown = _statements(after)
    for one in licences:
        for axiom in (one.total, one.single):
            if shown.get(axiom.name) != formula_json(axiom.statement):
                return f"the axiom '{axiom.name}' went without a proof in its place"
    return ""


def _goals(old: Theory, new: Theory, promise: str) -> str:
    had, has = ({g.name: g.statement for g in t.goals} for t in (old, new))
    if promise == "licensed":
        return "" if had.keys() == has.keys() else "a goal was lost or added"
    if promise == "fewer":
        stated = [g.name for g in old.goals if not g.conjectured]
        lost = [name for name in stated if name not in has]
        changed = [name for name, statement in has.items() if had.get(name) != statement]
    else:
        lost = [name for name in had if name not in has]
        changed = [n for n, s in has.items() if (n in had or promise == "kept") and had.get(n) != s]
    if lost:
        return f"the goal '{lost[0]}' was lost"
    return f"the goal '{changed[0]}' is another one" if changed else ""


def _theorems(before: Program, after: Program, theory: Theory) -> str:
    had, has = node_of(before, "Theorems"), node_of(after, "Theorems")
    if has is None:
        return "" if had is None else "the theorems were lost"
    if has is had:
        return ""
    found = check(certificate_lines(after), header(theory))
    if not found.accepted:
        return f"the kernel rejects line {found.line} of the certificate: {found.reason}"
    shown = _statements(after)
    for goal in theory.goals:
        if goal.name in shown and shown[goal.name] != formula_json(goal.statement):
            return f"the theorem '{goal.name}' says other than the goal"
    earlier = _statements(before)
    lost = [g.name for g in theory.goals if g.name in earlier and g.name not in shown]
    return f"the theorem '{lost[0]}' was lost" if lost else ""


def _statements(program: Program) -> dict[str, object]:
    """Theorem -> statement, as its certificate says."""
    node = node_of(program, "Theorems")
    lines = (node.attribute("proofs") or ()) if node is not None else ()
    records = (json.loads(line) for line in lines if line.startswith('{"record":"theorem"'))
    return {r["name"]: r["statement"] for r in records}
