"""Sizes and known content that int64 does not hold: refused, or unknown, never a wrong number."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from graphwright.backends.onnx.importing import import_model
from graphwright.graph.ir import apply, constant, leaf
from graphwright.graph.operators import RuleError
from graphwright.graph.types.dtypes import FLOAT32, INT32, INT64
from graphwright.graph.types.types import TensorType


def test_a_product_that_wraps_is_not_known() -> None:
    large = constant(np.array([2**40, 3], np.int64))
    assert apply("Mul", large, large).known == (None, 9)


def test_a_product_of_int32_that_wraps_is_not_known() -> None:
    large = constant(np.array([2**20, 3], np.int32))
    found = apply("Mul", large, large)
    assert found.tensor.dtype is INT32
    assert found.known is None or found.known == (None, 9)


def test_the_least_integer_stays_known() -> None:
    assert constant(np.array([-(2**63)], np.int64)).known == (-(2**63),)
    assert constant(np.array([2**64 - 1], np.uint64)).known == (2**64 - 1,)


def test_a_result_larger_than_can_be_is_refused() -> None:
    x = leaf("Input", "x", TensorType(FLOAT32, (2**62,)))
    with pytest.raises(RuleError) as caught:
        apply("Concat", x, x, axis=0)
    assert caught.value.code == "G0411"


def test_a_name_that_is_a_larger_number_is_a_name(tmp_path) -> None:
    rows = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["9" * 30, 2])
    result = helper.make_tensor_value_info("y", onnx.TensorProto.INT64, [2])
    graph = helper.make_graph([helper.make_node("Shape", ["x"], ["y"])], "g", [rows], [result])
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), path)
    program = import_model(path)
    (size, two) = program.outputs["y"].known
    assert program.outputs["y"].tensor.dtype is INT64
    assert two == 2
    assert not isinstance(size, int)
