"""Numbers that a node can't take: a diagnostic at its line on every backend, and never an internal fault."""

from __future__ import annotations

import numpy as np
import pytest

import graphwright
from graphwright.backends.reference import ReferenceEvaluator
from graphwright.backends.runtime.run_failures import run_failure
from graphwright.graph.diagnostics import SpecError
from graphwright.tools.api import find_backend

SPECS = {
    "an index past the end": ("i: int64[N]", "y: float32([1, 2, 3])[i]", {"i": np.array([0, 9])}),
    "an index past the end inside of a scan": (
        "i: int64[N]",
        "y: scan(step, init=[zeros(2)], over=[i])",
        {"i": np.array([0, 9])},
    ),
    "sizes that do not fit": (
        "{x: 'float32[N]', k: int64}",
        "y: Reshape(x, stack([k, k]))",
        {"x": np.zeros(7, np.float32), "k": np.int64(3)},
    ),
}
STEP = 'functions:\n  step:\n    inputs: {s: "float[2]", k: int64}\n    nodes:\n'
STEP += "      new: s + float32([1, 2, 3])[k]\n    outputs: [new]\n"


@pytest.mark.parametrize("backend", ["reference", "torch", "onnx"])
@pytest.mark.parametrize("case", SPECS)
def test_the_line_of_the_node_is_named(tmp_path, backend, case):
    inputs, node, feeds = SPECS[case]
    path = tmp_path / "g.yaml"
    inputs = f" {inputs}" if inputs.startswith("{") else f"\n  {inputs}"
    path.write_text(
        f"graphwright: 1\nkind: graph\nname: g\ninputs:{inputs}\nnodes:\n  {node}\noutputs: [y]\n"
        + (STEP if "step" in node else "")
    )
    program = graphwright.load(path)
    with pytest.raises(SpecError) as raised:
        find_backend(backend).load(program).run(feeds)
    (found,) = raised.value.diagnostics
    assert found.code == ("G1120" if backend == "onnx" else "G1122")
    if backend != "onnx":
        assert found.span is not None
        assert "y: " in found.span.source.line(found.span.line)
        assert "'y'" in found.message


@pytest.mark.parametrize("error", [NotImplementedError("no kernel"), ValueError("of no node")])
def test_faults_of_ours_stay_faults(tmp_path, error):
    path = tmp_path / "g.yaml"
    path.write_text(
        "graphwright: 1\nkind: graph\nname: g\ninputs:\n  x: float32[2]\nnodes:\n  y: x + 1\noutputs: [y]\n"
    )
    program = graphwright.load(path)
    given = {v: np.zeros(2, np.float32) for v in program.graph.inputs}
    assert run_failure(program, given, ReferenceEvaluator(), error) is error
