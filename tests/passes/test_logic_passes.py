"""Conjectures, and grids as graphs."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

import pytest

from graphwright.backends.logic import kernel
from graphwright.backends.logic.certificates import header
from graphwright.backends.logic.engine.prover import Prover
from graphwright.graph.ir import Program
from graphwright.graph.ir.legality import check
from graphwright.graph.ir.parsing import parse_program
from graphwright.graph.ir.printing import print_program
from graphwright.graph.spec.reader import read_document
from graphwright.graph.theory import All, Application, Equation, Formula, Term, Theory, Variable
from graphwright.graph.theory.evaluation import counterexample
from graphwright.graph.theory.reader import read_theory
from graphwright.passes.logic.conjecture import conjecture
from graphwright.passes.logic.lowering import lower, scopes

SPECS = Path(kernel.__file__).parents[2] / "specs" / "logic"
PLUS, TIMES = {"+": lambda x, y: x + y}, {"*": lambda x, y: x * y}
NUMBERS = {"0": lambda: 0, "1": lambda: 1, "s": lambda x: x + 1, **PLUS, **TIMES}


@cache
def theory(name: str) -> Theory:
    return read_theory(read_document(str(SPECS / f"{name}.yaml"))).theory


def bare(name: str) -> Theory:
    return replace(theory(name), goals=())


def number(term: Term, at: dict[Term, int]) -> int:
    if isinstance(term, Variable):
        return at[term]
    assert isinstance(term, Application)
    return NUMBERS[term.symbol](*(number(a, at) for a in term.arguments))  # type: ignore[no-any-return, operator]  # integers


def opened(formula: Formula) -> tuple[tuple[Variable, ...], list[Formula]]:
    """The variables of a statement; its premises, then its conclusion."""
    variables: tuple[Variable, ...] = ()
    premises: list[Formula] = []
    while isinstance(formula, All):
        variables += formula.variables
        premises += formula.premises
        formula = formula.conclusion
    return variables, [*premises, formula]


def test_conjectures_hold_for_numbers_and_are_proved_from_the_axioms_alone() -> None:
    found = conjecture(bare("peano"), operators=2)
    assert len(found.goals) > 100
    for goal in found.goals:
        variables, parts = opened(goal.statement)
        for values in product((0, 1, 2, 5), repeat=len(variables)):
            at = dict(zip(variables, values, strict=True))
            *premises, conclusion = [
                number(p.left, at) == number(p.right, at) for p in parts if isinstance(p, Equation)
            ]
            assert conclusion or not all(premises), goal.statement
    outcome = Prover(found).run(found.goals)
    assert not outcome.unproved
    assert kernel.check(outcome.certificate.lines(), header(found)).accepted


@pytest.mark.parametrize(
    ("name", "operators", "wanted"),
    [
        ("peano", 1, "all x: Nat, y: Nat. +(x, y) = +(y, x)"),
        ("peano", 1, "all x: Nat, y: Nat. (s(x) = s(y)) -> (x = y)"),
        ("peano", 1, "all x: Nat, y: Nat, z: Nat. (+(x, y) = +(z, y)) -> (x = z)"),
        ("group", 2, "all x: G. inv(inv(x)) = x"),
        ("lists", 2, "all x: List. reverse(reverse(x)) = x"),
        ("lattice", 1, "all x: L, y: L, z: L. (<=(x, y)) -> (<=(y, z)) -> (<=(x, z))"),
        ("lattice", 1, "all x: L, y: L. (<=(x, y)) -> (<=(y, x)) -> (x = y)"),
    ],
)
def test_well_known_laws_are_conjectured(name: str, operators: int, wanted: str) -> None:
    assert wanted in {str(g.statement) for g in conjecture(bare(name), operators).goals}


@pytest.mark.parametrize(("name", "operators"), [("group", 2), ("lattice", 2), ("monoid", 2)])
def test_no_conjecture_fails_in_a_model(name: str, operators: int) -> None:
    """Composition of permutations does not commute, though numbers modulo six do."""
    found = conjecture(bare(name), operators)
    assert found.goals
    for goal in found.goals:
        assert all(counterexample(goal.statement, model) is None for model in found.models)
    assert "all x: G, y: G. *(x, y) = *(y, x)" not in {str(g.statement) for g in found.goals}


def test_conjectures_are_the_same_each_time_and_stay_within_their_number() -> None:
    few = replace(bare("peano"), bounds=replace(theory("peano").bounds, conjectures=9))
    assert conjecture(few, 2) == conjecture(few, 2)
    assert len(conjecture(few, 2).goals) == 9


@pytest.mark.parametrize("name", ["peano", "lattice", "group", "boolean_algebra"])
def test_a_grid_is_one_fixpoint_over_a_trie_of_premises(name: str) -> None:
    found = theory(name)
    program: Program = lower(found)
    assert not check(program)
    assert parse_program(print_program(program)).graph == program.graph
    (grid,) = [n for n in program.graph.nodes if n.operator.name == "Fixpoint"]
    blocks = [n for n in grid.attribute("body").nodes if n.operator.name == "Block"]
    assert len(blocks) == len(scopes(found)) == len(grid.inputs)
    shown = [text.split(":")[0] for b in blocks for text in b.attribute("goals") or ()]
    assert sorted(shown) == sorted(g.name for g in found.goals)
