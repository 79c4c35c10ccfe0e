"""The runner finds what is wrong: each check, on a program made wrong on purpose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from graphwright.backends.onnx import import_model
from graphwright.backends.torch_fx import LOWERINGS
from graphwright.graph.operators import operator_names
from graphwright.graph.types import BOOL, FLOAT32, SequenceType, TensorType, symbol
from graphwright.tools.conformance import reasons
from graphwright.tools.conformance.cases import Case
from graphwright.tools.conformance.gradient_check import check_gradient
from graphwright.tools.conformance.onnx_check import check_onnx
from graphwright.tools.conformance.outcome import ABSENT, FAILED, PASSED, CaseRecord, Outcome, failed, passed
from graphwright.tools.conformance.page import conformance_page
from graphwright.tools.conformance.records import RecordFile
from graphwright.tools.conformance.suite_comparison import Difference, require_similar
from graphwright.tools.conformance.torch_check import check_torch
from graphwright.tools.conformance.type_check import Refinement, check_types

X = np.array([[1.0, -2.0, 3.0]], np.float32)


@dataclass
class Source:
    """A case as the suite has it."""

    name: str
    model: Any
    data_sets: Any
    rtol: float = 1e-3
    atol: float = 1e-7
    url: str | None = None
    model_dir: str | None = None


def case(
    operator: str, expected: np.ndarray[Any, Any], x: np.ndarray[Any, Any] = X, **attributes: Any
) -> Case:
    info = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, list(x.shape))
    graph = helper.make_graph(
        [helper.make_node(operator, ["x"], ["y"], **attributes)],
        "g",
        [info],
        [helper.make_tensor_value_info("y", helper.np_dtype_to_tensor_dtype(expected.dtype), None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return Case("node", Source(f"test_{operator.lower()}", model, [([x], [expected])]))


def test_a_right_case_passes_every_check() -> None:
    right = case("Relu", np.maximum(X, 0))
    program = import_model(right.model)
    for check in (check_types, check_torch, check_gradient, check_onnx):
        assert check(right, program).status == PASSED, check


def test_wrong_results_are_found_in_torch() -> None:
    wrong = case("Relu", np.abs(X))
    outcome = check_torch(wrong, import_model(wrong.model))
    assert outcome.status == FAILED
    assert "Mismatched elements: 1 / 3" in outcome.detail


def test_another_model_s_export_is_found_in_onnx_runtime() -> None:
    right, other = case("Relu", np.maximum(X, 0)), case("Abs", np.abs(X))
    assert check_onnx(right, import_model(other.model)).detail.startswith("other than the original")


def test_a_vaguer_type_is_found() -> None:
    right = case("Relu", X)
    program = import_model(right.model)
    vague = case("Relu", X)
    info = vague.model.graph.input[0].type.tensor_type.shape
    info.dim[1].dim_param = "n"
    outcome = check_types(right, import_model(vague.model))
    assert check_types(right, program).status == PASSED
    assert outcome.status == FAILED


def test_a_wrong_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = case("Exp", np.exp(X))
    program = import_model(right.model)
    assert check_gradient(right, program).counts["compared"] == 3
    wrong = replace(LOWERINGS["Exp"], function=lambda x: torch.exp(x.detach()) + 0 * x)
    monkeypatch.setitem(LOWERINGS, "Exp", wrong)
    assert check_gradient(right, program).status == FAILED


@pytest.mark.parametrize(("operator", "left_out"), [("Abs", 1), ("Sign", 1), ("Relu", 1)])
def test_places_without_a_derivative_are_left_out_and_counted(operator: str, left_out: int) -> None:
    at_zero = case(operator, X, np.array([[0.0, 1.0, 2.0]], np.float32))
    outcome = check_gradient(at_zero, import_model(at_zero.model))
    assert outcome.status == PASSED
    assert (outcome.counts["compared"], outcome.counts["left_out"]) == (2, left_out)


def test_an_input_of_infinite_gradient_is_left_out_and_counted() -> None:
    at_zero = case("Sqrt", X, np.array([[0.0, 1.0, 4.0]], np.float32))
    outcome = check_gradient(at_zero, import_model(at_zero.model))
    assert outcome.status == PASSED
    assert outcome.counts["compared"] == 2


def test_integers_have_no_gradient() -> None:
    cast = case("Cast", X.astype(np.int32), to=int(onnx.TensorProto.INT32))
    assert check_gradient(cast, import_model(cast.model)).status == ABSENT


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([np.zeros(2, np.float32)], [np.zeros((2, 1), np.float32)]),
        ([np.zeros(2, np.float64)], [np.zeros(2, np.float32)]),
        ([np.array([np.nan])], [np.array([0.0])]),
        ([np.array([1.002])], [np.array([1.0])]),
        ([np.array(["a"])], [np.array(["b"])]),
        ([[np.zeros(1)]], [[np.zeros(1), np.zeros(1)]]),
        ([np.zeros(1)], [[np.zeros(1)]]),
        ([None], [np.zeros(1)]),
        ([np.zeros(1)], []),
        ([np.array([1.05], ml_dtypes.bfloat16)], [np.array([1.0], ml_dtypes.bfloat16)]),
    ],
)
def test_results_that_differ(found: Any, expected: Any) -> None:
    with pytest.raises(Difference):
        require_similar(found, expected, 1e-3, 1e-7)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([np.array([1.0005])], [np.array([1.0])]),
        ([np.array([np.nan, np.inf])], [np.array([np.nan, np.inf])]),
        ([np.array([b"a"])], [np.array(["a"], object)]),
        ([None, [np.zeros(1)]], [None, [np.zeros(1)]]),
        ([np.array([1.0078], ml_dtypes.bfloat16)], [np.array([1.0], ml_dtypes.bfloat16)]),
    ],
)
def test_results_that_agree(found: Any, expected: Any) -> None:
    require_similar(found, expected, 1e-3, 1e-7)


N, UNKNOWN = symbol("n"), symbol("unk__0")


@pytest.mark.parametrize(
    ("ours", "theirs", "fine"),
    [
        (TensorType(FLOAT32, (2,)), TensorType(FLOAT32, (2,)), True),
        (TensorType(FLOAT32, (2,)), TensorType(FLOAT32, (N,)), True),
        (TensorType(FLOAT32, (2,)), TensorType(FLOAT32, None), True),
        (TensorType(FLOAT32, (N + 1,)), TensorType(FLOAT32, (UNKNOWN,)), True),
        (TensorType(FLOAT32, (N,)), TensorType(FLOAT32, (2,)), False),
        (TensorType(FLOAT32, None), TensorType(FLOAT32, (UNKNOWN,)), False),
        (TensorType(FLOAT32, (2, 1)), TensorType(FLOAT32, (2,)), False),
        (TensorType(BOOL, (2,)), TensorType(FLOAT32, (2,)), False),
        (SequenceType(TensorType(FLOAT32, (3,))), SequenceType(TensorType(FLOAT32, (2,))), False),
        (TensorType.of(FLOAT32, (None, 3)), TensorType(FLOAT32, (symbol("unk__0"), 3)), True),
        (TensorType.of(FLOAT32, (None, 3)), TensorType(FLOAT32, (symbol("n"), 3)), False),
        (TensorType.of(FLOAT32, (None, 3)), TensorType(FLOAT32, (2, 3)), False),
        (TensorType(FLOAT32, None), TensorType(FLOAT32, (symbol("unk__0"),)), False),
        (TensorType(FLOAT32, (2, 3)), TensorType.of(FLOAT32, (None, 3)), True),
        (TensorType(FLOAT32, (2, 3)), TensorType(FLOAT32, (symbol("n"), symbol("n"))), False),
        (TensorType(FLOAT32, (2, 2)), TensorType(FLOAT32, (symbol("n"), symbol("m"))), True),
    ],
)
def test_when_a_type_refines_another(ours: Any, theirs: Any, fine: bool) -> None:
    assert Refinement().holds(ours, theirs) is fine


def test_a_name_is_one_size_in_all_types_of_a_model() -> None:
    found, named = Refinement(), TensorType(FLOAT32, (symbol("n"),))
    assert found.holds(TensorType(FLOAT32, (2 * symbol("k"),)), named)
    assert found.holds(TensorType(FLOAT32, (2 * symbol("k"),)), named)
    assert not found.holds(TensorType(FLOAT32, (symbol("k"),)), named)


def record(key: str, **outcomes: Outcome) -> CaseRecord:
    every = {c: passed() for c in ("import", "types", "torch", "gradient", "onnx")}
    return CaseRecord(key, ("Relu",), "", "full", {**every, **outcomes})


def test_failures_need_reasons_and_reasons_need_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    table = (reasons.Reason("torch", ("node/test_a*",), "because"),)
    monkeypatch.setattr(reasons, "REASONS", table)
    known, new = record("node/test_ab", torch=failed("x")), record("node/test_b", torch=failed("y"))
    assert reasons.unexplained([known, new]) == [("node/test_b", "torch", "y")]
    assert reasons.unneeded([known]) == []
    assert reasons.unneeded([new]) == [("node/test_a*", "torch", "because")]


def test_a_run_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    first = RecordFile(path, "one")
    first.add(record("node/test_a"))
    with path.open("a") as file:
        file.write('{"key": "node/test_b", "oper')  # stopped in the middle of a line
    again = RecordFile(path, "one")
    assert list(again.records) == ["node/test_a"]
    again.add(record("node/test_c"))
    assert set(RecordFile(path, "one").records) >= {"node/test_a"}
    assert RecordFile(path, "another source").records == {}


def test_the_page_has_every_operator_and_every_reason() -> None:
    unknown = record("node/test_relu", torch=failed("other results"))
    text = conformance_page([unknown], "onnx 1")
    assert all(f"\n| `{name}` |" in text for name in operator_names())
    assert "not explained" in text


def test_the_page_in_the_docs_lists_every_operator(root: Path) -> None:
    text = (root / "docs" / "reference" / "conformance.md").read_text(encoding="utf-8")
    assert [n for n in sorted(operator_names()) if f"\n| `{n}` |" not in text] == []
    assert "not explained" not in text


@pytest.fixture
def root() -> Path:
    import graphwright

    assert graphwright.__file__ is not None
    return Path(graphwright.__file__).parent
