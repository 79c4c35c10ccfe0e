"""Operators without a rule of ours: ONNX infers, and what it makes up is not taken for a size."""

from __future__ import annotations

import pytest

from graphwright.graph.ir import leaf
from graphwright.graph.ir.opaque import from_type_proto, infer_opaque, type_proto
from graphwright.graph.operators import Call, RuleError, operator
from graphwright.graph.types import (
    BOOL,
    FLOAT32,
    INT64,
    OptionalType,
    SequenceType,
    TensorType,
    Type,
    symbol,
)

N = symbol("n", 1, 8)
X = leaf("Input", "x", TensorType(FLOAT32, (N, 4)))


def test_known_dimensions_keep_their_ranges() -> None:
    assert infer_opaque(Call(operator("Relu"), (X,), {})) == (X.type,)
    long = leaf("Input", "long", TensorType(FLOAT32, (2 * N + 1,)))
    assert infer_opaque(Call(operator("Relu"), (long,), {})) == (long.type,)


def test_made_up_dimensions_are_unknown() -> None:
    """`unk__0` is the name of every unknown dimension: two of them are not equal."""
    assert infer_opaque(Call(operator("NonZero"), (X,), {})) == (TensorType.of(INT64, (2, None)),)
    count = leaf("Input", "k", TensorType(INT64, (1,)))
    assert infer_opaque(Call(operator("TopK"), (X, count), {})) == (
        TensorType.of(FLOAT32, (None, None)),
        TensorType.of(INT64, (None, None)),
    )


def test_refused_operands_are_a_rule_error() -> None:
    other = leaf("Input", "z", TensorType(FLOAT32, (3, 5)))
    with pytest.raises(RuleError, match="MatMul refuses its operands"):
        infer_opaque(Call(operator("MatMul"), (other, other), {}))


@pytest.mark.parametrize(
    "type",
    [
        TensorType(FLOAT32, (symbol("n"), 3)),
        TensorType(BOOL, ()),
        TensorType(INT64, None),
        SequenceType(TensorType(FLOAT32, (symbol("n"),))),
        OptionalType(SequenceType(TensorType(INT64, ()))),
    ],
    ids=str,
)
def test_types_go_to_onnx_and_back(type: Type) -> None:
    assert from_type_proto(type_proto(type)) == type
