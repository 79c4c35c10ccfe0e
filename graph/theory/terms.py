"""Terms of many-sorted first-order logic: immutable, interned, sorted.

Equal terms are one object, so equality is identity and hashing costs nothing. As in the IR, the
table that does this is weak: a cache, invisible in results.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from weakref import WeakValueDictionary


class Term:
    """A variable or an application. `size` counts symbols, `depth` is 1 for leaves, `variables`
    are the variables in it, in order of first occurrence."""

    __slots__ = ("__weakref__", "depth", "size", "sort", "variables")

    sort: str
    size: int
    depth: int
    variables: tuple[Variable, ...]


class Variable(Term):
    """A variable of a sort. Two variables of one name and different sorts are different."""

    __slots__ = ("name",)

    name: str

    def __new__(cls, name: str, sort: str) -> Variable:
        key = (cls, name, sort)
        found = _INTERNED.get(key)
        if found is None:
            found = object.__new__(cls)
            found.name, found.sort = name, sort
            found.size = found.depth = 1
            found.variables = (found,)
            _INTERNED[key] = found
        return found  # type: ignore[return-value]  # as above

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Variable({self.name!r}, {self.sort!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Variable, (self.name, self.sort)


class Application(Term):
    """A function symbol on arguments; a constant has none. `sort` is the function's output sort
    (`Signature.apply` looks it up and checks)."""

    __slots__ = ("arguments", "symbol")

    symbol: str
    arguments: tuple[Term, ...]

    def __new__(cls, symbol: str, arguments: tuple[Term, ...], sort: str) -> Application:
        key = (cls, symbol, arguments, sort)
        found = _INTERNED.get(key)
        if found is None:
            found = object.__new__(cls)
            found.symbol, found.arguments, found.sort = symbol, arguments, sort
            found.size = 1 + sum(a.size for a in arguments)
            found.depth = 1 + max((a.depth for a in arguments), default=0)
            found.variables = tuple(dict.fromkeys(v for a in arguments for v in a.variables))
            _INTERNED[key] = found
        return found  # type: ignore[return-value]  # an Application: its key begins with cls

    def __str__(self) -> str:
        return f"{self.symbol}({', '.join(map(str, self.arguments))})" if self.arguments else self.symbol

    def __repr__(self) -> str:
        return f"Application({self.symbol!r}, {self.arguments!r}, {self.sort!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Application, (self.symbol, self.arguments, self.sort)


_INTERNED: WeakValueDictionary[tuple[object, ...], Term] = WeakValueDictionary()


def substitute(term: Term, binding: Mapping[Variable, Term]) -> Term:
    """The term with its variables replaced at the same time; those not in `binding` stay."""
    if isinstance(term, Variable):
        return binding.get(term, term)
    assert isinstance(term, Application)
    for variable in term.variables:
        if variable in binding:
            return Application(
                term.symbol, tuple([substitute(a, binding) for a in term.arguments]), term.sort
            )
    return term


def subterms(term: Term) -> Iterator[Term]:
    """Every subterm with repetitions, operands before their users, the term itself last."""
    if isinstance(term, Application):
        for argument in term.arguments:
            yield from subterms(argument)
    yield term
