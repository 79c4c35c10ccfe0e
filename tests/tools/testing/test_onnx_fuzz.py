"""A bounded fuzz run of the import, and the runner's own honesty."""

from __future__ import annotations

import onnx

from graphwright.tools.testing import onnx_fuzz
from graphwright.tools.testing.onnx_fuzz import case_bytes, fuzz
from graphwright.tools.testing.onnx_seeds import seeds


def test_a_few_hundred_cases():
    report = fuzz(250, 11)
    assert report.failures == []
    assert report.cases == 250
    assert 2 * report.readable >= report.cases
    assert 0 < report.clean < 250
    assert len(report.codes) >= 12


def test_the_same_seed_gives_the_same_files():
    assert [case_bytes(i, 3) for i in range(30)] == [case_bytes(i, 3) for i in range(30)]
    assert [case_bytes(i, 3) for i in range(30)] != [case_bytes(i, 4) for i in range(30)]


def test_the_seeds_are_valid_models():
    for data in seeds():
        model = onnx.load_from_string(data)
        onnx.checker.check_model(model) if not _local(model) else None


def _local(model: onnx.ModelProto) -> bool:
    """Whether the checker can't judge it: external data without a folder."""
    return any(t.data_location == onnx.TensorProto.EXTERNAL for t in model.graph.initializer)


def test_tracebacks_and_left_files_are_failures(monkeypatch):
    def breaks(model, spec, options):
        raise KeyError("broken")

    monkeypatch.setattr(onnx_fuzz, "import_file", breaks)
    report = fuzz(5, 1)
    assert len(report.failures) == 5
    assert "KeyError" in report.failures[0].reason
    assert not report.passed
