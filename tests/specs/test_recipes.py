"""The recipes that ship, run on models that ship."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import graphwright
from graphwright.graph.diagnostics import SpecError
from graphwright.graph.spec.reader import read_document
from graphwright.passes.quantization import kernels
from graphwright.tools.cli.check import check_file
from graphwright.tools.cli.main import commands
from graphwright.tools.compilation import choose_pipeline, compile_program, read_recipe
from graphwright.tools.documents import Overrides, open_unit
from graphwright.tools.programs import save_weights
from graphwright.tools.training import train_unit, trained_program
from graphwright.tools.vocabulary import vocabulary

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


@pytest.mark.parametrize("path", sorted((SPECS / "recipes").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_recipe_makes_a_pipeline(path):
    assert choose_pipeline(str(path), ()).steps
    assert not check_file(str(path))


def test_check_builds_the_pipeline_of_a_recipe(tmp_path):
    path = tmp_path / "r.yaml"
    steps = "passes:\n  - simplify:\n      budget: 1e-5\n  - simplify:\n      budget: 1 + bytes\n"
    path.write_text(f"graphwright: 1\nkind: recipe\nname: r\n{steps}")
    assert [d.code for d in check_file(str(path))] == ["G1031", "G1031"]


QUANTIZING = (
    *("int8_static", "int8_dynamic", "w4_lut", "w4_nbits", "w3", "w2", "binary", "nupes", "nvfp4", "mxfp4"),
    *("fp8", "mixed", "small_int8", "w4a4"),
)


def test_every_recipe_that_quantizes_has_a_budget():
    found = {}
    for path in (SPECS / "recipes").glob("*.yaml"):
        recipe = read_document(str(path), vocabulary=vocabulary()).recipe
        assert recipe is not None
        steps = [step for step in recipe.passes if step.name.text.startswith("quantize")]
        if steps:
            found[path.stem] = all(step.budget for step in steps)
    assert set(QUANTIZING) <= set(found)
    assert all(found.values()), found


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The digits CNN after two epochs, and the file of its weights."""
    spec = SPECS / "models/digits_cnn.yaml"
    unit = open_unit(str(spec), Overrides())
    path = tmp_path_factory.mktemp("digits") / "weights.safetensors"
    save_weights(trained_program(unit, train_unit(unit, seed=0, epochs=2, progress=False)), path)
    return spec, path


QUICK = ("int8_static", "w4_lut", "w4_nbits", "small_int8")
"""Of each carrier one; the others take half a minute together."""


@pytest.mark.parametrize(
    "recipe", [r if r in QUICK else pytest.param(r, marks=pytest.mark.slow) for r in QUANTIZING]
)
def test_quantizing_recipes_keep_their_budgets_on_a_trained_net(digits, tmp_path, recipe, monkeypatch):
    """The compile of the command line; a budget or kernel that is missed is an error there."""
    monkeypatch.setattr(kernels, "PROBE_SECONDS", 0.005)
    spec, weights = digits
    command = ["compile", str(spec), "--weights", str(weights), "--recipe", recipe, "-o", str(tmp_path)]
    done = CliRunner().invoke(commands, command)
    assert done.exit_code == 0, (done.output, done.exception)
    assert "budget kl <=" in done.output or "budget accuracy >=" in done.output
    assert "most of the change, each layer alone:" in done.output
    assert "dB" in done.output
    for line in ("bytes", "latency before", "latency after", "accuracy"):
        assert f"\n  {line}" in done.output
    assert (tmp_path / "model.onnx").stat().st_size < 0.5 * weights.stat().st_size


@pytest.mark.parametrize("name", ["standard", "standard.yaml"])
def test_a_bare_name_is_a_recipe_of_the_library(monkeypatch, tmp_path, name):
    monkeypatch.chdir(tmp_path)
    assert read_recipe(name).passes
    with pytest.raises(SpecError):
        read_recipe("no-such-recipe")
