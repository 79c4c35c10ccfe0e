"""Rules: statements made ready to be matched, with where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ....graph.theory import (
    All,
    Application,
    Atom,
    Equation,
    Formula,
    Some,
    Term,
    Variable,
    substitute,
    substitute_formula,
)
from ....graph.theory.formulas import terms_of
from .ordering import PATTERN, is_pattern_variable
from .proof import Proof

if TYPE_CHECKING:
    from .evidence import Evidence
    from .joins import Query


@dataclass(frozen=True)
class Rule:
    """A statement with its quantifiers taken off: `variables` (named ?0, ?1, …), `premises` and
    `conclusion`. `name` is the statement's, or "" for an assumption of a block.

    Nested `all`s on the right are one rule; a premise that is a `some` is its conjuncts, and
    `shape` says how many variables and conjuncts (0: a plain premise) each original premise had.
    """

    name: str
    formula: Formula
    variables: tuple[Variable, ...]
    premises: tuple[Formula, ...]
    conclusion: Formula
    shape: tuple[tuple[int, int], ...] = ()
    evidence: Evidence | None = None

    @cached_property
    def equation(self) -> Equation | None:
        """The conclusion of a rule without premises, if it is an equation."""
        if self.premises or not isinstance(self.conclusion, Equation):
            return None
        return self.conclusion

    @cached_property
    def queries(self) -> tuple[Query, ...]:
        """The joins that trigger the rule: its premises, and where these leave variables open, a
        side of the conclusion that has them all. Empty where nothing can."""
        from .egraph import atom_term
        from .joins import Compiler

        covered = {v for p in self.premises for t in terms_of(p) for v in t.variables}
        sides: list[Term | None] = [t for t in terms_of(self.conclusion) if not is_pattern_variable(t)]
        if isinstance(self.conclusion, Atom):
            sides = [atom_term(self.conclusion)]
        if (self.premises and covered.issuperset(self.variables)) or not isinstance(
            self.conclusion, Equation | Atom
        ):
            sides = [None]
        found = []
        for side in sides:
            compiler = Compiler()
            if not all(map(compiler.premise, self.premises)):
                return ()
            if side is not None:
                compiler.term(side)
                if not (covered | set(side.variables)).issuperset(self.variables):
                    continue
            found.append(compiler.query(self.variables))
        return tuple(found)

    def source(self, proof: Proof) -> int:
        if self.evidence is not None:
            return self.evidence.prove(proof)
        return proof.cite(self.name, self.formula) if self.name else proof.assume(self.formula)

    def instance(self, proof: Proof, terms: tuple[Term, ...], premises: tuple[int, ...] = ()) -> int:
        """The step that says the conclusion at the terms, one a variable."""
        if not self.variables and not premises:
            return self.source(proof)
        step = self.source(proof)
        if not any(conjuncts for _, conjuncts in self.shape):
            return proof.apply(step, terms, premises)
        return _apply_shaped(proof, step, self, terms, premises)


def _apply_shaped(
    proof: Proof, step: int, rule: Rule, terms: tuple[Term, ...], premises: tuple[int, ...]
) -> int:
    """As `Proof.apply`, where some premises are `some`: their witnesses are among the terms."""
    statement = proof[step]
    shapes, taken, used = list(rule.shape), 0, 0
    outer = _outer_variables(rule.formula)
    witnesses = list(terms[outer:])
    while isinstance(statement, All) and (statement.variables or statement.premises):
        here = terms[taken : taken + len(statement.variables)]
        taken += len(statement.variables)
        binding = dict(zip(statement.variables, here, strict=True))
        given = []
        for premise in statement.premises:
            variables, conjuncts = shapes.pop(0)
            if not conjuncts:
                given.append(premises[used])
                used += 1
                continue
            inner = substitute_formula(premise, binding)
            assert isinstance(inner, Some)
            given.append(proof.witness(inner, witnesses[:variables], premises[used : used + conjuncts]))
            del witnesses[:variables]
            used += conjuncts
        conclusion = substitute_formula(statement.conclusion, binding)
        step = proof.add("apply", (step, *given), conclusion, substitution=tuple(here))
        statement = conclusion
        if taken == outer and used == len(premises):
            break
    return step


def _outer_variables(formula: Formula) -> int:
    count = 0
    while isinstance(formula, All):
        count += len(formula.variables)
        formula = formula.conclusion
    return count


def rule_of(name: str, formula: Formula, evidence: Evidence | None = None) -> Rule:
    """The rule that a statement is; its free variables stand for themselves. Without a name it is
    an assumption, or what the evidence proves."""
    binding: dict[Variable, Term] = {}
    variables: list[Variable] = []
    premises: list[Formula] = []
    shape: list[tuple[int, int]] = []
    witnesses: list[tuple[int, Some]] = []
    inner = formula
    while isinstance(inner, All):
        for variable in inner.variables:
            fresh = Variable(f"{PATTERN}{len(variables)}", variable.sort)
            binding[variable] = fresh
            variables.append(fresh)
        for premise in inner.premises:
            renamed = substitute_formula(premise, binding)
            if isinstance(renamed, Some):
                shape.append((len(renamed.variables), len(renamed.conjuncts)))
                witnesses.append((len(premises), renamed))
                premises.extend(renamed.conjuncts)
            else:
                shape.append((0, 0))
                premises.append(renamed)
        inner = inner.conclusion
    for place, some in witnesses:
        fresh_ones: Mapping[Variable, Term] = {
            v: Variable(f"{PATTERN}{len(variables) + i}", v.sort) for i, v in enumerate(some.variables)
        }
        variables.extend(fresh_ones.values())  # type: ignore[arg-type]  # variables, as built above
        for i in range(len(some.conjuncts)):
            premises[place + i] = substitute_formula(premises[place + i], fresh_ones)
    conclusion = substitute_formula(inner, binding)
    return Rule(name, formula, tuple(variables), tuple(premises), conclusion, tuple(shape), evidence)


def match(pattern: Term, term: Term, binding: dict[Variable, Term]) -> bool:
    """Extends `binding` (of pattern variables) so that the pattern becomes the term. On failure
    the binding is left half filled."""
    if isinstance(pattern, Variable):
        if pattern.name[0] != PATTERN:
            return pattern is term
        found = binding.get(pattern)
        if found is None:
            if pattern.sort != term.sort:
                return False
            binding[pattern] = term
            return True
        return found is term
    assert isinstance(pattern, Application)
    if not isinstance(term, Application) or pattern.symbol != term.symbol:
        return False
    for one, other in zip(pattern.arguments, term.arguments, strict=True):  # noqa: SIM110  # hot: a generator is slower
        if not match(one, other, binding):
            return False
    return True


def instantiate(term: Term, rule: Rule, terms: tuple[Term, ...]) -> Term:
    return substitute(term, dict(zip(rule.variables, terms, strict=True)))
