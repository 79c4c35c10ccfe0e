"""Imported specs: the same function as the model by ONNX Runtime, readable, whole or not there."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from graphwright.graph.diagnostics import SpecError
from graphwright.tools import importing
from graphwright.tools.api import run
from graphwright.tools.cli import main
from graphwright.tools.cli.check import check_file
from graphwright.tools.importing import Options, import_file
from graphwright.tools.programs import open_program
from graphwright.tools.testing.onnx_seeds import EXTERNAL_BYTES, EXTERNAL_FILE, seeds


def save(folder: Path, model: onnx.ModelProto | bytes) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    (folder / EXTERNAL_FILE).write_bytes(EXTERNAL_BYTES)
    return path


def value(name: str, shape, dtype=onnx.TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def model_of(nodes, inputs, outputs, weights=(), opset=21, **fields) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(weights))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10, **fields)


def weight(name: str, *shape: int) -> onnx.TensorProto:
    rng = np.random.default_rng(len(name))
    return numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)


def imported(folder: Path, model: onnx.ModelProto | bytes, **options):
    return import_file(save(folder, model), folder / "spec.yaml", Options(**options))


def feeds_for(session: onnxruntime.InferenceSession, size: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(size)
    found = {}
    for given in session.get_inputs():
        shape = [d if isinstance(d, int) else size for d in given.shape]
        numbers = rng.normal(size=shape) if "float" in given.type else rng.integers(0, 3, shape)
        found[given.name] = numbers.astype({"tensor(float)": np.float32}.get(given.type, np.int64))
    return found


def assert_same_function(folder: Path, sizes=(1, 3)) -> None:
    """The spec, run by torch, against the model file, run by ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    program = open_program(str(folder / "spec.yaml"))
    for size in sizes:
        feeds = feeds_for(session, size)
        expected = session.run(None, feeds)
        actual = run(program, dict(zip(program.inputs, feeds.values(), strict=True)))
        for one, other in zip(actual.values(), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


DRAWS = 7  # the seed whose results are drawn


@pytest.mark.parametrize("position", [i for i in range(len(seeds())) if i != DRAWS])
@pytest.mark.parametrize("raw", [False, True])
def test_every_part_of_the_format_comes_back_as_the_same_function(tmp_path, position, raw):
    found = imported(tmp_path, seeds()[position], simplify=not raw)
    assert found.agreement.kind in ("graphs", "values")
    assert_same_function(tmp_path, sizes=(3,))


@pytest.mark.parametrize("position", range(len(seeds())))
def test_imported_specs_check_without_a_word(tmp_path, position):
    imported(tmp_path, seeds()[position])
    assert [d.message for d in check_file(str(tmp_path / "spec.yaml"))] == []


def test_an_import_is_deterministic(tmp_path):
    texts = []
    for _ in range(2):
        imported(tmp_path, seeds()[8])
        texts.append([(tmp_path / n).read_bytes() for n in ("spec.yaml", "spec.safetensors")])
    assert texts[0] == texts[1]


def test_shape_arithmetic_reads_as_sizes(tmp_path):
    arrays = {"zero": np.int64(0), "one": np.int64(1), "axis": np.array([0]), "rest": np.array([4, 8])}
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["b"], axis=0),
        helper.make_node("Gather", ["s", "one"], ["t"], axis=0),
        helper.make_node("Mul", ["b", "t"], ["bt"]),
        helper.make_node("Unsqueeze", ["bt", "axis"], ["bt1"]),
        helper.make_node("Concat", ["bt1", "rest"], ["shape"], axis=0),
        helper.make_node("Reshape", ["x", "shape"], ["y"]),
        helper.make_node("Range", ["zero", "t", "one"], ["positions"]),
    ]
    outputs = [value("y", ["bt", 4, 8]), value("positions", ["time"], onnx.TensorProto.INT64)]
    weights = [numpy_helper.from_array(a.astype(np.int64), n) for n, a in arrays.items()]
    found = imported(tmp_path, model_of(nodes, [value("x", ["batch", "time", 32])], outputs, weights))
    text = found.spec.read_text()
    assert "reshape(x, [batch * time, 4, 8])" in text
    assert "Range(0, time, 1)" in text
    assert "Shape" not in text
    assert "Gather" not in text
    assert "  batch: 1..\n  time: 1..\n" in text
    assert_same_function(tmp_path)


