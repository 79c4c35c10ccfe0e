"""`kind: logic` documents: what they mean, and every mistake at its place."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.graph.diagnostics import Diagnostics, Source
from graphwright.graph.spec.reader import parse_document, read_document
from graphwright.graph.spec.yaml_writer import render
from graphwright.graph.theory import (
    All,
    Application,
    ArithmeticModel,
    Datatype,
    Equation,
    Formula,
    GeneratedModel,
    Or,
    Some,
    TableModel,
    Term,
    Theory,
    Variable,
)
from graphwright.graph.theory.evaluation import counterexample
from graphwright.graph.theory.model_reader import evaluate
from graphwright.graph.theory.reader import TheoryDocument, parse_theory, read_theory

LOGIC = Path(__file__).parents[3] / "specs" / "logic"
SPECS = sorted(LOGIC.glob("*.yaml"))
HEADER = "graphwright: 1\nkind: logic\nname: t\n"
GROUP = """sorts: {G: any}
functions:
  e: G
  "*": (G, G) -> G
variables:
  x, y: G
axioms:
  unit: e * x = x
"""


def parse(text: str) -> tuple[TheoryDocument | None, Diagnostics]:
    document, diagnostics = parse_document(Source("t", HEADER + text))
    assert document is not None
    assert not diagnostics.errors
    return parse_theory(document)


def theory(text: str) -> Theory:
    found, diagnostics = parse(text)
    assert diagnostics.items == []
    assert found is not None
    return found.theory


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_theories_of_the_library(path: Path) -> None:
    found = read_theory(read_document(str(path))).theory
    assert found.axioms
    assert found.goals
    # exp and log of whole numbers are no model that says anything
    assert found.models or path.stem == "rewrites_functions"
    for statement in found.statements.values():
        assert list(found.signature.faults(statement)) == []
    assert all(list(found.signature.faults(g.statement)) == [] for g in found.goals)
    again = parse_document(Source("t", render(read_document(str(path)))))[0]
    assert again is not None
    other = read_theory(again).theory
    assert replace(other, models=()) == replace(found, models=())
    assert [repr(replace(m, span=None)) for m in other.models] == [
        repr(replace(m, span=None)) for m in found.models
    ]


def test_there_are_the_theories_that_were_asked_for() -> None:
    names = {p.stem for p in SPECS}
    assert names >= {
        "peano",
        "gauss",
        "group",
        "monoid",
        "ring",
        "boolean_algebra",
        "lists",
        "trees",
        "lattice",
    }


def test_constructors_give_a_datatype_and_definitions_an_axiom() -> None:
    found = theory("sorts:\n  Nat: 0 | s(Nat)\nfunctions:\n  2: Nat = s(s(0))\n")
    assert found.signature.datatypes == (Datatype("Nat", ("0", "s")),)
    (axiom,) = found.axioms
    assert str(axiom.statement) == "2 = s(s(0))"


def test_relations_with_outputs_and_generated_relations() -> None:
    found = theory(
        """sorts: [I]
functions:
  0: I
  s: (I) -> I
relations:
  plus: {type: "(I, I -> I)", total: t, single: u}
  N: {type: (I), constructors: 0 | s(I)}
variables: {x: I, y: I, z: I, w: I}
axioms:
  t: some z. plus(x, y, z)
  u: plus(x, y, z) and plus(x, y, w) -> z = w
"""
    )
    relation = found.signature.relation["plus"]
    assert (relation.outputs, relation.total, relation.single) == ((2,), "t", "u")
    assert found.signature.datatypes == (Datatype("I", ("0", "s"), "N"),)


def test_axioms_in_mpl_and_infix_are_the_same() -> None:
    mpl = theory(GROUP.replace("e * x = x", "(>[x](in3[e,x,x,*]))".replace("(>[x]", "(>[x](in[x,G])")))
    assert mpl.axioms == theory(GROUP).axioms


def test_bounds_and_models() -> None:
    found = theory(
        GROUP
        + """models:
  two:
    G: 2
    e: 0
    x * y: (x + y) % 2
  numbers:
    G: [0, 3, 7]
    e: 0
    x * y: max(x, y) - min(x, 0)
