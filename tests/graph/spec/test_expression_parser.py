"""Expressions against Python's own parser: the same structure and the same places."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.graph.diagnostics import SpecError
from graphwright.graph.spec.expression_parser import parse_expression
from graphwright.graph.spec.expressions import (
    Binary,
    Boolean,
    Call,
    Choice,
    Comparison,
    Ellipsis,
    ListOf,
    Logical,
    Member,
    Name,
    Nothing,
    Number,
    Slice,
    Subscript,
    Text,
    Unary,
)

NAMES = st.sampled_from(["x", "y2", "logits", "W_in", "TopK"])
NUMBERS = st.sampled_from(["0", "1", "12", "1.5", ".5", "2.", "1e-5", "1E3", "0x1f", "1_000", "00"])
ATOMS = st.one_of(
    NAMES,
    NUMBERS,
    st.sampled_from(["None", "True", "False"]),
    st.sampled_from(['"ij,jk->ik"', "'zoh'", r'"a\n\"b"']),
)
BINARY = [
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "**",
    "@",
    "&",
    "|",
    "^",
    "<<",
    ">>",
    " and ",
    " or ",
    "==",
    "!=",
    " < ",
    ">=",
]
FORMS = [
    "{}{op}{}", "{} {op} {}", "{}{op}{}{op}{}", "{} < {} <= {}", "-{}", "+{}", "~{}", "not {}",
    "{} if {} else {}",
    "{} is None", "{} is not None", "({})", "( {} )", "[{}, {}]", "[{},]", "[]", "f({}, {}, axis={})", "f()",
    "x.f({})", "f(k={}, j={})", "x[{}]", "x[{}, None]", "x[:, {}]", "x[{}:{}]", "x[..., {}::2]", "({})[{}]",
    "({}).T", "x.y.z", "f({})[0]", "f({}).value[1:]",
]  # fmt: skip


WORDS = "x 1 1.5 ( ) [ ] , : . + - * ** // == < not and or if else is None in ... .. = := 'a' f( x[ lambda"
TOKENS = tuple((WORDS + " for # µ ! 010 1j -> ~ &").split(" "))


@st.composite
def expressions(draw, depth=4):
    """Texts of the grammar, their forms nested at random."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(ATOMS)
    form = draw(st.sampled_from(FORMS)).replace("{op}", draw(st.sampled_from(BINARY)))
    parts = [draw(expressions(depth=depth - 1)) for _ in range(form.count("{}"))]
    return form.format(*parts)


_BINARY = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.MatMult: "@", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>",
}  # fmt: skip
_UNARY = {ast.USub: "-", ast.UAdd: "+", ast.Invert: "~", ast.Not: "not"}
_COMPARE = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Is: "is",
    ast.IsNot: "is not",
}  # fmt: skip


def from_python(node):
    """Python's tree in the form of `from_ours`."""
    if node is None:
        return None
    place = (node.col_offset + 1, node.end_col_offset + 1)
    match node:
        case ast.Constant(value=None):
            return "none", place
        case ast.Constant(value=bool(value)):
            return "bool", value, place
        case ast.Constant(value=str(value)):
            return "text", value, place
        case ast.Constant(value=value) if value is ...:
            return "...", place
        case ast.Constant(value=value):
            return "number", type(value), value, place
        case ast.Name(id=name):
            return "name", name, place
        case ast.Attribute(value=base, attr=name):
            return "member", from_python(base), name, place
        case ast.List(elts=items):
            return "list", [from_python(item) for item in items], place
        case ast.UnaryOp(op=op, operand=operand):
            return "unary", _UNARY[type(op)], from_python(operand), place
        case ast.BinOp(left=left, op=op, right=right):
            return "binary", _BINARY[type(op)], from_python(left), from_python(right), place
        case ast.Compare(left=left, ops=ops, comparators=right):
            operators = [_COMPARE[type(op)] for op in ops]
            return "compare", operators, [from_python(item) for item in (left, *right)], place
        case ast.BoolOp(op=op, values=values):
            return "logical", type(op).__name__.lower(), [from_python(value) for value in values], place
        case ast.IfExp(test=test, body=body, orelse=other):
            return "choice", from_python(test), from_python(body), from_python(other), place
        case ast.Call(func=function, args=arguments, keywords=keywords):
            named = [(k.arg, from_python(k.value), k.col_offset + 1) for k in keywords]
            return "call", from_python(function), [from_python(a) for a in arguments], named, place
        case ast.Slice(lower=lower, upper=upper, step=step):
            return "slice", from_python(lower), from_python(upper), from_python(step), place
        case ast.Subscript(value=base, slice=ast.Tuple(elts=items)):
            return "subscript", from_python(base), [from_python(item) for item in items], place
        case ast.Subscript(value=base, slice=item):
            return "subscript", from_python(base), [from_python(item)], place
    raise TypeError(ast.dump(node))


