"""Laws worth trying: what an inductive theory's goals often need and seldom state.

They are candidates like any goal: proved by rewriting and induction, or dropped. Those that fail
in a model of the theory are not tried.
"""

from __future__ import annotations

from collections.abc import Iterator

from ....graph.theory import All, Equation, Goal, Term, Theory, Variable
from ....graph.theory.evaluation import counterexample

PREFIX = "law: "


def laws(theory: Theory) -> list[Goal]:
    """Commutativity, associativity, exchange, distributivity, units, zeros and mirrored recursion
    of the binary functions within a sort that has constructors. Smallest first."""
    known = {str(s) for s in theory.statements.values()} | {str(g.statement) for g in theory.goals}
    found = []
    for equation in dict.fromkeys(_candidates(theory)):
        statement = All(
            tuple(dict.fromkeys((*equation.left.variables, *equation.right.variables))), (), equation
        )
        false = any(counterexample(statement, model) for model in theory.models)
        if not false and equation.left is not equation.right and str(statement) not in known:
            found.append(Goal(f"{PREFIX}{equation}", statement))
    return sorted(found, key=lambda goal: (len(goal.name), goal.name))


def _candidates(theory: Theory) -> Iterator[Equation]:
    signature = theory.signature
    for sort, datatype in signature.datatype.items():
        x, y, z = (Variable(name, sort) for name in "xyz")
        binary = [f.name for f in signature.functions if f.inputs == (sort, sort) and f.output == sort]
        binary = [f for f in binary if f not in datatype.constructors]
        constants = [f.name for f in signature.functions if not f.inputs and f.output == sort]
        unary = [c for c in datatype.constructors if signature.function[c].inputs == (sort,)]

        def of(symbol: str, *arguments: Term) -> Term:
            return signature.apply(symbol, *arguments)

        for f in binary:
            yield Equation(of(f, x, y), of(f, y, x))
            yield Equation(of(f, of(f, x, y), z), of(f, x, of(f, y, z)))
            yield Equation(of(f, x, of(f, y, z)), of(f, y, of(f, x, z)))
            for c in constants:
                for value in (x, of(c)):
                    yield Equation(of(f, of(c), x), value)
                    yield Equation(of(f, x, of(c)), value)
            for k in unary:
                yield Equation(of(f, of(k, x), y), of(k, of(f, x, y)))
            for g in binary:
                yield Equation(of(f, x, of(g, y, z)), of(g, of(f, x, y), of(f, x, z)))
                yield Equation(of(f, of(g, x, y), z), of(g, of(f, x, z), of(f, y, z)))
                for k in unary:
                    yield Equation(of(f, of(k, x), y), of(g, of(f, x, y), y))
