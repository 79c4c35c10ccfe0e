"""Patterns as joins over the tables of an e-graph, evaluated semi-naively.

A pattern is flattened: each application in it is one atom "a row of the symbol's table", with a
slot for every argument and for its class. Rows that changed since a round are its delta; matches
that need at least one of them are found by running each atom in turn over the delta, those before
it over old rows only. Binding is not injective: two variables may meet in one class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from ....graph.theory import Atom, Equation, Formula, Term, Variable
from .egraph import EGraph, _head, atom_term
from .ordering import is_pattern_variable


@dataclass(frozen=True)
class TableAtom:
    """A row of the table of `symbol` whose columns (arguments, then class) are in these slots."""

    symbol: str
    slots: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """An order of a query's atoms: for each (atom, bound columns, newly bound (column, slot),
    equal columns); the first runs over the delta."""

    steps: tuple[tuple[int, tuple[int, ...], tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]], ...]


@dataclass(frozen=True)
class Query:
    """A conjunction of atoms. `variables` gives the slot of each variable of the rule, `sorts`
    the variables that no atom binds (slot, sort): they range over all classes of the sort. `truth`
    is the slot that holds the class of true, or -1."""

    atoms: tuple[TableAtom, ...]
    variables: tuple[int, ...]
    slots: int
    sorts: tuple[tuple[int, str], ...]
    truth: int

    @cached_property
    def plans(self) -> tuple[Plan, ...]:
        return tuple(self._plan(first) for first in range(len(self.atoms)))

    def _plan(self, first: int) -> Plan:
        bound = {self.truth} - {-1}
        left, steps, current = set(range(len(self.atoms))), [], first
        while True:
            left.discard(current)
            slots = self.atoms[current].slots
            columns = tuple(c for c, s in enumerate(slots) if s in bound)
            fresh: dict[int, int] = {}
            equal = []
            for column, slot in enumerate(slots):
                if slot in bound:
                    continue
                if slot in fresh:
                    equal.append((fresh[slot], column))
                else:
                    fresh[slot] = column
            bound.update(fresh)
            steps.append((current, columns, tuple((c, s) for s, c in fresh.items()), tuple(equal)))
            if not left:
                return Plan(tuple(steps))
            current = max(left, key=lambda a: (sum(s in bound for s in self.atoms[a].slots), -a))


class Compiler:
    """Flattens formulas into the atoms of one query."""

    def __init__(self) -> None:
        self.atoms: dict[TableAtom, None] = {}
        self.slot: dict[object, int] = {}
        self._same: dict[int, int] = {}

    def _new(self, key: object) -> int:
        return self.slot.setdefault(key, len(self.slot))

    def term(self, term: Term) -> int:
        """The slot of the term's class."""
        if is_pattern_variable(term):
            return self._new(term)
        symbol, arguments = _head(term)
        columns = tuple(self.term(a) for a in arguments)
        found = self._new((symbol, columns))
        self.atoms.setdefault(TableAtom(symbol, (*columns, found)))
        return found

    def premise(self, formula: Formula) -> bool:
        """Whether the formula is an equation or atom, now among what must hold."""
        if isinstance(formula, Equation):
            self._same[self.term(formula.left)] = self.term(formula.right)
            return True
        if isinstance(formula, Atom):
            self._same[self.term(atom_term(formula))] = self._new("true")
            return True
        return False

    def query(self, variables: Sequence[Variable]) -> Query:
        """The query, slots that must be equal made one."""

        def final(slot: int) -> int:
            seen = set[int]()
            while slot in self._same and slot not in seen:
                seen.add(slot)
                slot = self._same[slot]
            return slot

        atoms = dict.fromkeys(TableAtom(a.symbol, tuple(map(final, a.slots))) for a in self.atoms)
        chosen = tuple(final(self._new(v)) for v in variables)
        bound = {slot for atom in atoms for slot in atom.slots}
        sorts = {s: v.sort for s, v in zip(chosen, variables, strict=True) if s not in bound}
        truth = final(self.slot["true"]) if "true" in self.slot else -1
        return Query(tuple(atoms), chosen, len(self.slot), tuple(sorts.items()), truth)


class Tables:
    """The rows of a graph as of now, with indices; made anew each round."""

    def __init__(self, graph: EGraph, since: int) -> None:
        self.graph, self.since = graph, since
        self._rows: dict[str, list[tuple[int, ...]]] = {}
        self._index: dict[tuple[str, tuple[int, ...]], dict[tuple[int, ...], list[tuple[int, ...]]]] = {}

    def rows(self, symbol: str) -> list[tuple[int, ...]]:
        """Rows without repetition, each with its stamp at the end."""
        found = self._rows.get(symbol)
        if found is None:
            stamps: dict[tuple[int, ...], int] = {}
            stamp = self.graph.stamp
            for row in self.graph.rows(symbol):
                key, at = row[:-1], stamp[row[-1]]
                if at < stamps.get(key, at + 1):
                    stamps[key] = at
            found = self._rows[symbol] = [(*key, at) for key, at in stamps.items()]
        return found

    def lookup(self, symbol: str, columns: tuple[int, ...], key: tuple[int, ...]) -> list[tuple[int, ...]]:
        index = self._index.get((symbol, columns))
        if index is None:
            index = self._index[symbol, columns] = {}
            for row in self.rows(symbol):
                index.setdefault(tuple([row[c] for c in columns]), []).append(row)
        return index.get(key, [])

    def matches(self, query: Query) -> Iterator[tuple[int, ...]]:
        """The classes of the query's variables, for every match that the delta makes new. A query
        without atoms is over classes of sorts only."""
        start = [-1] * query.slots
        if query.truth >= 0:
            start[query.truth] = self.graph.find(self.graph.truth)
        if not query.atoms:
            yield from self._over_sorts(query, start, 0, True)
        for first, plan in enumerate(query.plans):
            if all(row[-1] < self.since for row in self.rows(query.atoms[first].symbol)):
                continue
            for found in self._run(query, plan, 0, start, first):
                yield from self._over_sorts(query, found, 0, False)

    def _over_sorts(
        self, query: Query, found: list[int], place: int, fresh: bool
    ) -> Iterator[tuple[int, ...]]:
        if place == len(query.sorts):
            yield tuple([found[s] for s in query.variables])
            return
        slot, sort = query.sorts[place]
        for node in range(len(self.graph.terms)):
            if self.graph.leader[node] == node and self.graph.terms[node].sort == sort:
                found[slot] = node
                yield from self._over_sorts(query, found, place + 1, fresh)

    def _run(self, query: Query, plan: Plan, depth: int, found: list[int], first: int) -> Iterator[list[int]]:
        if depth == len(plan.steps):
            yield found
            return
        place, columns, fresh, equal = plan.steps[depth]
        atom, since = query.atoms[place], self.since
        key = tuple([found[atom.slots[c]] for c in columns])
        rows = self.lookup(atom.symbol, columns, key) if columns else self.rows(atom.symbol)
        for row in rows:
            if place == first:
                if row[-1] < since:
                    continue
            elif place < first and row[-1] >= since:
                continue
            if equal and any(row[a] != row[b] for a, b in equal):
                continue
            for column, slot in fresh:
                found[slot] = row[column]
            yield from self._run(query, plan, depth + 1, found, first)