def test_operators_read_as_arithmetic(tmp_path):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["val_1"]),
        helper.make_node("Mul", ["val_1", "half"], ["val_2"]),
        helper.make_node("Add", ["val_2", "x"], ["sum"]),
        helper.make_node("Less", ["sum", "half"], ["val_3"]),
        helper.make_node("Where", ["val_3", "half", "sum"], ["y"]),
    ]
    weights = [weight("w", 9, 9), numpy_helper.from_array(np.array([0.5], np.float32), "half")]
    found = imported(tmp_path, model_of(nodes, [value("x", ["n", 9])], [value("y", ["n", 9])], weights))
    assert "sum: x @ w * 0.5 + x\n" in found.spec.read_text()
    assert "y: where(sum < 0.5, 0.5, sum)\n" in found.spec.read_text()
    assert_same_function(tmp_path)


def test_names_are_kept_where_they_can_be(tmp_path):
    nodes = [
        helper.make_node("Exp", ["in put/1"], ["hidden"]),
        helper.make_node("Add", ["hidden", "layer.0.bias"], ["lambda"]),
        helper.make_node("Mul", ["hidden", "lambda"], ["/out/Mul_output_0"]),
    ]
    model = model_of(
        nodes,
        [value("in put/1", [2, 70])],
        [value("/out/Mul_output_0", [2, 70]), value("lambda", [2, 70])],
        [weight("layer.0.bias", 70)],
    )
    found = imported(tmp_path, model)
    text = found.spec.read_text()
    assert "in_put_1: float32[2, 70]" in text
    assert "hidden: exp(in_put_1)" in text
    assert "layer_0_bias: float32[70]" in text
    assert "outputs: [out_mul, lambda_]" in text
    assert found.renamed == {
        "in put/1": "in_put_1",
        "/out/Mul_output_0": "out_mul",
        "lambda": "lambda_",
    }
    assert_same_function(tmp_path)


def test_large_content_is_in_the_file_and_small_content_in_the_spec(tmp_path):
    from safetensors.numpy import load_file

    constants = {"table": np.arange(300.0), "few": np.array([1.5, 2.0, 4.0]), "same": np.full(300, 2.0)}
    weights = [numpy_helper.from_array(a.astype(np.float32), n) for n, a in constants.items()]
    nodes = [
        helper.make_node("Add", ["x", "table"], ["a"]),
        helper.make_node("Mul", ["a", "same"], ["b"]),
        helper.make_node("Unsqueeze", ["b", "last"], ["c"]),
        helper.make_node("Mul", ["c", "few"], ["y"]),
    ]
    weights.append(numpy_helper.from_array(np.array([1], np.int64), "last"))
    found = imported(tmp_path, model_of(nodes, [value("x", [300])], [value("y", [300, 3])], weights))
    assert found.weights is not None
    stored = load_file(found.weights)
    assert set(stored) == {"table"}
    np.testing.assert_array_equal(stored["table"], constants["table"].astype(np.float32))
    text = found.spec.read_text()
    assert "[1.5, 2.0, 4.0]" in text
    assert "full(300, fill=2.0)" in text
    assert_same_function(tmp_path)


