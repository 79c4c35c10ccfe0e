"""Most general unifiers of terms in pattern variables."""

from __future__ import annotations

from ....graph.theory import Application, Term, Variable, substitute
from .ordering import PATTERN, is_pattern_variable


def unify(left: Term, right: Term) -> dict[Variable, Term] | None:
    """A substitution that makes both equal, fully applied; None if there is none."""
    found: dict[Variable, Term] = {}
    pending = [(left, right)]
    while pending:
        one, other = pending.pop()
        if found:
            one, other = _walk(one, found), _walk(other, found)
        if one is other:
            continue
        if isinstance(other, Variable) and other.name[0] == PATTERN and not is_pattern_variable(one):
            one, other = other, one
        if isinstance(one, Variable):
            if one.name[0] != PATTERN or one.sort != other.sort or _occurs(one, other, found):
                return None
            found[one] = other
            continue
        assert isinstance(one, Application)
        if not isinstance(other, Application) or one.symbol != other.symbol:
            return None
        pending.extend(zip(one.arguments, other.arguments, strict=True))
    return {variable: _resolved(term, found) for variable, term in found.items()}


def _walk(term: Term, found: dict[Variable, Term]) -> Term:
    while isinstance(term, Variable) and term in found:
        term = found[term]
    return term


def _occurs(variable: Variable, term: Term, found: dict[Variable, Term]) -> bool:
    return any(v is variable or (v in found and _occurs(variable, found[v], found)) for v in term.variables)


def _resolved(term: Term, found: dict[Variable, Term]) -> Term:
    while True:
        new = substitute(term, found)
        if new is term:
            return term
        term = new
