"""The editor's schema against an independent validator: it takes what the reader takes."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from graphwright.graph.diagnostics import Source
from graphwright.graph.spec.keys import CONTEXTS, contexts_of
from graphwright.graph.spec.recipe_reader import plain_value
from graphwright.graph.spec.schema import json_schema
from graphwright.graph.spec.vocabulary import Entry, Option, Vocabulary
from graphwright.graph.spec.yaml_reader import read_yaml

SPECS = sorted(
    [
        *(Path(__file__).parents[2] / "data" / "language").rglob("*.yaml"),
        *(Path(__file__).parents[3] / "specs").rglob("*.yaml"),
    ]
)
VOCABULARY = Vocabulary(
    passes={"fold": Entry(), "prune": Entry("Removes channels.", {"ratio": Option("float", "Share.", True)})},
    optimizers={"adam": Entry()},
    backends={"onnx": Entry()},
)


def validator(vocabulary=None):
    schema = json_schema(vocabulary)
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def data(text: str):
    return plain_value(read_yaml(Source("t", text))[0])


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.name)
def test_specs_are_valid(path):
    assert list(validator().iter_errors(data(path.read_text(encoding="utf-8")))) == []


HEADER = "graphwright: 1\nkind: graph\nname: t\noutputs: [y]\n"
RECIPE = "graphwright: 1\nkind: recipe\nname: t\n"


@pytest.mark.parametrize(
    "text",
    [
        HEADER + "nods: {}\n",
        HEADER + "source: {arxiv: 2006.00010}\n",
        HEADER + "training: {loss: l, epochs: 0}\n",
        HEADER + "tests:\n  - {name: a, expcet: [x]}\n",
        HEADER + "inputs: {1x: float32}\n",
        "graphwright: 2\nkind: graph\nname: t\noutputs: [y]\n",
        "graphwright: 1\nkind: grph\nname: t\n",
        "graphwright: 1\nkind: graph\nname: t\n",
        RECIPE + "passes: [fold]\nverify: often\n",
        RECIPE + "passes: [unknown]\n",
        RECIPE + "passes: [prune]\n",
        RECIPE + "passes:\n  - prune: {ratio: much}\n",
        RECIPE + "passes:\n  - prune: {ratio: 0.3, ration: 1}\n",
    ],
)
def test_mistakes_are_found(text):
    assert list(validator(VOCABULARY).iter_errors(data(text)))


def test_passes_of_the_vocabulary_are_valid():
    text = RECIPE + "passes:\n  - fold\n  - prune: {ratio: 0.3, budget: [a > 1], data: d}\n"
    assert list(validator(VOCABULARY).iter_errors(data(text))) == []


def test_every_key_is_described_for_completion():
    definitions = json_schema()["definitions"]
    for name in ("graph", "function", "library", "recipe", "test", "training", "data"):
        for key in definitions[name]["properties"].values():
            assert key["description"]


def test_contexts_of_a_key():
    assert contexts_of("updates") == ("a graph", "a function")
    assert contexts_of("nothing") == ()
    assert len({context for context, _ in CONTEXTS}) == len(CONTEXTS)
