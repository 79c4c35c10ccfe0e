"""Printing is lossless: what is printed reads back as the same records, up to spans."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.graph.diagnostics import Source, Span
from graphwright.graph.spec.documents import Declaration, Label
from graphwright.graph.spec.expression_parser import parse_expression
from graphwright.graph.spec.expressions import (
    Binary,
    Boolean,
    Call,
    Choice,
    Comparison,
    Ellipsis,
    Keyword,
    KindDomain,
    ListOf,
    Logical,
    Member,
    Name,
    Nothing,
    Number,
    RangeDomain,
    Slice,
    Subscript,
    Text,
    TypeExpression,
    Unary,
)
from graphwright.graph.spec.printing import print_declaration, print_expression, print_text
from graphwright.graph.spec.reader import parse_document
from graphwright.graph.spec.recipe_reader import plain_value
from graphwright.graph.spec.tokens import PlainText
from graphwright.graph.spec.type_parser import parse_declaration
from graphwright.graph.spec.yaml_reader import read_yaml
from graphwright.graph.spec.yaml_writer import flow, render, string

SOURCE = Source("t", "")
AT = Span(SOURCE, 1, 1, 1, 2)
DATA = Path(__file__).parents[2] / "data" / "language"
LIBRARY = Path(__file__).parents[3] / "specs"

NAMES = st.sampled_from(["x", "logits", "W_1", "TopK", "inf"])
NUMBERS = st.one_of(
    st.integers(0, 2**64 - 1), st.floats(min_value=0, allow_nan=False, allow_infinity=False)
).map(lambda value: Number(AT, value))
TEXTS = st.text(max_size=8).map(lambda value: Text(AT, value))
OPERANDS = st.one_of(NUMBERS, NAMES.map(lambda name: Name(AT, name)))
OPERATORS = st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "@", "<<", ">>"])
COMPARISONS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


def larger(operand):
    """Expressions over operands that may stand under any operator."""
    booleans = st.booleans().map(lambda value: Boolean(AT, value))
    anything = st.one_of(operand, TEXTS, st.just(Nothing(AT)), booleans)
    lists = st.lists(operand, max_size=3).map(lambda items: ListOf(AT, tuple(items)))
    junctions = st.sampled_from(["and", "or"])
    callee = st.one_of(NAMES.map(lambda n: Name(AT, n)), st.just(Member(AT, Name(AT, "norm"), "f", AT)))
    keywords = st.dictionaries(st.sampled_from(["axis", "k", "over"]), anything, max_size=2)
    optional = st.one_of(st.none(), operand)
    item = st.one_of(
        operand,
        st.builds(lambda a, b, c: Slice(AT, a, b, c), optional, optional, optional),
        st.just(Ellipsis(AT)),
        st.just(Nothing(AT)),
    )
    return st.one_of(
        st.builds(lambda o, a, b: Binary(AT, o, a, b, AT), OPERATORS, operand, operand),
        st.builds(lambda o, a: Unary(AT, o, a), st.sampled_from(["-", "+", "not"]), operand),
        st.builds(lambda o, a, b: Comparison(AT, (o,), (a, b)), COMPARISONS, operand, operand),
        st.builds(lambda o, p, a: Comparison(AT, (o, p), (a, a, a)), COMPARISONS, COMPARISONS, operand),
        st.builds(lambda a: Comparison(AT, ("is not",), (a, Nothing(AT))), operand),
        st.builds(lambda o, a, b: Logical(AT, o, (a, b, a)), junctions, operand, operand),
        st.builds(lambda c, a, b: Choice(AT, c, a, b), operand, operand, operand),
        st.builds(
            lambda f, a, k: Call(AT, f, tuple(a), tuple(Keyword(n, v, AT) for n, v in k.items())),
            callee,
            st.lists(anything, max_size=2),
            keywords,
        ),
        st.builds(lambda b, i: Subscript(AT, b, tuple(i)), operand, st.lists(item, min_size=1, max_size=3)),
        st.builds(lambda b: Member(AT, b, "shape", AT), operand),
        st.builds(lambda items: Call(AT, Name(AT, "array"), (items,), ()), lists),
    )


EXPRESSIONS = st.recursive(OPERANDS, larger, max_leaves=10)


def bare(record):
    """A record without spans and texts; floats by their bits."""
    if isinstance(record, Span | Source):
        return None
    if is_dataclass(record):
        return (type(record).__name__, *(bare(getattr(record, f.name)) for f in fields(record)))
    if isinstance(record, tuple | list):
        return [bare(item) for item in record]
    if isinstance(record, dict):
        return {key: bare(value) for key, value in record.items()}
    return record.hex() if isinstance(record, float) else record


@settings(max_examples=600)
@given(EXPRESSIONS)
def test_expressions(expression):
    text = print_expression(expression)
    assert bare(parse_expression(text)) == bare(expression)


@given(st.text(max_size=20))
def test_texts(value):
    assert parse_expression(print_text(value)).value == value


DIMS = st.one_of(st.sampled_from(["B", "n", "_"]).map(lambda n: Name(AT, n)), st.just(Number(AT, 3)))
TYPES = st.builds(
    lambda dtype, dims: TypeExpression(AT, dtype, AT, tuple(dims)),
    st.sampled_from(["float32", "int64", "bool", "float", "any"]),
    st.lists(
        st.one_of(st.sampled_from(["B", "n", "_"]).map(lambda n: Name(AT, n)), st.just(Number(AT, 3))),
        max_size=3,
    ),
)
DOMAINS = st.one_of(
    st.none(),
    st.builds(lambda a, b: RangeDomain(AT, a, b), EXPRESSIONS, EXPRESSIONS),
    st.builds(lambda args: KindDomain(AT, "normal", tuple(args)), st.lists(EXPRESSIONS, max_size=2)),
)


@given(TYPES, DOMAINS, st.one_of(st.none(), EXPRESSIONS), st.booleans())
def test_declarations(declared, domain, default, optional):
    record = Declaration(Label("x", AT), declared, None if optional else default, domain, optional)
    assert bare(parse_declaration(Label("x", AT), PlainText(Source("t", print_declaration(record))))) == bare(
        record
    )


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("((a)) + (b * c)", "a + b * c"),
        ("(a + b) * c", "(a + b) * c"),
        ("a - (b - c)", "a - (b - c)"),
        ("(-a) ** b", "(-a) ** b"),
        ("-(a ** b)", "-a ** b"),
        ("(a if b else c) if d else e", "(a if b else c) if d else e"),
        ("not (a and b)", "not (a and b)"),
        ("x[1 : , None, ...]", "x[1:, None, ...]"),
        ("f( a,b ,k = 1 )", "f(a, b, k=1)"),
        ("True", "true"),
        ("1e-05", "1e-05"),
    ],
)
def test_fewest_brackets(text, printed):
    assert print_expression(parse_expression(text)) == printed


SPECS = sorted([*DATA.rglob("*.yaml"), *LIBRARY.rglob("*.yaml")])


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.name)
def test_whole_documents(path):
    document, _ = parse_document(Source("a", path.read_text(encoding="utf-8")))
    again, diagnostics = parse_document(Source("b", render(document)))
    assert not diagnostics.errors or {d.code for d in diagnostics.errors} == {"G0804"}
    if document.body is None and document.root is not None:  # kinds whose parsers read the tree
        assert plain_value(again.root) == plain_value(document.root)
    else:
        assert bare(again) == bare(document)
    assert render(again) == render(document)


EVERYTHING = """
graphwright: 1
kind: graph
name: every-key
doc: |
  Two lines,
  the second: with a colon # and a hash.
