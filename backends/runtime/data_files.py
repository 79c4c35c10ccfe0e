"""Data files: npz, npy, safetensors, csv. No code is executed by reading one: object arrays are refused,
and sizes are checked before memory is taken."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...graph.diagnostics import fail
from ...graph.types import from_numpy
from .allocation import memory_limit
from .dataset import Dataset

Array = np.ndarray[Any, Any]

_CSV_LIMIT = 1 << 30


def read_npz(path: Path) -> Dataset:
    """One column an array. Raises SpecError: G0953, G0954, G0955."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_size(sum(entry.file_size for entry in archive.infolist()))
        with np.load(path, allow_pickle=False) as arrays:
            columns = {name: _loaded(arrays, name) for name in arrays.files}
    except zipfile.BadZipFile as error:
        raise fail("G0953", "no npz file (a zip archive of arrays)") from error
    return checked(path.name, columns)


def _loaded(arrays: Any, name: str) -> Array:
    try:
        found: Array = arrays[name]
    except ValueError as error:
        raise fail("G0955", f"column '{name}' holds Python objects, which are not read") from error
    return found


def read_npy(path: Path) -> Dataset:
    """A single array: the column named like the file. Raises SpecError: G0953, G0954, G0955."""
    _check_size(path.stat().st_size)
    return checked(path.name, {path.stem: np.lib.format.open_memmap(path, mode="r")})


def read_safetensors(path: Path) -> Dataset:
    """One column a tensor. Raises SpecError: G0953, G0954, G0955."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    _check_size(path.stat().st_size)
    try:
        columns = load_file(path)
    except SafetensorError as error:
        raise fail("G0953", f"no safetensors file: {error}") from error
    return checked(path.name, columns)


def read_csv(path: Path) -> Dataset:
    """Columns named by the first line. A column of whole numbers is int64, one of numbers float64
    (empty cells NaN), any other one strings. Raises SpecError: G0953, G0954, G0955."""
    if path.stat().st_size > _CSV_LIMIT:
        raise fail(
            "G0954", f"{path.stat().st_size / 2**30:.1f} GiB of text; use npz or safetensors above 1 GiB"
        )
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = csv.reader(file)
        header = [h.strip() for h in next(lines, [])]
        _check_header(header)
        cells: list[list[str]] = [[] for _ in header]
        for row in lines:
            if not row:
                continue
            if len(row) != len(header):
                raise fail(
                    "G0955", f"line {lines.line_num} has {len(row)} cells; the header has {len(header)}"
                )
            for column, cell in zip(cells, row, strict=True):
                column.append(cell.strip())
    columns = {h: _numbers(c) for h, c in zip(header, cells, strict=True)}
    decimal = frozenset(h for h, a in columns.items() if a.dtype != object)
    return Dataset(path.name, checked(path.name, columns).columns, decimal)


def _check_header(header: list[str]) -> None:
    if not header or any(not h for h in header):
        raise fail("G0955", "the first line must name every column")
    twice = sorted({h for h in header if header.count(h) > 1})
    if twice:
        raise fail("G0955", f"two columns are called '{twice[0]}'")


def _numbers(cells: list[str]) -> Array:
    if any("_" in c for c in cells):  # Python reads 1_000 as a number
        return np.array(cells, object)
    for convert in (int, lambda cell: float(cell) if cell else float("nan")):
        try:
            return np.array([convert(c) for c in cells], np.int64 if convert is int else np.float64)
        except (ValueError, OverflowError):
            continue
    return np.array(cells, object)


def _check_size(nbytes: int) -> None:
    if nbytes > memory_limit():
        raise fail("G0954", f"{nbytes / 2**30:,.1f} GiB do not fit this machine's memory")


def checked(name: str, columns: Mapping[str, Array]) -> Dataset:
    """The columns as a data set. Raises SpecError G0955: no columns, no rows, unequal numbers of
    rows, a dtype that no tensor has."""
    if not columns:
        raise fail("G0955", "no columns")
    for column, array in columns.items():
        try:
            from_numpy(array.dtype)
        except (KeyError, TypeError) as error:
            raise fail(
                "G0955", f"column '{column}' has the dtype {array.dtype}, which no tensor has"
            ) from error
        if not array.ndim:
            raise fail("G0955", f"column '{column}' is a single number, without rows")
    rows = {column: len(array) for column, array in columns.items()}
    if len(set(rows.values())) > 1:
        listed = ", ".join(f"{c} {n}" for c, n in rows.items())
        raise fail("G0955", f"the columns have different numbers of rows: {listed}")
    if not next(iter(rows.values())):
        raise fail("G0955", "no rows")
    return Dataset(name, {c: a.astype(object) if a.dtype.kind in "US" else a for c, a in columns.items()})
