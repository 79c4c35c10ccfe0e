"""Checks before type rules: operands, dtypes, attributes; and the pinned schemas."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from onnx import defs

from graphwright.graph.diagnostics.codes import CODES
from graphwright.graph.ir import Value, apply, constant, leaf
from graphwright.graph.operators import RuleError, operator, operator_names
from graphwright.graph.operators.rules import KNOWN_RULES, TRAIT_SETS, TYPE_RULES
from graphwright.graph.operators.schema import OPSET
from graphwright.graph.types import SequenceType, TensorType, dtype, symbol


def tensor(name: str, kind: str, *dims: Any) -> Value:
    return leaf(
        "Input", name, TensorType(dtype(kind), tuple(symbol(d) if isinstance(d, str) else d for d in dims))
    )


X = tensor("x", "float32", "B", "n")
N = tensor("n", "int64", "B", "n")
F16 = tensor("h", "float16", "B", "n")
B = tensor("b", "bool", "B", "n")
SEQUENCE = leaf("Input", "s", SequenceType(X.type))

REFUSED: list[tuple[str, str, tuple[Value | None, ...], dict[str, Any], str]] = [
    ("G0501", "Add", (X,), {}, "Add takes 2 operands (A, B), not 1"),
    ("G0501", "Relu", (X, X), {}, "Relu takes 1 operand (X), not 2"),
    ("G0501", "Clip", (X, X, X, X), {}, "Clip takes 1 to 3 operands (input, min?, max?), not 4"),
    ("G0501", "Concat", (), {"axis": 0}, "at least one operand"),
    ("G0501", "Concat", (X, None, X), {"axis": 0}, "absent operand"),
    ("G0501", "Gather", (None, N), {}, "needs its operand 1, 'data'"),
    ("G0403", "Add", (X, N), {}, "these are float32 and int64"),
    ("G0403", "Where", (B, N, X), {}, "operands 2 and 3"),
    ("G0403", "Max", (X, X, F16), {}, "operands 1 and 3"),
    ("G0460", "Sqrt", (N,), {}, "operand 1 (X) of Sqrt can't be int64"),
    ("G0460", "Not", (X,), {}, "it takes bool"),
    ("G0460", "Reshape", (X, X), {}, "operand 2 (shape) of Reshape can't be float32"),
    ("G0462", "Relu", (SEQUENCE,), {}, "is a tensor, not sequence(float32[B, n])"),
    ("G0462", "SequenceLength", (X,), {}, "is a sequence"),
    ("G0503", "Softmax", (X,), {"axes": 1}, "has no attribute 'axes'"),
    ("G0503", "Relu", (X,), {"alpha": 1.0}, "has no attribute 'alpha'"),
    ("G0504", "Softmax", (X,), {"axis": "last"}, "attribute 'axis' of Softmax takes int"),
    ("G0560", "Concat", (X, X), {}, "needs the attribute 'axis'"),
    ("G0561", "Gelu", (X,), {"approximate": "fast"}, "allowed are 'none', 'tanh'"),
]


@pytest.mark.parametrize(("code", "name", "inputs", "attributes", "text"), REFUSED)
def test_a_wrong_call_is_refused_with_the_reason(
    code: str, name: str, inputs: tuple[Value | None, ...], attributes: dict[str, Any], text: str
) -> None:
    with pytest.raises(RuleError) as caught:
        apply(name, *inputs, **attributes)
    assert caught.value.code == code
    assert text in caught.value.message
    assert code in CODES


def test_a_refused_call_is_refused_again() -> None:
    """The check is cached: only what passed may be."""
    for _ in range(2):
        with pytest.raises(RuleError):
            apply("Add", X, N)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda: apply("Softmax", X, axes=1), "did you mean 'axis'?"),
        (lambda: apply("Add", X, N), "convert with float32(x)"),
        (lambda: apply("Sqrt", N), "convert with float32(x)"),
        (lambda: apply("Add", X, tensor("v", "float32", "B")), "insert an axis into operand 2: x[:, None]"),
        (lambda: apply("MatMul", X, X), "x @ y.mT"),
        (lambda: apply("Conv", X, N, B=X), "an operand of Conv"),
    ],
)
def test_hints_say_what_would_be_right(call: Any, hint: str) -> None:
    with pytest.raises(RuleError) as caught:
        call()
    assert caught.value.hint is not None
    assert hint in caught.value.hint


def test_unequal_dimensions_are_told_apart_for_importers() -> None:
    with pytest.raises(RuleError) as caught:
        apply("Add", X, tensor("y", "float32", "B", "m"))
    assert caught.value.unequal == (symbol("n"), symbol("m"))


def test_optional_operands_may_be_absent() -> None:
    high = constant(1.0, "float32")
    assert apply("Clip", X, None, high).type == X.type
    assert apply("Clip", X, None, None) is apply("Clip", X)


def test_an_operator_is_one_object() -> None:
    assert operator("Add") is operator("Add", "") is operator("Add", "ai.onnx")


def test_every_operator_of_the_standard_has_a_type_rule() -> None:
    assert operator_names() == frozenset(TYPE_RULES)
    assert set(KNOWN_RULES) | set(TRAIT_SETS) <= set(TYPE_RULES)


def test_the_opset_is_the_newest_of_the_pinned_onnx() -> None:
    assert defs.onnx_opset_version() == OPSET


def test_the_schemas_are_those_that_the_rules_were_written_for() -> None:
    """A new release of onnx that changes a signature must be read before it is pinned."""
    lines = []
    for name in sorted(operator_names()):
        s = defs.get_schema(name, OPSET)
        formals = [(f.name, f.type_str, str(f.option), f.is_homogeneous) for f in (*s.inputs, *s.outputs)]
        attributes = [(a.name, str(a.type), a.required) for a in s.attributes.values()]
        types = [(t.type_param_str, sorted(t.allowed_type_strs)) for t in s.type_constraints]
        lines.append(repr((name, s.since_version, formals, sorted(attributes), types)))
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == SCHEMAS


SCHEMAS = "c7f58193b86e46ecbc20124a9e508df90dcb91c4d415fe83fcae4f982accf886"
