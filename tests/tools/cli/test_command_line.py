"""The command line: what it prints, what it writes, and its exit codes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
import numpy as np
import pytest

from graphwright.tools.cli import main
from graphwright.tools.cli.run import _value as run_literal

MODELS = Path(__file__).parents[3] / "specs" / "models"
GOOD = """graphwright: 1
kind: graph
name: good
inputs:
  x: float32[B, 3]
nodes:
  y: softmax(x)
outputs: [y]
tests:
  - name: rows sum to one
    sizes: {B: 2}
    inputs:
      x: normal()
    expect:
      - allclose(sum(y, axis=1), 1)
  - name: a lie
    sizes: {B: 2}
    inputs:
      x: zeros()
    expect:
      - y == x
"""


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD, encoding="utf-8")
    return path


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["graphwright", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_check_says_where_and_what(monkeypatch, capsys, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(GOOD.replace("softmax(x)", "sofmax(x)"), encoding="utf-8")
    assert call(monkeypatch, "check", bad) == 1
    printed = capsys.readouterr().err
    assert f"{bad}:7:6: error[G0302]" in printed
    assert "did you mean 'softmax'?" in printed
    assert call(monkeypatch, "check", bad, "--json") == 1
    (record, *_) = json.loads(capsys.readouterr().out)["diagnostics"]
    assert record["code"] == "G0302"


def test_wrong_usage_is_2_and_suggests(monkeypatch, capsys):
    assert call(monkeypatch, "chekc") == 2
    assert "did you mean 'check'?" in capsys.readouterr().err
    assert call(monkeypatch, "run") == 2


def test_missing_files_are_the_users_fault(monkeypatch, capsys):
    assert call(monkeypatch, "check", "nowhere.yaml") == 1
    assert "nowhere.yaml" in capsys.readouterr().err


def test_run_prints_json_and_writes_arrays(monkeypatch, capsys, good, tmp_path):
    out = tmp_path / "out.npz"
    assert call(monkeypatch, "run", good, "-i", "x=[[0, 0, 0]]", "--json", "-o", out) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["y"]["shape"] == [1, 3]
    with np.load(out) as archive:
        np.testing.assert_allclose(archive["y"], 1 / 3, rtol=1e-6)


def test_run_refuses_a_wrong_shape(monkeypatch, capsys, good):
    assert call(monkeypatch, "run", good, "-i", "x=[[0, 0]]") == 1
    assert "axis 1 of input 'x' is 2, but 3 is declared" in capsys.readouterr().err


def test_test_reports_the_expectation_that_fails(monkeypatch, capsys, good):
    assert call(monkeypatch, "test", good) == 1
    printed = capsys.readouterr().out
    assert "2 passed, 2 failed" in printed
    assert "y == x" in printed
    assert call(monkeypatch, "test", good, "-k", "rows") == 0


def test_compile_writes_model_and_reports(monkeypatch, capsys, good, tmp_path):
    out = tmp_path / "out"
    assert call(monkeypatch, "compile", good, "-o", out) == 0
    assert "contracts: holds" in capsys.readouterr().out
    report = json.loads((out / "report.json").read_text())
    assert report["verdict"] == "holds"
    assert all(c["ok"] for c in report["checks"])
    assert "<table>" in (out / "report.html").read_text()
    import onnxruntime

    session = onnxruntime.InferenceSession(str(out / "model.onnx"), providers=["CPUExecutionProvider"])
    (y,) = session.run(["y"], {"x": np.zeros((2, 3), np.float32)})
    np.testing.assert_allclose(y, 1 / 3, rtol=1e-6)


def test_an_unknown_pass_is_named(monkeypatch, capsys, good, tmp_path):
    assert call(monkeypatch, "compile", good, "--pass", "simplfy", "-o", tmp_path / "o") == 1
    assert "simplify" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("explain", "G0401"), "broadcast"),
        (("explain", "Conv"), "kernel_shape"),
        (("explain", "softmax"), "axis=-1"),
        (("explain", "fold_batch_norm"), "BatchNormalization"),
        (("explain", "updates"), "after the run"),
        (("list", "passes"), "simplify"),
        (("list", "optimizers"), "adamw"),
        (("list", "data"), "digits"),
        (("doctor",), "onnxruntime"),
        (("schema",), "draft-07"),
        (("render", MODELS / "digits_mlp.yaml"), "kind: graph"),
        (("show", MODELS / "digits_mlp.yaml", "--pass", "simplify"), "MatMul"),
    ],
)
def test_verbs_answer(monkeypatch, capsys, arguments, expected):
    assert call(monkeypatch, *arguments) == 0
    assert expected in capsys.readouterr().out


def test_train_then_compile_with_the_weights(monkeypatch, capsys, tmp_path):
    out = tmp_path / "trained"
    spec = MODELS / "digits_mlp.yaml"
    assert call(monkeypatch, "train", spec, "-o", out, "--epochs", "1", "--json") == 0
    history = json.loads(capsys.readouterr().out)["history"]
    assert history[-1]["test"]["accuracy"] > 0.5
    weights = out / "weights.safetensors"
    assert call(monkeypatch, "compile", spec, "--weights", weights, "-o", out) == 0
    assert call(monkeypatch, "compile", MODELS / "gru_classifier.yaml", "--weights", weights, "-o", out) == 1
    assert "G1306" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1, 2.5, -3]", [1, 2.5, -3]),
        ("[nan, -inf, Infinity, NaN, 1e-40, .5]", [np.nan, -np.inf, np.inf, np.nan, 1e-40, 0.5]),
        ("[true, False]", [True, False]),
        ("['inf', \"nan\"]", ["inf", "nan"]),
        ("2", 2),
        ("-9223372036854775808", -(2**63)),
    ],
)
def test_literals_of_run(text, expected):
    np.testing.assert_array_equal(run_literal(text), expected)


@pytest.mark.parametrize(
    "text", ["[1, ", "exp(1)", "[x]", "-'a'", "", "1 + 2", "[1j]", "{}", "[" * 500, "-" * 5000 + "1", "null"]
)
def test_what_is_no_literal_of_run(text):
    with pytest.raises(click.UsageError, match="nor a literal"):
        run_literal(text)
