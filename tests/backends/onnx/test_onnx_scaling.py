"""Reading and writing visit every node once, however large the model."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from graphwright.backends.onnx import emit, import_model
from graphwright.backends.onnx.emitting.writer import Writer
from graphwright.backends.onnx.importing import reader
from graphwright.tools.bench.synthetic import minimal_nodes, synthetic_model


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    counts: Counter[str] = Counter()

    def counted(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            counts[name] += 1
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, call)

    counted(reader, "read_node")
    counted(reader, "make_node")
    counted(reader, "read_attribute")
    counted(Writer, "_node")
    return counts


@pytest.mark.parametrize("nodes", [600, 1200])
def test_visits_are_linear(nodes: int, visits: Counter[str]) -> None:
    model = synthetic_model(nodes)
    count = len(model.graph.node)
    program = import_model(model)
    emitted = emit(program)
    assert visits["read_node"] == count
    assert visits["make_node"] <= count
    assert visits["read_attribute"] <= count
    assert visits["_node"] == len(program.graph.nodes) - sum(1 for n in program.graph.nodes if not n.inputs)
    assert len(emitted.graph.node) <= count


def test_assumptions_do_not_multiply_readings(model: Any, visits: Counter[str]) -> None:
    """Fifty pairs of sizes found equal cost a few readings, not fifty."""
    from onnx import helper

    nodes = [helper.make_node("Add", [f"a{k}", f"b{k}"], [f"y{k}"]) for k in range(50)]
    inputs = {f"{c}{k}": ("FLOAT", [f"{c}{k}", 2]) for k in range(50) for c in "ab"}
    program = import_model(model(nodes, inputs, ["y0"]))
    assert len(program.assumptions) == 50
    assert visits["read_node"] == 100


@pytest.mark.parametrize(
    ("nodes", "minimum"), [(1000, 420), (2000, 835), (5000, 2085), (10000, 4170), (50000, 20835)]
)
def test_minimal_counts_of_the_synthetic_graphs(nodes: int, minimum: int) -> None:
    assert minimal_nodes(nodes) == minimum


def test_the_synthetic_model_runs_and_survives(ort: Any) -> None:
    model = synthetic_model(100)
    x = np.random.default_rng(0).normal(size=(4, 32)).astype(np.float32)
    expected = ort(model, {"x": x})[0]
    assert np.isfinite(expected).all()
    assert np.array_equal(ort(emit(import_model(model)), {"x": x})[0], expected)
