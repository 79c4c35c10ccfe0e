"""Statements that fail on terms: counterexamples in a model given by `depth:`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

from ....graph.theory import (
    All,
    Application,
    Equation,
    Falsehood,
    Formula,
    GeneratedModel,
    Or,
    Term,
    Theory,
    Variable,
    substitute,
)
from ....graph.theory.evaluation import Counterexample, counterexample
from ....graph.theory.models import Model
from .attempt import Workshop
from .rules import rule_of

POINTS = 64


class Terms:
    """The terms of the constructors as a model: what the axioms compute of them."""

    def __init__(self, theory: Theory, model: GeneratedModel) -> None:
        self.model = model
        self.terms = ground_terms(theory, model)
        self.shop = Workshop(theory)
        for axiom in theory.axioms:
            self.shop.add(rule_of(axiom.name, axiom.statement))
        self.built = self.shop.constructors | {
            t.symbol for s in self.terms.values() for t in s if isinstance(t, Application) and not t.arguments
        }

    def counterexample(self, statement: Formula) -> Counterexample | None:
        """The first point, smallest terms first, at which the statement fails for certain: its
        premises are computed to hold, its conclusion to be false. None if there is none among
        the points, or where it has more than equations."""
        whole = statement if isinstance(statement, All) else All((), (), statement)
        for point in self._points(whole.variables):
            given = all(self.truth(p, point) is True for p in whole.premises)
            if given and self.truth(whole.conclusion, point) is False:
                values = tuple((v.name, str(t)) for v, t in point.items())
                return Counterexample(self.model.name, values)
        return None

    def _points(self, variables: tuple[Variable, ...]) -> Iterator[dict[Variable, Term]]:
        most = len(variables) and max(2, int(POINTS ** (1 / len(variables))))
        for terms in product(*[self.terms[v.sort][:most] for v in variables]):
            yield dict(zip(variables, terms, strict=True))

    def truth(self, formula: Formula, point: dict[Variable, Term]) -> bool | None:
        """Whether the formula holds at the point; None if that is not computed."""
        if isinstance(formula, Falsehood):
            return False
        if isinstance(formula, Or):
            found = [self.truth(a, point) for a in formula.alternatives]
            return True if True in found else None if None in found else False
        if not isinstance(formula, Equation):
            return None
        left, right = (self._value(substitute(t, point)) for t in (formula.left, formula.right))
        if left is right:
            return True
        return False if self._is_built(left) and self._is_built(right) else None

    def _value(self, term: Term) -> Term:
        self.shop.rewriter.restart()
        return self.shop.rewriter.normal(term)[0]

    def _is_built(self, term: Term) -> bool:
        """Whether a term has constructors and atoms only: two such terms are equal if they are one."""
        return (
            isinstance(term, Application)
            and term.symbol in self.built
            and all(map(self._is_built, term.arguments))
        )


Refuter = Callable[[Formula], Counterexample | None]


def refuters(theory: Theory) -> list[Refuter]:
    """What finds counterexamples in each of the theory's models; where it gives none and there are
    constructors, in their terms."""
    models = theory.models
    if not models and theory.signature.datatype:
        models = (GeneratedModel("terms"),)
    return [refuter(theory, model) for model in models]


def refuter(theory: Theory, model: Model) -> Refuter:
    if isinstance(model, GeneratedModel):
        return Terms(theory, model).counterexample
    return lambda statement: counterexample(statement, model)


def ground_terms(theory: Theory, model: GeneratedModel) -> dict[str, list[Term]]:
    """The individuals of a generated model, those of fewer nested constructors first."""
    signature = theory.signature
    found: dict[str, dict[Term, None]] = {s.name: {} for s in signature.sorts}
    for sort in found:
        if sort not in signature.datatype:
            count = model.atoms.get(sort, 2)
            found[sort] = {Application(f"{sort.lower()}.{i}", (), sort): None for i in range(count)}
    for _ in range(model.depth + 1):
        before = {sort: list(terms) for sort, terms in found.items()}
        for sort, datatype in signature.datatype.items():
            for constructor in datatype.constructors:
                for arguments in product(*(before[s] for s in signature.function[constructor].inputs)):
                    if len(found[sort]) < model.limit:
                        found[sort].setdefault(Application(constructor, arguments, sort))
    return {sort: list(terms) for sort, terms in found.items()}
