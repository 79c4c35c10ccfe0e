"""A Logic Block: a set of assumptions, the e-graph of what follows from them, a goal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ....graph.theory import (
    Application,
    Atom,
    Definition,
    Equation,
    Falsehood,
    Formula,
    Or,
    Some,
    Term,
    Variable,
    substitute,
    substitute_formula,
)
from .egraph import EGraph, atom_term
from .evidence import Clash, Evidence, Fact, Firing, Injection, Unfolding
from .joins import Compiler, Tables
from .ordering import PATTERN
from .proof import Proof
from .rules import Rule, rule_of


@dataclass(frozen=True)
class Limits:
    """Of one saturation: rounds, nodes of the e-graph, size of a term, witnesses opened."""

    rounds: int = 4
    nodes: int = 150
    size: int = 30
    witnesses: int = 8


@dataclass(frozen=True)
class Counts:
    """What a run did, for its report."""

    blocks: int = 0
    facts: int = 0
    nodes: int = 0
    unions: int = 0
    matches: int = 0
    messages: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in vars(self)})


@dataclass(frozen=True, slots=True)
class Opening:
    """An existential (or a conjunction, without variables) that was opened."""

    evidence: Evidence
    formula: Some
    variables: tuple[Variable, ...]
    conjuncts: tuple[Formula, ...]


@dataclass
class Block:
    """Assumptions in, consequences out. `rules` come from outside (mail from the root);
    rules among the assumptions are the block's own."""

    rules: Sequence[Rule]
    constructors: frozenset[str]
    names: set[str]  # taken: no witness gets one of these
    limits: Limits = Limits()
    definitions: Mapping[str, Definition] = field(default_factory=dict)
    graph: EGraph = field(default_factory=EGraph)
    own: list[Rule] = field(default_factory=list)
    openings: list[Opening] = field(default_factory=list)
    disjunctions: dict[Or, Evidence] = field(default_factory=dict)
    contradiction: Evidence | None = None
    matches: int = 0
    _fired: set[tuple[int, tuple[Term, ...]]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.graph.constructors = self.constructors

    def assume(self, formula: Formula) -> None:
        """Adds an assumption, and what it says if it is of a defined relation."""
        for known, evidence in consequences(formula, self.definitions):
            self.learn(known, evidence)

    def learn(self, formula: Formula, evidence: Evidence) -> None:
        """Adds a fact to what the block knows."""
        graph = self.graph
        if isinstance(formula, Equation):
            graph.merge(formula.left, formula.right, evidence)
            self._settle()
        elif isinstance(formula, Atom):
            graph.assert_atom(formula, evidence)
            self._settle()
        elif isinstance(formula, Falsehood):
            self.contradiction = self.contradiction or evidence
        elif isinstance(formula, Or):
            self.disjunctions.setdefault(formula, evidence)
        elif isinstance(formula, Some):
            self._open(formula, evidence)
        else:
            self.own.append(rule_of("", formula, evidence))

    def _open(self, formula: Some, evidence: Evidence) -> None:
        if any(o.formula == formula for o in self.openings) or len(self.openings) >= self.limits.witnesses:
            return
        variables = tuple(self._fresh(v) for v in formula.variables)
        binding: dict[Variable, Term] = dict(zip(formula.variables, variables, strict=True))
        conjuncts = tuple(substitute_formula(c, binding) for c in formula.conjuncts)
        self.openings.append(Opening(evidence, formula, variables, conjuncts))
        for variable in variables:
            self.graph.add(variable)
        for conjunct in conjuncts:
            self.assume(conjunct)

    def _fresh(self, variable: Variable) -> Variable:
        name, count = variable.name.removeprefix(PATTERN), 0
        while (made := f"w{name}{count or ''}") in self.names:
            count += 1
        self.names.add(made)
        return Variable(made, variable.sort)

    def _settle(self) -> None:
        """Injectivity and disjointness of constructors, for classes that were joined."""
        graph = self.graph
        while graph.clashes and self.contradiction is None:
            one, other = graph.clashes.pop(0)
            left, right = graph.terms[one], graph.terms[other]
            assert isinstance(left, Application) and isinstance(right, Application)
            if left.symbol != right.symbol:
                self.contradiction = Clash(left, right, graph)
                return
            for position, (a, b) in enumerate(zip(left.arguments, right.arguments, strict=True)):
                graph.merge(a, b, Injection(left, right, position, graph))

    def reached(self, goal: Formula) -> bool:
        """Whether the goal follows from what is known so far."""
        if self.contradiction is not None:
            return True
        if isinstance(goal, Or):
            return any(self.reached(a) for a in goal.alternatives)
        if isinstance(goal, Some):
            return self._witnesses(goal) is not None
        if isinstance(goal, Equation | Atom):
            reached = self.graph.holds(goal)
            self._settle()
            return reached
        return False

    def _witnesses(self, goal: Some) -> tuple[Term, ...] | None:
        binding: dict[Variable, Term] = {
            v: Variable(f"{PATTERN}{i}", v.sort) for i, v in enumerate(goal.variables)
        }
        conjuncts = [substitute_formula(c, binding) for c in goal.conjuncts]
        if not goal.variables:
            return () if all(self.reached(c) for c in conjuncts) and self.contradiction is None else None
        compiler = Compiler()
        if not all(map(compiler.premise, conjuncts)):
            return None
        query = compiler.query([v for v in binding.values() if isinstance(v, Variable)])
        for found in Tables(self.graph, 0).matches(query):
            return tuple(self.graph.least(c) for c in found)
        return None

    def prove(self, goal: Formula, proof: Proof) -> int:
        """The step of a goal that is reached, its witnesses not yet closed (see `wrap`)."""
        if self.contradiction is not None:
            return proof.absurd(self.contradiction.prove(proof), goal)
        if isinstance(goal, Or):
            chosen = next(a for a in goal.alternatives if self.reached(a))
            return proof.either(goal, self.prove(chosen, proof))
        if isinstance(goal, Some):
            terms = self._witnesses(goal)
            assert terms is not None
            binding = dict(zip(goal.variables, terms, strict=True))
            inside = [substitute_formula(c, binding) for c in goal.conjuncts]
            return proof.witness(goal, terms, [self.prove(c, proof) for c in inside])
        return self.graph.prove(goal, proof)

    def wrap(self, step: int, proof: Proof) -> int:
        """Closes the witnesses that the step rests on, the last opened first."""
        for opening in reversed(self.openings):
            assumed = [proof.assume(c) for c in opening.conjuncts]
            if not proof.rests[step - 1].isdisjoint(assumed):
                some = opening.evidence.prove(proof)
                step = proof.open(some, step, opening.variables, assumed)
        return step

    def saturate(self, goal: Formula) -> bool:
        """Fires rules, round by round, until the goal is reached (True) or nothing new is within
        the limits (False)."""
        self.reached(goal)
        for number in range(self.limits.rounds):
            if self.reached(goal):
                return True
            if not self._round(number, goal):
                break
        return self.reached(goal)

    def _round(self, number: int, goal: Formula) -> bool:
        """One round; whether anything changed."""
        graph = self.graph
        tables = Tables(graph, number if number else 0)
        firings = sorted(self._firings(tables), key=lambda f: f[:3])
        graph.round = number + 1
        before = (graph.unions, len(self.openings), len(self.disjunctions), len(graph.terms))
        for _, _, _, rule, terms, conclusion in firings:
            if len(graph.terms) > self.limits.nodes:
                break
            self._fire(rule, terms, conclusion)
            if self.contradiction is not None:
                return True
            if isinstance(goal, Equation) and graph.same(goal.left, goal.right):
                return True
        return before != (graph.unions, len(self.openings), len(self.disjunctions), len(graph.terms))

    def _firings(
        self, tables: Tables
    ) -> Iterable[tuple[int, int, tuple[int, ...], Rule, tuple[Term, ...], Formula]]:
        """Instances not fired yet: (size, place of the rule, classes, rule, terms, conclusion)."""
        graph, limit = self.graph, self.limits.size
        for place, rule in enumerate((*self.own, *self.rules)):
            for query in rule.queries:
                for classes in tables.matches(query):
                    self.matches += 1
                    terms = tuple([graph.least(c) for c in classes])
                    if (place, terms) in self._fired:
                        continue
                    self._fired.add((place, terms))
                    binding = dict(zip(rule.variables, terms, strict=True))
                    size, conclusion = _instance(rule.conclusion, binding)
                    if size <= limit:
                        yield size, place, classes, rule, terms, conclusion

    def _fire(self, rule: Rule, terms: tuple[Term, ...], conclusion: Formula) -> None:
        binding = dict(zip(rule.variables, terms, strict=True))
        premises = tuple(substitute_formula(p, binding) for p in rule.premises)
        if not all(self.graph.holds(p) for p in premises):
            return
        if isinstance(conclusion, Equation | Atom) and self.graph.holds(conclusion):
            return
        if isinstance(conclusion, Some) and self._witnesses(conclusion) is not None:
            return
        if isinstance(conclusion, Or) and any(self.reached(a) for a in conclusion.alternatives):
            return
        self.learn(conclusion, Firing(rule, terms, premises, self.graph))


def consequences(
    formula: Formula, definitions: Mapping[str, Definition]
) -> Iterator[tuple[Formula, Evidence]]:
    """An assumption, and the body of its definition if it is an atom that has one."""
    yield formula, Fact(formula)
    if isinstance(formula, Atom) and formula.relation in definitions:
        body = definitions[formula.relation].at(formula.arguments)
        yield body, Unfolding(formula, body)


def _instance(conclusion: Formula, binding: dict[Variable, Term]) -> tuple[int, Formula]:
    """The conclusion at the terms, and its size."""
    if isinstance(conclusion, Equation):
        left, right = substitute(conclusion.left, binding), substitute(conclusion.right, binding)
        return left.size + right.size, Equation(left, right)
    made = substitute_formula(conclusion, binding)
    return (atom_term(made).size if isinstance(made, Atom) else 0), made
