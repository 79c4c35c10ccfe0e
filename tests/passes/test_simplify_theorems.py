"""The rewrite rules of the simplify passes are theorems of exact arithmetic, a certificate a rule."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from graphwright.backends.logic import kernel
from graphwright.backends.logic.certificates import header
from graphwright.backends.logic.engine.prover import Prover
from graphwright.graph.diagnostics import Source
from graphwright.graph.spec.reader import read_document
from graphwright.graph.spec.tokens import PlainText
from graphwright.graph.theory import All, Application, Equation, Formula, Term, Theory, Variable
from graphwright.graph.theory.evaluation import counterexample
from graphwright.graph.theory.reader import TheoryDocument, read_theory
from graphwright.passes.rewriting import Rule
from graphwright.passes.rewriting.pattern import BINARY, UNARY
from graphwright.passes.rewriting.rule import _LINE
from graphwright.passes.simplify import algebra, identities
from graphwright.passes.simplify.algebra import algebra_rules
from graphwright.passes.simplify.batch_norm import batch_norm_rules
from graphwright.passes.simplify.chains import chain_rules
from graphwright.passes.simplify.constant_expressions import ConstantExpressions
from graphwright.passes.simplify.dead_code import dead_code_rules
from graphwright.passes.simplify.folding import folding_rules
from graphwright.passes.simplify.hoisting import hoisting_rules
from graphwright.passes.simplify.identities import identity_rules
from graphwright.passes.simplify.recurrent import recurrent_rules
from graphwright.passes.simplify.reductions import reduction_rules
from graphwright.passes.simplify.shapes import shape_rules
from graphwright.passes.simplify.theorems import THEORIES, UNSTATED, rule_of_goal
from graphwright.passes.simplify.unrolling import unrolling_rules

SPECS = Path(kernel.__file__).parents[2] / "specs" / "logic"


@cache
def document(name: str) -> TheoryDocument:
    return read_theory(read_document(str(SPECS / f"{name}.yaml")))


def theory(name: str) -> Theory:
    return document(name).theory


def simplify_rules() -> list[Rule]:
    return [
        *identity_rules(),
        *algebra_rules(),
        *batch_norm_rules(ConstantExpressions()),
        *chain_rules(),
        *dead_code_rules(),
        *folding_rules(),
        *hoisting_rules(),
        *recurrent_rules(),
        *reduction_rules(),
        *shape_rules(),
        *unrolling_rules(),
    ]


def test_every_rule_is_a_goal_or_says_why_not() -> None:
    rules = {r.name for r in simplify_rules()} | {"known-content", "equal-weights"}
    stated = {rule_of_goal(g.name) for name in THEORIES for g in theory(name).goals}
    assert rules - stated - set(UNSTATED) == set()
    assert set(UNSTATED) & stated == set()
    assert set(UNSTATED) <= rules
    assert stated <= rules
    assert all(UNSTATED.values())


def test_every_module_with_rules_is_looked_at() -> None:
    """A new file of rules must come into the list above."""
    folder = Path(algebra.__file__).parent
    with_rules = {
        p.stem for p in folder.glob("*.py") if "Procedure(" in p.read_text() or "TABLE" in p.read_text()
    }
    assert with_rules == {
        "algebra",
        "batch_norm",
        "chains",
        "dead_code",
        "folding",
        "hoisting",
        "identities",
        "recurrent",
        "reductions",
        "shapes",
        "unrolling",
        "weights",
    }


@pytest.mark.parametrize("name", THEORIES)
def test_the_theorems_have_certificates(name: str) -> None:
    found = theory(name)
    assert all(counterexample(a.statement, m) is None for a in found.axioms for m in found.models)
    outcome = Prover(found).run(found.goals)
    assert not outcome.unproved
    verdict = kernel.check(outcome.certificate.lines(), header(found))
    assert verdict.accepted
    assert {g.name for g in found.goals} <= set(verdict.theorems)


# --- a goal says what its rule says ---------------------------------------------------------------

SYMBOLS = {
    "Add": "+", "Sub": "minus", "Mul": "*", "Div": "over", "Neg": "neg", "Reciprocal": "inv", "Sqrt": "sqrt",
    "Pow": "pow", "And": "&", "Or": "|", "Not": "~", "Where": "where", "Max": "max", "Min": "min", "Abs": "abs",
    "Relu": "relu", "Sign": "sign", "Ceil": "ceil", "Floor": "floor", "Round": "round", "Clip": "clip",
    "inside": "clip", "negated": "neg",
}  # fmt: skip
MEANT = {("zero", ""): "0", ("adds_nothing", ""): "0", ("filled", "True"): "yes", ("filled", "False"): "no"}
"""What a condition says of a constant."""


def term(tree: ast.expr, constants: dict[str, str]) -> str:
    """The side of a rule as a term in prefix form."""
    if isinstance(tree, ast.NamedExpr):
        return term(tree.value, constants)
    if isinstance(tree, ast.Name):
        return constants.get(tree.id, tree.id)
    if isinstance(tree, ast.Constant):
        return {True: "yes", False: "no"}[tree.value] if isinstance(tree.value, bool) else str(tree.value)
    if isinstance(tree, ast.UnaryOp):
        return applied(UNARY[type(tree.op)], [term(tree.operand, constants)])
    if isinstance(tree, ast.BinOp):
        sides = [term(tree.left, constants), term(tree.right, constants)]
        if isinstance(tree.op, ast.Pow):
            sides[1] = "next(zero)" if sides[1] == "1" else sides[1]
        return applied(BINARY[type(tree.op)], sides)
    assert isinstance(tree, ast.Call)
    assert isinstance(tree.func, ast.Name)
    if tree.func.id == "const":
        return term(tree.args[0], constants)
    return applied(tree.func.id, [term(a, constants) for a in tree.args])


def applied(operator: str, arguments: list[str]) -> str:
    return f"{SYMBOLS[operator]}({', '.join(arguments)})"


def printed(found: Term) -> str:
    if isinstance(found, Variable):
        return found.name
    assert isinstance(found, Application)
    return f"{found.symbol}({', '.join(map(printed, found.arguments))})" if found.arguments else found.symbol


def named(text: str) -> str:
    """With the variables called by first occurrence."""
    names: dict[str, str] = {}
    words = []
    for word in words_of(text):
        if len(word) == 1 and word.isalpha():
            word = names.setdefault(word, f"v{len(names)}")
        words.append(word)
    return "".join(words)


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+|\W", text)


TABLES = [line for line in (algebra.TABLE + identities.TABLE).splitlines() if line.strip()]
SPECIAL = {"log-softmax"}
"""Rules with attributes, which the theorem speaks of in words."""


@pytest.mark.parametrize("line", TABLES, ids=[line.split(":")[0].strip() for line in TABLES])
def test_a_goal_says_what_its_rule_says(line: str) -> None:
    parts = _LINE.match(line)
    assert parts is not None
    name, pattern, replacement, conditions = parts.groups()
    if name in UNSTATED or name in SPECIAL:
        return
    constants = {}
    for call in ast.walk(ast.parse(f"({conditions or ''},)" if conditions else "()", mode="eval")):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            value = ast.unparse(call.args[1]) if len(call.args) > 1 else ""
            if (call.func.id, value) in MEANT:
                constants[ast.unparse(call.args[0])] = MEANT[call.func.id, value]
    for inner in ast.walk(parsed(pattern)):
        if isinstance(inner, ast.NamedExpr):
            constants[inner.target.id] = term(inner.value, constants)
    rule = named(f"{term(parsed(pattern), constants)} = {term(parsed(replacement), constants)}")
    goals = [g for n in THEORIES for g in theory(n).goals if g.name == name]
    assert [named(equation(g.statement)) for g in goals][:1] == [rule]


def parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def equation(statement: Formula) -> str:
    while isinstance(statement, All):
        statement = statement.conclusion
    assert isinstance(statement, Equation)
    return f"{printed(statement.left)} = {printed(statement.right)}"


def test_a_wrong_rule_would_be_seen() -> None:
    """The comparison tells a rule from another one: a - (b + x) is not (a - b) + x."""
    located = PlainText(Source("goal", "x + neg(y) = minus(y, x)"))
    wrong = document("rewrites").statement(located)
    right = "x + (-y)", "x - y"
    assert named(equation(wrong)) != named(f"{term(parsed(right[0]), {})} = {term(parsed(right[1]), {})}")
