"""The data sets that scikit-learn carries with it (extra [learn]); nothing is downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from ...graph.diagnostics import fail
from ...graph.diagnostics.span import Span
from .dataset import Dataset, shuffled


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """`test` is the number of rows at the end that are the test part; `sorted_by_class` data is
    first brought into a fixed random order."""

    doc: str
    loader: str
    target: str
    test: int
    sorted_by_class: bool = True


BUILT_IN: Mapping[str, BuiltIn] = {
    "digits": BuiltIn(
        "1,797 images of digits: image float32[1, 8, 8] in 0..16, label int64 in 0..9; first 1,000 to train",
        "load_digits",
        "label",
        797,
        sorted_by_class=False,
    ),
    "iris": BuiltIn("150 flowers: features float32[4], label int64 in 0..2", "load_iris", "label", 30),
    "wine": BuiltIn("178 wines: features float32[13], label int64 in 0..2", "load_wine", "label", 36),
    "breast_cancer": BuiltIn(
        "569 tumours: features float32[30], label int64 in 0..1", "load_breast_cancer", "label", 114
    ),
    "diabetes": BuiltIn(
        "442 patients: features float32[10] (standardised), target float32", "load_diabetes", "target", 88
    ),
}


@cache
def open_built_in(name: str, span: Span | None = None) -> tuple[Dataset, Dataset]:
    """(training part, test part) of a built-in data set. Raises SpecError G0951 without scikit-learn."""
    source = BUILT_IN[name]
    try:
        datasets = import_module("sklearn.datasets")
    except ImportError as error:
        raise fail(
            "G0951",
            f"the data set '{name}' comes with scikit-learn, which is not installed",
            span,
            hint="pip install 'graphwright[learn]'",
        ) from error
    columns = _columns(name, getattr(datasets, source.loader)(), source)
    whole = Dataset(name, columns)
    if source.sorted_by_class:
        whole = whole.take(shuffled(whole.rows, 0, name))
    cut = whole.rows - source.test
    return whole.take(slice(None, cut), f"{name}.train"), whole.take(slice(cut, None), f"{name}.test")


def _columns(name: str, bunch: Any, source: BuiltIn) -> dict[str, np.ndarray[Any, Any]]:
    kind = np.int64 if source.target == "label" else np.float32
    target = np.asarray(bunch.target).astype(kind)
    if name == "digits":
        return {"image": np.asarray(bunch.images)[:, None].astype(np.float32), "label": target}
    return {"features": np.asarray(bunch.data).astype(np.float32), source.target: target}
