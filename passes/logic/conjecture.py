"""Conjectures: statements that no model of the theory contradicts, smallest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

from ...backends.logic.engine.prover import size_of
from ...backends.logic.reading import theory_of
from ...graph.ir import Program
from ...graph.theory import Equation, Formula, Goal, Theory, Variable
from ..manager.contract import Certified
from ..manager.pass_ import Context, Result
from .conditions import conditional_equations, relational
from .enumeration import Universe, closed
from .filter import refuted
from .theory_pass import BOTH, relowered
from .valuation import valuations


@dataclass(frozen=True)
class Conjecture:
    """Adds statements that look true at points of the theory's models as goals: equations between
    terms, conditional equations, statements about relations. The proof, or the filter, decides."""

    operators: int | None = field(
        default=None, metadata={"doc": "At most so many a side; none: what the theory's bounds say."}
    )
    seed: int = field(default=0, metadata={"doc": "Draws the points."})

    name: ClassVar[str] = "conjecture"
    variants: ClassVar[frozenset[str]] = BOTH

    def __post_init__(self) -> None:
        if self.operators is not None and self.operators < 0:
            raise ValueError("operators can't be negative")

    @property
    def contract(self) -> Certified:
        return Certified(goals="more")

    def run(self, program: Program, context: Context) -> Result:
        theory = theory_of(program)
        if theory is None:
            return Result(program, visits=len(program.graph.nodes))
        found = candidates(theory, self.operators, self.seed)
        if not found:
            return Result(program, notes=("no model suggests anything",))
        changed = relowered(program, replace(theory, goals=(*theory.goals, *found)))
        return Result(changed, hits={"conjectures": len(found)})


def conjecture(theory: Theory, operators: int | None = None, seed: int = 0) -> Theory:
    """The theory with its goals followed by conjectures that no model refutes, up to its bounds. A
    theory without models or constructors gets none."""
    found = [g for g in candidates(theory, operators, seed) if refuted(theory, g.statement) is None]
    kept = tuple(
        replace(g, name=f"conjecture {i}") for i, g in enumerate(found[: theory.bounds.conjectures], 1)
    )
    return replace(theory, goals=(*theory.goals, *kept))


def candidates(theory: Theory, operators: int | None = None, seed: int = 0) -> list[Goal]:
    """Conjectures that hold at the points tried, smallest first, half as many again as the bounds
    keep: equations between terms of at most so many operators, conditional equations, and statements
    about relations."""
    most = theory.bounds.operators if operators is None else operators
    found = sorted(_candidates(theory, most, seed), key=_order)
    known = {str(g.statement) for g in theory.goals} | {str(a.statement) for a in theory.axioms}
    fresh = [f for f in dict.fromkeys(found) if str(f) not in known]
    kept = fresh[: theory.bounds.conjectures * 3 // 2]
    return [Goal(f"conjecture {i}", f, conjectured=True) for i, f in enumerate(kept, 1)]


def _candidates(theory: Theory, operators: int, seed: int) -> Iterator[Formula]:
    variables = [
        Variable(f"{sort.name.lower()}{i}", sort.name)
        for sort in theory.signature.sorts
        for i in range(theory.bounds.variables)
    ]
    models = valuations(theory, variables, theory.bounds.points, seed)
    if not models:
        return
    universe = Universe(theory, models, variables)
    universe.grow(operators)
    yield from map(_universal, universe.equations())
    if theory.bounds.conditions and theory.models:
        wide = valuations(theory, variables, 20 * theory.bounds.points, seed)
        yield from conditional_equations(theory, wide, variables)
        yield from relational(theory, wide, variables)


def _universal(equation: Equation) -> Formula:
    variables = tuple(dict.fromkeys((*equation.left.variables, *equation.right.variables)))
    return closed((), equation, variables)


def _order(formula: Formula) -> tuple[int, str]:
    return size_of(formula), str(formula)
