"""MPL: round trips, malformed text with its place, and what it says in a theory."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.graph.diagnostics import Diagnostic, Source, SpecError
from graphwright.graph.spec.reader import read_document
from graphwright.graph.spec.tokens import PlainText
from graphwright.graph.theory import All, Application, Equation, Formula, Term, Variable
from graphwright.graph.theory.evaluation import counterexample
from graphwright.graph.theory.mpl import MplAnd, MplAtom, MplFormula, MplImplies, MplNot, parse_mpl, print_mpl
from graphwright.graph.theory.reader import TheoryDocument, read_theory

ROOT = Path(__file__).parents[3]
GOALS = (ROOT / "tests" / "data" / "logic" / "peano_goals.mpl").read_text(encoding="utf-8").splitlines()


def parse(text: str) -> MplFormula:
    return parse_mpl(PlainText(Source("t", text)))


@pytest.fixture(scope="module")
def peano() -> TheoryDocument:
    return read_theory(read_document(str(ROOT / "specs" / "logic" / "peano.yaml")))


def test_published_goals_round_trip() -> None:
    assert len(GOALS) == 58
    assert [print_mpl(parse(text)) for text in GOALS] == GOALS


token = st.text("abcxyz019+*_", min_size=1, max_size=4)
name = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,5}", fullmatch=True) | st.just("=")
atoms = st.builds(lambda n, a: MplAtom(n, tuple(a)), name, st.lists(token, max_size=4))
formulas = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds(MplNot, inner),
        st.builds(MplAnd, inner, inner),
        st.builds(
            lambda v, a, b: MplImplies(tuple(v), a, b), st.lists(token, max_size=3, unique=True), inner, inner
        ),
    ),
    max_leaves=12,
)


@given(formulas, st.sampled_from(["", " ", "\n  "]))
def test_printed_formulas_read_back(formula: MplFormula, blank: str) -> None:
    text = print_mpl(formula)
    assert parse(text) == formula
    spaced = text.replace("(", f"{blank}({blank}").replace(",", f"{blank},{blank}")
    assert parse(spaced) == formula


@settings(max_examples=300)
@given(st.sampled_from(GOALS), st.integers(0, 200), st.sampled_from("()[]&>!,x=0 é"), st.booleans())
def test_a_changed_character_is_read_or_diagnosed(
    text: str, place: int, character: str, insert: bool
) -> None:
    place %= len(text)
    changed = text[:place] + character + text[place + (not insert) :]
    found: tuple[Diagnostic, ...] = ()
    try:
        assert print_mpl(parse(changed))
    except SpecError as error:
        found = error.diagnostics
    for diagnostic in found:
        assert diagnostic.code == "G1610"
        assert diagnostic.span is not None
        assert 1 <= diagnostic.span.column <= len(changed) + 1


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("(&A)", 1, 3),
        ("(&(=[a,b]))", 1, 11),
        ("(>[x](=[a,b]))", 1, 14),
        ("(=[a,b]", 1, 7),
        ("(=[a b])", 1, 6),
        ("(>[x,\n x](=[a,b])(=[a,b]))", 2, 2),
        ("(=[a,b]))", 1, 9),
        ("(=[a,])", 1, 6),
        ("(∧(=[a,b]))", 1, 2),
        ("", 1, 1),
    ],
)
def test_malformed_text_has_its_place(text: str, line: int, column: int) -> None:
    with pytest.raises(SpecError) as caught:
        parse(text)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "G1610"
    assert diagnostic.span is not None
    assert (diagnostic.span.line, diagnostic.span.column) == (line, column)


def test_negation_in_brackets_is_sugar_and_depth_is_bounded() -> None:
    assert parse("(!(=[a,b]))") == parse("!(=[a,b])")
    with pytest.raises(SpecError, match="G1611"):
        parse("!" * 500 + "(=[a,b])")


# --- meaning ------------------------------------------------------------------------------


def _renamed(formula: Formula) -> set[str]:
    """The statement under every order of its variables, equations unordered."""
    variables = formula.variables if isinstance(formula, All) else ()

    def term(t: Term, names: dict[Variable, str]) -> str:
        if isinstance(t, Variable):
            return names[t]
        assert isinstance(t, Application)
        return f"{t.symbol}({','.join(term(a, names) for a in t.arguments)})"

    def text(f: Formula, names: dict[Variable, str]) -> str:
        if isinstance(f, Equation):
            return "=".join(sorted((term(f.left, names), term(f.right, names))))
        assert isinstance(f, All)
        return " & ".join(sorted(text(p, names) for p in f.premises)) + " -> " + text(f.conclusion, names)

    orders = itertools.permutations(range(len(variables)))
    return {text(formula, {v: f"v{n}" for v, n in zip(variables, o, strict=True)}) for o in orders}


def test_published_goals_are_those_of_the_spec(peano: TheoryDocument) -> None:
    """The relational originals say what specs/logic/peano.yaml states in function form; the first
    two are given with s(0), the value of 1."""
    goals = [g.statement for g in peano.theory.goals]
    for number, (text, goal) in enumerate(zip(GOALS, goals, strict=True), 1):
        statement = peano.statement(PlainText(Source("t", text)))
        if number > 2:
            assert _renamed(statement) & _renamed(goal), (number, str(statement), str(goal))


def _holds(formula: MplFormula, values: dict[str, int], tokens: dict[str, str]) -> bool:
    """The relational meaning by brute force over 0..6: no functions, no one-point rule."""
    if isinstance(formula, MplAtom):
        if formula.name == "AnchorPeano":
            return True
        arguments = [values.get(a, {"0": 0, "1": 1}.get(tokens.get(a, ""), -1)) for a in formula.arguments]
        if formula.name == "=":
            return arguments[0] == arguments[1]
        if formula.name == "in2":
            return arguments[0] + 1 == arguments[1]
        x, y, z = arguments[:3]
        return z == (x + y if tokens[formula.arguments[3]] == "+" else x * y)
    assert isinstance(formula, MplImplies)
    variables = [v for v in formula.variables if v not in tokens]
    for point in itertools.product(range(7), repeat=len(variables)):
        inner = {**values, **dict(zip(variables, point, strict=True))}
        if _holds(formula.premise, inner, tokens) and not _holds(formula.conclusion, inner, tokens):
            return False
    return True


FALSE = [
    "(>[7,8,9](in3[7,8,9,5])(in3[7,8,9,4]))",
    "(>[7,8,9](in3[7,8,9,5])(>[10](in3[7,10,9,5])(=[8,10])))",
    "(>[7,8](in2[7,8,3])(in3[7,7,8,4]))",
]


@pytest.mark.parametrize("text", [*GOALS[:28:3], *FALSE])
def test_relational_and_functional_reading_agree(peano: TheoryDocument, text: str) -> None:
    """Small witnesses: what is false is false with values up to 6."""
    tokens = {"1": "Nat", "2": "0", "3": "s", "4": "+", "5": "*", "6": "1"}
    whole = text if "Anchor" in text else f"(>[1,2,3,4,5,6](AnchorPeano[1,2,3,4,5,6]){text})"
    statement = peano.statement(PlainText(Source("t", whole)))
    (model,) = peano.theory.models
    assert (counterexample(statement, model) is None) is _holds(parse(whole), {}, tokens)
    assert (text in FALSE) is (counterexample(statement, model) is not None)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("(>[x](in2[x,y,s])(=[x,0]))", "G1609"),
        ("(>[x,y](in2[x,y,t])(=[x,0]))", "G1615"),
        ("(>[x,y](in2[x,y])(=[x,0]))", "G1602"),
        ("(>[x](in[x,Natt])(=[x,0]))", "G1605"),
        ("(>[x](leq[x,x])(=[x,0]))", "G1615"),
        ("(>[x](AnchorPeano[1,2])(=[x,x]))", "G1602"),
        ("(&(AnchorPeano[1,2,3,4,5,6])(=[0,0]))", "G1615"),
    ],
)
def test_mpl_without_a_meaning(peano: TheoryDocument, text: str, code: str) -> None:
    with pytest.raises(SpecError, match=code) as caught:
        peano.statement(PlainText(Source("t", text)))
    assert caught.value.diagnostics[0].span is not None


def test_existence_and_disjunction(peano: TheoryDocument) -> None:
    from graphwright.graph.theory.infix_printer import print_statement

    def read(text: str) -> str:
        return print_statement(peano.statement(PlainText(Source("t", text))))

    assert read("(>[x](in[x,Nat])!(>[y](in[y,Nat])!(in2[x,y,s])))") == "some y. s(x) = y"
    assert read("!(&(=[0,1])(=[1,0]))") == "0 != 1 or 1 != 0"
