"""Unfailing completion: consequences of equations, until the goal's sides have one normal form.

The loop keeps active equations, each simplified by the others, and a queue of critical pairs by
size. An equation that the ordering cannot direct is used both ways, each use compared. Equations
whose ground instances the active ones join already, however their variables compare, are dropped:
without that, commutativity floods the queue with variants.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from heapq import heappop, heappush
from itertools import count

from ....graph.theory import All, Application, Equation, Term, Variable, substitute
from .fingerprints import Fingerprint, fingerprint, may_match, may_unify
from .ordering import PATTERN, Ordering, is_pattern_variable
from .proof import Proof
from .rewriting import Direction, Reason, Rewriter, chained, reversed_reason
from .rules import Rule, match
from .unification import unify


@dataclass(frozen=True)
class DerivedRule(Rule):
    """An equation that a reason proves: its variables `originals` (of the reason) are the rule's
    variables, in order; what `named` has stands for terms of the goal."""

    reason: Reason | None = None
    originals: tuple[Variable, ...] = ()
    named: Mapping[Variable, Term] = field(default_factory=dict)

    def source(self, proof: Proof) -> int:
        found = proof.derived.get(id(self))
        if found is None:
            assert self.reason is not None
            names = self._names(self.reason)
            step = self.reason.prove(proof, names)
            found = proof.close(step, tuple([names[v] for v in self.originals]))  # type: ignore[misc]  # variables
            proof.derived[id(self)] = found
        return found

    def _names(self, reason: Reason) -> dict[Variable, Term]:
        """What the reason's variables become: those to close over meet nothing fixed in its ends."""
        fixed = {v.name for end in (reason.left, reason.right) for v in substitute(end, self.named).variables}
        names: dict[Variable, Term] = dict(self.named)
        for variable in dict.fromkeys((*self.originals, *variables_of(reason))):
            stem = variable.sort.lower()
            name = next(n for i in count(len(names)) if (n := f"{stem}{i}") not in fixed)
            fixed.add(name)
            names[variable] = Variable(name, variable.sort)
        return names


@dataclass(frozen=True)
class Naming(Rule):
    """A name for a term of the goal: the term equals its name. In a proof the name is the term."""

    term: Term | None = None

    def source(self, proof: Proof) -> int:
        assert self.term is not None
        return proof.reflexivity(self.term)


def variables_of(reason: Reason) -> dict[Variable, None]:
    """The pattern variables in a reason, also those that its ends have not."""
    found = dict.fromkeys(v for t in reason.terms for v in t.variables if is_pattern_variable(v))
    for part in (*reason.chain, *reason.arguments):
        if part is not None:
            found.update(variables_of(part))
    return found


@dataclass(eq=False)
class Active:
    """An equation in use."""

    rule: Rule
    ways: list[Way]
    number: int
    alive: bool = True


class Way:
    """A direction with what overlaps need of it: its sides renamed as the inner ("a") and as the
    outer equation ("b"), and the outer one's subterms by head."""

    def __init__(self, direction: Direction) -> None:
        self.direction = direction
        self.key = fingerprint(direction.left)
        self.inner = _apart(direction, "a")
        self.outer = _apart(direction, "b")
        self.parts: dict[str, list[Part]] = {}
        for path, part in _positions(self.outer[0]):
            self.parts.setdefault(part.symbol, []).append(Part(path, part, fingerprint(part)))


@dataclass(frozen=True, slots=True)
class Part:
    """A subterm of a side, with its path and fingerprint."""

    path: tuple[int, ...]
    term: Application
    key: Fingerprint


@dataclass(frozen=True, slots=True)
class Overlap:
    """A critical pair: the inner equation used inside the outer one's left side at a path."""

    inner: Way
    outer: Way
    path: tuple[int, ...]
    unifier: dict[Variable, Term]
    left: Term  # the outer left side, the inner equation used in it
    right: Term  # the outer right side

    @property
    def reason(self) -> Reason:
        """Why left = right."""
        below, above = (
            self._instance(way.direction, sides)
            for way, sides in ((self.inner, self.inner.inner), (self.outer, self.outer.outer))
        )
        found = chained([reversed_reason(_lifted(above.left, self.path, below)), above])
        assert found is not None
        return found

    def _instance(self, way: Direction, sides: tuple[Term, Term, tuple[Variable, ...]]) -> Reason:
        left, right, *terms = (substitute(t, self.unifier) for t in (*sides[:2], *sides[2]))
        return Reason(left, right, way.rule, tuple(terms), way.reverse)


