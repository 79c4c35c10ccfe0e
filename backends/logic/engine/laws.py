"""Laws worth trying: what an inductive theory's goals often need and seldom state.

They are candidates like any goal: proved by rewriting and induction, or dropped. Those that fail
in a model of the theory are not tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from ....graph.theory import All, Equation, Goal, Term, Theory, Variable
from .refutation import refuters

PREFIX = "law: "


def laws(theory: Theory) -> list[Goal]:
    """Commutativity, associativity, exchange, distributivity, units, zeros and mirrored recursion
    of the binary functions within a sort that has constructors; of unary ones that they keep a
    binary function (or turn it around), are their own inverse, or that one does not see another.
    Smallest first."""
    refuted = refuters(theory)
    known = {str(s) for s in theory.statements.values()} | {str(g.statement) for g in theory.goals}
    found = []
    for equation in dict.fromkeys((*_candidates(theory), *_unary(theory))):
        statement = All(
            tuple(dict.fromkeys((*equation.left.variables, *equation.right.variables))), (), equation
        )
        false = any(refute(statement) is not None for refute in refuted)
        if not false and equation.left is not equation.right and str(statement) not in known:
            found.append(Goal(f"{PREFIX}{equation}", statement))
    return sorted(found, key=lambda goal: (len(goal.name), goal.name))


def _unary(theory: Theory) -> Iterator[Equation]:
    signature = theory.signature
    inductive = {s: d.constructors for s, d in signature.datatype.items()}
    unary = [f for f in signature.functions if len(f.inputs) == 1 and f.inputs[0] in inductive]
    unary = [f for f in unary if f.name not in inductive.get(f.output, ())]
    binary = [f for f in signature.functions if f.inputs == (f.output, f.output)]
    binary = [f for f in binary if f.name not in inductive.get(f.output, ())]
    of = signature.apply
    for f in unary:
        x, y = (Variable(name, f.inputs[0]) for name in "xy")
        image = of(f.name, x)
        for g in unary:
            if g.output == g.inputs[0] == f.inputs[0]:
                yield Equation(of(f.name, of(g.name, x)), x if f.output == x.sort else image)
                yield Equation(of(f.name, of(g.name, x)), image)
        for g, h in product(binary, binary):
            if g.output == x.sort and h.output == f.output:
                whole, other = of(f.name, of(g.name, x, y)), of(f.name, y)
                yield Equation(whole, of(h.name, image, other))
                yield Equation(whole, of(h.name, other, image))


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
