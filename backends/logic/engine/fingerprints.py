"""Fingerprints: the heads near the root of a term, to see at once what can't match or unify.

A fingerprint has the head of the term, of its first two arguments, and of the first two of each of
these. `ANY` stands at and below a pattern variable, nothing ("") below a leaf.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product

from ....graph.theory import Application, Term, Variable
from .ordering import PATTERN

Fingerprint = tuple[str, ...]
ANY = "?"
_LEAF = ("", "")
_BELOW = (ANY, ANY)
_NOTHING = ("", "", "")


def fingerprint(term: Term) -> Fingerprint:
    """(head, then for each of two arguments: its head and those of its two arguments)."""
    if isinstance(term, Application):
        arguments = term.arguments
        if not arguments:
            return (term.symbol, *_NOTHING, *_NOTHING)
        second = _part(arguments[1]) if len(arguments) > 1 else _NOTHING
        return (term.symbol, *_part(arguments[0]), *second)
    return (_head(term), *_NOTHING, *_NOTHING)


def _part(term: Term) -> Fingerprint:
    if isinstance(term, Application):
        arguments = term.arguments
        if not arguments:
            return (term.symbol, *_LEAF)
        return (term.symbol, _head(arguments[0]), _head(arguments[1]) if len(arguments) > 1 else "")
    head = _head(term)
    return (head, *(_BELOW if head == ANY else _LEAF))


def _head(term: Term) -> str:
    if isinstance(term, Application):
        return term.symbol
    assert isinstance(term, Variable)
    return ANY if term.name[0] == PATTERN else f"variable {term.name}"


def may_match(pattern: Fingerprint, term: Fingerprint) -> bool:
    """Whether a pattern with this fingerprint may match a term with that one."""
    for one, other in zip(pattern, term, strict=True):  # noqa: SIM110  # hot: a generator is slower
        if one != other and one != ANY:
            return False
    return True


def may_unify(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether terms with these fingerprints may have a unifier."""
    for a, b in zip(one, other, strict=True):  # noqa: SIM110  # hot, as above
        if a != b and a != ANY and b != ANY:
            return False
    return True


@lru_cache(maxsize=50_000)
def general(key: Fingerprint) -> tuple[Fingerprint, ...]:
    """The fingerprints of patterns that may match a term with this one."""
    options = []
    for head, left, right in (key[1:4], key[4:7]):
        inner = [(head, *below) for below in product(_generalized(left), _generalized(right))]
        options.append([*(inner if head != ANY else ()), *([(ANY, *_BELOW)] if head else ())])
    return tuple([(key[0], *one, *other) for one, other in product(*options)])


def _generalized(head: str) -> tuple[str, ...]:
    return (head,) if head in ("", ANY) else (head, ANY)
