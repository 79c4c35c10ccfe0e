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
