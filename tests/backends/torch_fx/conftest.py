"""One thread for torch, and the official node cases of the standard, loaded once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def as_arrays(value: Any) -> Any:
    """The suite's data, which mixes arrays and protos, as arrays."""
    import onnx
    from onnx import numpy_helper

    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    if isinstance(value, onnx.SequenceProto):
        return numpy_helper.to_list(value)
    if isinstance(value, onnx.OptionalProto):
        return numpy_helper.to_optional(value)
    return [as_arrays(v) for v in value] if isinstance(value, list | tuple) else value


@pytest.fixture(scope="session")
def node_cases() -> list[Any]:
    import warnings

    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(load_model_tests(kind="node"))


class Difference(Exception):
    """Two results differ."""


def require_close(got: Any, want: Any, rtol: float, atol: float) -> None:
    """Raises Difference where values, shapes or dtypes differ."""
    if isinstance(want, list):
        if len(got) != len(want):
            raise Difference(f"{len(got)} items for {len(want)}")
        for g, w in zip(got, want, strict=True):
            require_close(g, w, rtol, atol)
        return
    if want is None:
        if got is not None:
            raise Difference("a value for none")
        return
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape:
        raise Difference(f"shape {got.shape} for {want.shape}")
    if want.dtype.kind in "OUS":
        if list(map(_text, got.ravel())) != list(map(_text, want.ravel())):
            raise Difference("strings")
        return
    if got.dtype != want.dtype:
        raise Difference(f"dtype {got.dtype} for {want.dtype}")
    if want.dtype.kind not in "iubfc":
        got, want = got.astype(np.float32), want.astype(np.float32)
    try:
        np.testing.assert_allclose(got, want, rtol=rtol, atol=atol)
    except AssertionError as error:
        raise Difference(str(error).strip().splitlines()[0]) from error


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@pytest.fixture(scope="session")
def close() -> Any:
    return require_close


@pytest.fixture(scope="session")
def arrays() -> Any:
    return as_arrays


@pytest.fixture(scope="session")
def difference() -> type[Exception]:
    return Difference


Arrays = Sequence[np.ndarray[Any, Any]]