def from_ours(node):
    if node is None:
        return None
    place = (node.span.column, node.span.end_column)
    match node:
        case Nothing():
            return "none", place
        case Boolean(value=value):
            return "bool", value, place
        case Text(value=value):
            return "text", value, place
        case Ellipsis():
            return "...", place
        case Number(value=value):
            return "number", type(value), value, place
        case Name(name=name):
            return "name", name, place
        case Member(base=base, name=name):
            return "member", from_ours(base), name, place
        case ListOf(items=items):
            return "list", [from_ours(item) for item in items], place
        case Unary(operator=operator, operand=operand):
            return "unary", operator, from_ours(operand), place
        case Binary(operator=operator, left=left, right=right):
            return "binary", operator, from_ours(left), from_ours(right), place
        case Comparison(operators=operators, operands=operands):
            return "compare", list(operators), [from_ours(item) for item in operands], place
        case Logical(operator=operator, operands=operands):
            return "logical", operator, [from_ours(item) for item in operands], place
        case Choice(condition=condition, then=then, otherwise=otherwise):
            return "choice", from_ours(condition), from_ours(then), from_ours(otherwise), place
        case Call(function=function, arguments=arguments, keywords=keywords):
            named = [(k.name, from_ours(k.value), k.span.column) for k in keywords]
            return "call", from_ours(function), [from_ours(a) for a in arguments], named, place
        case Slice(start=start, stop=stop, step=step):
            return "slice", from_ours(start), from_ours(stop), from_ours(step), place
        case Subscript(base=base, items=items):
            return "subscript", from_ours(base), [from_ours(item) for item in items], place
    raise TypeError(node)


# What the language refuses although Python's grammar allows it.
REFUSED = {"G0201", "G0207", "G0208", "G0209", "G0210"}


@settings(max_examples=800)
@given(expressions())
def test_same_trees_and_places_as_python(text):
    try:
        ours = parse_expression(text)
    except SpecError as error:
        if error.diagnostics[0].code in REFUSED:
            return
        with pytest.raises(SyntaxError):
            ast.parse(text, mode="eval")
        return
    assert from_ours(ours) == from_python(ast.parse(text, mode="eval").body)


@settings(max_examples=1500)
@given(st.lists(st.sampled_from(TOKENS), max_size=12).map(" ".join))
def test_what_python_refuses_is_a_diagnostic(text):
    try:
        parse_expression(text)
    except SpecError as error:
        (found,) = error.diagnostics
        assert found.code.startswith("G02")
        assert 1 <= found.span.column <= len(text) + 1
        assert found.span.column < found.span.end_column
        return
    ast.parse(text.strip(), mode="eval")


@pytest.mark.parametrize(
    ("text", "same"), [("true", "True"), ("null", "None"), ("a if true else null", "a if True else None")]
)
def test_yaml_spellings_of_constants(text, same):
    def bare(node):
        found = from_ours(node)
        return found[:-1] if found[0] != "choice" else [part[:-1] for part in found[1:-1]]

    assert bare(parse_expression(text)) == bare(parse_expression(same))


def test_wide_operator_runs_and_integers_are_cheap():
    for text in (
        "-" * 9_999 + "x",
        "(" * 9_999,
        "[" * 9_999,
        "9" * 9_999,
        "x" + "[0]" * 3_000,
        "not " * 2_000 + "x",
    ):
        with pytest.raises(SpecError) as caught:
            parse_expression(text)
        assert caught.value.diagnostics[0].code in {"G0201", "G0206"}


def test_line_breaks_count_as_blanks():
    first, second = parse_expression("f(x,\n  y)"), parse_expression("f(x,   y)")
    assert [a.name for a in first.arguments] == [a.name for a in second.arguments]
    assert first.arguments[1].span[1:] == (2, 3, 2, 4)
