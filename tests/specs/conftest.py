"""Runs specs on torch-FX and on exported ONNX, and compares with independent references."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphwright

SPECS = Path(graphwright.__file__).parent / "specs"
BACKENDS = ("torch", "onnx")

Arrays = Mapping[str, np.ndarray]
Results = dict[str, dict[str, np.ndarray]]


def assert_close(actual: np.ndarray, expected: Any, bound: float, what: str) -> None:
    """max |a - b| <= bound * max(1, max |b|), for equal shapes."""
    expected = np.asarray(expected)
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, expected {expected.shape}"
    if expected.size == 0:
        return
    error = np.max(np.abs(actual.astype(np.float64) - expected.astype(np.float64)))
    limit = bound * max(1.0, float(np.max(np.abs(expected.astype(np.float64)))))
    assert error <= limit, f"{what}: error {error:.3g} over {limit:.3g}"


@pytest.fixture
def run_spec() -> Callable[..., Results]:
    """Runs a file of specs/ on both backends: results by backend and output."""

    def run(
        spec: str,
        inputs: Arrays,
        *,
        sizes: Mapping[str, int] | None = None,
        attributes: Mapping[str, Any] | None = None,
        optional: frozenset[str] = frozenset(),
        parameters: Arrays | None = None,
    ) -> Results:
        program = graphwright.load(SPECS / spec, sizes=sizes, attributes=attributes, optional=optional)
        return {
            backend: graphwright.run(program, inputs, backend=backend, parameters=parameters)
            for backend in BACKENDS
        }

    return run


@pytest.fixture
def run_nodes(tmp_path: Path) -> Callable[..., Results]:
    """Runs expressions over library functions: a graph around them is written and loaded.

    Nodes are `name: expression`; all of them are outputs unless `outputs` names some.
    """

    def run(
        library: str | tuple[str, ...],
        inputs: Arrays,
        nodes: Mapping[str, str],
        *,
        outputs: tuple[str, ...] = (),
        parameters: Arrays | None = None,
        state: Arrays | None = None,
        training: bool = False,
    ) -> Results:
        libraries = (library,) if isinstance(library, str) else library
        lines = [
            "graphwright: 1",
            "kind: graph",
            "name: harness",
            f"use: [{', '.join(libraries)}]",
            "inputs:",
        ]
        lines += [
            f"  {name}: {value.dtype}[{', '.join(map(str, value.shape))}]" for name, value in inputs.items()
        ]
        lines += ["nodes:", *(f"  {name}: {expression}" for name, expression in nodes.items())]
        lines += [f"outputs: [{', '.join(outputs or nodes)}]", ""]
        path = tmp_path / "harness.yaml"
        path.write_text("\n".join(lines))
        program = graphwright.load(path, training=training)
        return {
            backend: graphwright.run(program, inputs, backend=backend, parameters=parameters, state=state)
            for backend in BACKENDS
        }

    return run


@pytest.fixture
def agree() -> Callable[..., None]:
    """Compares the results of every backend with one reference."""

    def compare(results: Results, expected: Mapping[str, Any], bound: float = 1e-6) -> None:
        assert set(results) == set(BACKENDS)
        for backend, outputs in results.items():
            for name, reference in expected.items():
                assert_close(outputs[name], reference, bound, f"{name} on {backend}")

    return compare


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
