"""Identity: equal operator, inputs and attributes are one object, and nothing else is."""

from __future__ import annotations

import gc
import pickle
import struct
import weakref

import numpy as np
import pytest

from graphwright.graph.ir import Graph, Value, apply, apply_all, argument, constant, leaf, make_node, rebuild
from graphwright.graph.operators import RuleError, operator
from graphwright.graph.types import BOOL, FLOAT32, INT64, TensorType, symbol

X = leaf("Input", "x", TensorType(FLOAT32, (symbol("n"), 4)))
Y = leaf("Input", "y", TensorType(FLOAT32, (symbol("n"), 4)))


def _float32(bits: int) -> np.ndarray:  # type: ignore[type-arg]  # float32
    return np.frombuffer(struct.pack("<I", bits), np.float32)[0]


def test_equal_nodes_are_one_object() -> None:
    assert apply("Add", X, Y) is apply("Add", X, Y)
    assert apply("Add", X, Y) is not apply("Add", Y, X)
    assert leaf("Input", "x", X.type) is X
    assert leaf("Parameter", "x", X.type) is not X
    assert leaf("Input", "x", TensorType(FLOAT32, (symbol("n", 1, 8), 4))) is not X


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (np.int64(1), np.float64(1.0)),
        (np.int64(1), np.bool_(True)),
        (np.int64(1), np.int32(1)),
        (np.float32(0.0), np.float32(-0.0)),
        (np.float32(1), np.float64(1)),
        (_float32(0x7FC00000), _float32(0x7FC00001)),
        (_float32(0x7FC00000), _float32(0xFFC00000)),
        (np.zeros((1,), np.float32), np.zeros((), np.float32)),
        (np.zeros((2, 3), np.float32), np.zeros((3, 2), np.float32)),
        (np.zeros((0, 3), np.float32), np.zeros((3, 0), np.float32)),
        (np.array("1", object), np.array(1)),
        (np.array(["ab", "c"], object), np.array(["a", "bc"], object)),
    ],
)
def test_different_constants_stay_apart(left: object, right: object) -> None:
    assert constant(left) is not constant(right)
    assert constant(left) is constant(left)
    assert constant(right) is constant(right)


def test_nan_payload_and_zero_sign_survive() -> None:
    for bits in (0x7FC00001, 0xFFC00000, 0x80000000):
        array = constant(_float32(bits)).constant
        assert array is not None
        assert array.tobytes() == struct.pack("<I", bits)


def test_attribute_floats_are_compared_by_binary32_bits() -> None:
    assert apply("Elu", X, alpha=0.1) is apply("Elu", X, alpha=float(np.float32(0.1)))
    assert apply("Elu", X, alpha=0.0) is not apply("Elu", X, alpha=-0.0)
    assert apply("Elu", X, alpha=float("nan")) is apply("Elu", X, alpha=float("nan"))
    assert apply("Elu", X, alpha=2) is apply("Elu", X, alpha=2.0)


def test_defaults_are_left_out() -> None:
    assert apply("Softmax", X, axis=-1) is apply("Softmax", X)
    assert apply("Softmax", X, axis=1) is not apply("Softmax", X)
    assert apply("Elu", X, alpha=1.0) is apply("Elu", X)
    assert apply("Elu", X, alpha=1.0).node.attribute("alpha") == 1.0
    assert not apply("Elu", X, alpha=1.0).node.attributes
    assert apply("Transpose", X, perm=None) is apply("Transpose", X)


def test_attribute_order_is_not_identity() -> None:
    first = apply("Gemm", X, constant(np.zeros((4, 3), np.float32)), alpha=0.5, beta=2.0)
    second = apply("Gemm", X, constant(np.zeros((4, 3), np.float32)), beta=2.0, alpha=0.5)
    assert first is second


@pytest.mark.parametrize(
    "attributes", [{"axis": 1.0}, {"axis": 1.5}, {"axis": "one"}, {"axis": [1]}, {"axes": 1}]
)
def test_attributes_of_another_kind_are_refused(attributes: dict[str, object]) -> None:
    with pytest.raises(RuleError):
        apply("Softmax", X, **attributes)


@pytest.mark.parametrize("alpha", [True, "1.0", [1.0], None, 1e60])
def test_float_attributes_take_numbers_only(alpha: object) -> None:
    if alpha is None or isinstance(alpha, float):  # left out; beyond binary32 it is infinite
        assert apply("Elu", X, alpha=alpha).node.attribute("alpha") in (1.0, float("inf"))
    else:
        with pytest.raises(RuleError):
            apply("Elu", X, alpha=alpha)


def test_lists_are_no_strings() -> None:
    with pytest.raises(RuleError):
        apply("Transpose", X, perm="10")


def test_absent_operands_at_the_end_are_left_out() -> None:
    assert apply("Clip", X, None, None) is apply("Clip", X)
    low = constant(np.float32(0))
    assert apply("Clip", X, None, low) is not apply("Clip", X, low)


def test_number_of_results_is_identity_only_where_it_is_free() -> None:
    halves = apply_all("Split", X, axis=1, num_outputs=2, outputs=2)
    assert apply_all("Split", X, axis=1, num_outputs=2)[0] is halves[0]
    node = halves[0].node
    moved = rebuild(node, [Y])
    assert rebuild(moved, [X]) is node
    assert make_node(operator("Relu"), [X], outputs=1) is make_node(operator("Relu"), [X])


def test_changing_the_array_afterwards_changes_nothing() -> None:
    array = np.array([1.0, 2.0, 3.0], np.float32)
    view = array[1:]
    view.flags.writeable = False
    values = [(constant(array), [1.0, 2.0, 3.0]), (constant(view), [2.0, 3.0])]
    array[:] = 9.0
    for value, content in values:
        assert value.constant is not None
        assert value.constant.tolist() == content
        with pytest.raises(ValueError, match="read-only"):
            value.constant[0] = 5.0


def test_byte_order_and_string_width_are_no_content() -> None:
    assert constant(np.array([1, 2], ">i4")) is constant(np.array([1, 2], np.int32))
    assert constant(np.array(["a"], "U5")) is constant(np.array(["a"], object))
    assert constant(np.array([b"a"], "S3")) is constant(np.array(["a"], object))


def test_large_constants_belong_in_weights() -> None:
    constant(np.zeros(64, np.float32))
    with pytest.raises(ValueError, match="Weights"):
        constant(np.zeros(65, np.float32))


def test_bodies_are_compared_by_content() -> None:
    def branch(factor: float) -> Graph:
        inner = argument(0, X.type)
        return Graph((inner,), (apply("Mul", inner, constant(np.float32(factor))),))

    flag = leaf("Input", "flag", TensorType(BOOL, ()))

    def choose(factor: float) -> Value:
        return apply_all("If", flag, X, then_branch=branch(1.0), else_branch=branch(factor), outputs=1)[0]

    assert choose(2.0) is choose(2.0)
    assert choose(2.0) is not choose(3.0)


def test_table_is_weak() -> None:
    value = apply("Neg", leaf("Input", "only here", TensorType(INT64, (3,))))
    reference = weakref.ref(value.node)
    del value
    gc.collect()
    assert reference() is None


def test_values_and_nodes_are_not_pickled_alone() -> None:
    for thing in (X, X.node):
        with pytest.raises(TypeError, match="pickle a Graph"):
            pickle.dumps(thing)
