"""Safetensors files, against the safetensors library, and files that lie."""

from __future__ import annotations

import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from graphwright.graph.build.array_files import BadFile, map_entry, read_header, write_safetensors
from graphwright.graph.types.dtypes import BOOL, DTYPES, DType

ARRAYS = {
    "a": np.arange(12, dtype=np.float32).reshape(3, 4),
    "layer.0.w": np.ones((2, 0, 5), np.float64),
    "flags": np.array([True, False]),
    "n": np.array(7, np.int64),
}


def test_the_library_reads_what_is_written(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "w.safetensors", ARRAYS)
    found = load_file(tmp_path / "w.safetensors")
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_what_the_library_writes_is_mapped(tmp_path: Path) -> None:
    save_file(ARRAYS, tmp_path / "w.safetensors")
    header = read_header(tmp_path / "w.safetensors")
    for name, array in ARRAYS.items():
        found = map_entry(tmp_path / "w.safetensors", header[name])
        np.testing.assert_array_equal(found, array)
        assert not found.flags.writeable or not found.size


def test_small_floats_keep_their_bits(tmp_path: Path) -> None:
    given = np.array([0.1, -2.5, np.inf]).astype(ml_dtypes.bfloat16)
    write_safetensors(tmp_path / "w.safetensors", {"b": given})
    found = map_entry(tmp_path / "w.safetensors", read_header(tmp_path / "w.safetensors")["b"])
    assert found.tobytes() == given.tobytes()


STORABLE = [d for d in DTYPES.values() if d.bits]


@pytest.mark.parametrize("dtype", STORABLE, ids=str)
@pytest.mark.parametrize("shape", [(), (0, 3), (3, 7), (1 << 20) + 3], ids=str)
def test_every_dtype_keeps_its_bits(tmp_path: Path, dtype: DType, shape: int | tuple[int, ...]) -> None:
    rng = np.random.default_rng(dtype.code)
    low = -2 if dtype.kind == "int" else 0
    numbers = rng.integers(low, low + (2 if dtype is BOOL else 4), shape)
    given = np.asarray(numbers).astype(dtype.numpy)
    write_safetensors(tmp_path / "w.safetensors", {"before": np.zeros(3, np.uint8), "w": given})
    entry = read_header(tmp_path / "w.safetensors")["w"]
    found = map_entry(tmp_path / "w.safetensors", entry)
    assert (found.dtype, found.shape) == (given.dtype, given.shape)
    assert found.tobytes() == given.tobytes()


@pytest.mark.parametrize("name", ["int4", "uint2", "float6e3m2", "complex128"])
def test_the_library_reads_a_dtype_without_a_name_as_packed_bytes(tmp_path: Path, name: str) -> None:
    given = np.array([1, 0, 1]).astype(DTYPES[name].numpy)
    write_safetensors(tmp_path / "w.safetensors", {"w": given})
    found = load_file(tmp_path / "w.safetensors")["w"]
    assert found.nbytes == (3 * DTYPES[name].bits + 7) // 8
    if name == "int4":  # two in a byte, the first in its low half, as ONNX packs them
        assert found.tolist() == [0x01, 0x01]


def entry(**changes: object) -> dict[str, object]:
    return {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}


@pytest.mark.parametrize(
    "header",
    [
        entry(shape=[3]),
        entry(shape=[-2]),
        entry(shape=[2**40, 2**40]),
        entry(shape="two"),
        entry(data_offsets=[0, 80]),
        entry(data_offsets=[8, 0]),
        entry(data_offsets=[0]),
        entry(dtype="F33"),
        entry(dtype=["F32"]),
        {"w": 3},
        {**entry(dtype="U8", shape=[8]), "__metadata__": {"graphwright.w": "int4 17"}},
        {**entry(dtype="U8", shape=[8]), "__metadata__": {"graphwright.w": "int4 -16"}},
        {**entry(dtype="U8", shape=[8]), "__metadata__": {"graphwright.w": f"int4 {10**30}"}},
        {**entry(dtype="U8", shape=[8]), "__metadata__": {"graphwright.w": "string 8"}},
        {**entry(dtype="U8", shape=[8]), "__metadata__": {"graphwright.w": ""}},
        [],
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, header: object) -> None:
    text = json.dumps(header).encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))
    with pytest.raises(BadFile):
        read_header(path)


@pytest.mark.parametrize("content", [b"", b"abc", b"\xff" * 8, b"\x04" + bytes(7) + b"{{{{", bytes(7)])
def test_what_is_no_file_of_the_format_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(BadFile):
        read_header(path)
