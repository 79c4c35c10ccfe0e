"""Formulas of many-sorted first-order logic with equality, in six forms.

    falsehood    a contradiction
    equation     left = right
    atom         relation(arguments)
    all          for all variables: premises imply the conclusion   (either part may be empty)
    some         there are variables with all conjuncts             (no variables: a conjunction)
    or           one of the alternatives

Negation is `all` without variables, from the formula to falsehood: `negation` makes it, and
`is_negation` knows it. An implication is an `all` without variables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .terms import Term, Variable, substitute


@dataclass(frozen=True, slots=True)
class Falsehood:
    def __str__(self) -> str:
        return "false"


@dataclass(frozen=True, slots=True)
class Equation:
    """Both sides have the same sort."""

    left: Term
    right: Term

    def __str__(self) -> str:
        return f"{self.left} = {self.right}"


@dataclass(frozen=True, slots=True)
class Atom:
    """A relation on arguments; none for a proposition."""

    relation: str
    arguments: tuple[Term, ...]

    def __str__(self) -> str:
        return f"{self.relation}({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True, slots=True)
class All:
    """For all `variables`: if every one of `premises`, then `conclusion`. Variables or premises,
    or both, are not empty."""

    variables: tuple[Variable, ...]
    premises: tuple[Formula, ...]
    conclusion: Formula

    def __str__(self) -> str:
        if is_negation(self):
            return f"not ({self.premises[0]})"
        names = f"all {', '.join(f'{v.name}: {v.sort}' for v in self.variables)}. " if self.variables else ""
        given = "".join(f"({p}) -> " for p in self.premises)
        return f"{names}{given}({self.conclusion})" if given else f"{names}{self.conclusion}"


@dataclass(frozen=True, slots=True)
class Some:
    """There are `variables` with every one of `conjuncts`, of which there is at least one."""

    variables: tuple[Variable, ...]
    conjuncts: tuple[Formula, ...]

    def __str__(self) -> str:
        names = f"some {', '.join(f'{v.name}: {v.sort}' for v in self.variables)}. " if self.variables else ""
        return names + " and ".join(f"({c})" for c in self.conjuncts)


@dataclass(frozen=True, slots=True)
class Or:
    """One of `alternatives`, of which there are at least two."""

    alternatives: tuple[Formula, ...]

    def __str__(self) -> str:
        return " or ".join(f"({a})" for a in self.alternatives)


Formula = Falsehood | Equation | Atom | All | Some | Or
FALSEHOOD = Falsehood()


def negation(formula: Formula) -> All:
    return All((), (formula,), FALSEHOOD)


def is_negation(formula: Formula) -> bool:
    return (
        isinstance(formula, All)
        and not formula.variables
        and len(formula.premises) == 1
        and formula.conclusion == FALSEHOOD
    )


def conjunction(formulas: Iterable[Formula]) -> Formula:
    """One formula is itself, several are a `Some` without variables."""
    parts = tuple(formulas)
    return parts[0] if len(parts) == 1 else Some((), parts)


def parts(formula: Formula) -> tuple[Formula, ...]:
    """The formulas directly inside."""
    if isinstance(formula, All):
        return (*formula.premises, formula.conclusion)
    if isinstance(formula, Some):
        return formula.conjuncts
    return formula.alternatives if isinstance(formula, Or) else ()


def terms_of(formula: Formula) -> tuple[Term, ...]:
    """The terms directly in an equation or an atom."""
    if isinstance(formula, Equation):
        return (formula.left, formula.right)
    return formula.arguments if isinstance(formula, Atom) else ()


def free_variables(formula: Formula) -> tuple[Variable, ...]:
    """The variables that no quantifier binds, in order of first occurrence."""
    found = dict.fromkeys(v for term in terms_of(formula) for v in term.variables)
    bound = formula.variables if isinstance(formula, All | Some) else ()
    for part in parts(formula):
        found.update(dict.fromkeys(v for v in free_variables(part) if v not in bound))
    return tuple(found)


def substitute_formula(formula: Formula, binding: Mapping[Variable, Term]) -> Formula:
    """The formula with its free variables replaced at the same time. Bound variables that would
    catch a variable of a replacement are renamed by appending primes."""
    if isinstance(formula, Equation):
        return Equation(substitute(formula.left, binding), substitute(formula.right, binding))
    if isinstance(formula, Atom):
        return Atom(formula.relation, tuple(substitute(a, binding) for a in formula.arguments))
    if isinstance(formula, Or):
        return Or(tuple(substitute_formula(a, binding) for a in formula.alternatives))
    if isinstance(formula, Falsehood):
        return formula
    variables, inner = _renamed(formula, binding)
    inside = tuple(substitute_formula(p, inner) for p in parts(formula))
    if isinstance(formula, All):
        return All(variables, inside[:-1], inside[-1])
    return Some(variables, inside)


def _renamed(
    formula: All | Some, binding: Mapping[Variable, Term]
) -> tuple[tuple[Variable, ...], dict[Variable, Term]]:
    """The bound variables after renaming, and the binding that holds inside."""
    inner: dict[Variable, Term] = {v: binding[v] for v in free_variables(formula) if v in binding}
    taken = {v.name for term in inner.values() for v in term.variables}
    taken |= {v.name for v in free_variables(formula)}
    variables = []
    for variable in formula.variables:
        name = variable.name
        while name in taken:
            name += "'"
        taken.add(name)
        fresh = Variable(name, variable.sort)
        variables.append(fresh)
        if fresh is not variable:
            inner[variable] = fresh
    return tuple(variables), inner