bounds: {nodes: [10, 20], seconds: 1.5, depth: 0}
"""
    )
    two, numbers = found.models
    assert isinstance(two, TableModel)
    assert two.functions["*"].tolist() == [[0, 1], [1, 0]]
    assert isinstance(numbers, ArithmeticModel)
    assert numbers.points == {"G": (0, 3, 7)}
    assert (found.bounds.nodes, found.bounds.seconds, found.bounds.depth) == ((10, 20), 1.5, 0)


MISTAKES = [
    ("sorts: {G: any}\nsurts: 1\n", "G0102", 5, 1),
    ("axioms: [x = x]\n", "G0103", 1, 1),
    ("sorts:\n  Nat: 0 | s(Nut)\n", "G1605", 5, 14),
    ("sorts:\n  Nat: s(Nat)\n", "G1614", 5, 8),
    ("sorts:\n  A: a(B)\n  B: b(A)\n", "G1614", 5, 6),
    ("sorts:\n  Nat: 0 | 0\n", "G1607", 5, 12),
    ("sorts: {G: any}\nfunctions:\n  G: G\n", "G1607", 6, 3),
    ("sorts: {G: any}\nfunctions:\n  not: G\n", "G1608", 6, 3),
    ("sorts: {G: any}\nfunctions:\n  f: G -> G\n", "G1608", 6, 8),
    ("sorts: {G: any}\nfunctions:\n  f: (G, H) -> G\n", "G1605", 6, 10),
    ("sorts: {G: any}\nrelations:\n  r: G\n", "G1608", 6, 6),
    ("sorts: {G: any}\nvariables:\n  x y: G\n", "G1608", 6, 5),
    (GROUP + "goals:\n  g: x * z = x\n", "G1601", 13, 10),
    (GROUP + "goals:\n  g: x * y\n", "G1604", 13, 6),
    (GROUP + "goals: [x *]\n", "G1606", 12, 11),
    (GROUP + "goals:\n  g: (>[x](in3[x,q,x,*]))\n", "G1610", 13, 25),
    (GROUP + "goals:\n  g: (>[x](in[x,G])(in3[x,q,x,*]))\n", "G1609", 13, 27),
    (GROUP + "definitions:\n  x <= y: x = y\n", "G1601", 13, 3),
    (GROUP + "relations: {r: (G)}\ndefinitions:\n  r(x): x = y\n", "G1616", 14, 9),
    (GROUP + "relations: {r: (G)}\ndefinitions:\n  r(x): r(x * x)\n", "G1616", 14, 9),
    (GROUP + "models:\n  m: {G: 2, e: 0}\n", "G1612", 13, 3),
    (GROUP + "models:\n  m:\n    G: 2\n    e: 5\n    x * y: x\n", "G1612", 15, 8),
    (GROUP + "models:\n  m:\n    G: 2\n    e: 0\n    x * y: [[0, 1]]\n", "G1612", 16, 12),
    (GROUP + "models:\n  m:\n    G: 0..2\n    e: 0\n    x * y: x + z\n", "G1601", 16, 16),
    (GROUP + "models:\n  m:\n    G: 0..2\n    e: 0\n    x * y: x < y\n", "G1612", 16, 12),
    (GROUP + "models:\n  m:\n    G: 0..2\n    e: 0\n    x + y: x\n", "G1601", 16, 7),
    (GROUP + "bounds: {cycles: 0}\n", "G0113", 12, 18),
    (GROUP + "mpl: {A: 'G, f'}\n", "G1615", 12, 11),
]


@pytest.mark.parametrize(("text", "code", "line", "column"), MISTAKES)
def test_mistakes_have_their_place(text: str, code: str, line: int, column: int) -> None:
    _, diagnostics = parse(text)
    found = [(d.code, d.span.line, d.span.column) for d in diagnostics.items if d.span is not None]
    assert (code, line, column) in found


def test_all_mistakes_are_reported_at_once() -> None:
    _, diagnostics = parse(GROUP + "goals:\n  a: q = x\n  b: x = \n  c: e = e(x)\n")
    assert [d.code for d in diagnostics.items] == ["G1601", "G1606", "G1602"]


@settings(max_examples=150)
@given(st.sampled_from(SPECS), st.integers(0, 5000), st.sampled_from("()[]{}:,'\"#&*- \n0é|>!=."))
def test_no_changed_character_gives_a_traceback(path: Path, place: int, character: str) -> None:
    text = path.read_text(encoding="utf-8")
    place %= len(text)
    document, diagnostics = parse_document(Source("t", text[:place] + character + text[place + 1 :]))
    if document is None or diagnostics.errors or document.kind != "logic":
        return
    _, diagnostics = parse_theory(document)
    assert all(d.span is not None for d in diagnostics.items)


# --- evaluation, against brute force ------------------------------------------------------


def _value(term: Term, model: TableModel | ArithmeticModel, values: dict[Variable, int]) -> int:
    if isinstance(term, Variable):
        return values[term]
    assert isinstance(term, Application)
    arguments = [_value(a, model, values) for a in term.arguments]
    if isinstance(model, TableModel):
        return int(model.functions[term.symbol][tuple(arguments)])
    parameters, body = model.functions[term.symbol]
    return evaluate(body, dict(zip(parameters, arguments, strict=True)))


def _points(model: TableModel | ArithmeticModel, sort: str) -> list[int]:
    return list(range(model.sizes[sort])) if isinstance(model, TableModel) else list(model.points[sort])


def _holds(formula: Formula, model: TableModel | ArithmeticModel, values: dict[Variable, int]) -> bool:
    if isinstance(formula, Equation):
        return _value(formula.left, model, values) == _value(formula.right, model, values)
    if isinstance(formula, Or):
        return any(_holds(a, model, values) for a in formula.alternatives)
    if isinstance(formula, All | Some):
        domains = [_points(model, v.sort) for v in formula.variables]
        scopes = [
            {**values, **dict(zip(formula.variables, p, strict=True))} for p in itertools.product(*domains)
        ]
        if isinstance(formula, Some):
            return any(all(_holds(c, model, s) for c in formula.conjuncts) for s in scopes)
        return all(
            _holds(formula.conclusion, model, s) or not all(_holds(p, model, s) for p in formula.premises)
            for s in scopes
        )
    return False


@pytest.mark.parametrize(
    "path",
    [p for p in SPECS if p.stem not in ("lattice", "monoid", "relational_addition")],
    ids=lambda p: p.stem,
)
def test_axioms_and_goals_hold_in_the_models(path: Path) -> None:
    found = read_theory(read_document(str(path))).theory
    for model in found.models:
        if isinstance(model, GeneratedModel):
            continue
        for statement in (*found.axioms, *found.goals):
            assert _holds(statement.statement, model, {}), (model.name, statement.name)


@given(st.integers(0, 3**9 - 1), st.integers(0, 5))
def test_counterexamples_in_tables_agree_with_brute_force(code: int, number: int) -> None:
    digits = [code // 3**n % 3 for n in range(9)]
    table = np.array(digits, dtype=np.int64).reshape(3, 3)
    model = TableModel("m", {"G": 3}, {"*": table, "e": np.array(digits[0])})
    texts = [
        "x * y = y * x",
        "x * y = x * z -> y = z",
        "(x * y) * z = x * (y * z)",
        "some z. x * z = y",
        "(all y. x * y = y) -> x = e",
        "x * x = x or x * y = e or (some z. z * x = y)",
    ]
    from graphwright.graph.spec.tokens import PlainText

    document, _ = parse(GROUP.replace("x, y: G", "x, y, z: G"))
    assert document is not None
    statement = document.statement(PlainText(Source("t", texts[number])))
    found = counterexample(statement, model)
    assert (found is None) is _holds(statement, model, {})
    if found is not None:
        assert isinstance(statement, All)
        values = {v: dict(found.values)[v.name] for v in statement.variables}
        inner = All(
            (),
            statement.premises or (Equation(Variable("x", "G"), Variable("x", "G")),),
            statement.conclusion,
        )
        assert not _holds(inner, model, values)
