"""Sorts, function symbols, relations, datatypes: what a theory may speak of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from ..diagnostics import Span
from .formulas import All, Atom, Equation, Falsehood, Formula, Some, parts
from .terms import Application, Term, Variable


@dataclass(frozen=True, slots=True)
class Sort:
    """A sort of individuals: not empty."""

    name: str
    doc: str = ""
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Function:
    """A total function symbol; a constant has no inputs. `infix` ("+") and `precedence` (higher
    binds tighter) are for people; `origin` names the relation that it was made from ("" if none)."""

    name: str
    inputs: tuple[str, ...]
    output: str
    infix: str = ""
    precedence: int = 0
    origin: str = ""
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation symbol. `outputs` are the positions (from 0) that the others, its inputs,
    determine; empty for a plain relation. `total` and `single` name the axioms that say so: with
    both, a relation with one output may become a function."""

    name: str
    inputs: tuple[str, ...]  # the sorts of all its places
    outputs: tuple[int, ...] = ()
    total: str = ""
    single: str = ""
    infix: str = ""
    precedence: int = 0
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Datatype:
    """A sort made by its constructors alone, each of them injective, any two of them disjoint:
    gives induction and case analysis over the sort.

    With `relation`, a unary relation over `sort` that its constructors generate instead: gives
    induction relative to that relation ("typing": what is proved holds where the relation does),
    and neither injectivity nor disjointness.
    """

    sort: str
    constructors: tuple[str, ...]
    relation: str = ""


@dataclass(frozen=True)
class Signature:
    """Every symbol by name. Functions and relations have names apart."""

    sorts: tuple[Sort, ...]
    functions: tuple[Function, ...] = ()
    relations: tuple[Relation, ...] = ()
    datatypes: tuple[Datatype, ...] = ()

    @cached_property
    def function(self) -> dict[str, Function]:
        return {f.name: f for f in self.functions}

    @cached_property
    def relation(self) -> dict[str, Relation]:
        return {r.name: r for r in self.relations}

    @cached_property
    def sort_names(self) -> frozenset[str]:
        return frozenset(s.name for s in self.sorts)

    @cached_property
    def datatype(self) -> dict[str, Datatype]:
        """Sort -> its datatype (those of relations are left out)."""
        return {d.sort: d for d in self.datatypes if not d.relation}

    @cached_property
    def constructor_names(self) -> frozenset[str]:
        """Constructors that are injective and disjoint."""
        return frozenset(c for d in self.datatype.values() for c in d.constructors)

    def apply(self, name: str, *arguments: Term) -> Application:
        """The application, its sort looked up. Raises KeyError for an unknown function and
        ValueError where the arguments do not fit."""
        function = self.function[name]
        found = tuple(a.sort for a in arguments)
        if found != function.inputs:
            raise ValueError(f"{name} takes ({', '.join(function.inputs)}), got ({', '.join(found)})")
        return Application(name, arguments, function.output)

    def faults(self, formula: Formula) -> Iterator[str]:
        """What is wrong with the symbols and sorts in the formula, a sentence each."""
        if isinstance(formula, Equation):
            yield from self._faults_of(formula.left)
            yield from self._faults_of(formula.right)
            if formula.left.sort != formula.right.sort:
                yield f"{formula} equates {formula.left.sort} and {formula.right.sort}"
        elif isinstance(formula, Atom):
            for argument in formula.arguments:
                yield from self._faults_of(argument)
            known = self.relation.get(formula.relation)
            found = tuple(a.sort for a in formula.arguments)
            if known is None:
                yield f"unknown relation {formula.relation}"
            elif known.inputs != found:
                yield f"{formula.relation} takes ({', '.join(known.inputs)}), got ({', '.join(found)})"
        elif not isinstance(formula, Falsehood):
            if isinstance(formula, All | Some):
                yield from (
                    f"unknown sort {v.sort} of {v.name}"
                    for v in formula.variables
                    if v.sort not in self.sort_names
                )
            for part in parts(formula):
                yield from self.faults(part)

    def _faults_of(self, term: Term) -> Iterator[str]:
        if isinstance(term, Variable):
            if term.sort not in self.sort_names:
                yield f"unknown sort {term.sort} of {term.name}"
            return
        assert isinstance(term, Application)
        known = self.function.get(term.symbol)
        found = tuple(a.sort for a in term.arguments)
        if known is None:
            yield f"unknown function {term.symbol}"
        elif (known.inputs, known.output) != (found, term.sort):
            yield f"{term.symbol} takes ({', '.join(known.inputs)}), got ({', '.join(found)})"
        for argument in term.arguments:
            yield from self._faults_of(argument)
