"""Ordered rewriting: normal forms by equations, each step a reason that becomes a proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ....graph.theory import Application, Equation, Term, Variable, substitute
from .fingerprints import Fingerprint, fingerprint, general
from .ordering import Ordering, is_pattern_variable
from .proof import Proof
from .rules import Rule, match


@dataclass(frozen=True, slots=True, eq=False)
class Reason:
    """Why left = right: an instance of a rule (backwards if `reverse`), or a chain or a congruence
    of other reasons. None stands for a term that equals itself."""

    left: Term
    right: Term
    rule: Rule | None = None
    terms: tuple[Term, ...] = ()
    reverse: bool = False
    chain: tuple[Reason, ...] = ()
    arguments: tuple[Reason | None, ...] = ()

    def prove(self, proof: Proof, names: Mapping[Variable, Term] | None = None) -> int:
        """The step left = right, its variables replaced by `names`."""
        if self.rule is not None:
            terms = self.terms if not names else tuple([substitute(t, names) for t in self.terms])
            step = self.rule.instance(proof, terms)
            return proof.symmetry(step) if self.reverse else step
        if self.chain:
            return proof.transitivity([r.prove(proof, names) for r in self.chain])
        steps = [None if r is None else r.prove(proof, names) for r in self.arguments]
        left, right = (substitute(t, names or {}) for t in (self.left, self.right))
        assert isinstance(left, Application) and isinstance(right, Application)
        return proof.congruence(left, right, steps)


def chained(reasons: list[Reason | None]) -> Reason | None:
    """The reasons one after the other; None if there is nothing to say."""
    kept = [r for r in reasons if r is not None]
    if len(kept) < 2:
        return kept[0] if kept else None
    return Reason(kept[0].left, kept[-1].right, chain=tuple(kept))


@dataclass(frozen=True, slots=True)
class Direction:
    """A rule read from `left` to `right`; `checked` if each use must be compared first."""

    left: Term
    right: Term
    rule: Rule
    reverse: bool
    checked: bool


class Rewriter:
    """Normal forms by a set of equations; `extended` adds some without changing this one."""

    def __init__(self, ordering: Ordering, limit: int = 2000) -> None:
        self.ordering = ordering
        self.limit = limit
        self.directions: dict[Fingerprint, list[Direction]] = {}
        self._known: dict[Term, tuple[Term, Reason | None]] = {}
        self._fitting: dict[Fingerprint, list[Direction]] = {}
        self._steps = 0

    def add(self, rule: Rule) -> list[Direction]:
        """Takes the rule up if it is an equation without premises, in these directions."""
        equation = rule.equation
        if equation is None or equation.left is equation.right:
            return []
        self._known, self._fitting = {}, {}
        found = directions(rule, equation, self.ordering)
        for direction in found:
            assert isinstance(direction.left, Application | Variable)
            self.directions.setdefault(fingerprint(direction.left), []).append(direction)
        return found

    def restart(self) -> None:
        """Allows `limit` further steps."""
        self._steps = 0

    def under(self, ordering: Ordering) -> Rewriter:
        """The same equations, uses compared by another ordering."""
        made = Rewriter(ordering, self.limit)
        made.directions, made._fitting = self.directions, self._fitting
        return made

    def remove(self, rule: Rule) -> None:
        """Gives the rule up."""
        self._known, self._fitting = {}, {}
        for key, found in self.directions.items():
            self.directions[key] = [d for d in found if d.rule is not rule]

    def extended(self, rules: list[Rule]) -> Rewriter:
        made = Rewriter(self.ordering, self.limit)
        made.directions = {head: list(found) for head, found in self.directions.items()}
        for rule in rules:
            made.add(rule)
        return made

    def normal(self, term: Term) -> tuple[Term, Reason | None]:
        """The normal form, and why it equals the term. Past `limit` steps it is any form reached."""
        found = self._known.get(term)
        if found is not None:
            return found
        current, reasons = term, list[Reason | None]()
        while self._steps < self.limit:
            if isinstance(current, Application) and current.arguments:
                inner = [self.normal(a) for a in current.arguments]
                if any(reason is not None for _, reason in inner):
                    new = Application(current.symbol, tuple(t for t, _ in inner), current.sort)
                    reasons.append(Reason(current, new, arguments=tuple(r for _, r in inner)))
                    current = new
            step = self.rewrite(current)
            if step is None:
                break
            self._steps += 1
            reasons.append(step)
            current = step.right
            known = self._known.get(current)
            if known is not None:
                reasons.append(known[1])
                current = known[0]
                break
        result = (current, chained(reasons))
        self._known[term] = result
        if current is not term:
            self._known.setdefault(current, (current, None))
        return result

    def fitting(self, term: Term) -> list[Direction]:
        """The directions whose left sides may match the term."""
        key = fingerprint(term)
        found = self._fitting.get(key)
        if found is None:
            known = self.directions
            found = self._fitting[key] = [d for k in general(key) for d in known.get(k, ())]
        return found

    def rewrite(self, term: Term) -> Reason | None:
        """One step at the root, or None."""
        for direction in self.fitting(term):
            binding: dict[Variable, Term] = {}
            if direction.left.size > term.size or not match(direction.left, term, binding):
                continue
            right = substitute(direction.right, binding)
            if direction.checked and not self.ordering.greater(term, right):
                continue
            terms = tuple([binding[v] for v in direction.rule.variables])
            return Reason(term, right, direction.rule, terms, direction.reverse)
        return None

    def joins(self, equation: Equation) -> Reason | None:
        """Why both sides are equal, if they have one normal form; None if not. The reason for
        a term that equals itself is a chain of nothing: the caller sees that case first."""
        self.restart()
        left, first = self.normal(equation.left)
        right, second = self.normal(equation.right)
        if left is not right:
            return None
        back = None if second is None else reversed_reason(second)
        return chained([first, back])


def reversed_reason(reason: Reason) -> Reason:
    if reason.rule is not None:
        return Reason(reason.right, reason.left, reason.rule, reason.terms, not reason.reverse)
    if reason.chain:
        chain = tuple(reversed_reason(r) for r in reversed(reason.chain))
        return Reason(reason.right, reason.left, chain=chain)
    arguments = tuple(None if r is None else reversed_reason(r) for r in reason.arguments)
    return Reason(reason.right, reason.left, arguments=arguments)


def directions(rule: Rule, equation: Equation, ordering: Ordering) -> list[Direction]:
    """How the equation may be used: the greater side to the lesser, or both ways if it depends."""
    left, right = equation.left, equation.right
    if ordering.greater(left, right):
        return [Direction(left, right, rule, False, False)]
    if ordering.greater(right, left):
        return [Direction(right, left, rule, True, False)]
    found = []
    for one, other, reverse in ((left, right, False), (right, left, True)):
        if (
            not is_pattern_variable(one)
            and set(_patterns(other)) <= set(_patterns(one))
            and _covers(rule, one)
        ):
            found.append(Direction(one, other, rule, reverse, True))
    return found


def _covers(rule: Rule, term: Term) -> bool:
    return set(rule.variables) <= set(term.variables)


def _patterns(term: Term) -> tuple[Variable, ...]:
    return tuple(v for v in term.variables if is_pattern_variable(v))
