"""Theorems from the lines of a certificate, and the nodes of a program that hold them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ...graph.ir import Node, Program
from ...graph.theory import Theory, Variable
from .certificates import Certificate, Step, Theorem, formula_from_json, header, term_from_json
from .checkers import Verdict
from .exporters.records import ExportError, TheoremRecord, read_records


def read_theorems(lines: Iterable[str], theory: Theory) -> list[Theorem]:
    """The theorems of a certificate as records of the theory. Raises ExportError."""
    try:
        return [_theorem(record, theory) for record in read_records(lines).theorems]
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise ExportError(f"of another theory: {error}") from None


def _theorem(record: TheoremRecord, theory: Theory) -> Theorem:
    sorts = record.variables
    steps = tuple(
        Step(
            step["id"],
            step["rule"],
            tuple(step["premises"]),
            formula_from_json(step["conclusion"], sorts, theory),
            step.get("name", ""),
            tuple(term_from_json(t, sorts, theory) for t in step.get("substitution", [])),
            tuple(step.get("positions", [])),
            step.get("position", -1),
        )
        for step in record.steps.values()
    )
    variables = tuple(Variable(n, s) for n, s in sorts.items())
    statement = formula_from_json(record.statement, {}, theory)
    return Theorem(record.name, statement, _renumbered(steps), variables)


def _renumbered(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps from 1 on: a certificate's file numbers them through."""
    numbers = {step.id: n for n, step in enumerate(steps, 1)}
    return tuple(replace(s, id=numbers[s.id], premises=tuple(numbers[p] for p in s.premises)) for s in steps)


# --- programs -------------------------------------------------------------------------------------


def theory_of(program: Program) -> Theory | None:
    """The theory that the program is of; None for a program of tensors."""
    found = next(iter(program.theories.values()), None)
    assert found is None or isinstance(found, Theory)
    return found


def node_of(program: Program, operator: str) -> Node | None:
    """The node of a logic operator that is nearest to the outputs."""
    found = [n for n in program.graph.nodes if n.operator.name == operator]
    return found[-1] if found else None


def certificate_lines(program: Program) -> list[str]:
    """The certificate of the theorems in a program: the theory's own lines, then theirs. Just the
    former where nothing is proved yet."""
    theory, node = theory_of(program), node_of(program, "Theorems")
    assert theory is not None
    return [*header(theory), *((node.attribute("proofs") or ()) if node is not None else ())]


def theorem_lines(theory: Theory, theorems: Iterable[Theorem]) -> list[str]:
    """The lines of a certificate after the theory's own."""
    own = sum(1 for _ in header(theory))
    return list(Certificate(theory, tuple(theorems)).lines())[own:]


def verdicts_of(node: Node) -> Iterator[Verdict]:
    """The verdicts in a Certified node."""
    columns = [node.attribute(name) or () for name in ("checkers", "verdicts", "details")]
    return (Verdict(*row) for row in zip(*columns, strict=True))


def rests_of(node: Node) -> dict[str, tuple[str, ...]]:
    """Theorem -> what it rests on, in a Certified node."""
    found = {}
    for line in node.attribute("rests") or ():
        name, rests = json.loads(line)
        found[name] = tuple(rests)
    return found
