"""Infix notation: round trips of formulas, precedence, diagnostics with carets."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from graphwright.graph.diagnostics import Source, SpecError
from graphwright.graph.spec.tokens import PlainText
from graphwright.graph.theory import (
    FALSEHOOD,
    All,
    Application,
    Atom,
    Equation,
    Formula,
    Function,
    Or,
    Relation,
    Signature,
    Some,
    Sort,
    Term,
    Variable,
    free_variables,
    negation,
)
from graphwright.graph.theory.elaboration import Names, close, elaborate, elaborate_statement
from graphwright.graph.theory.infix_parser import parse_infix
from graphwright.graph.theory.infix_printer import print_formula, print_statement

N, L = "Nat", "List"
SIGNATURE = Signature(
    (Sort(N), Sort(L)),
    (
        Function("0", (), N),
        Function("s", (N,), N),
        Function("-", (N,), N),
        Function("+", (N, N), N),
        Function("*", (N, N), N),
        Function("^", (N, N), N),
        Function("/\\", (N, N), N),
        Function("nil", (), L),
        Function("cons", (N, L), L),
        Function("++", (L, L), L),
        Function("length", (L,), N),
    ),
    (Relation("<=", (N, N)), Relation("even", (N,)), Relation("rain", ())),
)
VARIABLES = {"x": N, "y": N, "z": N, "xs": L, "ys": L}
NAMES = Names(SIGNATURE, VARIABLES)


def read(text: str) -> Formula:
    return elaborate(parse_infix(PlainText(Source("t", text))), NAMES)


@st.composite
def _terms(draw: st.DrawFn, sort: str, depth: int = 3) -> Term:
    choices: list[Term | Function] = [Variable(n, s) for n, s in VARIABLES.items() if s == sort]
    if depth:
        choices += [f for f in SIGNATURE.functions if f.output == sort]
    chosen = draw(st.sampled_from(choices))
    if isinstance(chosen, Term):
        return chosen
    return Application(chosen.name, tuple(draw(_terms(s, depth - 1)) for s in chosen.inputs), sort)


terms = {s: _terms(s) for s in (N, L)}
literals = st.one_of(
    st.just(FALSEHOOD),
    st.builds(Equation, terms[N], terms[N]),
    st.builds(Equation, terms[L], terms[L]),
    st.builds(lambda a, b: Atom("<=", (a, b)), terms[N], terms[N]),
    st.builds(lambda a: Atom("even", (a,)), terms[N]),
    st.just(Atom("rain", ())),
)
bound = st.lists(
    st.sampled_from([Variable(n, s) for n, s in VARIABLES.items()]), min_size=1, max_size=2, unique=True
)


def _deeper(inner: st.SearchStrategy[Formula]) -> st.SearchStrategy[Formula]:
    some = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        st.builds(negation, inner),
        st.builds(lambda p, c: All((), p, c), some, inner),
        st.builds(lambda v, p, c: All(tuple(v), p, c), bound, st.lists(inner, max_size=2).map(tuple), inner),
        st.builds(lambda v, c: Some(tuple(v), c), bound, some),
        st.lists(inner, min_size=2, max_size=3).map(lambda c: Some((), tuple(c))),
        st.lists(inner, min_size=2, max_size=3).map(lambda c: Or(tuple(c))),
    )


formulas = st.recursive(literals, _deeper, max_leaves=8)


@settings(max_examples=150)
@given(formulas)
def test_printed_formulas_read_back(formula: Formula) -> None:
    assert read(print_formula(formula)) == formula


@settings(max_examples=400)
@given(formulas)
@example(All((Variable("x", "Nat"),), (), All((Variable("x", "Nat"),), (), FALSEHOOD)))
def test_printed_statements_read_back(formula: Formula) -> None:
    statement = close(formula)
    assert free_variables(statement) == ()
    again = elaborate_statement(parse_infix(PlainText(Source("t", print_statement(statement)))), NAMES)
    assert print_statement(again) == print_statement(statement)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("x + y * z = 0", "x + (y * z) = 0"),
        ("x * y ^ z ^ x = 0", "x * (y ^ (z ^ x)) = 0"),
        ("x + y + z = 0", "(x + y) + z = 0"),
        ("-x * y = 0", "(-x) * y = 0"),
        ("not x = y and even(x)", "(not (x = y)) and even(x)"),
        ("even(x) -> even(y) -> even(z)", "even(x) and even(y) -> even(z)"),
        ("even(x) or even(y) and rain", "even(x) or (even(y) and rain)"),
        ("x != y", "not x = y"),
        ("x = y -> false", "not x = y"),
        ("all x. even(x) and rain -> rain", "all x in Nat. (even(x) and rain -> rain)"),
    ],
)
def test_precedence(text: str, same: str) -> None:
    left, right = read(text), read(same)
    if "all" in text:  # brackets after a quantifier are kept; the statement is the same
        left, right = close(left), close(right)
    assert left == right


def test_a_conjunction_in_brackets_is_one_premise() -> None:
    loose, tight = read("even(x) and even(y) -> rain"), read("(even(x) and even(y)) -> rain")
    assert isinstance(loose, All)
    assert isinstance(tight, All)
    assert (len(loose.premises), len(tight.premises)) == (2, 1)


@pytest.mark.parametrize(
    ("text", "code", "columns"),
    [
        ("x + = y", "G1606", (5, 6)),
        ("x = y = z", "G1606", (7, 8)),
        ("x y = z", "G1606", (3, 4)),
        ("(x = y", "G1606", (6, 7)),
        ("x = y)", "G1606", (6, 7)),
        ("x => y", "G1606", (3, 5)),
        ("x ≤ y", "G1606", (3, 4)),
        ("x + not y = z", "G1606", (5, 8)),
        ("all x x = y", "G1606", (7, 8)),
        ("s() = x", "G1606", (1, 4)),
        ("", "G1606", (1, 2)),
        ("zs = xs", "G1601", (1, 3)),
        ("sq(x) = x", "G1601", (1, 3)),
        ("s(x, y) = 0", "G1602", (1, 8)),
        ("x = nil", "G1603", (3, 4)),
        ("cons(nil, xs) = xs", "G1603", (6, 9)),
        ("x + y", "G1604", (1, 6)),
        ("even(x) = x", "G1604", (1, 5)),
        ("all q in Nut. q = q", "G1605", (10, 13)),
        ("all x, x. x = x", "G1607", (8, 9)),
        ("(" * 200 + "x = y", "G1611", None),
    ],
)
def test_mistakes_have_their_place(text: str, code: str, columns: tuple[int, int] | None) -> None:
    with pytest.raises(SpecError) as caught:
        read(text)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code
    assert diagnostic.span is not None
    if columns is not None:
        assert (diagnostic.span.column, diagnostic.span.end_column) == columns


def test_near_names_are_suggested() -> None:
    with pytest.raises(SpecError) as caught:
        read("lenght(xs) = 0")
    assert caught.value.diagnostics[0].hint == "did you mean 'length'?"


@settings(max_examples=200)
@given(st.text("xyzs0+*=!<>()., \n'alsomentd-", max_size=40))
def test_any_text_is_read_or_diagnosed(text: str) -> None:
    try:
        formula = read(text)
    except SpecError as error:
        spans = [d.span for d in error.diagnostics]
    else:
        spans = []
        assert read(print_formula(formula)) == formula
    assert None not in spans
