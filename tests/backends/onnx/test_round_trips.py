"""ModelProto -> Program -> ModelProto, and its pieces. The standard's own cases are in tests/conformance."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from graphwright.backends.onnx import emit, import_model
from graphwright.backends.onnx.emitting.protos import write_attribute, write_tensor, write_type
from graphwright.backends.onnx.importing.attributes import read_attribute
from graphwright.backends.onnx.importing.scope import Reading
from graphwright.backends.onnx.importing.sizes import Sizes
from graphwright.backends.onnx.importing.tensors import read_tensor
from graphwright.backends.onnx.importing.types import read_type
from graphwright.graph.operators import make_attribute
from graphwright.graph.types import DTYPES, OptionalType, SequenceType, TensorType, symbol

dims = st.lists(st.one_of(st.integers(0, 9), st.sampled_from(["n", "m"]).map(symbol)), max_size=4)
odd_dims = st.sampled_from([2 * symbol("n") + 1, symbol("n") // 2, symbol("n") * symbol("m") - 3])
tensors = st.builds(
    TensorType,
    st.sampled_from(list(DTYPES.values())),
    st.one_of(
        st.none(), st.lists(st.one_of(st.integers(0, 9), odd_dims), max_size=3).map(tuple), dims.map(tuple)
    ),
)
types = st.recursive(tensors, lambda t: st.builds(SequenceType, t) | st.builds(OptionalType, t), max_leaves=3)


@given(types)
def test_types_survive(type: Any) -> None:
    proto = onnx.TypeProto()
    write_type(type, proto)
    assert read_type(onnx.TypeProto.FromString(proto.SerializeToString()), Sizes(), "x") == type


floats = st.floats(width=32)
attributes = st.one_of(
    st.tuples(st.just("int"), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just("float"), floats),
    st.tuples(st.just("string"), st.text(st.characters(codec="utf-8"))),
    st.tuples(st.just("ints"), st.lists(st.integers(-(2**63), 2**63 - 1))),
    st.tuples(st.just("floats"), st.lists(floats)),
    st.tuples(st.just("strings"), st.lists(st.text(st.characters(codec="utf-8")))),
    st.tuples(st.just("type"), types),
    st.tuples(st.just("tensor"), st.lists(floats, max_size=5).map(lambda v: np.array(v, np.float32))),
)


@given(attributes)
def test_attributes_survive(given_attribute: Any) -> None:
    attribute = make_attribute(*given_attribute)
    proto = onnx.AttributeProto()
    write_attribute("a", attribute, proto)
    again = read_attribute(
        onnx.AttributeProto.FromString(proto.SerializeToString()), Reading(None, Sizes(), {})
    )
    assert again.key == attribute.key


@settings(max_examples=60)
@given(
    st.sampled_from([d for d in DTYPES.values() if d.kind != "string"]),
    st.lists(st.integers(0, 3), max_size=3),
    st.randoms(use_true_random=False),
)
def test_arrays_survive_bit_for_bit(dtype: Any, shape: list[int], random: Any) -> None:
    size = int(np.prod(shape, dtype=int))
    numbers = np.array([random.randrange(2) for _ in range(size)]).reshape(shape).astype(dtype.numpy)
    proto = onnx.TensorProto()
    write_tensor(numbers, "w", proto)
    again = read_tensor(onnx.TensorProto.FromString(proto.SerializeToString()), None)
    assert again.dtype == numbers.dtype
    assert again.shape == numbers.shape
    assert again.tobytes() == numbers.tobytes()


def test_emission_and_reading_are_inverse(model: Any) -> None:
    """A program read again from its own model is the same graph."""
    body = helper.make_graph(
        [helper.make_node("Add", ["s", "w"], ["s2"]), helper.make_node("Mul", ["s2", "e"], ["o"])],
        "body",
        [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [2]) for n in ("s", "e")],
        [helper.make_empty_tensor_value_info(n) for n in ("s2", "o")],
    )
    m = model(
        [helper.make_node("Scan", ["s0", "x"], ["last", "all"], body=body, num_scan_inputs=1, name="scan")],
        {"s0": ("FLOAT", [2]), "x": ("FLOAT", ["steps", 2]), "w": ("FLOAT", [2])},
        ["last", "all"],
    )
    first = import_model(m)
    second = import_model(emit(first))
    assert second.graph == first.graph
    assert {"last", "all", "s0"} <= set(second.names)
