"""The recipes that ship, run on models that ship."""

from __future__ import annotations

from pathlib import Path

import pytest

import graphwright
from graphwright.graph.diagnostics import SpecError
from graphwright.graph.spec.reader import read_document
from graphwright.tools.compilation import choose_pipeline, compile_program, read_recipe

SPECS = Path(graphwright.__file__).parent / "specs"


def operators(program) -> list[str]:
    return [node.operator.name for node in program.graph.nodes]


@pytest.mark.parametrize("recipe", ["standard", "simplify"])
def test_batch_norms_fold_into_convolutions(tmp_path, recipe):
    program = graphwright.load(SPECS / "models/digits_cnn.yaml", sizes={"width": 4, "hidden": 8})
    assert operators(program).count("BatchNormalization") == 3
    steps = choose_pipeline(str(SPECS / f"recipes/{recipe}.yaml"), ())
    artefact = compile_program(program, steps, tmp_path)
    assert "BatchNormalization" not in operators(artefact.record.program)
    assert operators(artefact.record.program).count("Conv") == 3
    assert artefact.checks
    assert all(check.ok for check in artefact.checks)


def test_a_scan_of_eight_rows_is_written_out(tmp_path):
    program = graphwright.load(SPECS / "models/gru_classifier.yaml", sizes={"width": 4})
    assert operators(program).count("Scan") == 2
    steps = choose_pipeline(str(SPECS / "recipes/standard.yaml"), ())
    artefact = compile_program(program, steps, tmp_path)
    assert "Scan" not in operators(artefact.record.program)
    assert all(check.ok for check in artefact.checks)


def test_the_lossy_recipe_reads():
    recipe = read_document(str(SPECS / "recipes/small_int8.yaml")).recipe
    assert recipe is not None
    assert [step.name.text for step in recipe.passes] == ["fold_batch_norm", "prune_channels", "quantize"]
    assert [len(step.budget) for step in recipe.passes] == [0, 1, 1]
    assert len(recipe.budget) == 2


@pytest.mark.parametrize("name", ["standard", "standard.yaml"])
def test_a_bare_name_is_a_recipe_of_the_library(monkeypatch, tmp_path, name):
    monkeypatch.chdir(tmp_path)
    assert read_recipe(name).passes
    with pytest.raises(SpecError):
        read_recipe("no-such-recipe")
