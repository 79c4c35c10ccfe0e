"""Theories as graphs: a grid of blocks is one Fixpoint node.

The blocks are a trie of assumptions: the root holds the axioms, each goal walks from it along its
premises and is a goal of the last block. In the body, a block's mail is what its parent knows and
every theorem proved in the last cycle (the root's state carries them).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ...graph.ir import Graph, Program, Value, apply, argument, leaf
from ...graph.ir.node import make_node
from ...graph.operators.blocks import BLOCKS, BLOCKS_DOMAIN
from ...graph.theory import All, Formula, Theory, Variable, substitute_formula
from ...graph.types import FactsType
from .enumeration import standard_names


@dataclass
class Scope:
    """A node of the trie: the premise that it adds, its parent's place, the goals that end there."""

    premise: str
    parent: int
    goals: list[str] = field(default_factory=list)
    children: dict[str, int] = field(default_factory=dict)


def scopes(theory: Theory) -> list[Scope]:
    """The trie, parents before their children, the root first."""
    found = [Scope("", -1)]
    for goal in theory.goals:
        premises, conclusion = _opened(goal.statement)
        place = 0
        for premise in premises:
            text = str(premise)
            if text not in found[place].children:
                found[place].children[text] = len(found)
                found.append(Scope(text, place))
            place = found[place].children[text]
        found[place].goals.append(f"{goal.name}: {conclusion}")
    return found


def _opened(statement: Formula) -> tuple[list[Formula], Formula]:
    """The premises and the conclusion, with variables named alike in goals that are alike."""
    premises: list[Formula] = []
    count = 0
    while isinstance(statement, All):
        fresh = standard_names(tuple(statement.variables))[: len(statement.variables)]
        renamed = dict(zip(statement.variables, _numbered(fresh, count), strict=True))
        count += len(fresh)
        premises += [substitute_formula(p, renamed) for p in statement.premises]
        statement = substitute_formula(statement.conclusion, renamed)
    return premises, statement


def _numbered(variables: tuple[Variable, ...], start: int) -> Iterator[Variable]:
    return (Variable(v.name if not start else f"{v.name}{start}", v.sort) for v in variables)


def lower(theory: Theory) -> Program:
    """The grid as a program: the axioms in, every fact and theorem out."""
    trie = scopes(theory)
    facts = FactsType(theory.name)
    axioms, nothing = leaf("Input", "axioms", facts), leaf("Input", "nothing", facts)
    state = (axioms, *[nothing] * (len(trie) - 1))
    cycles = theory.bounds.cycles * (len(theory.bounds.nodes) + 1)
    node = make_node(
        BLOCKS["Fixpoint"], state, {"body": _cycle(trie, facts), "cycles": cycles}, outputs=len(state)
    )
    result = apply("Merge", *node.outputs, domain=BLOCKS_DOMAIN)
    names = {"axioms": axioms, "nothing": nothing, "theorems": result}
    return Program(theory.name, Graph((axioms, nothing), (result,)), ("theorems",), names=names)


def _cycle(trie: list[Scope], facts: FactsType) -> Graph:
    """The closed body: the state of each block to its state one cycle on."""
    states = [argument(i, facts) for i in range(len(trie))]
    known: list[Value] = []
    proved: list[Value] = []
    for place, scope in enumerate(trie):
        mail = (
            states[0] if place == 0 else apply("Merge", states[scope.parent], states[0], domain=BLOCKS_DOMAIN)
        )
        block = make_node(
            BLOCKS["Block"],
            (states[place], mail),
            {"scope": _path(trie, place) or None, "goals": scope.goals or None},
        )
        known.append(block.outputs[0])
        if scope.goals:
            proved.append(block.outputs[1])
    root = apply("Merge", known[0], *proved, domain=BLOCKS_DOMAIN)
    return Graph(tuple(states), (root, *known[1:]))


def _path(trie: list[Scope], place: int) -> list[str]:
    """The premises from the root to a scope."""
    found = []
    while place > 0:
        found.append(trie[place].premise)
        place = trie[place].parent
    return found[::-1]
