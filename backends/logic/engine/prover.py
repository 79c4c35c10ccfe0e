"""The grid: cycles of attempts with a barrier, proved theorems broadcast to every block.

Goals are taken in an order of their own (size, then text), batches have a fixed size, and what a
batch proved is added after all of it ran, in that order: so the result depends neither on the
order of the goals nor on the number of workers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ....graph.theory import Definition, Equation, Formula, Goal, Term, Theory, Variable, substitute
from ....graph.theory.formulas import All, parts, terms_of
from ..certificates import Certificate, Theorem
from .attempt import Found, Workshop
from .block import Counts
from .laws import PREFIX, laws
from .proof import Proof, without_idle_premises
from .rules import rule_of

BATCH = 8


@dataclass(frozen=True)
class Cycle:
    """The record of one cycle: its level, goals tried, proved, rules after it, counts."""

    number: int
    level: int
    tried: int
    proved: int
    rules: int
    counts: Counts


@dataclass
class Outcome:
    """What a run found: theorems in the order in which they were proved, with methods; the goals
    left; a proof of falsehood if the axioms contradict each other; why it ended."""

    certificate: Certificate
    methods: dict[str, str] = field(default_factory=dict)
    unproved: tuple[Goal, ...] = ()
    contradiction: Theorem | None = None
    cycles: list[Cycle] = field(default_factory=list)
    stopped: str = ""

    def stronger(self) -> dict[str, Formula]:
        """Theorems proved without some of their premises: name -> the statement without these."""
        found = {t.name: without_idle_premises(t) for t in self.certificate.theorems}
        return {name: statement for name, statement in found.items() if statement is not None}


class Prover:
    """Proves goals of a theory. `executor` runs attempts elsewhere (see `backends.runtime`). With
    `explore`, laws that nobody stated are tried as lemmas where goals are left."""

    def __init__(self, theory: Theory, executor: Any = None, explore: bool = True) -> None:
        self.theory = theory
        self.shop = Workshop(theory)
        self.executor = executor
        self.explore = explore
        self.theorems: list[Theorem] = []
        self.methods: dict[str, str] = {}
        self.cycles: list[Cycle] = []
        self.tried: dict[str, dict[int, int]] = {}
        for theorem in definition_theorems(theory.definitions):
            self.theorems.append(theorem)
            self.methods[theorem.name] = "definition"
        for name, statement in theory.statements.items():
            self.shop.add(rule_of(name, statement))

    def run(self, goals: Sequence[Goal], progress: Callable[[Cycle], None] | None = None) -> Outcome:
        """Proves what it can, within the theory's bounds."""
        deadline = (
            None if self.theory.bounds.seconds is None else time.monotonic() + self.theory.bounds.seconds
        )
        pending = sorted(goals, key=_goal_order)
        contradiction = self.shop.contradiction()
        stopped = ""
        if contradiction is not None:
            self.theorems.append(contradiction)
            self.methods[contradiction.name] = "saturation"
            stopped = "the axioms contradict each other"
        levels = len(self.shop.stages)
        level = 0
        extra = laws(self.theory) if self.explore else []
        while pending and level < levels and not stopped:
            if level and extra:
                pending, extra, level = sorted([*pending, *extra], key=_goal_order), [], 0
            if level:
                pending = [g for g in pending if not g.name.startswith(PREFIX)]
            for batch in self._batches(pending, level):
                if deadline is not None and time.monotonic() > deadline:
                    stopped = "out of time"
                    break
                proved, grew = self._cycle(batch, level)
                pending = [g for g in pending if g.name not in proved]
                if progress is not None and self.cycles:
                    progress(self.cycles[-1])
                if len(self.cycles) >= self.theory.bounds.cycles * levels:
                    stopped = "out of cycles"
                if stopped or (grew and level):
                    level = -1
                    break
            else:
                level = level if self._untried(pending, level) else level + 1
                continue
            level = 0
        return Outcome(
            Certificate(self.theory, tuple(self._needed())),
            dict(self.methods),
            tuple(g for g in pending if not g.name.startswith(PREFIX)),
            contradiction,
            self.cycles,
            stopped,
        )

    def _needed(self) -> list[Theorem]:
        """The theorems, without the laws that none of the others cites."""
        needed, kept = set[str](), list[Theorem]()
        for theorem in reversed(self.theorems):
            if theorem.name in needed or not theorem.name.startswith(PREFIX):
                kept.append(theorem)
                needed.update(theorem.cited)
        return kept[::-1]

    def _untried(self, pending: Sequence[Goal], level: int) -> list[Goal]:
        now = len(self.shop.rules)
        return [g for g in pending if self.tried.get(g.name, {}).get(level) != now]

    def _batches(self, pending: Sequence[Goal], level: int) -> Iterator[list[Goal]]:
        untried = self._untried(pending, level)
        for start in range(0, len(untried), BATCH):
            yield untried[start : start + BATCH]

    def _cycle(self, batch: list[Goal], level: int) -> tuple[set[str], bool]:
        """Attempts on the batch, then the barrier. The names proved; whether rules were added."""
        now = len(self.shop.rules)
        before = self.shop.counts
        self.shop.counts = Counts()
        found = self._attempts(batch, level)
        grew = False
        for goal, result in zip(batch, found, strict=True):
            self.tried.setdefault(goal.name, {})[level] = now
            if result is None:
                continue
            self.theorems.append(result.theorem)
            self.methods[goal.name] = result.method
            if self._is_rule(result):
                self.shop.add(rule_of(goal.name, goal.statement))
                grew = True
        proved = {g.name for g, result in zip(batch, found, strict=True) if result is not None}
        counts = self.shop.counts + Counts(messages=len(proved))
        self.cycles.append(
            Cycle(len(self.cycles), level, len(batch), len(proved), len(self.shop.rules), counts)
        )
        self.shop.counts = before + counts
        return proved, grew

    def _attempts(self, batch: list[Goal], level: int) -> list[Found | None]:
        """The results in the order of the batch. Each goal is a task; those that one completion
        can serve are a task together."""
        groups = _groups(batch, self.shop.stages[level].is_shared)
        found: list[Found | None] = [None] * len(batch)
        if self.executor is None:
            results: Iterable[tuple[int, list[Found | None]]] = enumerate(
                attempt_all(self.shop, [batch[i] for i in group], level) for group in groups
            )
        else:
            rules = tuple((r.name, r.formula) for r in self.shop.rules)
            tasks = [(self.theory, rules, tuple(batch[i] for i in group), level) for group in groups]
            answers = sorted(self.executor.map_unordered(run_attempts, tasks), key=lambda answer: answer[0])
            self.shop.counts = sum((counts for _, (_, counts) in answers), self.shop.counts)
            results = ((place, theorems) for place, (theorems, _) in answers)
        for place, theorems in results:
            for goal, theorem in zip(groups[place], theorems, strict=True):
                found[goal] = theorem
        return found

    def _is_rule(self, found: Found) -> bool:
        """Whether a theorem says something that the rules do not give by themselves."""
        if found.method in ("rewriting", "saturation"):
            return False
        rule = rule_of(found.theorem.name, found.theorem.statement)
        equation = rule.equation
        if equation is None:
            return True
        constants: dict[Variable, Term] = {v: Variable(f"c{v.name[1:]}", v.sort) for v in rule.variables}
        ground = Equation(substitute(equation.left, constants), substitute(equation.right, constants))
        return self.shop.rewriter.joins(ground) is None


