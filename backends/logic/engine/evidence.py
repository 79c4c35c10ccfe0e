"""Evidence: what a fact in a block rests on, proved when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ....graph.theory import Formula, Term
from .proof import Proof
from .rules import Rule

if TYPE_CHECKING:
    from .egraph import EGraph


class Evidence(Protocol):
    def prove(self, proof: Proof) -> int:
        """The step that says the fact."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Fact:
    """An assumption of the block."""

    formula: Formula

    def prove(self, proof: Proof) -> int:
        return proof.assume(self.formula)


@dataclass(frozen=True, slots=True, eq=False)
class Unfolding:
    """The body of an assumed atom's definition."""

    atom: Formula
    body: Formula

    def prove(self, proof: Proof) -> int:
        return proof.add("unfold", (proof.assume(self.atom),), self.body)


@dataclass(frozen=True, slots=True, eq=False)
class Firing:
    """An instance of a rule whose premises hold in the graph (at the time: explanations found
    later use edges of that time only, since paths in a forest do not change)."""

    rule: Rule
    terms: tuple[Term, ...]
    premises: tuple[Formula, ...]
    graph: EGraph

    def prove(self, proof: Proof) -> int:
        steps = tuple(self.graph.prove(p, proof) for p in self.premises)
        return self.rule.instance(proof, self.terms, steps)


@dataclass(frozen=True, slots=True, eq=False)
class Injection:
    """Two terms of one constructor are equal, so their arguments at `position` are."""

    left: Term
    right: Term
    position: int
    graph: EGraph

    def prove(self, proof: Proof) -> int:
        return proof.injective(self.graph.explain(self.left, self.right, proof), self.position)


@dataclass(frozen=True, slots=True, eq=False)
class Clash:
    """Two terms of different constructors are equal: false."""

    left: Term
    right: Term
    graph: EGraph

    def prove(self, proof: Proof) -> int:
        return proof.distinct(self.graph.explain(self.left, self.right, proof))
