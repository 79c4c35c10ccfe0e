"""TensorProto -> array: raw bytes and memory maps are referenced, never copied."""

from __future__ import annotations

from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from ....graph.diagnostics import fail
from ....graph.types.dtypes import BY_CODE, DType

Array = np.ndarray[Any, Any]

_TYPED_FIELDS = {
    "float32": "float_data",
    "complex64": "float_data",
    "float64": "double_data",
    "complex128": "double_data",
    "int64": "int64_data",
    "uint32": "uint64_data",
    "uint64": "uint64_data",
    "string": "string_data",
}
LARGEST_DENSE = 2**28
"""The most elements that a sparse tensor may have when it is made dense."""


def read_tensor(tensor: TensorProto, folder: Path | None, name: str = "") -> Array:
    """The tensor's content. `folder` is where external data lies (None: the model has none).

    Raises SpecError: G1204 for an unknown dtype or impossible shape, G1205 where the bytes don't
    fit the shape, G1206 for external data that is missing, too short or outside the folder.
    """
    name = name or tensor.name
    dtype, dims = _dtype(tensor, name), tuple(tensor.dims)
    if dims and min(dims) < 0:
        raise fail("G1204", f"tensor '{name}' has the shape {list(dims)}")
    if tensor.data_location == TensorProto.EXTERNAL:
        return _external(tensor, dtype, dims, folder, name)
    if tensor.HasField("raw_data"):
        return _from_bytes(tensor.raw_data, tensor, dtype, dims, name)
    return _typed(tensor, dtype, dims, name)


def _dtype(tensor: TensorProto, name: str) -> DType:
    found = BY_CODE.get(tensor.data_type)
    if found is None:
        raise fail("G1204", f"tensor '{name}' has the unknown dtype number {tensor.data_type}")
    return found


def _from_bytes(raw: bytes, tensor: TensorProto, dtype: DType, dims: tuple[int, ...], name: str) -> Array:
    count = prod(dims)
    expected = (count * dtype.bits + 7) // 8
    if len(raw) != expected or not dtype.bits:
        raise fail(
            "G1205",
            f"tensor '{name}' is {dtype.name}{list(dims)}, {expected} bytes, but {len(raw)} bytes are there",
        )
    if dtype.bits < 8:
        return numpy_helper.to_array(tensor)
    if dtype.kind == "bool":
        return np.asarray(np.frombuffer(raw, np.uint8) != 0).reshape(dims)
    return np.frombuffer(raw, dtype.numpy).reshape(dims)


