"""Saved torch.export programs: imported, or refused before torch opens what could run code."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from graphwright.graph.diagnostics import SpecError
from graphwright.tools.exported_archives import check_archive
from graphwright.tools.importing import Options, import_file
from graphwright.tools.programs import open_program

GOOD: dict[str, object] = {
    "graph_module": {
        "graph": {
            "nodes": [
                {"target": "torch.ops.aten.linear.default"},
                {"target": "_operator.mul"},
                {"expr_str": "Mul(Integer(4), Symbol('s77', positive=True, integer=True))"},
            ]
        }
    },
    "guards_code": ["L['x'].size()[0] >= 1", "2 <= s77"],
}


def archive(folder: Path, model: object = GOOD, **extra: bytes) -> Path:
    path = folder / "program.pt2"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("p/models/model.json", json.dumps(model))
        file.writestr("p/archive_format", "pt2")
        file.writestr("p/data/weights/weight_0", bytes(16))
        for name, content in extra.items():
            file.writestr(name, content)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        check_archive(path)
    (found,) = caught.value.diagnostics
    assert found.code == "G1224"
    return found.message


def test_tensors_arithmetic_and_operators_pass(tmp_path):
    check_archive(archive(tmp_path))


@pytest.mark.parametrize(
    "target",
    [
        "torch.hub.load",
        "torch.ops.load_library",
        "torch.load",
        "_operator.methodcaller",
        "#x:y",
        "math.prod.x",
    ],
)
def test_a_call_of_anything_but_an_operator_is_refused(tmp_path, target):
    assert target[:20] in refusal(archive(tmp_path, {"nodes": [{"target": target}]}))


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "Symbol('s0').__class__",
        "exec('1')",
        "(lambda: 1)()",
        "s0[0]",
        "open",
    ],
)
def test_a_size_that_is_code_is_refused(tmp_path, text):
    assert "no arithmetic" in refusal(archive(tmp_path, {"expr_str": text}))


@pytest.mark.parametrize("text", ["__import__('os')", "L['x'].__class__", "open('f')", "[x for x in y]"])
def test_a_guard_that_is_code_is_refused(tmp_path, text):
    assert "no comparison" in refusal(archive(tmp_path, {"guards_code": [text]}))


def test_pickles_and_libraries_are_refused(tmp_path):
    content = pickle.dumps({"a": 1})
    assert "opaque_obj_0" in refusal(archive(tmp_path, **{"p/data/constants/opaque_obj_0": content}))
    assert ".so" in refusal(archive(tmp_path, **{"p/data/aotinductor/model/m.so": b"\x7fELF"}))
    assert "pickle" in refusal(archive(tmp_path, {"config": {"w": {"use_pickle": True}}}))
    assert ".." in refusal(archive(tmp_path, **{"p/../../etc/x": b""}))


def test_a_zip_bomb_is_refused(tmp_path):
    assert "unpack" in refusal(archive(tmp_path, **{"p/data/weights/weight_1": bytes(50_000_000)}))


def test_what_is_no_archive_is_refused(tmp_path):
    for content in (b"", b"PK\x03\x04", b"\x80\x02}q\x00."):
        (tmp_path / "bad.pt2").write_bytes(content)
        refusal(tmp_path / "bad.pt2")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a", "b")
    (tmp_path / "bad.pt2").write_bytes(buffer.getvalue())
    refusal(tmp_path / "bad.pt2")


def test_expressions_that_nest_deep_take_no_time(tmp_path):
    assert "no arithmetic" in refusal(archive(tmp_path, {"expr_str": "1" * 50_000 + "!"}))
    assert "no arithmetic" in refusal(archive(tmp_path, {"expr_str": "s1" * 20_000 + "!"}))


@pytest.mark.slow
def test_a_saved_program_becomes_a_spec(tmp_path):
    import torch

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = torch.nn.Linear(5, 20), torch.nn.Linear(20, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.softmax(self.second(torch.relu(self.first(x))), -1)

    model, x = Model().eval(), torch.randn(4, 5)
    exported = torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.export.save(exported, str(tmp_path / "model.pt2"))
    found = import_file(tmp_path / "model.pt2", tmp_path / "model.yaml", Options())
    assert found.agreement.kind in ("graphs", "values")
    assert "first_weight: float32[20, 5]" in found.spec.read_text()
    from graphwright.tools.api import run

    program = open_program(str(tmp_path / "model.yaml"))
    given = torch.randn(7, 5)
    (actual,) = run(program, dict.fromkeys(program.inputs, given.numpy())).values()
    np.testing.assert_allclose(actual, model(given).detach().numpy(), rtol=1e-5, atol=1e-6)
