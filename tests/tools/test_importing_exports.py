"""Real architectures, exported by torch.onnx in its three ways, as specs that ONNX Runtime agrees with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from graphwright.backends.onnx.emitting.emission import save
from graphwright.passes.manager.pass_ import Context
from graphwright.passes.simplify.family import Simplify
from graphwright.passes.simplify.freezing import freeze
from graphwright.tools.importing import Options, import_file
from graphwright.tools.programs import open_program
from graphwright.tools.testing.exports.catalogue import ARCHITECTURES
from graphwright.tools.testing.exports.exporting import WAYS, exported

pytestmark = pytest.mark.slow


def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_compiled_spec_agrees_with_its_model(tmp_path, name, way):
    architecture = ARCHITECTURES[name]
    onnx.save(exported(name, way, small=True), tmp_path / "model.onnx")
    import_file(tmp_path / "model.onnx", tmp_path / "spec.yaml", Options(check=False))
    program = freeze(open_program(str(tmp_path / "spec.yaml")))
    save(Simplify().run(program, Context()).program, tmp_path / "compiled.onnx", opset=21)
    original, compiled = session(tmp_path / "model.onnx"), session(tmp_path / "compiled.onnx")
    fixed = architecture.fixed.get(way, {})
    for batch, length in ((1, 8), (3, 12)):
        feeds = architecture.inputs(True, fixed.get("batch", batch), fixed.get("length", length))
        names = dict(zip([i.name for i in original.get_inputs()], program.inputs, strict=True))
        given = {names[n]: feeds[n] for n in names}
        expected = original.run(None, {n: feeds[n] for n in names})
        wanted = [i.name for i in compiled.get_inputs()]
        for one, other in zip(compiled.run(None, {n: given[n] for n in wanted}), expected, strict=True):
            np.testing.assert_allclose(
                one, other, rtol=1e-5, atol=1e-5 * max(1.0, float(np.abs(other).max(initial=0)))
            )


@pytest.mark.parametrize("name", ["encoder", "hand_encoder"])
@pytest.mark.parametrize("way", WAYS)
def test_a_twelve_layer_encoder_is_short(tmp_path, name, way):
    onnx.save(exported(name, way), tmp_path / "model.onnx")
    found = import_file(tmp_path / "model.onnx", tmp_path / "spec.yaml", Options())
    assert "times=12" in found.spec.read_text()
    assert found.lines < 100
