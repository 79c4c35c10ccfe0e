"""Unfailing completion: consequences of equations, until the goal's sides have one normal form.

The loop keeps active equations, each simplified by the others, and a queue of critical pairs by
size. An equation that the ordering cannot direct is used both ways, each use compared. Equations
whose ground instances the active ones join already, however their variables compare, are dropped:
without that, commutativity floods the queue with variants.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from heapq import heappop, heappush

from ....graph.theory import All, Application, Equation, Term, Variable, substitute
from .ordering import PATTERN, Ordering, VariableOrdering, is_pattern_variable
from .proof import Proof
from .rewriting import Direction, Reason, Rewriter, chained, fingerprint, general, reversed_reason
from .rules import Rule, match
from .unification import unify


@dataclass(frozen=True)
class DerivedRule(Rule):
    """An equation that a reason proves: its variables `originals` (of the reason) are the rule's
    variables, in order."""

    reason: Reason | None = None
    originals: tuple[Variable, ...] = ()

    def source(self, proof: Proof) -> int:
        found = proof.derived.get(id(self))
        if found is None:
            assert self.reason is not None
            used = dict.fromkeys((*self.originals, *variables_of(self.reason)))
            names = {v: Variable(f"{v.sort.lower()}{i}", v.sort) for i, v in enumerate(used)}
            step = self.reason.prove(proof, names)
            found = proof.close(step, tuple(names[v] for v in self.originals))
            proof.derived[id(self)] = found
        return found


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
        self.inner = _apart(direction, "a")
        self.outer = _apart(direction, "b")
        self.parts: dict[str, list[tuple[tuple[int, ...], Application]]] = {}
        for path, part in _positions(self.outer[0]):
            self.parts.setdefault(part.symbol, []).append((path, part))


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
    unordered: bool = False  # whether an equation without a direction is active
    _seen: set[tuple[Term, Term]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.rewriter = Rewriter(self.ordering, 1_000_000)

    def add(self, rule: Rule) -> None:
        """An equation to begin with."""
        equation = rule.equation
        if equation is not None:
            reason = Reason(equation.left, equation.right, rule, rule.variables)
            self._push(equation.left, equation.right, reason, 0)

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
        for left, right, found in self._critical_pairs(active):
            self._enqueue(left, right, found)
        return True

    def _simplified(self, left: Term, right: Term, reason: Reason) -> Reason | None:
        """The equation in normal form with its reason; None if it is trivial."""
        one, first = self.rewriter.normal(left)
        other, second = self.rewriter.normal(right)
        if one is other:
            return None
        return chained([None if first is None else reversed_reason(first), reason, second])

    def _enqueue(self, left: Term, right: Term, reason: Reason) -> None:
        simplified = self._simplified(left, right, reason)
        if simplified is not None:
            key = _canonical(simplified.left, simplified.right)
            if key not in self._seen:
                self._seen.add(key)
                self._push(simplified.left, simplified.right, simplified)

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
                "", statement, tuple(names.values()), (), equation, (), reason=reason, originals=originals
            )
        ways = self.rewriter.add(rule)
        active = Active(rule, [Way(w) for w in ways], len(self.active))
        self.active.append(active)
        self.unordered = self.unordered or any(w.checked for w in ways)
        return active

    def _interreduce(self, new: Active) -> None:
        """Takes out what the new equation simplifies, and queues it anew."""
        for old in self.active:
            if old is new or not old.alive:
                continue
            equation = old.rule.equation
            assert equation is not None
            if not any(_reduces(w.direction, equation, old, self.ordering) for w in new.ways):
                continue
            old.alive = False
            self.rewriter.remove(old.rule)
            reason = Reason(equation.left, equation.right, old.rule, old.rule.variables)
            self._push(equation.left, equation.right, reason, 0)

    def _subsumed(self, left: Term, right: Term) -> bool:
        """Whether one use of an active equation, anywhere, makes both sides equal."""
        while True:
            for one, other in ((left, right), (right, left)):
                for key in general(fingerprint(one)):
                    for way in self.rewriter.directions.get(key, ()):
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
        variables = tuple(
            v for v in dict.fromkeys((*left.variables, *right.variables)) if is_pattern_variable(v)
        )
        if not 2 <= len(variables) <= 4 or not self.unordered:
            return False
        for classes in _weak_orders(variables):
            names: dict[Variable, Term] = {v: group[0] for group in classes for v in group}
            ordering = VariableOrdering(self.ordering.precedence, tuple(group[0] for group in classes))
            rewriter = self.rewriter.under(ordering)
            one, other = substitute(left, names), substitute(right, names)
            if one is not other and rewriter.normal(one)[0] is not rewriter.normal(other)[0]:
                return False
        return True

    def _critical_pairs(self, new: Active) -> Iterator[tuple[Term, Term, Reason]]:
        for old in self.active:
            if not old.alive:
                continue
            for one in new.ways:
                for other in old.ways:
                    yield from overlaps(one, other, self.ordering, self.size)
                    if old is not new:
                        yield from overlaps(other, one, self.ordering, self.size)


def overlaps(
    inner_way: Way, outer_way: Way, ordering: Ordering, limit: int
) -> Iterator[tuple[Term, Term, Reason]]:
    """The critical pairs, of size at most `limit`, of the inner equation used inside the outer
    one's left side."""
    left, right, names = inner_way.inner
    whole, result, others = outer_way.outer
    inner, outer = inner_way.direction, outer_way.direction
    for path, part in outer_way.parts.get(_head(left), ()):
        unifier = unify(part, left)
        if unifier is None:
            continue
        reached, changed = substitute(result, unifier), substitute(right, unifier)
        if reached.size > limit:
            continue
        peak, top = substitute(left, unifier), substitute(whole, unifier)
        if reached.size + top.size - peak.size + changed.size > limit:
            continue
        if inner.checked and ordering.greater(changed, peak):
            continue
        if outer.checked and ordering.greater(reached, top):
            continue
        terms = tuple(substitute(v, unifier) for v in names)
        below = Reason(peak, changed, inner.rule, terms, inner.reverse)
        above = Reason(top, reached, outer.rule, tuple(substitute(v, unifier) for v in others), outer.reverse)
        inside = _lifted(top, path, below)
        if inside.right is not reached:
            reason = chained([reversed_reason(inside), above])
            assert reason is not None
            yield inside.right, reached, reason


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


def _reduces(way: Direction, equation: Equation, old: Active, ordering: Ordering) -> bool:
    """Whether the new direction rewrites a side of an active equation; at the top of a left side
    only if it is more general."""
    for side in (equation.left, equation.right):
        for path, part in _positions(side):
            binding: dict[Variable, Term] = {}
            if not match(way.left, part, binding):
                continue
            if way.checked and not ordering.greater(part, substitute(way.right, binding)):
                continue
            if path or not _is_variant(way.left, part):
                return True
            if any(w.direction.left is not side or w.direction.checked for w in old.ways):
                return True
    return False


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


def _weak_orders(variables: tuple[Variable, ...]) -> Iterator[tuple[tuple[Variable, ...], ...]]:
    for groups in _partitions(len(variables)):
        yield tuple(tuple(variables[i] for i in group) for group in groups)