def test_a_trained_spec_may_change_its_weights(tmp_path):
    """Weights are parameters: they can be fed."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    imported(tmp_path, model_of(nodes, [value("x", [1, 9])], [value("y", [1, 9])], [weight("w", 9, 9)]))
    program = open_program(str(tmp_path / "spec.yaml"))
    x = np.ones((1, 9), np.float32)
    found = run(program, {"x": x}, parameters={"w": np.eye(9, dtype=np.float32)})
    np.testing.assert_array_equal(found["y"], x)


# --- control flow -----------------------------------------------------------------------------------


def loop(body, *, times="times", going="going", outputs=("z",)):
    return helper.make_node("Loop", [times, going, "x"], list(outputs), "steps", body=body)


def body_graph(nodes, condition="go", results=("v1",), dtype=onnx.TensorProto.FLOAT):
    inputs = [
        value("i", [], onnx.TensorProto.INT64),
        value("go0", [], onnx.TensorProto.BOOL),
        value("v", [2]),
    ]
    outputs = [value(condition, [], onnx.TensorProto.BOOL), *(value(r, [2]) for r in results)]
    return helper.make_graph(nodes, "body", inputs, outputs)


def test_a_loop_of_known_length_stacks_what_it_makes(tmp_path):
    body = body_graph(
        [
            helper.make_node("Cast", ["i"], ["step"], to=1),
            helper.make_node("Add", ["v", "step"], ["v1"]),
            helper.make_node("Mul", ["v1", "w"], ["row"]),
            helper.make_node("Identity", ["go0"], ["go"]),
        ],
        results=("v1", "row"),
    )
    weights = [weight("w", 2), numpy_helper.from_array(np.int64(5), "times")]
    model = model_of(
        [loop(body, going="", outputs=("z", "rows"))],
        [value("x", [2])],
        [value("z", [2]), value("rows", [5, 2])],
        weights,
    )
    found = imported(tmp_path, model)
    assert "scan(" in found.spec.read_text()
    assert_same_function(tmp_path, sizes=(1,))


def test_a_counted_loop_may_read_that_it_goes_on(tmp_path):
    nodes = [
        helper.make_node("Identity", ["go0"], ["go"]),
        helper.make_node("Cast", ["go0"], ["one"], to=1),
        helper.make_node("Add", ["v", "one"], ["v1"]),
    ]
    body = body_graph(nodes)
    body.output.append(value("go", [], onnx.TensorProto.BOOL))
    model = model_of(
        [loop(body, going="", outputs=("z", "always"))],
        [value("x", [2])],
        [value("z", [2]), value("always", [5], onnx.TensorProto.BOOL)],
        [numpy_helper.from_array(np.int64(5), "times")],
    )
    imported(tmp_path, model)
    assert_same_function(tmp_path, sizes=(1,))


@pytest.mark.parametrize("name", ["INT4", "UINT2", "FLOAT4E2M1", "FLOAT8E5M2FNUZ", "COMPLEX128", "STRING"])
def test_weights_of_unusual_dtypes_are_kept(tmp_path, name):
    code = onnx.TensorProto.DataType.Value(name)
    texts = np.array([[f"text {i} {j}" for j in range(8)] for i in range(5)], object)
    numbers = (np.arange(40).reshape(5, 8) % 2).astype(helper.tensor_dtype_to_np_dtype(code))
    stored = numpy_helper.from_array(texts if name == "STRING" else numbers, "w")
    nodes = [helper.make_node("Reshape", ["w", "s"], ["y"])]
    model = model_of(
        nodes, [value("s", [2], onnx.TensorProto.INT64)], [value("y", ["a", "b"], code)], [stored], opset=28
    )
    model.ir_version = 13
    imported(tmp_path, model)
    program = open_program(str(tmp_path / "spec.yaml"))
    operand = program.outputs["y"].node.inputs[0]
    held = (
        operand.constant if operand.constant is not None else program.weights[operand.node.attribute("name")]
    )
    assert held.tolist() == (texts if name == "STRING" else numbers).tolist()


def test_a_loop_that_data_end_is_a_while_loop(tmp_path):
    body = body_graph(
        [
            helper.make_node("Add", ["v", "v"], ["v1"]),
            helper.make_node("ReduceMax", ["v1"], ["top"], keepdims=0),
            helper.make_node("Less", ["top", "limit"], ["go"]),
        ]
    )
    weights = [
        numpy_helper.from_array(np.float32(50), "limit"),
        numpy_helper.from_array(np.int64(40), "times"),
        numpy_helper.from_array(np.bool_(True), "going"),
    ]
    nodes = [helper.make_node("Abs", ["y"], ["x"]), loop(body)]
    found = imported(tmp_path, model_of(nodes, [value("y", [2])], [value("z", [2])], weights))
    assert "while_loop(" in found.spec.read_text()
    assert_same_function(tmp_path, sizes=(1, 2))


@pytest.mark.parametrize("limited", [False, True])
def test_a_loop_that_data_end_stacks_what_it_makes(tmp_path, limited):
    """As many rows as there were steps: at most the operand `most`, until the values are large."""
    body = body_graph(
        [
            helper.make_node("Add", ["v", "v"], ["v1"]),
            helper.make_node("ReduceMax", ["v1"], ["top"], keepdims=0),
            helper.make_node("Less", ["top", "limit"], ["go"]),
            helper.make_node("Identity", ["v"], ["row"]),
        ],
        results=("v1", "row"),
    )
    nodes = [
        helper.make_node("Abs", ["y"], ["x"]),
        loop(body, times="most" if limited else "", going="going", outputs=("z", "rows")),
        helper.make_node("ReduceSum", ["rows", "first"], ["total"], keepdims=0),
    ]
    weights = [
        numpy_helper.from_array(np.float32(50), "limit"),
        numpy_helper.from_array(np.bool_(True), "going"),
        numpy_helper.from_array(np.array([0], np.int64), "first"),
    ]
    inputs = [value("y", [2]), value("most", [], onnx.TensorProto.INT64)][: 1 + limited]
    results = [value("z", [2]), value("rows", ["steps", 2]), value("total", [2])]
    found = imported(tmp_path, model_of(nodes, inputs, results, weights))
    assert "while_loop(" in found.spec.read_text()
    spec = open_program(str(tmp_path / "spec.yaml"))
    assert spec.outputs["rows"].tensor.axes == (None, 2)
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    for y, most in (([1.0, -3.0], 2), ([10.0, -3.0], 5), ([90.0, 1.0], 5), ([0.5, 0.25], 1)):
        feeds = {"y": np.array(y, np.float32), "most": np.array(most, np.int64)}
        feeds = {n: feeds[n] for n in spec.inputs}
        expected = dict(zip(("z", "rows", "total"), session.run(None, feeds), strict=True))
        for name, array in run(spec, feeds).items():
            np.testing.assert_array_equal(array, expected[name])


def test_a_branch_reads_what_is_computed_outside(tmp_path):
    then = helper.make_graph([helper.make_node("Neg", ["h"], ["a"])], "t", [], [value("a", [2])])
    other = helper.make_graph([helper.make_node("Sqrt", ["k"], ["b"])], "e", [], [value("b", [2])])
    nodes = [
        helper.make_node("Exp", ["x"], ["h"]),
        helper.make_node("Mul", ["h", "h"], ["k"]),
        helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other),
    ]
    inputs = [value("x", [2]), value("c", [], onnx.TensorProto.BOOL)]
    imported(tmp_path, model_of(nodes, inputs, [value("y", [2])]))
    program = open_program(str(tmp_path / "spec.yaml"))
    branch = next(n for n in program.graph.nodes if n.name == "If")
    bodies = [branch.attribute(k) for k in ("then_branch", "else_branch")]
    assert not any(n.name in ("Exp", "Mul") for b in bodies for n in b.nodes), "computed once, outside"
    for chosen in (True, False):
        x = np.array([0.5, 1.0], np.float32)
        (y,) = run(program, {"x": x, "c": np.bool_(chosen)}).values()
        np.testing.assert_allclose(y, -np.exp(x) if chosen else np.exp(x), rtol=1e-6)


# --- refusals -----------------------------------------------------------------------------------------


def test_a_custom_operator_is_named(tmp_path):
    nodes = [helper.make_node("FusedThing", ["x"], ["y"], "block/fused", domain="com.example")]
    with pytest.raises(SpecError) as caught:
        imported(tmp_path, model_of(nodes, [value("x", [2])], [value("y", [2])]))
    (found,) = caught.value.diagnostics
    assert found.code == "G1201"
    assert "block/fused" in found.notes[0].message


def test_a_spec_that_differs_is_not_kept(tmp_path, monkeypatch):
    real = importing.render
    monkeypatch.setattr(importing, "render", lambda document: real(document).replace("h + b", "h - b"))
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Add", ["h", "b"], ["y"])]
    weights = [weight("w", 9, 9), weight("b", 9)]
    model = model_of(nodes, [value("x", [2, 9])], [value("y", [2, 9])], weights)
    path = save(tmp_path, model)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SpecError) as caught:
        import_file(path, tmp_path / "spec.yaml", Options())
    assert caught.value.diagnostics[0].code == "G1223"
    assert sorted(tmp_path.iterdir()) == before


def test_an_earlier_spec_stays_where_an_import_fails(tmp_path):
    (tmp_path / "spec.yaml").write_text("mine\n")
    nodes = [helper.make_node("NoSuch", ["x"], ["y"])]
    with pytest.raises(SpecError):
        imported(tmp_path, model_of(nodes, [value("x", [2])], [value("y", [2])]))
    assert (tmp_path / "spec.yaml").read_text() == "mine\n"


# --- the verb -----------------------------------------------------------------------------------------


def call(monkeypatch, *arguments) -> int:
    monkeypatch.setattr(sys, "argv", ["graphwright", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_the_verb_says_what_it_wrote_and_checked(tmp_path, monkeypatch, capsys):
    path = save(tmp_path, seeds()[8])
    assert call(monkeypatch, "import", path, "-o", tmp_path / "stack.yaml") == 0
    assert "checked: the spec builds to the same graph" in capsys.readouterr().out
    assert call(monkeypatch, "check", tmp_path / "stack.yaml") == 0
    assert call(monkeypatch, "import", path, "-o", tmp_path / "flat.yaml", "--no-outline", "--json") == 0
    capsys.readouterr()
    assert call(monkeypatch, "import", path, "-o", tmp_path / "flat.yaml", "--no-outline", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["functions"] == 0
    assert record["check"]["kind"] == "graphs"
    assert call(monkeypatch, "compile", tmp_path / "stack.yaml", "-o", tmp_path / "out") == 0
    assert (tmp_path / "out" / "model.onnx").exists()


def test_the_verb_refuses_what_is_no_model(tmp_path, monkeypatch, capsys):
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"\x00" * 100)
    assert call(monkeypatch, "import", bad, "-o", tmp_path / "bad.yaml") == 1
    assert "G1200" in capsys.readouterr().err
    assert call(monkeypatch, "import", tmp_path / "none.onnx", "-o", tmp_path / "bad.yaml") == 1
    assert call(monkeypatch, "import", bad) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.onnx"]


@pytest.mark.slow
def test_the_official_node_cases_survive(tmp_path):
    """Of the standard's own node tests at least 1,800 come back as the same function; the rest are
    refused by name."""
    from onnx.backend.test.case.node import collect_testcases

    with np.errstate(all="ignore"):
        cases = collect_testcases(None)
    survived, differing = 0, []
    for case in cases:
        try:
            survived += imported(tmp_path, case.model).agreement.kind != "unchecked"
        except SpecError as error:
            differing += [case.name for d in error.diagnostics if d.code == "G1223"]
    assert differing == []
    assert survived >= 1800


def test_what_is_left_out_is_said(tmp_path):
    model = model_of([helper.make_node("Exp", ["x"], ["y"])], [value("x", [2])], [value("y", [2])])
    model.training_info.add()
    body = [helper.make_node("Neg", ["a"], ["b"])]
    model.functions.append(helper.make_function("local", "idle", ["a"], ["b"], body, model.opset_import))
    found = imported(tmp_path, model)
    assert any("training information" in note for note in found.notes)
    assert any("'idle'" in note for note in found.notes)


def test_sizes_can_be_fixed(tmp_path):
    nodes = [helper.make_node("Exp", ["x"], ["y"])]
    found = imported(
        tmp_path, model_of(nodes, [value("x", ["n", 2])], [value("y", ["n", 2])]), sizes={"n": 5}
    )
    assert "x: float32[5, 2]" in found.spec.read_text()
