"""Documents as records: the worked specs of the language, and what each construct becomes."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.graph.diagnostics import Source, SpecError
from graphwright.graph.spec import documents
from graphwright.graph.spec.expressions import Binary, Call, ListOf, Member, Name, Number, Subscript, Text
from graphwright.graph.spec.reader import parse_document, read_document

DATA = Path(__file__).parents[2] / "data" / "language"
WORKED = sorted(DATA.rglob("*.yaml"))
HEADER = "graphwright: 1\nkind: graph\nname: t\noutputs: [y]\n"


def read(text: str) -> documents.Document:
    document, diagnostics = parse_document(
        Source("t.yaml", text if text.startswith("graphw") else HEADER + text)
    )
    assert not diagnostics.items
    return document


@pytest.mark.parametrize("path", WORKED, ids=lambda path: path.stem)
def test_worked_specs_have_no_diagnostics(path):
    document, diagnostics = parse_document(Source(path.name, path.read_text(encoding="utf-8")))
    assert diagnostics.items == []
    assert document.name.text.replace("-", "").isalnum()


def test_the_worked_specs_are_all_there():
    assert len(WORKED) == 13


@pytest.mark.parametrize("path", WORKED, ids=lambda path: path.stem)
def test_every_span_of_a_worked_spec_shows_its_own_text(path):
    """The name of each Name, Member and Label stands in the file where its span says."""
    document, _ = parse_document(Source(path.name, path.read_text(encoding="utf-8")))
    checked = 0
    stack: list[object] = [document]
    while stack:
        record = stack.pop()
        if isinstance(record, tuple | list):
            stack.extend(record)
        elif hasattr(record, "__dataclass_fields__") and not isinstance(record, Source):
            named = {"Name": "name", "Label": "text"}.get(type(record).__name__)
            if named and getattr(record, named) != "result":  # a one-line function's result has no text
                span = record.span
                shown = span.source.line(span.line)[span.column - 1 : span.end_column - 1]
                assert shown == getattr(record, named)
                checked += 1
            stack.extend(getattr(record, name) for name in record.__dataclass_fields__ if name != "span")
    assert checked > 3


def test_a_graph():
    document = read_document(str(DATA / "02_palm.yaml"))
    body = document.body
    assert (document.kind, document.name.text, document.provenance) == ("graph", "palm", {"title": "PALM"})
    assert [use.path.text for use in document.use] == ["layers/basic.yaml"]
    assert [size.name.text for size in document.sizes] == ["classes", "per_class", "top", "D", "M"]
    assert [(a.name.text, a.kind) for a in body.attributes] == [
        ("temperature", "float"), ("epsilon", "float"), ("decay", "float"),
    ]  # fmt: skip
    assert [d.name.text for d in body.state] == ["P"]
    assert body.state[0].type.dtype == "float32"
    assert isinstance(body.state[0].default, Call)
    assert [u.state.text for u in body.updates] == ["P"]
    assert len(body.nodes) == 14
    assert len(body.tests) == 2
    assert [f.name.text for f in document.functions] == ["l1", "kept", "sweep", "sinkhorn"]


def test_results_on_the_left():
    nodes = read("nodes:\n  _, q, k: f(x)\n  one: g(x)\n").body.nodes
    assert [[t.text for t in node.targets] for node in nodes] == [["_", "q", "k"], ["one"]]
    assert nodes[0].owner.text == "q"
    assert nodes[0].targets[2].span[1:] == (6, 9, 6, 10)


def test_a_typed_node_and_an_expression_with_keywords():
    nodes = read("nodes:\n  h: float32[B, 4] = f(x, k=3)\n  g: f(x, k=3)\n").body.nodes
    assert nodes[0].type.dtype == "float32"
    assert nodes[1].type is None


def test_one_line_functions():
    function = read("functions:\n  scale(x, by=2.0): x * by\n  pick(result): result[0]\n").functions
    assert function[0].one_line
    assert [d.name.text for d in function[0].inputs] == ["x"]
    assert function[0].inputs[0].type is None
    assert [(a.name.text, a.kind) for a in function[0].attributes] == [("by", "float")]
    assert function[0].outputs[0].name.text == function[0].nodes[0].targets[0].text == "result"
    assert function[1].outputs[0].name.text == "result_"


@pytest.mark.parametrize(
    ("value", "kind", "has_default"),
    [
        ("int", "int", False), ("float", "float", False), ("any", "any", False), ("3", "int", True),
        ("-1", "int", True), ("1e-5", "float", True), ("inf", "float", True), ("-inf", "float", True),
        ("true", "bool", True), ("str", "str", False), ('str = "same"', "str", True),
        ("[1, 2]", "list", True), ("dtype = float16", "dtype", True), ("float = 1", "float", True),
        ("null", "any", True), ("1 / 3", "float", True), ("log(2)", "float", True),
        ("3 * 2", "int", True),
    ],
)  # fmt: skip
def test_kinds_of_attributes(value, kind, has_default):
    (attribute,) = read(f"attributes:\n  k: {value}\n").body.attributes
    assert attribute.kind == kind
    assert (attribute.default is not None) == has_default


def test_types_of_all_forms():
    text = "inputs:\n  a: float32\n  b: float32[]\n  c: any[..., _, 2 * n]\n  d: like(a)\n"
    text += "  e: int64[B] in 0..n - 1 = None\n"
    a, b, c, d, e = read(text).body.inputs
    assert a.type.dims == b.type.dims == ()
    assert [type(dim).__name__ for dim in c.type.dims] == ["Ellipsis", "Name", "Binary"]
    assert (d.type.like, d.type.dtype) == ("a", "")
    assert isinstance(e.domain.high, Binary)
    assert e.optional
    assert e.default is None


def test_sizes():
    sizes = read("sizes: {n: 3, m: n * 2, b: 1..64, free: '1..', neg: -1}\n").sizes
    assert isinstance(sizes[0].value, Number)
    assert isinstance(sizes[1].value, Binary)
    assert (sizes[2].value, sizes[2].low.value, sizes[2].high.value) == (None, 1, 64)
    assert (sizes[3].low.value, sizes[3].high) == (1, None)


def test_a_slot():
    (slot,) = read("slots:\n  net: (int64[B, L], float32) -> (float32[B], int64) = Gelu\n").body.slots
    assert [t.dtype for t in slot.signature.inputs] == ["int64", "float32"]
    assert [t.dtype for t in slot.signature.outputs] == ["float32", "int64"]
    assert slot.signature.default == Name(slot.signature.default.span, "Gelu")


def test_lists_of_numbers_are_constants():
    node = read("nodes:\n  t: [[1, -2], [0.5, 1e3]]\n").body.nodes[0]
    assert isinstance(node.expression, ListOf)
    assert [len(row.items) for row in node.expression.items] == [2, 2]
    assert node.expression.items[0].items[1].operator == "-"


def test_folded_expressions_keep_their_places():
    node = read("nodes:\n  y: scan(step, init=[x0],\n    over=[t[:-1], t[1:]])\n").body.nodes[0]
    over = node.expression.keywords[1]
    assert (over.name, over.span[1:]) == ("over", (7, 5, 7, 9))
    assert over.value.items[1].span[1:] == (7, 19, 7, 24)


def test_training_of_one_loss_and_of_alternating_losses():
    text = "training:\n  loss: a\n  optimizer:\n    - parameters: h\n      optimizer: sgd(lr=0.1)\n"
    text += "  freeze: [h.0]\n"
    training = read(text).training
    (step,) = training.alternate
    assert step.loss.text == "a"
    assert [label.text for label in step.groups[0][0]] == ["h"]
    assert [label.text for label in training.freeze] == ["h.0"]
    document = read_document(str(DATA / "06_st_protopnet.yaml"))
    assert [s.loss.text for s in document.training.alternate] == ["loss_trivial", "loss_support"]
    assert all(isinstance(s.optimizer, Call) for s in document.training.alternate)
    assert [u.state.text for u in document.training.after_step] == ["trivial.P", "support.P"]


def test_an_optimizer_without_brackets_is_a_call():
    (step,) = read("training: {loss: a, optimizer: adam}\n").training.alternate
    assert isinstance(step.optimizer, Call)


def test_a_recipe():
    document = read_document(str(DATA / "12_recipe.yaml"))
    recipe = document.recipe
    assert [step.name.text for step in recipe.passes] == ["fold_batch_norm", "prune_channels", "quantize"]
    assert recipe.passes[1].options == {"ratio": 0.3, "finetune": {"epochs": 2}}
    assert recipe.passes[2].data.text == "calibration"
    assert recipe.passes[2].option_spans["skip"].line == 17
    assert len(recipe.passes[1].budget) == 1
    assert [type(b.expression) for b in recipe.data] == [Subscript, Member]
    assert recipe.verify == "each"


def test_files_in_a_recipe_are_texts():
    text = "graphwright: 1\nkind: recipe\nname: t\npasses: []\ndata: {a: 'sub-1/x.npz[:8]', b: x.csv}\n"
    first, second = read(text).recipe.data
    assert isinstance(first.expression, Subscript)
    assert first.expression.base.value == "sub-1/x.npz"
    assert first.expression.items[0].stop.value == 8
    assert isinstance(second.expression, Text)


def test_logic_documents_keep_their_tree():
    document = read("graphwright: 1\nkind: logic\nname: t\naxioms: [a]\n")
    assert document.root.get("axioms").items[0].text == "a"
    assert document.body is None


def test_aliases_work_in_specs():
    text = "tests:\n  - {name: a, sizes: &s {B: 3}, expect: [x]}\n  - {name: b, sizes: *s, expect: [x]}\n"
    body = read(text).body
    assert body.tests[0].sizes == body.tests[1].sizes


def test_read_document_raises_all_at_once(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(HEADER + "nods: 1\nnodes:\n  y: f(\n")
    with pytest.raises(SpecError) as caught:
        read_document(str(path))
    assert [d.code for d in caught.value.diagnostics] == ["G0102", "G0203"]


@settings(max_examples=200)
@given(st.sampled_from(WORKED), st.integers(0, 10_000), st.sampled_from("()[]{}:,'\"#&*- \n\tx0é|>!"))
def test_no_changed_character_of_a_worked_spec_gives_a_traceback(path, place, character):
    text = path.read_text(encoding="utf-8")
    place %= len(text)
    document, diagnostics = parse_document(Source("t", text[:place] + character + text[place + 1 :]))
    assert document is not None or diagnostics.errors
    for item in diagnostics.items:
        assert item.span is not None


def test_records_are_frozen():
    for _, record in inspect.getmembers(documents, inspect.isclass):
        if record.__module__ == documents.__name__:
            assert record.__dataclass_params__.frozen
