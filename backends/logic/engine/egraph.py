"""A congruence-closure e-graph that can say why two terms are equal.

Every term is a node; classes are kept by union-find, congruence by a table of signatures. Each
union adds one edge to a forest over nodes, with its reason; the path between two nodes of a class
is the explanation. Edges carry step numbers that only grow, and a congruence edge is explained by
edges made before it: so no explanation is circular.

Atoms are nodes too: applications of the relation's name (marked), equal to `TRUE` where they hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ....graph.theory import Application, Atom, Equation, Formula, Term
from .evidence import Evidence, Fact
from .proof import Proof

TRUE = Application("true", (), "*truth")
RELATION = "is "


def atom_term(atom: Atom) -> Application:
    """The atom as a term."""
    return Application(RELATION + atom.relation, atom.arguments, "*truth")


def term_atom(term: Application) -> Atom:
    return Atom(term.symbol.removeprefix(RELATION), term.arguments)


@dataclass(frozen=True, slots=True)
class Edge:
    """A link of the forest from a node to its parent. `evidence` proves `left = right` (or the
    atom `left`); None marks a congruence. `flipped` if the node is the right side."""

    parent: int
    evidence: Evidence | None
    flipped: bool
    number: int


class EGraph:
    """Nodes are numbers, in order of creation; `terms[n]` is node n's term."""

    def __init__(self) -> None:
        self.terms: list[Term] = []
        self.node: dict[Term, int] = {}
        self.leader: list[int] = []
        self.members: list[list[int]] = []
        self.users: list[list[int]] = []  # of a class: nodes with an argument in it
        self.best: list[int] = []  # of a class: its least node, by size, then by age
        self.edges: list[Edge | None] = []
        self.signatures: dict[tuple[object, ...], int] = {}
        self.tables: dict[str, list[int]] = {}  # symbol -> its nodes
        self.numbers = 0
        self.unions = 0
        self.stamp: list[int] = []  # of a node: the round in which its row last changed
        self.round = 0
        self.clashes: list[tuple[int, int]] = []
        self.constructors: frozenset[str] = frozenset()
        self.built: list[int] = []  # of a class: a node whose head is a constructor, or -1
        self.truth = self.add(TRUE)

    def find(self, node: int) -> int:
        leader = self.leader
        while leader[node] != node:
            leader[node] = leader[leader[node]]
            node = leader[node]
        return node

    def add(self, term: Term) -> int:
        """The node of the term, made with those of its subterms if it is new."""
        found = self.node.get(term)
        if found is not None:
            return found
        symbol, arguments = _head(term)
        children = [self.add(a) for a in arguments]
        node = len(self.terms)
        self.node[term] = node
        self.terms.append(term)
        self.leader.append(node)
        self.members.append([node])
        self.users.append([])
        self.best.append(node)
        self.edges.append(None)
        self.stamp.append(self.round)
        self.built.append(node if symbol in self.constructors else -1)
        self.tables.setdefault(symbol, []).append(node)
        signature = (symbol, *[self.find(c) for c in children])
        for child in children:
            self.users[self.find(child)].append(node)
        twin = self.signatures.setdefault(signature, node)
        if twin != node:
            self._union([(node, twin, None)])
        return node

    def is_new(self, term: Term) -> bool:
        return term not in self.node

    def same(self, left: Term, right: Term) -> bool:
        return self.find(self.add(left)) == self.find(self.add(right))

    def merge(self, left: Term, right: Term, evidence: Evidence) -> bool:
        """Equates; False if they were equal already."""
        one, other = self.add(left), self.add(right)
        if self.find(one) == self.find(other):
            return False
        self._union([(one, other, evidence)])
        return True

    def assert_atom(self, atom: Atom, evidence: Evidence) -> bool:
        return self.merge(atom_term(atom), TRUE, evidence)

    def holds(self, formula: Formula) -> bool:
        """Whether an equation or atom holds; its terms are added."""
        if isinstance(formula, Equation):
            return self.same(formula.left, formula.right)
        return isinstance(formula, Atom) and self.same(atom_term(formula), TRUE)

    def _union(self, pending: list[tuple[int, int, Evidence | None]]) -> None:
        while pending:
            one, other, evidence = pending.pop(0)
            a, b = self.find(one), self.find(other)
            if a == b:
                continue
            self.numbers += 1
            self.unions += 1
            if len(self.members[a]) > len(self.members[b]):
                self._link(other, one, evidence, True)
                self._absorb(a, b, pending)
            else:
                self._link(one, other, evidence, False)
                self._absorb(b, a, pending)

    def _link(self, child: int, parent: int, evidence: Evidence | None, flipped: bool) -> None:
        """Makes `child` the root of its tree, and hangs it under `parent`."""
        node, edge = child, self.edges[child]
        self.edges[child] = Edge(parent, evidence, flipped, self.numbers)
        while edge is not None:
            up = edge.parent
            following = self.edges[up]
            self.edges[up] = Edge(node, edge.evidence, not edge.flipped, edge.number)
            node, edge = up, following

    def _absorb(self, keep: int, gone: int, pending: list[tuple[int, int, Evidence | None]]) -> None:
        self.leader[gone] = keep
        for node in self.members[gone]:
            self.stamp[node] = self.round
        self.members[keep].extend(self.members[gone])
        if self._weight(self.best[gone]) < self._weight(self.best[keep]):
            self.best[keep] = self.best[gone]
        one, other = self.built[keep], self.built[gone]
        if one >= 0 and other >= 0:
            self.clashes.append((one, other))
        elif other >= 0:
            self.built[keep] = other
        for user in self.users[gone]:
            self.stamp[user] = self.round
            symbol, arguments = _head(self.terms[user])
            signature = (symbol, *[self.find(self.node[a]) for a in arguments])
            twin = self.signatures.setdefault(signature, user)
            if self.find(twin) != self.find(user):
                pending.append((user, twin, None))
        self.users[keep].extend(self.users[gone])

    def _weight(self, node: int) -> tuple[int, int]:
        return self.terms[node].size, node

    def least(self, node: int) -> Term:
        """The least term of the node's class."""
        return self.terms[self.best[self.find(node)]]

    def rows(self, symbol: str) -> Iterator[tuple[int, ...]]:
        """The table of a symbol: (class of each argument…, class of the node, node)."""
        for node in self.tables.get(symbol, ()):
            arguments = _head(self.terms[node])[1]
            yield (*[self.find(self.node[a]) for a in arguments], self.find(node), node)

    def explain(self, left: Term, right: Term, proof: Proof) -> int:
        """The step left = right. They are equal; both are nodes."""
        path = self._path(self.node[left], self.node[right])
        if not path:
            return proof.reflexivity(left)
        return proof.transitivity([self._edge_step(one, other, edge, proof) for one, other, edge in path])

    def prove(self, formula: Formula, proof: Proof) -> int:
        """The step of an equation or atom that holds."""
        if isinstance(formula, Equation):
            return self.explain(formula.left, formula.right, proof)
        assert isinstance(formula, Atom)
        *_moves, (last, _, edge) = self._path(self.node[atom_term(formula)], self.truth)
        fact = self.terms[last]
        assert isinstance(fact, Application) and edge.evidence is not None
        step = edge.evidence.prove(proof)
        found = term_atom(fact)
        wanted = [(b, a) for a, b in zip(formula.arguments, found.arguments, strict=True)]
        return proof.replace(step, formula, [self.explain(b, a, proof) for b, a in wanted])

    def _path(self, start: int, end: int) -> list[tuple[int, int, Edge]]:
        """The edges between two nodes of one class: (from, to, edge), `flipped` as seen so."""
        ups, node, above = [], start, {start: 0}
        while (edge := self.edges[node]) is not None:
            ups.append((node, edge.parent, edge))
            node = edge.parent
            above[node] = len(ups)
        downs, node = [], end
        while node not in above:
            edge = self.edges[node]
            assert edge is not None
            downs.append((edge.parent, node, Edge(edge.parent, edge.evidence, not edge.flipped, edge.number)))
            node = edge.parent
        return ups[: above[node]] + downs[::-1]

    def _edge_step(self, one: int, other: int, edge: Edge, proof: Proof) -> int:
        left, right = self.terms[one], self.terms[other]
        if edge.evidence is not None:
            step = edge.evidence.prove(proof)
            return proof.symmetry(step) if edge.flipped else step
        assert isinstance(left, Application) and isinstance(right, Application)
        pairs = zip(left.arguments, right.arguments, strict=True)
        return proof.congruence(
            left, right, [self.explain(a, b, proof) if a is not b else None for a, b in pairs]
        )


def _head(term: Term) -> tuple[str, tuple[Term, ...]]:
    if isinstance(term, Application):
        return term.symbol, term.arguments
    return f"variable {term}", ()


__all__ = ["TRUE", "EGraph", "Edge", "Fact", "atom_term", "term_atom"]
