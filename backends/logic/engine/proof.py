"""Building the steps of a proof: one method a rule of the certificates, equal steps made once."""

from __future__ import annotations

from collections.abc import Sequence

from ....graph.theory import (
    FALSEHOOD,
    All,
    Application,
    Atom,
    Equation,
    Formula,
    Or,
    Some,
    Term,
    Variable,
    negation,
    substitute_formula,
)
from ..certificates import Step, Theorem

_NOTHING: frozenset[int] = frozenset()


class Proof:
    """The steps so far. Every method returns the id of a step with the conclusion that it says."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.rests: list[frozenset[int]] = []  # the assumptions that each step rests on
        self.derived: dict[int, int] = {}  # id of a derived rule -> the step that says it
        self._made: dict[tuple[object, ...], int] = {}

    def __getitem__(self, step: int) -> Formula:
        return self.steps[step - 1].conclusion

    def add(
        self,
        rule: str,
        premises: tuple[int, ...],
        conclusion: Formula,
        name: str = "",
        substitution: tuple[Term, ...] = (),
        positions: tuple[int, ...] = (),
        position: int = -1,
    ) -> int:
        key = (rule, premises, conclusion, name, substitution, positions, position)
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = len(self.steps) + 1
            self.steps.append(
                Step(found, rule, premises, conclusion, name, substitution, positions, position)
            )
            self.rests.append(self._rests(found, rule, premises))
        return found

    def _rests(self, step: int, rule: str, premises: tuple[int, ...]) -> frozenset[int]:
        if rule == "assume":
            return frozenset((step,))
        of = [self.rests[p - 1] for p in premises]
        if rule == "close":
            return of[0].difference(premises[1:])
        if rule == "open":
            return of[0] | of[1].difference(premises[2:])
        if rule == "cases":
            pairs = zip(of[1::2], premises[2::2], strict=True)
            return of[0].union(*[rests - {h} for rests, h in pairs])
        return _NOTHING.union(*of)

    def assume(self, formula: Formula) -> int:
        return self.add("assume", (), formula)

    def cite(self, name: str, statement: Formula) -> int:
        return self.add("cite", (), statement, name)

    def apply(self, step: int, terms: Sequence[Term], premises: Sequence[int] = ()) -> int:
        """The conclusion of an `all`, or of several nested ones, at the terms; a step that is no
        `all` is its own conclusion."""
        terms, premises = tuple(terms), tuple(premises)
        while isinstance(statement := self[step], All) and (statement.variables or premises):
            here, terms = terms[: len(statement.variables)], terms[len(statement.variables) :]
            given, premises = premises[: len(statement.premises)], premises[len(statement.premises) :]
            binding = dict(zip(statement.variables, here, strict=True))
            conclusion = substitute_formula(statement.conclusion, binding)
            step = self.add("apply", (step, *given), conclusion, substitution=here)
            if not terms and not premises:
                break
        return step

    def close(self, step: int, variables: tuple[Variable, ...], assumed: Sequence[int] = ()) -> int:
        if not variables and not assumed:
            return step
        statement = All(variables, tuple(self[h] for h in assumed), self[step])
        return self.add("close", (step, *assumed), statement)

    def witness(self, statement: Some, terms: Sequence[Term], premises: Sequence[int]) -> int:
        return self.add("witness", tuple(premises), statement, substitution=tuple(terms))

    def open(self, some: int, step: int, variables: Sequence[Variable], assumed: Sequence[int]) -> int:
        return self.add("open", (some, step, *assumed), self[step], substitution=tuple(variables))

    def either(self, statement: Or, step: int) -> int:
        return self.add("either", (step,), statement)

    def cases(self, disjunction: int, branches: Sequence[tuple[int, int]]) -> int:
        """`branches`: a pair (step, assumption) an alternative."""
        premises = (disjunction, *(s for branch in branches for s in branch))
        return self.add("cases", premises, self[branches[0][0]])

    def middle(self, formula: Formula) -> int:
        return self.add("middle", (), Or((formula, negation(formula))))

    def absurd(self, step: int, formula: Formula) -> int:
        return step if formula == FALSEHOOD else self.add("absurd", (step,), formula)

    def reflexivity(self, term: Term) -> int:
        return self.add("reflexivity", (), Equation(term, term))

    def symmetry(self, step: int) -> int:
        made = self.steps[step - 1]
        if made.rule == "symmetry":
            return made.premises[0]
        equation = self[step]
        assert isinstance(equation, Equation)
        if equation.left is equation.right:
            return step
        return self.add("symmetry", (step,), Equation(equation.right, equation.left))

    def transitivity(self, steps: Sequence[int]) -> int:
        """A chain of equations, at least one; those of a term with itself are left out, and so is
        every way there and back."""
        kept: list[int] = []
        for step in steps:
            equation = self[step]
            assert isinstance(equation, Equation)
            for place, earlier in enumerate(kept):
                before = self[earlier]
                assert isinstance(before, Equation)
                if before.left is equation.right:
                    del kept[place:]
                    break
            else:
                if equation.left is not equation.right:
                    kept.append(step)
        if not kept:
            first = self[steps[0]]
            assert isinstance(first, Equation)
            return self.reflexivity(first.left)
        if len(kept) == 1:
            return kept[0]
        first, last = self[kept[0]], self[kept[-1]]
        assert isinstance(first, Equation) and isinstance(last, Equation)
        return self.add("transitivity", tuple(kept), Equation(first.left, last.right))

    def congruence(self, left: Application, right: Application, steps: Sequence[int | None]) -> int:
        """f(a…) = f(b…) from a step for each argument (None, or a = a, where they agree)."""
        positions = tuple(
            i for i, (a, b) in enumerate(zip(left.arguments, right.arguments, strict=True)) if a is not b
        )
        if not positions:
            return self.reflexivity(left)
        premises = tuple(steps[i] for i in positions)
        return self.add("congruence", premises, Equation(left, right), positions=positions)  # type: ignore[arg-type]  # none is None where arguments differ

    def replace(self, atom: int, goal: Atom, steps: Sequence[int | None]) -> int:
        """R(b…) from R(a…) and a step a = b for each argument that differs."""
        found = self[atom]
        assert isinstance(found, Atom)
        positions = tuple(
            i for i, (a, b) in enumerate(zip(found.arguments, goal.arguments, strict=True)) if a is not b
        )
        if not positions:
            return atom
        premises = tuple(steps[i] for i in positions)
        return self.add("replace", (atom, *premises), goal, positions=positions)  # type: ignore[arg-type]  # as above

    def injective(self, step: int, position: int) -> int:
        equation = self[step]
        assert isinstance(equation, Equation)
        left, right = equation.left, equation.right
        assert isinstance(left, Application) and isinstance(right, Application)
        conclusion = Equation(left.arguments[position], right.arguments[position])
        return self.add("injective", (step,), conclusion, position=position)

    def distinct(self, step: int) -> int:
        return self.add("distinct", (step,), FALSEHOOD)

    def induction(self, statement: All, cases: Sequence[int]) -> int:
        return self.add("induction", tuple(cases), statement)

    def theorem(self, name: str, last: int) -> Theorem:
        """The proof up to its last step, without the steps that it does not need, renumbered."""
        needed = {last}
        for step in reversed(self.steps[:last]):
            if step.id in needed:
                needed.update(step.premises)
        order = {old: new for new, old in enumerate(sorted(needed), 1)}
        kept = tuple(
            Step(
                order[s.id],
                s.rule,
                tuple(order[p] for p in s.premises),
                s.conclusion,
                s.name,
                s.substitution,
                s.positions,
                s.position,
            )
            for s in self.steps
            if s.id in needed
        )
        return Theorem(name, self[last], kept, _variables(kept))


def _variables(steps: Sequence[Step]) -> tuple[Variable, ...]:
    """The free variables of steps, and those that they bind by `close`."""
    from ....graph.theory import free_variables

    found: dict[Variable, None] = {}
    for step in steps:
        found.update(dict.fromkeys(free_variables(step.conclusion)))
        for term in step.substitution:
            found.update(dict.fromkeys(term.variables))
    return tuple(sorted(found, key=lambda v: (v.name, v.sort)))


def without_idle_premises(theorem: Theorem) -> Formula | None:
    """The stronger statement that a proof gives which closes over assumptions it never used; None
    where it used them all."""
    proof = Proof()
    for step in theorem.steps:
        proof.rests.append(proof._rests(step.id, step.rule, step.premises))
    last = theorem.steps[-1]
    if last.rule != "close" or not isinstance(last.conclusion, All):
        return None
    used = proof.rests[last.premises[0] - 1]
    kept = tuple(p for p, h in zip(last.conclusion.premises, last.premises[1:], strict=True) if h in used)
    if len(kept) == len(last.conclusion.premises):
        return None
    if not kept and not last.conclusion.variables:
        return last.conclusion.conclusion
    return All(last.conclusion.variables, kept, last.conclusion.conclusion)
