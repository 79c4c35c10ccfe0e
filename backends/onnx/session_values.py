"""Arrays into an ONNX Runtime session and out of it, in every dtype that it has."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from ...graph.diagnostics import fail
from ...graph.types.dtypes import DType, from_numpy
from ...graph.types.types import TensorType, Type
from .importing.tensors import read_tensor

NATIVE = frozenset(
    "float32 float64 float16 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool string".split()
)
"""The dtypes that ONNX Runtime takes as NumPy arrays; others travel as their bytes."""


def run_session(session: Any, feeds: Mapping[str, Any]) -> list[Any]:
    """The session's results in order; `as_typed` makes arrays of those in dtypes that NumPy lacks.
    Raises SpecError G1119 for a feed that can't be given, and what the runtime raises."""
    names = [o.name for o in session.get_outputs()]
    if all(_is_plain(a) for a in feeds.values()) and all(
        _element(o.type) in _PLAIN for o in session.get_outputs()
    ):
        return list(session.run(names, dict(feeds)))
    values = {n: ort_value(a) for n, a in feeds.items()}
    return [_from_ort(v) for v in session.run_with_ort_values(names, values)]


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_plain(v) for v in value)
    return not isinstance(value, np.ndarray) or from_numpy(value.dtype).name in NATIVE


_PLAIN = frozenset(
    "float double float16 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool string".split()
)


def _element(type: str) -> str:
    """The element's name in ONNX Runtime's spelling of a type: `seq(tensor(float))` -> `float`."""
    return type.rsplit("(", 1)[-1].rstrip(")")


def ort_value(array: Any) -> Any:
    import onnxruntime

    dtype = from_numpy(array.dtype)
    array = np.ascontiguousarray(array).reshape(array.shape)
    if dtype.name in NATIVE:
        return onnxruntime.OrtValue.ortvalue_from_numpy(array)
    if dtype.bits < 8:
        raise fail("G1119", f"ONNX Runtime takes no {dtype.name} arrays from outside a model")
    raw = array.view(_bytes_of(dtype))
    return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(raw, dtype.code)


def _bytes_of(dtype: DType) -> type[np.generic]:
    return np.uint16 if dtype.bits == 16 else np.uint8


def _from_ort(value: Any) -> Any:
    """The content as NumPy has it; of a dtype that it has not, the bytes and the shape."""
    if not value.is_tensor():
        return value
    if _element(value.data_type()) in _PLAIN:
        return value.numpy()
    size = value.tensor_size_in_bytes()
    return _Content(ctypes.string_at(value.data_ptr(), size) if size else b"", tuple(value.shape()))


@dataclass(frozen=True)
class _Content:
    raw: bytes
    shape: tuple[int, ...]


def as_typed(found: Any, type: Type) -> Any:
    """A result of `run_session` with the dtype of its type."""
    if not isinstance(found, _Content) or not isinstance(type, TensorType):
        return found
    proto = onnx.TensorProto(data_type=type.dtype.code, dims=found.shape, raw_data=found.raw)
    return read_tensor(proto, None)
