"""What a tensor is written as: the array's elements in order, however the array lies in memory."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from graphwright.backends.onnx.emitting.protos import write_tensor

CONTENT = np.arange(24, dtype=np.float32).tobytes()


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a,
        lambda a: a.reshape(4, 6).T,
        lambda a: a[::-1],
        lambda a: a[4:],
        lambda a: a[::2],
        lambda a: np.broadcast_to(a[:1], (24,)),
        lambda a: a.view(np.int32),
        lambda a: a.copy(),
    ],
)
def test_views_of_what_was_read_are_written_element_by_element(view) -> None:
    array = view(np.frombuffer(CONTENT, np.float32))
    proto = onnx.TensorProto()
    write_tensor(array, "t", proto)
    again = numpy_helper.to_array(proto)
    assert again.dtype == array.dtype
    assert np.array_equal(again, array)


@given(st.permutations(range(3)), st.integers(0, 2), st.integers(1, 3))
def test_any_view(order, start, step) -> None:
    array = np.frombuffer(CONTENT, np.float32).reshape(2, 3, 4).transpose(order)[start % 2 :: step]
    proto = onnx.TensorProto()
    write_tensor(array, "t", proto)
    assert np.array_equal(numpy_helper.to_array(proto), array)
