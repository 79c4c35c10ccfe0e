"""Conditional statements that look true: premises that hold somewhere, and wherever they do, so
does the conclusion, which no fewer premises give.

`conditional_equations` take premises between small terms of one function (cancellation,
injectivity); `relational` combines atoms over shared variables, as the published enumerator does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations, product

import numpy as np

from ...graph.theory import All, Atom, Equation, Formula, Theory, Variable, substitute_formula
from ...graph.theory.formulas import terms_of
from .enumeration import standard_names
from .valuation import Array, Valuation


def truth(valuations: Sequence[Valuation], formula: Formula) -> Array:
    """At all points of all models, one after the other."""
    return np.concatenate([v.holds(formula) for v in valuations])


def conditional_equations(
    theory: Theory, valuations: Sequence[Valuation], variables: Sequence[Variable]
) -> Iterator[All]:
    """f(…) = f(…) -> x = y, where the two sides differ in one argument each."""
    seen = set[str]()
    for function in theory.signature.functions:
        if not function.inputs:
            continue
        pools = [[v for v in variables if v.sort == sort] for sort in function.inputs]
        for left, right in combinations(list(product(*pools)), 2):
            apart = [(a, b) for a, b in zip(left, right, strict=True) if a is not b]
            if len(apart) != 1:
                continue
            premise = Equation(
                theory.signature.apply(function.name, *left), theory.signature.apply(function.name, *right)
            )
            yield from _kept(valuations, (premise,), Equation(*apart[0]), seen)


def relational(
    theory: Theory, valuations: Sequence[Valuation], variables: Sequence[Variable], most: int = 2
) -> Iterator[All]:
    """Atoms over the variables: up to `most` premises and a conclusion (an atom or an equation of
    two variables) whose variables occur in the premises. Each statement needs all its premises.

    Atoms are rows of truth values at all points; a set of premises is compared with all
    conclusions at once.
    """
    atoms = [
        Atom(r.name, arguments)
        for r in theory.signature.relations
        for arguments in product(*([v for v in variables if v.sort == s] for s in r.inputs))
    ]
    equal = [Equation(a, b) for a, b in combinations(variables, 2) if a.sort == b.sort]
    heads: list[Formula] = [*atoms, *equal]
    if not atoms:
        return
    rows = np.stack([truth(valuations, h) for h in heads])
    mentioned = np.array([[v in _variables(h) for v in variables] for h in heads])
    seen = set[str]()
    for chosen, follows in _implications(rows, len(atoms), most):
        if chosen:
            strange = (mentioned & ~mentioned[list(chosen)].any(axis=0)).any(axis=1)
            follows = follows & ~strange
        else:
            follows[len(atoms) :] = False
        for place in np.flatnonzero(follows):
            statement = _canonical(tuple(atoms[i] for i in chosen), heads[place])
            if str(statement) not in seen:
                seen.add(str(statement))
                yield statement


def _implications(rows: Array, atoms: int, most: int) -> Iterator[tuple[tuple[int, ...], Array]]:
    """(places of premises among the first `atoms` rows, which rows hold wherever these do and follow
    from no fewer of them), for premises that hold somewhere together."""
    implied: dict[tuple[int, ...], Array] = {}
    for count in range(most + 1):
        for chosen in combinations(range(atoms), count):
            holds = rows[list(chosen)].all(axis=0)
            implied[chosen] = np.asarray(rows[:, holds].all(axis=1))
            new = implied[chosen].copy()
            new[list(chosen)] = False
            for fewer in combinations(chosen, count - 1) if count else ():
                new &= ~implied[fewer]
            if holds.any():
                yield chosen, new


def _kept(
    valuations: Sequence[Valuation], premises: tuple[Formula, ...], conclusion: Formula, seen: set[str]
) -> Iterator[All]:
    """The statement, if it looks true, is not vacuous, needs every premise and is new."""
    statement = _canonical(premises, conclusion)
    if str(statement) in seen:
        return
    seen.add(str(statement))
    holds = [truth(valuations, p) for p in premises]
    right = truth(valuations, conclusion)
    together = np.logical_and.reduce(holds) if holds else np.ones_like(right)
    if not together.any() or (together & ~right).any():
        return
    for left_out in range(len(holds)):
        others = [h for i, h in enumerate(holds) if i != left_out]
        weaker = np.logical_and.reduce(others) if others else np.ones_like(right)
        if not (weaker & ~right).any():
            return
    yield statement


def _canonical(premises: Sequence[Formula], conclusion: Formula) -> All:
    """Of all orders of the premises, with variables named by first occurrence, the least text."""
    found = []
    for order in set(permutations(premises)):
        variables = tuple(dict.fromkeys(v for f in (*order, conclusion) for v in _variables(f)))
        names = dict(zip(variables, standard_names(variables), strict=True))
        inside = tuple(substitute_formula(p, names) for p in order)
        found.append(All(tuple(names.values()), inside, substitute_formula(conclusion, names)))
    return min(found, key=str)


def _variables(formula: Formula) -> tuple[Variable, ...]:
    return tuple(v for t in terms_of(formula) for v in t.variables)
