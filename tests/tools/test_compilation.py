"""What a compile leaves on disk: whole, checked files, or none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import graphwright
from graphwright.backends.runtime.feeds import initialize
from graphwright.graph.diagnostics import SpecError
from graphwright.tools import compilation
from graphwright.tools.artefacts import read_artefact
from graphwright.tools.compilation import choose_pipeline, compile_program
from graphwright.tools.reports.text import summary

SPEC = """graphwright: 1
kind: graph
name: halves
inputs:
  x: float32[B, 3]
parameters:
  w: float32[3, 2] = normal()
nodes:
  y: x @ w / 2
outputs: [y]
"""


@pytest.fixture
def program(tmp_path: Path):
    path = tmp_path / "halves.yaml"
    path.write_text(SPEC, encoding="utf-8")
    return graphwright.load(path)


@pytest.mark.parametrize(("backend", "file"), [("onnx", "model.onnx"), ("torch", "model.pt2")])
def test_the_file_gives_the_product(program, tmp_path, backend, file):
    out = tmp_path / "out"
    artefact = compile_program(program, choose_pipeline(None, ()), out, backend=backend, seed=3)
    assert sorted(p.name for p in out.iterdir()) == [file, "report.html", "report.json"]
    assert artefact.bytes == (out / file).stat().st_size
    assert artefact.checks
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    found = read_artefact(out / file, artefact.record.program).run({"x": x})["y"]
    expected = x @ initialize(program, 3).weights["w"] / 2
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


MEMORY = """graphwright: 1
kind: graph
name: memory
inputs:
  u: float32[B, 1, 2048]
nodes:
  A, b: hippo("legs", 64)
  y: lti_ssm(u, A=float32(A)[None], B=float32(b)[None, :, None], C=ones(1, 1, 64) / 8, dt=float32([0.001]),
    form="dense")
outputs: [y]
"""


def _constant(program) -> np.ndarray:
    arrays = [node.attribute("value") for node in program.graph.nodes if node.name == "Constant"]
    return np.asarray(next(a for a in arrays if np.shape(a) == (3, 2)))


def test_a_file_that_computes_something_else_is_not_left(program, tmp_path, monkeypatch):
    write = compilation.write_artefact

    def wrong(program, *rest):
        path = write(program, *rest)
        content = path.read_bytes()
        w = _constant(program).astype("<f4").tobytes()
        assert w in content
        path.write_bytes(content.replace(w, (_constant(program) + 1).astype("<f4").tobytes()))
        return path

    monkeypatch.setattr(compilation, "write_artefact", wrong)
    out = tmp_path / "out"
    with pytest.raises(SpecError) as raised:
        compile_program(program, choose_pipeline(None, ()), out)
    assert [d.code for d in raised.value.diagnostics] == ["G1180"]
    assert sorted(p.name for p in out.iterdir()) == ["report.html", "report.json"]


def test_nothing_is_left_by_a_compile_that_can_not_begin(program, tmp_path):
    with pytest.raises(SpecError) as raised:
        compile_program(program, choose_pipeline(None, ()), tmp_path / "out", backend="cuda")
    assert [d.code for d in raised.value.diagnostics] == ["G1307"]
    assert not (tmp_path / "out").exists()


def test_where_passes_move_outputs_the_file_is_compared_with_what_they_made(tmp_path):
    """HiPPO-LegS within 1e-3: further than two runtimes are apart, and what was asked for."""
    path = tmp_path / "memory.yaml"
    path.write_text(MEMORY)
    program = graphwright.load(path)
    passes = ("freeze_parameters", "simplify", "diagonalize{tolerance=0.001}", "chunk_ssm")
    artefact = compile_program(program, choose_pipeline(None, passes), tmp_path / "out")
    (check, *_), (moved, *_) = artefact.checks, artefact.drift
    assert check.ok
    assert 1e-5 < moved.max_rel < 1e-2
    assert "before the passes" in summary(artefact.to_json(), "out")


@pytest.mark.parametrize("constant", ["nan", "inf"])
def test_a_program_of_nan_is_named_as_such(tmp_path, constant):
    path = tmp_path / "bad.yaml"
    path.write_text(
        "graphwright: 1\nkind: graph\nname: bad\ninputs:\n  u: float32[2, 1, 64]\nparameters:\n"
        f"  A: float32[1, 4, 4] = full(fill={constant})\nnodes:\n"
        '  y: lti_ssm(u, A=A, B=ones(1, 4, 1), C=ones(1, 1, 4), form="dense")\noutputs: [y]\n'
    )
    program = graphwright.load(path)
    with pytest.raises(SpecError) as raised:
        compile_program(program, choose_pipeline(None, ()), tmp_path / "out")
    (found,) = raised.value.diagnostics
    assert found.code == "G1180"
    assert "NaN or infinite in the program" in found.message
    assert constant == "inf" or "NaN is in A" in (found.hint or "")
