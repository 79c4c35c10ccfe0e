"""Data sources (R40): a built-in name or a file, with a split and a slice."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...graph.diagnostics import SpecError, did_you_mean, fail
from ...graph.diagnostics.span import Span
from ...graph.spec.documents import DataDeclaration
from ...graph.spec.paths import is_file_name, relative_path_problem
from ...graph.spec.vocabulary import Entry, Table
from .builtin_data import BUILT_IN, open_built_in
from .data_files import read_csv, read_npy, read_npz, read_safetensors
from .dataset import Dataset

_READERS: Mapping[str, Callable[[Path], Dataset]] = {
    ".npz": read_npz,
    ".npy": read_npy,
    ".safetensors": read_safetensors,
    ".csv": read_csv,
}
_SLICE = re.compile(r"\[\s*(-?\d*)\s*:\s*(-?\d*)\s*\]")
_SPLITS = ("train", "test")


@dataclass(frozen=True)
class TrainingData:
    """What a training sees. `validation` picks nothing and is only reported; None where no rows
    are held out. `test` is None for a file."""

    train: Dataset
    validation: Dataset | None = None
    test: Dataset | None = None


def data_table() -> Table:
    """The built-in names for the reader's vocabulary."""
    own = Entry("in a recipe: the graph's own data, as model.train, model.validation, model.test")
    return {**{name: Entry(source.doc) for name, source in BUILT_IN.items()}, "model": own}


def load(source: str, root: Path, span: Span | None = None) -> Dataset:
    """The rows that a source such as `digits.train[:256]` or `data/cub.npz` names. Files lie in
    `root` or below.

    Raises SpecError: G0950 an unknown name or split, G0951 an extra that is missing, G0952 a file
    outside the folder, G0953 one that can't be read, G0954 one too large, G0955 columns that
    don't fit together, G0956 an unreadable or empty slice.
    """
    name, split, rows = _parsed(source, span)
    if is_file_name(name):
        whole = _file(name, root, span)
    else:
        train, test = open_built_in(name, span)
        whole = {"train": train, "test": test}[split] if split else _joined(name, train, test)
    return _sliced(whole, source, rows, span)


def load_for_training(declaration: DataDeclaration, root: Path) -> TrainingData:
    """The data of `training:`. A built-in name without a split trains on its training part and is
    tested on its test part; `validation` rows are held out of the training rows."""
    name, split, rows = _parsed(declaration.source.text, declaration.source.span)
    test = None
    if is_file_name(name) or split:
        train = load(declaration.source.text, root, declaration.source.span)
    else:
        whole, test = open_built_in(name, declaration.source.span)
        train = _sliced(whole, declaration.source.text, rows, declaration.source.span)
    if not declaration.validation:
        return TrainingData(train, None, test)
    train, held = train.split(declaration.validation)
    return TrainingData(train, held, test)


def _parsed(source: str, span: Span | None) -> tuple[str, str | None, slice | None]:
    """`digits.train[:256]` as ("digits", "train", slice(None, 256)). A file has no split."""
    text, rows = source.strip(), None
    if text.endswith("]"):
        text, _, _ = text.partition("[")
        rows = read_slice(source.strip()[len(text) :], source, span)
    if is_file_name(text):
        return text, None, rows
    name, dot, split = text.partition(".")
    if name not in BUILT_IN:
        hint = (
            did_you_mean(name, BUILT_IN) or f"built-in are {', '.join(sorted(BUILT_IN))}; a file has a suffix"
        )
        raise fail("G0950", f"there is no data set '{name}'", span, hint=hint)
    if dot and split not in _SPLITS:
        raise fail(
            "G0950", f"'{name}' has no part '{split}'", span, hint=f"write {name}.train or {name}.test"
        )
    return name, split or None, rows


def read_slice(brackets: str, source: str, span: Span | None) -> slice:
    """`[a:b]` as a slice. Raises SpecError G0956 for anything else."""
    found = _SLICE.fullmatch(brackets)
    if found is None:
        hint = "write [100:200], [:256] or [-50:]"
        raise fail("G0956", f"'{source}' is not a slice of rows", span, hint=hint)
    start, stop = (int(g) if g not in ("", "-") else None for g in found.groups())
    return slice(start, stop)


def _joined(name: str, train: Dataset, test: Dataset) -> Dataset:
    import numpy as np

    columns = {n: np.concatenate([train[n], test[n]]) for n in train.columns}
    return Dataset(name, columns, train.decimal)


def _sliced(dataset: Dataset, source: str, rows: slice | None, span: Span | None) -> Dataset:
    if rows is None:
        return dataset
    part = dataset.take(rows, source)
    if not part.rows:
        raise fail("G0956", f"'{source}' has no rows: '{dataset.name}' has {dataset.rows}", span)
    return part


def _file(name: str, root: Path, span: Span | None) -> Dataset:
    problem = relative_path_problem(name)
    if problem is not None:
        raise fail("G0952", f"{problem[0]}: '{name}'", span, hint=problem[1])
    folder, path = root.resolve(), (root / name).resolve()
    if not path.is_relative_to(folder):
        raise fail(
            "G0952", f"'{name}' leads out of the spec's folder", span, hint="links must stay inside it"
        )
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise fail("G0950", f"'{name}' is no data file", span, hint=f"known are {', '.join(_READERS)}")
    if not path.is_file():
        near = (
            did_you_mean(path.name, (p.name for p in path.parent.glob("*"))) if path.parent.is_dir() else None
        )
        raise fail("G0953", f"there is no file '{name}'", span, hint=near)
    try:
        return reader(path)
    except SpecError as error:
        raise fail(*_placed(error, name), span) from error
    except (OSError, ValueError, KeyError, EOFError, MemoryError) as error:
        raise fail("G0953", f"'{name}' can't be read: {error}", span) from error


def _placed(error: SpecError, name: str) -> tuple[str, str]:
    first = error.diagnostics[0]
    return first.code, f"'{name}': {first.message}"
