"""Equations that look true: terms of equal value vectors.

Terms grow by operators, from one representative of each class of equal vectors only: an equation
between larger terms that differs from a smaller one's by replacing equals is not made again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

from ...graph.theory import All, Application, Equation, Formula, Term, Theory, Variable, substitute
from .valuation import Valuation

Key = tuple[str, bytes]


@dataclass
class Universe:
    """The terms met: a class per vector of values, its least term first."""

    theory: Theory
    valuations: Sequence[Valuation]
    variables: Sequence[Variable]
    classes: dict[Key, list[Term]] = field(default_factory=dict)
    levels: list[list[Term]] = field(default_factory=list)  # representatives by number of operators

    def grow(self, operators: int) -> None:
        """Adds the terms of up to so many operators (constants count as none)."""
        for count in range(len(self.levels), operators + 1):
            new = self._leaves() if count == 0 else self._applications(count)
            self.levels.append([t for t in new if self._place(t)])

    def _place(self, term: Term) -> bool:
        """Puts a term into its class; whether it is the first there."""
        key = (term.sort, b"|".join(_bytes(v, term) for v in self.valuations))
        members = self.classes.setdefault(key, [])
        members.append(term)
        return len(members) == 1

    def _leaves(self) -> Iterator[Term]:
        yield from self.variables
        for function in self.theory.signature.functions:
            if not function.inputs:
                yield self.theory.signature.apply(function.name)

    def _applications(self, count: int) -> Iterator[Term]:
        for function in self.theory.signature.functions:
            arity = len(function.inputs)
            for split in _splits(count - 1, arity) if arity else ():
                pools = [
                    [t for t in self.levels[n] if t.sort == sort]
                    for n, sort in zip(split, function.inputs, strict=True)
                ]
                for arguments in product(*pools):
                    yield Application(function.name, arguments, function.output)

    def equations(self) -> Iterator[Equation]:
        """(representative = member), each once up to names of variables."""
        seen = set[tuple[Term, Term]]()
        for members in self.classes.values():
            first = members[0]
            for other in members[1:]:
                if not set(first.variables) <= set(other.variables) and not set(other.variables) <= set(
                    first.variables
                ):
                    continue
                equation = canonical(other, first)
                if (equation.left, equation.right) not in seen:
                    seen.add((equation.left, equation.right))
                    yield equation


def canonical(left: Term, right: Term) -> Equation:
    """The equation with its variables named x, y, z, … by first occurrence, in each sort."""
    names = {v: v for v in dict.fromkeys((*left.variables, *right.variables))}
    order: dict[Variable, Term] = dict(zip(names, standard_names(tuple(names)), strict=True))
    return Equation(substitute(left, order), substitute(right, order))


def standard_names(variables: Sequence[Variable]) -> tuple[Variable, ...]:
    letters = "xyzuvw"
    return tuple(
        Variable(letters[i] if i < len(letters) else f"x{i}", v.sort) for i, v in enumerate(variables)
    )


def closed(premises: Sequence[Formula], conclusion: Formula, variables: Sequence[Variable]) -> Formula:
    if not variables and not premises:
        return conclusion
    return All(tuple(variables), tuple(premises), conclusion)


def _bytes(valuation: Valuation, term: Term) -> bytes:
    found = valuation.of(term)
    return repr(found.tolist()).encode() if found.dtype == object else found.astype("int64").tobytes()


def _splits(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _splits(total - first, parts - 1):
            yield (first, *rest)
