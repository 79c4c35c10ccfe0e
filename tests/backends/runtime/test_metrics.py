"""Metrics: averages over examples do not depend on how rows fall into batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphwright.backends.runtime.metrics import Aggregate, Metric
from graphwright.graph.diagnostics import SpecError
from graphwright.graph.ir import Graph, Program, apply, leaf
from graphwright.graph.types import TensorType, dtype, symbol

N = symbol("N")


@given(st.lists(st.integers(1, 7), min_size=1, max_size=6), st.sampled_from([(), (3,), (2, 2)]))
def test_values_per_example_are_averaged_over_all_examples(sizes: list[int], rest: tuple[int, ...]) -> None:
    rows = sum(sizes)
    values = np.random.default_rng(rows).random((rows, *rest))
    aggregate = Aggregate([Metric("m", ("v",))])
    for start, size in zip(np.cumsum([0, *sizes]), sizes, strict=False):
        aggregate.add({"v": values[start : start + size]}, size)
    assert aggregate.result()["m"] == pytest.approx(values.mean(), rel=1e-12)


def test_scalars_are_weighted_by_rows() -> None:
    aggregate = Aggregate([Metric("m", ("v",)), Metric("hit", ("b",))])
    aggregate.add({"v": np.float32(2), "b": np.array([True, False, True])}, 3)
    aggregate.add({"v": np.float32(6), "b": np.array([False])}, 1)
    assert aggregate.result() == {"m": 3.0, "hit": 0.5}


def test_dataset_metrics_see_all_rows_at_once(evaluator: Any) -> None:
    """The largest value of the whole set: no average of batches gives it."""
    v = leaf("Input", "v", TensorType(dtype("float32"), (N,)))
    reduce = Program("max", Graph((v,), (apply("ReduceMax", v, keepdims=0),)), ("m",))
    aggregate = Aggregate([Metric("m", ("v",), reduce)], evaluator)
    for part in ([1, 9, 2], [3], [4, 5]):
        aggregate.add({"v": np.array(part, np.float32)}, len(part))
    assert aggregate.result() == {"m": 9.0}


@pytest.mark.parametrize(
    "value", [np.zeros(5), np.zeros((2, 3)), np.array(["a"] * 3, object), np.zeros(3, complex)]
)
def test_other_shapes_are_refused(value: Any) -> None:
    with pytest.raises(SpecError) as caught:
        Aggregate([Metric("m", ("v",))]).add({"v": value}, 3)
    assert [d.code for d in caught.value.diagnostics] == ["G0960"]


def test_no_examples_give_nan() -> None:
    assert np.isnan(Aggregate([Metric("m", ("v",))]).result()["m"])
