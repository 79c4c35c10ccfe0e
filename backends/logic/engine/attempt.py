"""One attempt to prove a goal: directly, then by induction on each of its variables.

Its stage says how: rewriting both sides to normal forms, saturating a block, or completing the
equations. Stages go from cheap to dear.
An attempt depends on the theory, the rules given and the goal only, so attempts may run anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice, product

from ....graph.theory import (
    FALSEHOOD,
    All,
    Atom,
    Bounds,
    Equation,
    Formula,
    Or,
    Some,
    Term,
    Theory,
    Variable,
    free_variables,
    substitute_formula,
)
from ....graph.theory.formulas import parts, terms_of
from ....graph.theory.signature import Datatype
from ..certificates import Theorem
from .block import Block, Counts, Limits, consequences
from .completion import Completion
from .ordering import Ordering, WeightOrdering, precedence_of
from .proof import Proof
from .rewriting import Rewriter
from .rules import Rule, rule_of


@dataclass(frozen=True)
class Found:
    """A theorem, how it was proved ("rewriting", "saturation", "induction on x", …)."""

    theorem: Theorem
    method: str


@dataclass(frozen=True)
class Stage:
    """How an attempt goes about it: "rewriting", "saturation" within limits and nested case splits,
    or "completion" of so many steps; inductions nested up to `depth` (0: none)."""

    kind: str
    depth: int = 1
    limits: Limits = field(default_factory=Limits)
    splits: int = 0
    steps: int = 0
    extra: int = 0  # symbols by which equations may be longer than the goal
    by_weight: bool = False
    names: bool = False  # the goal's terms get names, so that what is about them is small

    @property
    def is_shared(self) -> bool:
        """Whether one completion can serve several goals."""
        return self.kind == "completion" and not self.names


def stages(bounds: Bounds, inductive: bool) -> tuple[Stage, ...]:
    """Cheap ones first: the bounds' node budgets; completion early where nothing is inductive, and
    last anyway. One completion serves many goals; then each goal has its own, in which its terms
    have names and equations are hardly longer than the axioms; then longer ones."""
    saturations = [
        Stage(
            "saturation",
            bounds.depth,
            Limits(bounds.rounds + place, nodes, 40, bounds.witnesses),
            min(bounds.splits, 1 + place),
        )
        for place, nodes in enumerate(bounds.nodes)
    ]
    few, more = bounds.nodes[0], bounds.nodes[-1]
    first = Stage("completion", 0, steps=few, extra=3, by_weight=True)
    directed = [
        *[Stage("completion", 0, steps=more, extra=extra, names=True) for extra in (-4, -2, 0)],
        Stage("completion", 0, steps=3 * few, extra=0, by_weight=True, names=True),
    ]
    further = [
        Stage("completion", 0, steps=3 * few, extra=3, by_weight=True),
        Stage("completion", 0, steps=few, extra=6),
        Stage("completion", 0, steps=more, extra=14, by_weight=True),
        Stage("completion", 0, steps=more, extra=14),
    ]
    if inductive:
        return (Stage("rewriting"), *saturations, first)
    return (Stage("rewriting"), saturations[0], first, *directed, *saturations[1:], *further)


@dataclass
class Workshop:
    """What all attempts of a theory share: the rules so far, ready for use."""

    theory: Theory
    rules: list[Rule] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self.ordering = Ordering(precedence_of(self.theory))
        self.rewriter = Rewriter(self.ordering)
        self.weights = WeightOrdering(self.ordering.precedence)
        self.longest = 0
        self.stages = stages(self.theory.bounds, bool(self.theory.signature.datatypes))
        self.definitions = {d.relation: d for d in self.theory.definitions}
        signature = self.theory.signature
        self.reserved = frozenset((*signature.function, *signature.relation, *signature.sort_names))
        self.constructors = signature.constructor_names

    def add(self, rule: Rule) -> None:
        self.rules.append(rule)
        if rule.equation is not None:
            self.longest = max(self.longest, rule.equation.left.size + rule.equation.right.size)
        self.rewriter.add(rule)

    def attempt(self, name: str, goal: Formula, level: int) -> Found | None:
        """A proof of the goal, or None. `level` is the place of a stage."""
        attempt = Attempt(self, self.stages[level])
        step = attempt.directly(goal, ())
        method = attempt.stage.kind
        if step is None:
            for variable, datatype in attempt.candidates(goal) if attempt.stage.depth else ():
                step = attempt.by_induction(goal, (), variable, datatype, attempt.stage.depth)
                if step is not None:
                    method = f"induction on {variable.name}"
                    break
        if step is None:
            return None
        theorem = attempt.proof.theorem(name, step)
        return Found(Theorem(name, goal, theorem.steps, theorem.variables), method)

    def contradiction(self) -> Theorem | None:
        """A proof of falsehood from the rules, if a block that holds the constants, and each
        function at them, finds one."""
        attempt = Attempt(self, next(s for s in self.stages if s.kind == "saturation"))
        functions = self.theory.signature.functions
        constants = [self.theory.signature.apply(f.name) for f in functions if not f.inputs]
        for constructor in sorted(self.constructors):
            inputs = self.theory.signature.function[constructor].inputs
            if len(inputs) == 1:
                constants += [
                    self.theory.signature.apply(constructor, c) for c in constants if c.sort == inputs[0]
                ]
        seeds: list[Term] = [*constants]
        for function in functions:
            by_sort = [[c for c in constants if c.sort == sort] for sort in function.inputs]
            if function.inputs:
                seeds += [
                    self.theory.signature.apply(function.name, *a) for a in islice(product(*by_sort), 25)
                ]
        variables = [Variable(f"v{i}", s.name) for i, s in enumerate(self.theory.signature.sorts)]
        step = attempt.saturate(FALSEHOOD, (), frozenset(), attempt.stage.splits, (*seeds, *variables))
        return None if step is None else attempt.proof.theorem("contradiction", step)

    def complete_together(self, goals: Sequence[tuple[str, Formula]], level: int) -> list[Found | None]:
        """Goals that are equations without premises, all against one completion."""
        stage, found = self.stages[level], list[Found | None]([None] * len(goals))
        attempts = [Attempt(self, stage) for _ in goals]
        opened = [attempt.opened(goal) for attempt, (_, goal) in zip(attempts, goals, strict=True)]
        completion = attempts[0].completion(max(e.left.size + e.right.size for _, e in opened))
        while None in found and completion.goes_on(stage.steps):
            for place, (name, goal) in enumerate(goals):
                fresh, equation = opened[place]
                if found[place] is not None or (reason := completion.rewriter.joins(equation)) is None:
                    continue
                proof = attempts[place].proof
                theorem = proof.theorem(name, proof.close(reason.prove(proof), fresh))
                found[place] = Found(Theorem(name, goal, theorem.steps, theorem.variables), stage.kind)
        self.counts += Counts(blocks=1, facts=len(completion.active), matches=completion.pairs)
        return found


class Attempt:
    """One try at a goal: what it may use at a stage, and the proof that it writes."""

    def __init__(self, shop: Workshop, stage: Stage) -> None:
        self.shop, self.stage = shop, stage
        self.proof = Proof()

    def directly(self, goal: Formula, assumed: tuple[Formula, ...]) -> int | None:
        """The step of the goal from the assumptions, without induction."""
        if isinstance(goal, All):
            fresh, binding = self.fresh(goal.variables, assumed)
            premises = tuple(substitute_formula(p, binding) for p in goal.premises)
            conclusion = substitute_formula(goal.conclusion, binding)
            step = self.directly(conclusion, (*assumed, *premises))
            if step is None:
                return None
            return self.proof.close(step, fresh, [self.proof.assume(p) for p in premises])
        if self.stage.kind == "saturation":
            step = self.saturate(goal, assumed, frozenset(), self.stage.splits, self.trial_terms(goal))
            if step is not None:
                return step
        if isinstance(goal, Atom) and goal.relation in self.shop.definitions:
            step = self.directly(self.shop.definitions[goal.relation].at(goal.arguments), assumed)
            return None if step is None else self.proof.add("fold", (step,), goal)
        if not isinstance(goal, Equation) or self.stage.kind == "saturation":
            return None
        if goal.left is goal.right:
            return self.proof.reflexivity(goal.left)
        definitions = self.shop.definitions
        local = [rule_of("", f, e) for a in assumed for f, e in consequences(a, definitions)]
        if self.stage.kind == "rewriting":
            rewriter = self.shop.rewriter.extended(local) if local else self.shop.rewriter
            reason = rewriter.joins(goal)
            return None if reason is None else reason.prove(self.proof)
        return self.complete(goal, local)

    def opened(self, goal: Formula) -> tuple[tuple[Variable, ...], Equation]:
        """The variables of a universal equation made fixed, and the equation at them."""
        if isinstance(goal, Equation):
            return (), goal
        assert isinstance(goal, All)
        fresh, binding = self.fresh(goal.variables, ())
        inner = substitute_formula(goal.conclusion, binding)
        assert isinstance(inner, Equation)
        return fresh, inner

    def completion(self, size: int, local: Sequence[Rule] = ()) -> Completion:
        ordering = self.shop.weights if self.stage.by_weight else self.shop.ordering
        own = max((e.left.size + e.right.size for r in local if (e := r.equation)), default=0)
        completion = Completion(ordering, max(self.shop.longest + 2, own, size) + self.stage.extra)
        for rule in (*local, *self.shop.rules):
            completion.add(rule)
        return completion

    def complete(self, goal: Equation, local: list[Rule]) -> int | None:
        completion = self.completion(0 if self.stage.names else goal.left.size + goal.right.size, local)
        if self.stage.names:
            completion.name(goal.left)
            completion.name(goal.right)
        reason = None
        while reason is None and completion.goes_on(self.stage.steps):
            reason = completion.rewriter.joins(goal)
        self.shop.counts += Counts(blocks=1, facts=len(completion.active), matches=completion.pairs)
        return None if reason is None else reason.prove(self.proof, completion.named)

    def saturate(
        self,
        goal: Formula,
        assumed: tuple[Formula, ...],
        done: frozenset[Formula],
        splits: int,
        seeds: tuple[Term, ...] = (),
    ) -> int | None:
        """By a block; a disjunction that it knows is split if nothing else helps."""
        names = {v.name for f in (*assumed, goal) for v in _names(f)} | set(self.shop.reserved)
        block = Block(
            self.shop.rules, self.shop.constructors, names, self.stage.limits, self.shop.definitions
        )
        for term in (*seeds, *(t for formula in (goal, *assumed) for t in _ground_terms(formula))):
            block.graph.add(term)
        for formula in assumed:
            block.assume(formula)
        reached = block.saturate(goal)
        self.shop.counts += Counts(
            1, len(assumed) + block.graph.unions, len(block.graph.terms), block.graph.unions, block.matches, 0
        )
        if reached:
            return block.wrap(block.prove(goal, self.proof), self.proof)
        if splits == 0:
            return None
        for disjunction, evidence in block.disjunctions.items():
            if disjunction not in done:
                known = tuple(c for o in block.openings for c in o.conjuncts)
                branches = self._branches(
                    goal, (*assumed, *known), disjunction, done | {disjunction}, splits - 1
                )
                if branches is not None:
                    step = self.proof.cases(evidence.prove(self.proof), branches)
                    return block.wrap(step, self.proof)
        return None

    def trial_terms(self, goal: Formula) -> tuple[Term, ...]:
        """What an existential goal says of its constants and of those of the theory: so that a
        block has something to find."""
        if not isinstance(goal, Some) or not goal.variables:
            return ()
        signature = self.shop.theory.signature
        known: list[Term] = [signature.apply(f.name) for f in signature.functions if not f.inputs]
        variables = sorted(free_variables(goal), key=lambda v: v.name)
        known += variables
        pools = [[t for t in known if t.sort == v.sort] for v in goal.variables]
        found: dict[Term, None] = {}
        for terms in islice(product(*pools), 16):
            binding = dict(zip(goal.variables, terms, strict=True))
            for conjunct in goal.conjuncts:
                found.update(dict.fromkeys(_ground_terms(substitute_formula(conjunct, binding))))
        return tuple(found)

    def _branches(
        self,
        goal: Formula,
        assumed: tuple[Formula, ...],
        disjunction: Or,
        done: frozenset[Formula],
        splits: int,
    ) -> list[tuple[int, int]] | None:
        found = []
        for alternative in disjunction.alternatives:
            step = self.saturate(goal, (*assumed, alternative), done, splits)
            if step is None:
                return None
            found.append((step, self.proof.assume(alternative)))
        return found

    def candidates(self, goal: Formula) -> Iterable[tuple[Variable, Datatype]]:
        """The outer variables that induction may be on, with the datatype that says so."""
        if not isinstance(goal, All):
            return
        signature = self.shop.theory.signature
        guards = {p for p in goal.premises if isinstance(p, Atom)}
        for variable in goal.variables:
            if variable.sort in signature.datatype:
                yield variable, signature.datatype[variable.sort]
            for datatype in signature.datatypes:
                if datatype.relation and Atom(datatype.relation, (variable,)) in guards:
                    yield variable, datatype

    def by_induction(
        self, goal: Formula, assumed: tuple[Formula, ...], variable: Variable, datatype: Datatype, depth: int
    ) -> int | None:
        """Induction on one of the goal's variables; its other variables stay general."""
        assert isinstance(goal, All)
        others = tuple(v for v in goal.variables if v is not variable)
        guard = (Atom(datatype.relation, (variable,)),) if datatype.relation else ()
        premises = tuple(p for p in goal.premises if p not in guard)
        inner = All(others, premises, goal.conclusion) if others or premises else goal.conclusion
        cases = []
        for constructor in datatype.constructors:
            step = self._case(inner, assumed, variable, datatype, constructor, depth)
            if step is None:
                return None
            cases.append(step)
        whole = self.proof.induction(All((variable,), guard, inner), cases)
        return self._restored(goal, whole, variable, guard, others, assumed)

    def _case(
        self,
        inner: Formula,
        assumed: tuple[Formula, ...],
        variable: Variable,
        datatype: Datatype,
        constructor: str,
        depth: int,
    ) -> int | None:
        """The step that says: what holds of a constructor's arguments holds of its value."""
        function = self.shop.theory.signature.function[constructor]
        wanted = [Variable(f"{variable.name}{i or ''}", sort) for i, sort in enumerate(function.inputs)]
        arguments, _ = self.fresh(wanted, (inner, *assumed))
        own = [a for a in arguments if a.sort == datatype.sort]
        guards = [Atom(datatype.relation, (a,)) for a in own if datatype.relation]
        hypotheses = (*guards, *[substitute_formula(inner, {variable: a}) for a in own])
        value = self.shop.theory.signature.apply(constructor, *arguments)
        case = substitute_formula(inner, {variable: value})
        given = (*assumed, *hypotheses)
        step = self.directly(case, given)
        if step is None and depth > 1:
            for other, further in self.candidates(case):
                step = self.by_induction(case, given, other, further, depth - 1)
                if step is not None:
                    break
        if step is None:
            return None
        return self.proof.close(step, arguments, [self.proof.assume(h) for h in hypotheses])

    def _restored(
        self,
        goal: All,
        whole: int,
        variable: Variable,
        guard: tuple[Formula, ...],
        others: Sequence[Variable],
        assumed: tuple[Formula, ...],
    ) -> int:
        """The goal, its variables and premises in their order, from what induction gives."""
        proof = self.proof
        if goal.variables == (variable, *others) and goal.premises == guard and not others:
            return whole
        fresh, binding = self.fresh(goal.variables, assumed)
        premises = [proof.assume(substitute_formula(p, binding)) for p in goal.premises]
        typing = [proof.assume(substitute_formula(g, binding)) for g in guard]
        step = proof.apply(whole, [binding[variable]], typing)
        rest = [h for h in premises if h not in typing]
        if others or rest:
            step = proof.apply(step, [binding[v] for v in others], rest)
        return proof.close(step, fresh, premises)

    def fresh(
        self, variables: Iterable[Variable], apart: Iterable[Formula]
    ) -> tuple[tuple[Variable, ...], dict[Variable, Term]]:
        """Variables of the same sorts with names that nothing else has, and the renaming."""
        taken = {v.name for f in apart for v in _names(f)} | self.shop.reserved
        found, binding = [], dict[Variable, Term]()
        for variable in variables:
            name = variable.name
            while name in taken:
                name += "'"
            taken.add(name)
            found.append(Variable(name, variable.sort))
            binding[variable] = found[-1]
        return tuple(found), binding


def _names(formula: Formula) -> set[Variable]:
    found = {v for t in terms_of(formula) for v in t.variables}
    found.update(getattr(formula, "variables", ()))
    return found.union(*map(_names, parts(formula)))


def _ground_terms(formula: Formula) -> tuple[Term, ...]:
    """The terms of an equation, atom or disjunction of such: what a block begins with."""
    if isinstance(formula, Or):
        return tuple(t for a in formula.alternatives for t in _ground_terms(a))
    return terms_of(formula)
