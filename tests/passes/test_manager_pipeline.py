"""Recipes and `--pass` to pipelines; options checked with exact places; the catalogue."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, fields
from typing import ClassVar, Literal

import pytest

from graphwright.graph.diagnostics import Diagnostics, Source, Span, SpecError
from graphwright.graph.spec.documents import Label, PassStep, Recipe
from graphwright.passes.catalogue import PASSES, entries, pass_class
from graphwright.passes.manager import parse_passes, pipeline
from graphwright.passes.manager.contract import Contract
from graphwright.passes.manager.measurement import measure
from graphwright.passes.manager.options import build_pass, entry_of, option_specs
from graphwright.passes.simplify.folding import FoldConstants


def at(source, line, start, end):
    return Span(source, line, start, line, end)


def step(source, line, name, **options):
    span = at(source, line, 5, 5 + len(name))
    spans = {k: at(source, line + 1 + i, 9, 9 + len(k)) for i, k in enumerate(options)}
    return PassStep(Label(name, span), options, spans)


def test_a_recipe_becomes_passes_with_options():
    source = Source("r.yaml", "")
    recipe = Recipe(
        (step(source, 2, "fold_constants", max_output=4096), step(source, 5, "simplify")), verify="final"
    )
    found = pipeline(recipe)
    assert [s.pass_.name for s in found.steps] == ["fold_constants", "simplify"]
    assert found.steps[0].pass_ == FoldConstants(max_output=4096)
    assert found.steps[0].span == at(source, 2, 5, 19)
    assert found.verify == "final"


def test_all_mistakes_of_a_recipe_are_reported_at_their_places():
    source = Source("r.yaml", "")
    recipe = Recipe(
        (
            step(source, 2, "fold_batchnorm"),
            step(source, 4, "fold_constants", max_ouput=4096, max_input="many"),
            step(source, 8, "simplify", fold_parameters=1),
        )
    )
    with pytest.raises(SpecError) as error:
        pipeline(recipe)
    found = [(d.code, d.span, d.hint) for d in error.value.diagnostics]
    assert found == [
        ("G1010", at(source, 2, 5, 19), "did you mean 'fold_batch_norm'?"),
        ("G1011", at(source, 5, 9, 18), "did you mean 'max_output'?"),
        ("G1012", at(source, 6, 9, 18), None),
        ("G1012", at(source, 9, 9, 24), None),
    ]
    assert "takes an integer, not 'many'" in error.value.diagnostics[2].message


def test_passes_on_the_command_line():
    found = parse_passes(
        ["simplify", "fold_constants{max_input=10, max_output=20}", " unroll_scans { max_steps = 3 }"]
    )
    assert [s.pass_.name for s in found.steps] == ["simplify", "fold_constants", "unroll_scans"]
    assert found.steps[1].pass_ == FoldConstants(10, 20)


@pytest.mark.parametrize(
    ("text", "code", "columns", "hint"),
    [
        ("simplfy", "G1010", (1, 8), "did you mean 'simplify'?"),
        ("fold_constants max_input=1", "G1014", (1, 27), "write it as name or name{option=1, other=text}"),
        ("fold_constants{max_input}", "G1014", (16, 25), None),
        ("fold_constants{max_input=1, max_outptu=2}", "G1011", (28, 41), "did you mean 'max_output'?"),
        ("fold_constants{max_input=1.5}", "G1012", (16, 29), None),
    ],
)
def test_mistakes_on_the_command_line(text, code, columns, hint):
    with pytest.raises(SpecError) as error:
        parse_passes([text])
    (diagnostic,) = error.value.diagnostics
    assert (diagnostic.code, diagnostic.hint) == (code, hint)
    assert (diagnostic.span.column, diagnostic.span.end_column) == columns


@dataclass(frozen=True)
class Sample:
    """A pass with every kind of option."""

    name: ClassVar[str] = "sample"
    ratio: float
    mode: Literal["fast", "exact"] = "fast"
    skip: tuple[str, ...] = ()
    limit: int | None = None
    extra: dict[str, int] | None = None

    def __post_init__(self):
        if not 0 <= self.ratio <= 1:
            raise ValueError(f"ratio lies between 0 and 1, not {self.ratio}")


@pytest.mark.parametrize(
    ("options", "result"),
    [
        ({"ratio": 1}, Sample(1.0)),
        ({"ratio": 0.5, "skip": ["a", "b"], "limit": None}, Sample(0.5, skip=("a", "b"))),
        ({"ratio": 0.5, "mode": "exact", "extra": {"epochs": 2}}, Sample(0.5, "exact", extra={"epochs": 2})),
        ({}, "G1013"),
        ({"ratio": 2}, "G1012"),
        ({"ratio": True}, "G1012"),
        ({"ratio": 0.5, "mode": "slow"}, "G1012"),
        ({"ratio": 0.5, "skip": "a"}, "G1012"),
        ({"ratio": 0.5, "skip": [1]}, "G1012"),
        ({"ratio": 0.5, "limit": 1.5}, "G1012"),
        ({"ratio": 0.5, "limit": True}, "G1012"),
    ],
)
def test_options_of_every_kind(options, result):
    found = Diagnostics()
    built = build_pass(Sample, options, {}, None, found)
    if isinstance(result, str):
        assert built is None
        assert [d.code for d in found.errors] == [result]
    else:
        assert built == result
        assert not found.errors


def test_the_schema_of_options():
    options = entry_of(Sample).options
    assert {n: o.kind for n, o in options.items()} == {
        "ratio": "float", "mode": "str", "skip": "list", "limit": "int", "extra": "map",
    }  # fmt: skip
    assert options["ratio"].required
    assert options["mode"].choices == ("fast", "exact")


@pytest.mark.parametrize("name", PASSES)
def test_every_pass_of_the_catalogue(name):
    found = pass_class(name)
    pass_ = found()
    assert pass_.name == name
    assert found.variants <= {"train", "infer"}
    assert isinstance(pass_.contract, Contract)
    assert found.__doc__
    assert [f.name for f in fields(found)] == list(option_specs(found))
    assert pass_ == found()


def test_the_catalogue_imports_no_pass():
    program = (
        "import sys, graphwright.passes.catalogue; "
        "print([m for m in sys.modules if 'simplify' in m or m.split('.')[0] in ('torch', 'numpy', 'onnx')])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.stdout.strip() == "[]", ran.stderr


def test_entries_hold_all():
    assert set(entries()) == set(PASSES)


# --- measurement --------------------------------------------------------------------------------------------


def test_operations_are_counted_by_hand(make):
    x = make.input(shape=("n", 3, 8, 8))
    w, v = make.input("w", (6, 3, 3, 3)), make.input("v", (6 * 36, 10))
    conv = make.apply("Conv", x, w)
    flat = make.apply("Flatten", make.apply("Relu", conv))
    found = measure(make.program(make.apply("MatMul", flat, v)), {"n": 5})
    assert found.operations == {"Conv": 5 * 6 * 6 * 6 * 27, "MatMul": 5 * 216 * 10}
    assert found.macs == sum(found.operations.values())
    assert found.operators == {"Conv": 1, "Relu": 1, "Flatten": 1, "MatMul": 1}


def test_storage_counts_weights_and_constants_in_reach(make):
    from graphwright.graph.ir import leaf
    from graphwright.graph.types import DTYPES, TensorType

    w = leaf("Weight", "w", TensorType(DTYPES["int4"], (9, 11)))
    p = leaf("Parameter", "p", TensorType(DTYPES["float32"], (10,)))
    value = make.apply("Add", p, make.const([1.0]))
    found = measure(make.program(value, w))
    assert found.parameters == 99 + 10 + 1
    assert found.bytes == 50 + 40 + 4


def test_no_option_has_the_name_of_what_recipes_say_of_every_step():
    for name in PASSES:
        assert not {"data", "budget"} & {f.name for f in fields(pass_class(name))}, name
