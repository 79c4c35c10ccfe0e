"""A theory: signature, axioms, definitions, models to try, bounds, goals."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from ..diagnostics import Span
from .formulas import All, Atom, Formula, substitute_formula
from .models import Model
from .signature import Signature
from .terms import Term, Variable


@dataclass(frozen=True, slots=True)
class Axiom:
    """A closed formula that is taken for true. `licence` says why where it was not in the spec
    (the clauses that make a relation a function)."""

    name: str
    statement: Formula
    licence: str = ""
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Definition:
    """relation(variables) holds just where `body` does. The body's free variables are among
    `variables`, and it speaks only of symbols declared before. `licence` as for axioms."""

    name: str
    relation: str
    variables: tuple[Variable, ...]
    body: Formula
    span: Span | None = field(default=None, compare=False)
    licence: str = ""

    @property
    def head(self) -> Atom:
        return Atom(self.relation, self.variables)

    def at(self, arguments: tuple[Term, ...]) -> Formula:
        """The body at these arguments."""
        return substitute_formula(self.body, dict(zip(self.variables, arguments, strict=True)))

    @property
    def unfolding(self) -> All:
        """head -> body, closed."""
        return All(self.variables, (self.head,), self.body)

    @property
    def folding(self) -> All:
        """body -> head, closed."""
        return All(self.variables, (self.body,), self.head)


@dataclass(frozen=True, slots=True)
class Goal:
    """A closed formula to prove. `text` is how its author wrote it; a conjecture has no author."""

    name: str
    statement: Formula
    text: str = ""
    span: Span | None = field(default=None, compare=False)
    conjectured: bool = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of search and of conjecturing.

    `operators` in each enumerated term, `variables` of each sort, `conditions` of a conditional
    conjecture, `points` on which terms are compared, `conjectures` at most kept; `rounds` of
    saturation an obligation, `nodes` of an e-graph in the first, second, … attempt, `splits`
    nested case splits, `witnesses` opened an obligation, `depth` of nested inductions, `cycles` of
    lemma feedback, `seconds` in all (None: no limit).
    """

    operators: int = 3
    variables: int = 3
    conditions: int = 1
    points: int = 48
    conjectures: int = 1000
    rounds: int = 4
    nodes: tuple[int, ...] = (150, 400, 900)
    splits: int = 2
    witnesses: int = 8
    depth: int = 2
    cycles: int = 50
    seconds: float | None = None


@dataclass(frozen=True)
class Theory:
    """Everything a `kind: logic` spec says. Axioms, definitions and goals have names apart."""

    name: str
    signature: Signature
    axioms: tuple[Axiom, ...]
    definitions: tuple[Definition, ...] = ()
    models: tuple[Model, ...] = ()
    bounds: Bounds = Bounds()
    goals: tuple[Goal, ...] = ()
    doc: str = ""
    span: Span | None = field(default=None, compare=False)

    @cached_property
    def statements(self) -> dict[str, Formula]:
        """The axioms and both directions of the definitions (`NAME.unfold`, `NAME.fold`)."""
        found = {a.name: a.statement for a in self.axioms}
        for definition in self.definitions:
            found[f"{definition.name}.unfold"] = definition.unfolding
            found[f"{definition.name}.fold"] = definition.folding
        return found
