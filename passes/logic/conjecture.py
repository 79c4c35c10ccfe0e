"""Conjectures: statements that no model of the theory contradicts, smallest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...backends.logic.engine.prover import size_of
from ...graph.theory import Equation, Formula, Goal, Theory, Variable
from ...graph.theory.evaluation import counterexample
from .conditions import conditional_equations, relational
from .enumeration import Universe, closed
from .valuation import valuations


def conjecture(theory: Theory, operators: int | None = None, seed: int = 0) -> Theory:
    """The theory with its goals followed by conjectures, up to its bounds: equations between terms
    of at most so many operators, conditional equations, and statements about relations. A theory
    without models or constructors gets none."""
    found = sorted(
        _candidates(theory, theory.bounds.operators if operators is None else operators, seed), key=_order
    )
    known = {str(g.statement) for g in theory.goals} | {str(a.statement) for a in theory.axioms}
    fresh = [f for f in dict.fromkeys(found) if str(f) not in known][: theory.bounds.conjectures]
    goals = tuple(Goal(f"conjecture {i}", f) for i, f in enumerate(fresh, 1))
    return replace(theory, goals=(*theory.goals, *goals))


def false_in_a_model(theory: Theory, statement: Formula) -> bool:
    """The filter: whether some model has a counterexample."""
    return any(counterexample(statement, model) is not None for model in theory.models)


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
    for equation in universe.equations():
        statement = _universal(equation)
        if not false_in_a_model(theory, statement):
            yield statement
    if theory.bounds.conditions and theory.models:
        wide = valuations(theory, variables, 20 * theory.bounds.points, seed)
        for found in (*conditional_equations(theory, wide, variables), *relational(theory, wide, variables)):
            if not false_in_a_model(theory, found):
                yield found


def _universal(equation: Equation) -> Formula:
    variables = tuple(dict.fromkeys((*equation.left.variables, *equation.right.variables)))
    return closed((), equation, variables)


def _order(formula: Formula) -> tuple[int, str]:
    return size_of(formula), str(formula)
