"""Real exports of torch.onnx: import, simplify with verified contracts, emission; ONNX Runtime on the
original is the oracle, at two batch sizes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest

from graphwright.backends.onnx import check, emit, import_model
from graphwright.graph.ir import Program
from graphwright.graph.types.types import Axes
from graphwright.passes.manager import PassManager, Verdict
from graphwright.passes.manager.pipeline import parse_passes
from graphwright.passes.simplify.family import Simplify
from graphwright.tools.bench import exports as section
from graphwright.tools.bench.export_costs import Cost
from graphwright.tools.bench.sessions import Array, difference, nodes_of, open_session, results
from graphwright.tools.importing import Options, import_file
from graphwright.tools.programs import load_weights, open_program
from graphwright.tools.testing.exports.catalogue import ARCHITECTURES
from graphwright.tools.testing.exports.exporting import WAYS, export_path, exported

QUICK = [(name, "torchscript") for name in ARCHITECTURES if name != "unet"] + [("resnet18", "raw")]
"""Tracing takes a tenth of a second; dynamo takes seconds."""
REST = [(n, w) for n in ARCHITECTURES for w in WAYS if (n, w) not in QUICK]
SIZES = ((1, 9), (3, 16))


def feeds_of(name: str, way: str) -> Sequence[dict[str, Array]]:
    architecture = ARCHITECTURES[name]
    fixed = architecture.fixed.get(way, {})
    return [architecture.inputs(True, b, fixed.get("length", n)) for b, n in SIZES]


def fixed_sizes(model: onnx.ModelProto, name: str, way: str) -> dict[str, int]:
    """Sizes that the exporter declared as symbolic and wrote into the model as numbers."""
    declared = {d.dim_param for i in model.graph.input for d in i.type.tensor_type.shape.dim}
    return {n: v for n, v in ARCHITECTURES[name].fixed.get(way, {}).items() if n in declared}


def through_yaml(model: onnx.ModelProto, sizes: dict[str, int], folder: Path) -> Program:
    """The program of the spec that `graphwright import` writes of a model."""
    source, spec = folder / "model.onnx", folder / "model.yaml"
    onnx.save(model, source)
    written = import_file(str(source), str(spec), Options(sizes=sizes))
    program = open_program(str(written.spec))
    return load_weights(program, str(written.weights)) if written.weights else program


def assert_agree(original: onnx.ModelProto, model: onnx.ModelProto, name: str, way: str) -> None:
    feeds = feeds_of(name, way)
    wanted = results(open_session(original.SerializeToString(), optimize=False), feeds)
    found = results(open_session(model.SerializeToString()), feeds)
    for left, right in zip(wanted, found, strict=True):
        assert difference(left, right) <= 1e-5


def check_export(name: str, way: str) -> onnx.ModelProto:
    """The simplified model, after everything that a user would ask of it held."""
    original = exported(name, way, small=True)
    program = import_model(original, sizes=fixed_sizes(original, name, way))
    record = PassManager().run(program, [Simplify()], verify="each")
    assert record.verdict is Verdict.HOLDS, record.reason
    assert way != "raw" or record.passes[0].sites
    model = emit(record.program)
    check(model)
    assert len(model.graph.node) <= len(original.graph.node)
    assert_agree(original, model, name, way)
    return model


@pytest.mark.parametrize(("name", "way"), QUICK)
def test_an_export_simplifies_to_the_same_function(name: str, way: str) -> None:
    model = check_export(name, way)
    if name == "resnet18":
        assert not [n for n in nodes_of(model.graph) if n.op_type == "BatchNormalization"]
    if name == "lstm_tagger":
        assert [len(n.input) for n in model.graph.node if n.op_type == "LSTM"] == [4, 4]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "way"), REST)
def test_every_export_simplifies_to_the_same_function(name: str, way: str) -> None:
    check_export(name, way)


def check_yaml(name: str, way: str, folder: Path) -> None:
    original = exported(name, way, small=True)
    program = through_yaml(original, fixed_sizes(original, name, way), folder)
    record = PassManager().run(program, parse_passes(("freeze_parameters", "simplify")), verify="each")
    assert record.verdict is Verdict.HOLDS, record.reason
    assert_agree(original, emit(record.program), name, way)


@pytest.mark.parametrize("name", ["mobile", "decoder"])
def test_an_export_goes_through_yaml(name: str, tmp_path: Path) -> None:
    check_yaml(name, "torchscript", tmp_path)


SELECTED = {"chosen": (None, 3), "boxes": (None, 4), "scores": (None,)}
"""What non-maximum suppression keeps: how many, only a run tells."""


def selected_sizes(program: Program) -> dict[str, Axes | None]:
    """The results' sizes; every tensor of the program has a rank."""
    values = [v for n in program.graph.nodes for v in n.outputs]
    assert [v for v in values if v.tensor.axes is None] == []
    return {name: value.tensor.axes for name, value in program.outputs.items()}