source: {title: "3.10", arxiv: "2006.00010", note: 'it''s'}
use: {norm: layers/normalization.yaml, b: layers/basic.yaml}
sizes: {n: 3, m: "n * 2", batch: 1..64, free: "1.."}
attributes:
  low: -10.0
  mode: str = "same"
  out: dtype = float32
  axes: [0, -1]
  width: int
  any_: any = 3
  maybe: null
  third: 1 / 3
slots:
  net: (int64[B, L], float32) -> float32[B], int64 = partial(gelu, k=2)
inputs:
  x: float32[batch, ..., 2 * n] in 0..n - 1
  y: like(x) ~ normal(0, 2) = None
parameters:
  kernel: float32[n] = uniform(-1 / sqrt(n), 1 / sqrt(n))
state:
  count: int64 = 0
noise:
  u: float32[n] = uniform()
require:
  - n % 2 == 1
nodes:
  a, _, b: Split(x)
  table: [[1, -2.5], [inf, -inf]]
  big: float32[batch] = where(x[..., 0] > 0 and not y is None, x, 'a#b')
updates:
  count: count + 1 if training else count
outputs: {big: "float32[batch]"}
functions:
  'f(x, axis=-1, sep=": ")': x
  long:
    doc: "true"
    outputs: [y]
training:
  data: {source: "digits.train[:256]", validation: 0.1, bind: {x: "float32(image) / 255"}}
  alternate:
    - loss: big
      optimizer: adam(lr=1e-3)
    - loss: f.loss
      optimizer:
        - parameters: [a.kernel, b]
          optimizer: sgd(lr=0.1)
      parameters: [b]
  epochs: 3
  batch: 8
  clip_norm: 1.5
  seed: 4
  freeze: [h.0.kernel]
  after_step: {h.kernel: normalize(h.kernel)}
  metrics: {accuracy: "argmax(x) == y"}
