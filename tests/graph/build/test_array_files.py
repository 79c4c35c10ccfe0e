"""Safetensors files, against the safetensors library, and files that lie."""

from __future__ import annotations

import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from graphwright.graph.build.array_files import BadFile, map_entry, read_header, write_safetensors

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
