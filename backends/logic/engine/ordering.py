"""A lexicographic path ordering: total on ground terms, so equations have a direction.

Variables of rules are named "?0", "?1", …; every other variable stands for something fixed and is
compared like a constant below all functions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ....graph.theory import Application, Equation, Term, Theory, Variable
from ....graph.theory.formulas import All, Formula

PATTERN = "?"
UNKNOWN = 1_000_000  # a place above all


def is_pattern_variable(term: Term) -> bool:
    return isinstance(term, Variable) and term.name.startswith(PATTERN)


class Ordering:
    """The path ordering of a precedence: symbol -> rank (higher is greater)."""

    def __init__(self, precedence: dict[str, int]) -> None:
        self.precedence = precedence
        self._known: dict[tuple[Term, Term], bool] = {}

    def greater(self, left: Term, right: Term) -> bool:
        """Whether left > right under every substitution for the pattern variables."""
        if left is right or is_pattern_variable(left):
            return False
        key = (left, right)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._compare(left, right)
        return found

    def ranked(self, variables: tuple[Variable, ...]) -> Ordering:
        """This ordering where the variables are known to be in this order, least first."""
        return RankedOrdering(self.precedence, variables)

    def _compare(self, left: Term, right: Term) -> bool:
        if is_pattern_variable(right):
            return right in left.variables
        if isinstance(left, Variable):
            return isinstance(right, Variable) and left.name > right.name
        assert isinstance(left, Application)
        if any(a is right or self.greater(a, right) for a in left.arguments):
            return True
        if isinstance(right, Variable):
            return True
        assert isinstance(right, Application)
        if left.symbol != right.symbol:
            higher = self._rank(left.symbol) > self._rank(right.symbol)
            return higher and all(self.greater(left, b) for b in right.arguments)
        for position, (a, b) in enumerate(zip(left.arguments, right.arguments, strict=True)):
            if a is not b:
                return self.greater(a, b) and all(self.greater(left, c) for c in right.arguments[position:])
        return False

    def _rank(self, symbol: str) -> tuple[int, str]:
        return self.precedence.get(symbol, 0), symbol


class WeightOrdering(Ordering):
    """A Knuth-Bendix ordering, every symbol of weight 1: size first, then precedence, then the
    arguments from the left. Total on ground terms too; prefers short normal forms."""

    def ranked(self, variables: tuple[Variable, ...]) -> Ordering:
        return RankedWeightOrdering(self.precedence, variables)

    def _compare(self, left: Term, right: Term) -> bool:
        if isinstance(left, Variable):
            return isinstance(right, Variable) and not is_pattern_variable(right) and left.name > right.name
        if left.size < right.size or not _covers(left, right):
            return False
        if left.size > right.size or isinstance(right, Variable):
            return not is_pattern_variable(right) or right in left.variables
        assert isinstance(left, Application) and isinstance(right, Application)
        if left.symbol != right.symbol:
            return self._rank(left.symbol) > self._rank(right.symbol)
        for a, b in zip(left.arguments, right.arguments, strict=True):
            if a is not b:
                return self.greater(a, b)
        return False


def _covers(left: Term, right: Term) -> bool:
    """Whether each pattern variable occurs in `left` at least as often as in `right`."""
    inside = [v for v in right.variables if is_pattern_variable(v)]
    if not inside:
        return True
    if not set(inside) <= set(left.variables):
        return False
    counts = Counter(occurrences(left))
    return all(counts[v] >= n for v, n in Counter(occurrences(right)).items() if is_pattern_variable(v))


def occurrences(term: Term) -> Iterator[Variable]:
    if isinstance(term, Variable):
        yield term
    else:
        assert isinstance(term, Application)
        for argument in term.arguments:
            yield from occurrences(argument)


class _Ranked(Ordering):
    """An ordering where some variables, pattern variables among them, are known to be in an order."""

    place: dict[Variable, int]

    def greater(self, left: Term, right: Term) -> bool:
        if left is right:
            return False
        if isinstance(left, Variable) and left in self.place:
            return isinstance(right, Variable) and self.place[left] > self.place.get(right, UNKNOWN)
        if is_pattern_variable(left):
            return False
        key = (left, right)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._is_over(left, right) or self._compare(left, right)
        return found

    def _is_over(self, left: Term, right: Term) -> bool:
        """Whether the right side is a variable, and a variable in the left one is greater."""
        if not isinstance(right, Variable) or right not in self.place:
            return False
        least = self.place[right]
        return any(self.place.get(v, -1) >= least for v in left.variables)


class RankedOrdering(_Ranked):
    """The path ordering where the variables are known to be in this order, least first."""

    def __init__(self, precedence: dict[str, int], variables: tuple[Variable, ...]) -> None:
        super().__init__(precedence)
        self.place = {v: i for i, v in enumerate(variables)}


class RankedWeightOrdering(_Ranked, WeightOrdering):
    """The ordering by weight where the variables are known to be in this order, least first."""

    def __init__(self, precedence: dict[str, int], variables: tuple[Variable, ...]) -> None:
        super().__init__(precedence)
        self.place = {v: i for i, v in enumerate(variables)}


def precedence_of(theory: Theory) -> dict[str, int]:
    """Constructors are lowest; a function is above those that define it; among equals unary
    functions are above constants below binary ones, then later declarations above earlier."""
    signature = theory.signature
    needs: dict[str, set[str]] = {f.name: set() for f in signature.functions}
    for axiom in theory.axioms:
        equation = _equation(axiom.statement)
        if equation is None:
            continue
        for one, other in ((equation.left, equation.right), (equation.right, equation.left)):
            if isinstance(one, Application) and _defines(one, other):
                needs[one.symbol] |= _symbols(other) - {one.symbol}
                break
    constructors = signature.constructor_names
    level = {name: _level(name, needs, ()) for name in needs}
    order = sorted(
        (name not in constructors, level[name], _arity_rank(len(f.inputs)), place, name)
        for place, (name, f) in enumerate(signature.function.items())
    )
    return {entry[-1]: rank for rank, entry in enumerate(order, 1)}


def _arity_rank(arity: int) -> int:
    return {0: 0, 2: 1, 1: 3}.get(arity, 2)


def _equation(formula: Formula) -> Equation | None:
    while isinstance(formula, All):
        formula = formula.conclusion
    return formula if isinstance(formula, Equation) else None


def _defines(head: Application, body: Term) -> bool:
    """f(patterns) = term, where f is not among the patterns and the term has no other variable."""
    inside = set[str]().union(*map(_symbols, head.arguments))
    return head.symbol not in inside and set(body.variables) <= set(head.variables)


def _symbols(term: Term) -> set[str]:
    if isinstance(term, Variable):
        return set()
    assert isinstance(term, Application)
    return {term.symbol}.union(*map(_symbols, term.arguments))


def _level(name: str, needs: dict[str, set[str]], path: tuple[str, ...]) -> int:
    inner = [_level(n, needs, (*path, name)) for n in sorted(needs[name]) if n not in path and n != name]
    return 1 + max(inner, default=-1)