def _typed(tensor: TensorProto, dtype: DType, dims: tuple[int, ...], name: str) -> Array:
    """The content of a tensor whose elements are in a typed field (float_data, int64_data, …)."""
    field = _TYPED_FIELDS.get(dtype.name, "int32_data")
    stored = len(getattr(tensor, field))
    count = prod(dims)
    per_byte = max(8 // dtype.bits, 1) if dtype.bits else 1
    expected = count * 2 if dtype.kind == "complex" else -(-count // per_byte)
    if stored != expected:
        raise fail(
            "G1205",
            f"tensor '{name}' is {dtype.name}{list(dims)}, but its {field} holds {stored} elements",
        )
    if not count:
        return np.empty(dims, dtype.numpy)
    try:
        if dtype.kind == "string":
            return np.array([s.decode("utf-8") for s in tensor.string_data], object).reshape(dims)
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, OverflowError) as error:
        raise fail("G1205", f"tensor '{name}' holds elements that are no {dtype.name}: {error}") from error


# --- external data ----------------------------------------------------------------------------


def _external(
    tensor: TensorProto, dtype: DType, dims: tuple[int, ...], folder: Path | None, name: str
) -> Array:
    entries: dict[str, str] = {e.key: e.value for e in tensor.external_data}
    if not all(isinstance(text, str) for text in entries.values()):
        raise fail(
            "G1218", f"the external data of tensor '{name}' are described in bytes that are no UTF-8 text"
        )
    path = external_path(entries.get("location", ""), folder, name)
    offset = _natural(entries.get("offset", "0"), "offset", name)
    expected = (prod(dims) * dtype.bits + 7) // 8
    length = _natural(entries.get("length", str(expected)), "length", name)
    size = path.stat().st_size
    if length != expected or offset + expected > size or not dtype.bits:
        raise fail(
            "G1206",
            f"tensor '{name}' is {dtype.name}{list(dims)}, {expected} bytes, but its external data is "
            f"{length} bytes from {offset} of a file of {size}",
        )
    if not expected:
        return np.empty(dims, dtype.numpy)
    if dtype.bits >= 8 and dtype.kind != "bool":
        return np.memmap(path, dtype.numpy, "r", offset, dims)
    content = TensorProto(data_type=tensor.data_type, dims=dims)
    content.raw_data = np.memmap(path, np.uint8, "r", offset, (expected,)).tobytes()
    return _from_bytes(content.raw_data, content, dtype, dims, name)


def external_path(location: str, folder: Path | None, name: str) -> Path:
    """The file of external data. Raises SpecError G1206 where it is missing or outside `folder`."""
    if folder is None:
        raise fail(
            "G1206",
            f"the data of tensor '{name}' is in another file, '{location}', and no folder was given",
            hint="read the model from its path, or pass folder=",
        )
    relative = PurePosixPath(location)
    root = folder.resolve()
    try:
        path = (root / relative).resolve() if location and "\0" not in location else root
        missing = not path.is_file()
    except OSError as error:
        raise fail("G1206", f"the data of tensor '{name}' can't be read: {error.strerror}") from error
    if relative.is_absolute() or "\\" in location or not path.is_relative_to(root) or path == root:
        raise fail(
            "G1206",
            f"the data of tensor '{name}' is at '{location}', outside the model's folder",
            hint="external data must lie in the folder of the model, and not behind a link out of it",
        )
    if missing:
        raise fail("G1206", f"the data of tensor '{name}' is missing: there is no file '{location}'")
    return path


def _natural(text: str, key: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise fail("G1206", f"the external data of tensor '{name}' has {key} '{text}'")
    return int(text)


# --- sparse tensors ---------------------------------------------------------------------------


def read_sparse(sparse: onnx.SparseTensorProto, folder: Path | None, name: str = "") -> Array:
    """The dense content. Raises SpecError as `read_tensor` does, and G1205 for bad indices or one
    too large to be made dense."""
    name = name or sparse.values.name
    values = read_tensor(sparse.values, folder, name)
    indices = read_tensor(sparse.indices, folder, name)
    dims = tuple(sparse.dims)
    if (dims and min(dims) < 0) or prod(dims) > LARGEST_DENSE:
        raise fail("G1205", f"sparse tensor '{name}' of shape {list(dims)} is too large to be made dense")
    dense = np.zeros(prod(dims), values.dtype)
    flat = _flat_indices(indices, dims, name)
    if values.ndim != 1 or flat.shape != values.shape:
        raise fail("G1205", f"sparse tensor '{name}' has {values.size} values at {flat.size} places")
    dense[flat] = values
    return dense.reshape(dims)


def _flat_indices(indices: Array, dims: tuple[int, ...], name: str) -> Array:
    if indices.dtype != np.int64:
        raise fail("G1205", f"sparse tensor '{name}' has {indices.dtype} indices, not int64")
    try:
        flat = indices if indices.ndim == 1 else np.ravel_multi_index(tuple(indices.T), dims)
    except (ValueError, TypeError) as error:
        raise fail("G1205", f"sparse tensor '{name}' has indices outside its shape {list(dims)}") from error
    flat = np.asarray(flat)
    if flat.size and (flat.min() < 0 or flat.max() >= prod(dims)):
        raise fail("G1205", f"sparse tensor '{name}' has indices outside its shape {list(dims)}")
    return flat