def _groups(batch: Sequence[Goal], together: bool) -> list[list[int]]:
    """Places in the batch: goals on their own, or the plain equations in one group."""
    plain = [i for i, g in enumerate(batch) if together and _is_plain(g.statement)]
    alone = [[i] for i in range(len(batch)) if i not in plain]
    return [plain, *alone] if plain else alone


def _is_plain(formula: Formula) -> bool:
    if isinstance(formula, All) and not formula.premises:
        formula = formula.conclusion
    return isinstance(formula, Equation) and formula.left is not formula.right


def attempt_all(shop: Workshop, goals: Sequence[Goal], level: int) -> list[Found | None]:
    if len(goals) > 1 and shop.stages[level].is_shared:
        return shop.complete_together([(g.name, g.statement) for g in goals], level)
    return [shop.attempt(g.name, g.statement, level) for g in goals]


def run_attempts(
    task: tuple[Theory, tuple[tuple[str, Formula], ...], tuple[Goal, ...], int],
) -> tuple[list[Found | None], Counts]:
    """Attempts in a worker process."""
    theory, rules, goals, level = task
    shop = Workshop(theory)
    for name, formula in rules:
        shop.add(rule_of(name, formula))
    return attempt_all(shop, goals, level), shop.counts


def definition_theorems(definitions: Sequence[Definition]) -> Iterator[Theorem]:
    """Both directions of each definition, as theorems that rules can cite."""
    for definition in definitions:
        for rule, statement in (("unfold", definition.unfolding), ("fold", definition.folding)):
            proof = Proof()
            given = proof.assume(statement.premises[0])
            step = proof.add(rule, (given,), statement.conclusion)
            theorem = proof.theorem(
                f"{definition.name}.{rule}", proof.close(step, statement.variables, [given])
            )
            yield replace(theorem, statement=statement)


def _goal_order(goal: Goal) -> tuple[int, str, str]:
    return goal_key(goal.statement, goal.name)


def goal_key(formula: Formula, name: str) -> tuple[int, str, str]:
    """Smaller statements first."""
    return size_of(formula), str(formula), name


def size_of(formula: Formula) -> int:
    return 1 + sum(t.size for t in terms_of(formula)) + sum(map(size_of, parts(formula)))