@dataclass
class Completion:
    """The state of the loop. `steps` counts equations taken from the queue."""

    ordering: Ordering
    size: int = 40
    rewriter: Rewriter = field(init=False)
    active: list[Active] = field(default_factory=list)
    queue: list[tuple[int, int, Term, Term, Reason]] = field(default_factory=list)
    steps: int = 0
    pairs: int = 0
    named: dict[Variable, Term] = field(default_factory=dict)
    unordered: bool = False  # whether an equation without a direction is active
    _seen: set[tuple[Term, Term]] = field(default_factory=set)
    _lefts: dict[str, list[tuple[Active, Way]]] = field(default_factory=dict)
    _parts: dict[str, list[tuple[Active, Way, Part]]] = field(default_factory=dict)
    _sides: dict[str, list[tuple[Active, Term, Part]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rewriter = Rewriter(self.ordering, 1_000_000)

    def add(self, rule: Rule) -> None:
        """An equation to begin with."""
        equation = rule.equation
        if equation is not None:
            reason = Reason(equation.left, equation.right, rule, rule.variables)
            self._push(equation.left, equation.right, reason, 0)

    def name(self, term: Term) -> Variable:
        """A name for the term, and for its subterms: small equations that lead to the goal."""
        if isinstance(term, Variable):
            return term
        assert isinstance(term, Application)
        known = next((name for name, t in self.named.items() if t is term), None)
        if known is not None:
            return known
        whole = Application(term.symbol, tuple([self.name(a) for a in term.arguments]), term.sort)
        name = Variable(f"={len(self.named)}", term.sort)
        self.named[name] = term
        equation = Equation(whole, name)
        self.add(Naming("", equation, (), (), equation, term=term))
        return name

    def _push(self, left: Term, right: Term, reason: Reason, weight: int | None = None) -> None:
        self.pairs += 1
        size = left.size + right.size if weight is None else weight
        heappush(self.queue, (size, self.pairs, left, right, reason))

    def goes_on(self, steps: int) -> bool:
        """Goes on until one more equation is active; False once so many steps are over."""
        while self.queue and self.steps < steps:
            if self.step():
                return True
        return False

    def step(self) -> bool:
        """Takes one equation from the queue; whether it became active."""
        self.steps += 1
        _, _, left, right, reason = heappop(self.queue)
        simplified = self._simplified(left, right, reason)
        if simplified is None or self._subsumed(simplified.left, simplified.right):
            return False
        if self._joins_in_every_order(simplified.left, simplified.right):
            return False
        active = self._activate(simplified)
        self._interreduce(active)
        self._index(active)
        for overlap in self._critical_pairs(active):
            self._enqueue(overlap)
        return True

    def _simplified(self, left: Term, right: Term, reason: Reason) -> Reason | None:
        """The equation in normal form with its reason; None if it is trivial."""
        one, first = self.rewriter.normal(left)
        other, second = self.rewriter.normal(right)
        if one is other:
            return None
        return chained([None if first is None else reversed_reason(first), reason, second])

    def _enqueue(self, overlap: Overlap) -> None:
        one, first = self.rewriter.normal(overlap.left)
        other, second = self.rewriter.normal(overlap.right)
        if one is other:
            return
        key = _canonical(one, other)
        if key not in self._seen:
            self._seen.add(key)
            back = None if first is None else reversed_reason(first)
            reason = chained([back, overlap.reason, second])
            assert reason is not None
            self._push(one, other, reason)

    def _activate(self, reason: Reason) -> Active:
        originals = tuple(dict.fromkeys((*reason.left.variables, *reason.right.variables)))
        originals = tuple(v for v in originals if is_pattern_variable(v))
        names = {v: Variable(f"{PATTERN}{i}", v.sort) for i, v in enumerate(originals)}
        left, right = substitute(reason.left, names), substitute(reason.right, names)
        equation = Equation(left, right)
        statement = All(tuple(names.values()), (), equation) if names else equation
        if reason.rule is not None and reason.terms == reason.rule.variables and not reason.reverse:
            rule: Rule = reason.rule
            equation = rule.equation or equation
        else:
            rule = DerivedRule(
                "",
                statement,
                tuple(names.values()),
                (),
                equation,
                (),
                reason=reason,
                originals=originals,
                named=self.named,
            )
        ways = self.rewriter.add(rule)
        active = Active(rule, [Way(w) for w in ways], len(self.active))
        self.active.append(active)
        self.unordered = self.unordered or any(w.checked for w in ways)
        return active

    def _index(self, active: Active) -> None:
        equation = active.rule.equation
        assert equation is not None
        for side in (equation.left, equation.right):
            for path, part in _positions(side):
                entry = Part(path, part, fingerprint(part))
                self._sides.setdefault(part.symbol, []).append((active, side, entry))
        for way in active.ways:
            self._lefts.setdefault(_head(way.direction.left), []).append((active, way))
            for symbol, parts in way.parts.items():
                self._parts.setdefault(symbol, []).extend([(active, way, p) for p in parts])

    def _interreduce(self, new: Active) -> None:
        """Takes out what the new equation simplifies, and queues it anew."""
        for way in new.ways:
            for old, side, part in self._sides.get(_head(way.direction.left), ()):
                if not old.alive or not may_match(way.key, part.key):
                    continue
                if _reduces(way.direction, side, part, old, self.ordering):
                    self._retire(old)

    def _retire(self, old: Active) -> None:
        old.alive = False
        self.rewriter.remove(old.rule)
        equation = old.rule.equation
        assert equation is not None
        reason = Reason(equation.left, equation.right, old.rule, old.rule.variables)
        self._push(equation.left, equation.right, reason, 0)

    def _subsumed(self, left: Term, right: Term) -> bool:
        """Whether one use of an active equation, anywhere, makes both sides equal."""
        while True:
            for one, other in ((left, right), (right, left)):
                for way in self.rewriter.fitting(one):
                    binding: dict[Variable, Term] = {}
                    if way.checked and match(way.left, one, binding) and match(way.right, other, binding):
                        return True
            if not (isinstance(left, Application) and isinstance(right, Application)):
                return False
            if left.symbol != right.symbol:
                return False
            apart = [(a, b) for a, b in zip(left.arguments, right.arguments, strict=True) if a is not b]
            if len(apart) != 1:
                return False
            left, right = apart[0]

    def _joins_in_every_order(self, left: Term, right: Term) -> bool:
        """Whether both sides have one normal form however the values of their variables compare.
        Then all ground instances join by what is active, and the equation adds nothing."""
        named = tuple(dict.fromkeys((*left.variables, *right.variables)))
        variables = tuple(v for v in named if is_pattern_variable(v))
        fixed = tuple(sorted([v for v in named if not is_pattern_variable(v)], key=lambda v: v.name))
        if not variables or not 2 <= len(named) <= 4 or not self.unordered:
            return False
        for classes in _weak_orders(fixed, variables):
            names: dict[Variable, Term] = {v: group[0] for group in classes for v in group}
            ordering = self.ordering.ranked(tuple(group[0] for group in classes))
            rewriter = self.rewriter.under(ordering)
            one, other = substitute(left, names), substitute(right, names)
            if one is not other and rewriter.normal(one)[0] is not rewriter.normal(other)[0]:
                return False
        return True

    def _critical_pairs(self, new: Active) -> Iterator[Overlap]:
        """Those of the new equation inside an active one (or itself), and the other way round."""
        for way in new.ways:
            for old, outer, part in self._parts.get(_head(way.direction.left), ()):
                if old.alive and may_unify(way.key, part.key):
                    yield from overlaps(way, outer, part, self.ordering, self.size)
            for symbol, parts in way.parts.items():
                for old, inner in self._lefts.get(symbol, ()):
                    if not old.alive or old is new:
                        continue
                    for part in parts:
                        if part.path and may_unify(inner.key, part.key):
                            yield from overlaps(inner, way, part, self.ordering, self.size)


def overlaps(inner_way: Way, outer_way: Way, at: Part, ordering: Ordering, limit: int) -> Iterator[Overlap]:
    """The critical pair, if its size is at most `limit`, of the inner equation used inside the outer
    one's left side."""
    left, right, _ = inner_way.inner
    whole, result, _ = outer_way.outer
    if result.size + whole.size - at.term.size + right.size > limit:
        return
    unifier = unify(at.term, left)
    if unifier is None:
        return
    reached, changed = substitute(result, unifier), substitute(right, unifier)
    if reached.size > limit:
        return
    peak, top = substitute(left, unifier), substitute(whole, unifier)
    if reached.size + top.size - peak.size + changed.size > limit:
        return
    if inner_way.direction.checked and ordering.greater(changed, peak):
        return
    if outer_way.direction.checked and ordering.greater(reached, top):
        return
    inside = _replaced(top, at.path, changed)
    if inside is not reached:
        yield Overlap(inner_way, outer_way, at.path, unifier, inside, reached)


def _apart(way: Direction, mark: str) -> tuple[Term, Term, tuple[Variable, ...]]:
    """Both sides and the rule's variables, renamed so that two equations share none."""
    names = tuple(Variable(f"{PATTERN}{mark}{v.name[1:]}", v.sort) for v in way.rule.variables)
    binding = dict(zip(way.rule.variables, names, strict=True))
    return substitute(way.left, binding), substitute(way.right, binding), names


def _positions(term: Term, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Application]]:
    """The subterms that are no pattern variables, with their paths."""
    if isinstance(term, Application):
        yield path, term
        for place, argument in enumerate(term.arguments):
            yield from _positions(argument, (*path, place))


def _lifted(term: Term, path: Sequence[int], reason: Reason) -> Reason:
    """The reason used at a path of the term."""
    if not path:
        return reason
    assert isinstance(term, Application)
    inner = _lifted(term.arguments[path[0]], path[1:], reason)
    arguments = tuple(inner.right if i == path[0] else a for i, a in enumerate(term.arguments))
    why = tuple(inner if i == path[0] else None for i in range(len(arguments)))
    return Reason(term, Application(term.symbol, arguments, term.sort), arguments=why)


def _replaced(term: Term, path: Sequence[int], new: Term) -> Term:
    """The term with another subterm at a path."""
    if not path:
        return new
    assert isinstance(term, Application)
    arguments = [_replaced(a, path[1:], new) if i == path[0] else a for i, a in enumerate(term.arguments)]
    return Application(term.symbol, tuple(arguments), term.sort)


def _reduces(way: Direction, side: Term, part: Part, old: Active, ordering: Ordering) -> bool:
    """Whether the new direction rewrites a part of an active equation's side; at the top of a left
    side only if it is more general."""
    binding: dict[Variable, Term] = {}
    if not match(way.left, part.term, binding):
        return False
    if way.checked and not ordering.greater(part.term, substitute(way.right, binding)):
        return False
    if part.path or not _is_variant(way.left, part.term):
        return True
    return any(w.direction.left is not side or w.direction.checked for w in old.ways)


def _is_variant(pattern: Term, term: Term) -> bool:
    return match(term, pattern, {})


def _head(term: Term) -> str:
    return term.symbol if isinstance(term, Application) else str(term)


def _canonical(left: Term, right: Term) -> tuple[Term, Term]:
    """The equation with its variables named by first occurrence, smaller side first."""
    pairs = []
    for one, other in ((left, right), (right, left)):
        variables = [v for v in dict.fromkeys((*one.variables, *other.variables)) if is_pattern_variable(v)]
        names = {v: Variable(f"{PATTERN}{i}", v.sort) for i, v in enumerate(variables)}
        pairs.append((substitute(one, names), substitute(other, names)))
    return min(pairs, key=lambda pair: (pair[0].size, str(pair[0]), str(pair[1])))


@cache
def _partitions(count: int) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """The ordered partitions of 0 … count - 1, those without ties first."""
    if count == 0:
        return ((),)
    found: dict[tuple[tuple[int, ...], ...], None] = {}
    for rest in _partitions(count - 1):
        new = count - 1
        for place in range(len(rest) + 1):
            found[(*rest[:place], (new,), *rest[place:])] = None
        for place, group in enumerate(rest):
            found[(*rest[:place], (*group, new), *rest[place + 1 :])] = None
    return tuple(sorted(found, key=lambda groups: -len(groups)))


def _weak_orders(
    fixed: tuple[Variable, ...], variables: tuple[Variable, ...]
) -> Iterator[tuple[tuple[Variable, ...], ...]]:
    """How the values of variables may compare with each other and with what is fixed, which is in
    its order: classes of equals, least first, those that begin with something fixed equal to it."""
    known = (*fixed, *variables)
    for groups in _partitions(len(known)):
        order = [place for group in groups for place in group if place < len(fixed)]
        apart = all(sum(place < len(fixed) for place in group) < 2 for group in groups)
        if apart and order == sorted(order):
            yield tuple(tuple(known[i] for i in sorted(group)) for group in groups)
