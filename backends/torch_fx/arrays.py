"""NumPy arrays to torch tensors and back, in every dtype of the standard."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import torch

from ...graph.types.dtypes import DTYPES, STRING, DType, from_numpy
from ...graph.types.types import OptionalType, SequenceType, TensorType, Type
from .lowerings.carriers import CARRIERS, Strings

Array = np.ndarray[Any, Any]

_BITS = {16: (np.int16, torch.int16), 8: (np.uint8, torch.uint8)}
_IN_BYTES = frozenset({"uint4", "int4", "uint2", "int2"})
_IN_HALVES = frozenset({"float4e2m1", "float6e2m3", "float6e3m2"})
_BY_BITS = frozenset(
    {"bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "float8e8m0"}
)


def to_torch(array: Any) -> Any:
    """The tensor of an array (sharing its memory where torch can), `Strings` of an array of
    strings, a list of the items of a list, None of None. Raises KeyError for a NumPy dtype that
    the standard has not."""
    if array is None or isinstance(array, list | tuple):
        return None if array is None else [to_torch(a) for a in array]
    array = np.asarray(array)
    dtype = from_numpy(array.dtype)
    if dtype is STRING:
        return Strings(array.shape, tuple(_text(s) for s in array.reshape(-1).tolist()))
    if dtype.name in _BY_BITS:
        numpy_bits, _ = _BITS[dtype.bits]
        return _shared(array.view(numpy_bits)).view(CARRIERS[dtype.name])
    if dtype.name in _IN_BYTES:
        return torch.from_numpy(array.astype(np.int8 if dtype.kind == "int" else np.uint8))
    if dtype.name in _IN_HALVES:
        return torch.from_numpy(array.astype(np.float16))
    return _shared(array)


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _shared(array: Array) -> torch.Tensor:
    if any(s < 0 for s in array.strides) or not array.dtype.isnative:
        array = np.array(array, dtype=array.dtype.newbyteorder("="))
    if not array.flags.writeable:
        _take_warning()
    return torch.from_numpy(array)


@cache
def _take_warning() -> None:
    """torch warns of the first read-only array that it shares, and of none after it; nothing here
    writes to a tensor that it is given."""
    array = np.zeros(1)
    array.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.from_numpy(array)


def to_numpy(tensor: torch.Tensor, dtype: DType) -> Array:
    """The array of a tensor that holds values of `dtype`; of a float64 shadow, in float64."""
    tensor = tensor.detach().cpu()
    if tensor.dtype is not CARRIERS[dtype.name]:
        return _plain(tensor)
    if dtype.name in _BY_BITS:
        _, torch_bits = _BITS[dtype.bits]
        return tensor.contiguous().view(torch_bits).numpy().view(dtype.numpy)
    if dtype.name in _IN_BYTES or dtype.name in _IN_HALVES:
        return tensor.numpy().astype(dtype.numpy)
    return _plain(tensor)


def _plain(tensor: torch.Tensor) -> Array:
    return tensor.resolve_conj().resolve_neg().numpy()


def from_torch(value: Any, type: Type) -> Any:
    """The array of a value of that type; a list of arrays for a sequence, None for no optional."""
    if isinstance(type, OptionalType):
        return None if value is None else from_torch(value, type.element)
    if isinstance(type, SequenceType):
        return [from_torch(v, type.element) for v in value]
    if isinstance(value, Strings):
        array = np.empty(len(value.items), dtype=object)
        array[:] = value.items
        return array.reshape(value.shape)
    if not isinstance(type, TensorType):
        raise TypeError(f"torch has no values of type {type}")
    return to_numpy(value, type.dtype)


__all__ = ["DTYPES", "from_torch", "to_numpy", "to_torch"]