tests:
  - name: "yes: all"
    sizes: {B: 3}
    inputs: {x: [[1, 2], [3, -4]]}
    attributes: {low: 1}
    parameters: {h.kernel: ones()}
    state: {count: 3}
    noise: {u: zeros()}
    slots: {net: f}
    let: {z: x + 1}
    training: true
    seed: 3
    tolerance: {rtol: 1e-4, atol: 0}
    backends: [torch, onnx]
    expect:
      - '"a" == "a"'
  - name: fails
    expect_error: G0001
"""


def test_a_document_with_every_key():
    document, diagnostics = parse_document(Source("a", EVERYTHING))
    assert not diagnostics.items
    again, diagnostics = parse_document(Source("b", render(document)))
    assert not diagnostics.items
    assert bare(again) == bare(document)
    assert again.training.alternate[1].groups[0][0][0].text == "a.kernel"
    assert again.body.tests[1].expect_error == "G0001"


SHORT = st.text(max_size=4)
PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(), st.text(max_size=6)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(SHORT, inner, max_size=3)),
    max_leaves=8,
)


def printable(value) -> bool:
    """Whether every text can stand in YAML at all (surrogates cannot)."""
    return not any(0xD800 <= ord(character) < 0xE000 for character in repr(value))


@given(PLAIN.filter(printable))
def test_pass_options(value):
    root, diagnostics = read_yaml(Source("t", f"k: {flow(value)}\n"))
    if any(d.code in {"G0006", "G0004"} for d in diagnostics.items):
        return
    assert not diagnostics.items
    assert bare(plain_value(root.get("k"))) == bare(value)


@given(st.text(max_size=30).filter(printable))
def test_texts_in_yaml(value):
    root, diagnostics = read_yaml(Source("t", f"k: {string(value)}\n"))
    assert not diagnostics.items
    assert root.get("k").text == value


def test_documents_of_other_kinds_keep_their_tree():
    text = "graphwright: 1\nkind: search\nname: s\n"
    text += "space:\n  a: [1, 'x', {b: 010}]\n  c: |\n    two\n    lines\n  d: []\n"
    document, diagnostics = parse_document(Source("a", text))
    assert not diagnostics.items
    again, _ = parse_document(Source("b", render(document)))
    assert plain_value(again.root) == plain_value(document.root)
