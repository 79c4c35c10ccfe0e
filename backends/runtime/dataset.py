"""Data in memory: named columns of equal length, sliced, split and read in batches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...graph.diagnostics import Diagnostic, Severity, fail
from ...graph.types import TensorType
from .literals import as_array
from .noise import permutations
from .philox import stream

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Dataset:
    """Columns by name, all of `rows` rows. `decimal` names the columns read from text, whose
    numbers are literals: they take the dtype of the input that they go to."""

    name: str
    columns: Mapping[str, Array]
    decimal: frozenset[str] = field(default_factory=frozenset)

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def __getitem__(self, column: str) -> Array:
        return self.columns[column]

    def take(self, index: Any, name: str | None = None) -> Dataset:
        """The rows that a slice or an integer array picks."""
        return Dataset(name or self.name, {n: a[index] for n, a in self.columns.items()}, self.decimal)

    def split(self, share: float, seed: int = 0) -> tuple[Dataset, Dataset]:
        """(rest, held out): `share` of the rows drawn by our generator, the same for the same
        rows and seed, each part in the rows' own order. Raises SpecError G0959 where a part
        would be empty."""
        held = round(self.rows * share)
        if not 0 < held < self.rows:
            raise fail(
                "G0959", f"holding out {share:g} of the {self.rows} rows of '{self.name}' leaves a part empty"
            )
        order = shuffled(self.rows, seed, "split")
        return self.take(np.sort(order[held:])), self.take(np.sort(order[:held]), f"{self.name} (held out)")

    @property
    def digest(self) -> str:
        """A hash of the names, dtypes, shapes and contents."""
        found = hashlib.sha256()
        for name in sorted(self.columns):
            array = self.columns[name]
            found.update(f"{name}:{array.dtype.str}:{array.shape};".encode())
            content = (
                repr(array.tolist()).encode() if array.dtype == object else np.ascontiguousarray(array).data
            )
            found.update(content)
        return found.hexdigest()

    def warnings(self) -> list[Diagnostic]:
        """G0958 for every column that holds NaN or infinities, with their number and first row."""
        found = []
        for name, array in self.columns.items():
            if array.dtype.kind not in "fcV" or not array.size:
                continue
            bad = ~np.isfinite(array.astype(np.float64) if array.dtype.kind == "V" else array)
            if bad.any():
                first = int(np.argwhere(bad)[0][0])
                message = f"column '{name}' of '{self.name}' has {int(bad.sum())} NaN or infinite numbers"
                found.append(
                    Diagnostic("G0958", f"{message}, the first in row {first}", severity=Severity.WARNING)
                )
        return found


def shuffled(rows: int, seed: int, purpose: str) -> Array:
    """A permutation of the row numbers, int64[rows], keyed by seed and purpose."""
    return permutations(stream(seed, f"data/{purpose}"), (rows,))


def typed(dataset: Dataset, types: Mapping[str, TensorType]) -> Dataset:
    """The columns that `types` names, checked to have those dtypes and ranks (rows first); numbers
    read from text take the dtype. Raises SpecError: G0957 for a missing column, G1330, G1341."""
    columns = {}
    for name, type in types.items():
        if name not in dataset.columns:
            known = ", ".join(sorted(dataset.columns))
            raise fail(
                "G0957",
                f"'{dataset.name}' has no column for the input '{name}'",
                hint=f"its columns are {known}; data.bind gives expressions over them",
            )
        array = dataset.columns[name]
        given: object = array.tolist() if name in dataset.decimal else array
        columns[name] = as_array(f"column '{name}' of '{dataset.name}'", given, type)
        if array.ndim != type.rank:
            raise fail(
                "G1341",
                f"column '{name}' of '{dataset.name}' has rank {array.ndim} (rows included); "
                f"input '{name}' is {type}",
            )
    return Dataset(dataset.name, columns)


def batches(
    dataset: Dataset, size: int, *, order: Array | None = None, start: int = 0, least: int = 1
) -> Iterator[dict[str, Array]]:
    """Rows by name, `size` at a time, in `order` (row numbers; as they stand without), from batch
    `start` on. A last batch of fewer than `least` rows is left out."""
    rows = np.arange(dataset.rows) if order is None else order
    for at in range(start * size, len(rows), size):
        index = rows[at : at + size]
        if len(index) >= min(least, size):
            yield {name: array[index] for name, array in dataset.columns.items()}


def batch_count(rows: int, size: int, least: int = 1) -> int:
    """How many batches `batches` gives."""
    whole, rest = divmod(rows, size)
    return whole + (1 if rest and rest >= least else 0)


def concatenated(parts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Batches as one."""
    return {name: np.concatenate([p[name] for p in parts]) for name in (parts[0] if parts else ())}
