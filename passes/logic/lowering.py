"""Theories as graphs: a grid of blocks is one Fixpoint node.

The blocks are a trie of assumptions: the root is given the axioms, each goal walks from it along
its premises and is a goal of the last block, which begins with the premise that it adds. In the
body, a block's mail is what its parent knows and every theorem proved before (the root's state
carries them): mail goes down, and what a block proves is all that comes up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ...backends.logic.engine.prover import goal_key
from ...graph.ir import Graph, Node, Origin, Program, Value, apply, argument
from ...graph.ir.node import make_node
from ...graph.operators.blocks import BLOCKS, BLOCKS_DOMAIN
from ...graph.theory import All, Formula, Goal, Theory, Variable, substitute_formula
from ...graph.theory.infix_printer import print_formula, print_statement
from ...graph.types import FactsType
from .enumeration import standard_names


@dataclass
class Scope:
    """A node of the trie: the premise that it adds, its parent's place, the goals that end there."""

    premise: str
    parent: int
    goals: list[Goal] = field(default_factory=list)
    children: dict[str, int] = field(default_factory=dict)


def scopes(theory: Theory) -> list[Scope]:
    """The trie, parents before their children, the root first."""
    found = [Scope("", -1)]
    for goal in theory.goals:
        place = 0
        for premise in _premises(goal.statement):
            text = print_formula(premise, sorts=False)
            if text not in found[place].children:
                found[place].children[text] = len(found)
                found.append(Scope(text, place))
            place = found[place].children[text]
        found[place].goals.append(goal)
    return found


def _premises(statement: Formula) -> list[Formula]:
    """The premises, with variables named alike in goals that are alike."""
    premises: list[Formula] = []
    count = 0
    while isinstance(statement, All):
        fresh = standard_names(tuple(statement.variables))
        renamed = dict(zip(statement.variables, _numbered(fresh, count), strict=True))
        count += len(fresh)
        premises += [substitute_formula(p, renamed) for p in statement.premises]
        statement = substitute_formula(statement.conclusion, renamed)
    return premises


def _numbered(variables: tuple[Variable, ...], start: int) -> Iterator[Variable]:
    return (Variable(v.name if not start else f"{v.name}{start}", v.sort) for v in variables)


def canonical(theory: Theory) -> Theory:
    """The theory with axioms and goals in an order that does not depend on how they were written:
    smaller statements first."""
    axioms = sorted(theory.axioms, key=lambda a: goal_key(a.statement, a.name))
    goals = sorted(theory.goals, key=lambda g: (g.conjectured, *goal_key(g.statement, g.name)))
    return replace(theory, axioms=tuple(axioms), goals=tuple(goals))


def lower(theory: Theory, known: Value | None = None) -> Program:
    """The grid as a program: axioms in, theorems out; both in canonical order. `known` are theorems of an
    earlier run."""
    theory = canonical(theory)
    trie = scopes(theory)
    axioms = [_axiom(theory, name, print_statement(s)) for name, s in theory.statements.items()]
    given = apply("Merge", _assumption(theory, trie[0]), *axioms, domain=BLOCKS_DOMAIN)
    root = given if known is None else apply("Merge", given, known, domain=BLOCKS_DOMAIN)
    state = (root, *(_assumption(theory, scope) for scope in trie[1:]))
    body, blocks = _cycle(trie, FactsType(theory.name))
    node = make_node(
        BLOCKS["Fixpoint"], state, {"body": body, "cycles": theory.bounds.cycles}, outputs=len(state)
    )
    result = apply("Merge", *node.outputs, domain=BLOCKS_DOMAIN)
    spans = {a.name: a.span for a in theory.axioms} | {d.name: d.span for d in theory.definitions}
    origins = {v: _origin(spans.get(v.node.attribute("name").removesuffix(".unfold"))) for v in axioms}
    origins |= {b.outputs[0]: _origin(*(g.span for g in s.goals)) for b, s in zip(blocks, trie, strict=True)}
    origins[result] = _origin(theory.span)
    return Program(
        theory.name,
        Graph((), (result,)),
        ("theorems",),
        names={"axioms": given, "theorems": result},
        origins={v: o for v, o in origins.items() if o.spans},
        theories={theory.name: theory},
    )


def _origin(*spans: object) -> Origin:
    return Origin(tuple(s for s in spans if s is not None))  # type: ignore[misc]  # spans, without the absent


def _axiom(theory: Theory, name: str, statement: str) -> Value:
    attributes = {"theory": theory.name, "name": name, "statement": statement}
    return make_node(BLOCKS["Axiom"], (), attributes).outputs[0]


def _assumption(theory: Theory, scope: Scope) -> Value:
    attributes = {"theory": theory.name, "formula": scope.premise}
    return make_node(BLOCKS["Assumption"], (), attributes).outputs[0]


def _cycle(trie: list[Scope], facts: FactsType) -> tuple[Graph, list[Node]]:
    """The closed body, from the state of each block to its state one cycle on; its blocks."""
    states = [argument(i, facts) for i in range(len(trie))]
    blocks: list[Node] = []
    for place, scope in enumerate(trie):
        parent = states[max(scope.parent, 0)]
        mail = parent if parent is states[0] else apply("Merge", parent, states[0], domain=BLOCKS_DOMAIN)
        attributes = {
            "scope": _path(trie, place) or None,
            "goals": [g.name for g in scope.goals] or None,
            "statements": [print_statement(g.statement) for g in scope.goals] or None,
        }
        blocks.append(make_node(BLOCKS["Block"], (states[place], mail), attributes))
    proved = [b.outputs[1] for b, scope in zip(blocks, trie, strict=True) if scope.goals]
    root = apply("Merge", blocks[0].outputs[0], *proved, domain=BLOCKS_DOMAIN)
    return Graph(tuple(states), (root, *(b.outputs[0] for b in blocks[1:]))), blocks


def _path(trie: list[Scope], place: int) -> list[str]:
    """The premises from the root to a scope."""
    found = []
    while place > 0:
        found.append(trie[place].premise)
        place = trie[place].parent
    return found[::-1]
