"""Operators of one runtime's own domain, carried from ONNX to ONNX; ONNX Runtime runs both files."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from graphwright.backends.onnx.importing import import_model
from graphwright.graph.diagnostics import SpecError
from graphwright.tools.cli import main


def model() -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.normal(size=s).astype(np.float32), n)
        for n, s in (("w", (4, 20)), ("b", 20))
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], "first"),
        helper.make_node("BiasGelu", ["h", "b"], ["g"], "fused", domain="com.microsoft"),
        helper.make_node("Identity", ["g"], ["i"]),
        helper.make_node("QuickGelu", ["i"], ["q"], "quick", domain="com.microsoft", alpha=1.5),
        helper.make_node("Relu", ["q"], ["y"]),
    ]
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "g", [tensor("x", 1, ["n", 4])], [tensor("y", 1, ["n", 20])], weights)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def test_they_are_refused_unless_asked_for():
    with pytest.raises(SpecError) as caught:
        import_model(model())
    assert {d.code for d in caught.value.diagnostics} == {"G1201"}
    assert "--opaque" in str(caught.value.diagnostics[0].hint)


def test_a_compile_keeps_them(tmp_path: Path, monkeypatch, capsys):
    given = tmp_path / "given.onnx"
    onnx.save(model(), given)
    arguments = ["graphwright", "compile", str(given), "--opaque", "-o", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert "com.microsoft.BiasGelu" in capsys.readouterr().err
    made = onnx.load(tmp_path / "out" / "model.onnx")
    assert [n.op_type for n in made.graph.node] == ["MatMul", "BiasGelu", "QuickGelu", "Relu"]
    assert [a.name for a in made.graph.node[2].attribute] == ["alpha"]
    x = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
    results = [
        onnxruntime.InferenceSession(str(p), providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
        for p in (given, tmp_path / "out" / "model.onnx")
    ]
    np.testing.assert_array_equal(*results)


def test_programs_with_them_pickle():
    program = import_model(model(), opaque=True)
    again = pickle.loads(pickle.dumps(program))
    assert again.graph.outputs == program.graph.outputs


def test_an_unknown_operator_of_the_standard_stays_an_error():
    given = model()
    given.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(SpecError):
        import_model(given, opaque=True)