def check_selected(way: str, folder: Path) -> None:
    original = exported("detector", way, small=True)
    program = import_model(original)
    simplified = PassManager().run(program, [Simplify()], verify="none").program
    for found in (program, simplified, through_yaml(original, {}, folder)):
        assert selected_sizes(found) == SELECTED
    outputs = emit(simplified).graph.output
    shapes = {o.name: [d.dim_value or None for d in o.type.tensor_type.shape.dim] for o in outputs}
    assert shapes == {name: list(axes) for name, axes in SELECTED.items()}


def test_a_detector_keeps_the_ranks_of_what_it_selects(tmp_path: Path) -> None:
    check_selected("torchscript", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["raw", "optimized"])
def test_every_detector_keeps_the_ranks_of_what_it_selects(way: str, tmp_path: Path) -> None:
    check_selected(way, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_export_goes_through_yaml(name: str, way: str, tmp_path: Path) -> None:
    check_yaml(name, way, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_all_twenty_batch_norms_of_resnet18_fold(way: str) -> None:
    original = exported("resnet18", way)
    if way == "raw":
        assert sum(n.op_type == "BatchNormalization" for n in original.graph.node) == 20
    model = emit(PassManager().run(import_model(original), [Simplify()], verify="each").program)
    assert not [n for n in model.graph.node if n.op_type == "BatchNormalization"]
    assert sum(n.op_type == "Conv" for n in model.graph.node) == 20


def test_exports_are_seeded_and_kept(tmp_path: Path) -> None:
    first = exported("mobile", "torchscript", small=True, folder=tmp_path)
    path = export_path("mobile", "torchscript", True, tmp_path)
    assert path.is_file()
    path.unlink()
    again = exported("mobile", "torchscript", small=True, folder=tmp_path)
    for a, b in zip(first.graph.initializer, again.graph.initializer, strict=True):
        assert np.array_equal(onnx.numpy_helper.to_array(a), onnx.numpy_helper.to_array(b))
    with pytest.raises(KeyError):
        exported("mobile", "carrier pigeon", folder=tmp_path)


# --- the bench section's judgement ---------------------------------------------------------------


def row(ours: Cost, peer: Cost, rounds: Sequence[tuple[float, float]]) -> section.Row:
    timed = [{"graphwright": a, "onnxslim": b, "original": 2.0} for a, b in rounds]
    return section.Row("model", "raw", 10, {"graphwright": ours, "onnxslim": peer}, timed)


def test_the_bench_judges_by_operators_or_by_latency() -> None:
    ours, same = Cost(1.0, 1.0, 5, {"Conv": 2}, 1e-7), Cost(2.0, 1.0, 6, {"Conv": 2}, 1e-7)
    other = Cost(2.0, 1.0, 6, {"Conv": 3}, 1e-7)
    slow, quick = [(1.2, 1.0), (1.3, 1.0), (1.0, 1.0)], [(1.2, 1.0), (1.05, 1.0), (1.0, 1.0)]
    assert row(ours, same, slow).holds
    assert not row(ours, other, slow).holds
    assert row(ours, other, quick).holds
    assert row(ours, other, slow).ratio("onnxslim") == 1.2
    assert row(ours, other, quick).cost_ratio(("onnxslim",)) == 0.5
    assert not row(Cost(problem="fails: ValueError"), same, quick).holds
    wrong = row(ours, Cost(2.0, 1.0, 6, {}, 0.5, "wrong by 0.5"), slow)
    assert wrong.best_peer is None
    assert wrong.holds


def test_the_bench_prints_and_writes_what_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours = Cost(1.0, 1.0, 5, {"Conv": 2}, 1e-7)
    rows = [row(ours, Cost(problem="crashes"), [(1.0, 1.0)])]
    section.show(rows)
    section.write_json(rows, tmp_path / "exports.json")
    assert "onnxslim on model raw (crashes)" in capsys.readouterr().out
    (found,) = json.loads((tmp_path / "exports.json").read_text())
    assert found["costs"]["onnxslim"]["problem"] == "crashes"
    assert found["holds"]
