"""Small programs for the tests of passes, and an oracle of their own: NumPy arrays compared here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from graphwright.backends.reference import ReferenceEvaluator
from graphwright.graph.ir import Graph, Program, Value, Weights, apply, apply_all, constant, leaf
from graphwright.graph.operators.leaves import LEAF_DOMAIN
from graphwright.graph.types import DTYPES, TensorType, symbol
from graphwright.passes.manager import Context

SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -2.5, np.inf, -np.inf, np.nan, 3.25, -7.0, 1e-30], np.float32)


@dataclass
class Maker:
    """Makes leaves, programs and runs; one name each."""

    def input(self, name: str = "x", shape: tuple[Any, ...] = (3, 4), dtype: str = "float32") -> Value:
        dims = tuple(symbol(d) if isinstance(d, str) else d for d in shape)
        return leaf("Input", name, TensorType(DTYPES[dtype], dims))

    def const(self, content: Any, dtype: Any = np.float32) -> Value:
        return constant(np.asarray(content, dtype))

    def ints(self, *content: int) -> Value:
        return constant(np.array(content, np.int64))

    apply = staticmethod(apply)
    apply_all = staticmethod(apply_all)

    def program(self, *outputs: Value, weights: dict[str, Any] | None = None, **changes: Any) -> Program:
        found = {}
        for node in Graph((), outputs).nodes:
            value = node.outputs[0] if node.outputs else None
            if value is not None and value.role in ("Input", "State", "Noise", "Parameter"):
                found[value] = ("Input", "State", "Noise", "Parameter").index(value.role)
        inputs = tuple(sorted(found, key=lambda v: found[v]))
        names = tuple(f"y{i}" for i in range(len(outputs)))
        fields = {"names": dict(zip(names, outputs, strict=True)), **changes}
        return Program("test", Graph(inputs, outputs), names, weights=Weights(weights or {}), **fields)

    def run(
        self, program: Program, feeds: dict[str, Any], float64: bool = False, evaluator: Any = None
    ) -> list[np.ndarray[Any, Any]]:
        given = {}
        for node in program.graph.nodes:
            if node.operator.domain == LEAF_DOMAIN and node.operator.name != "Constant":
                name = node.attribute("name")
                source = program.weights.arrays.get(name) if node.operator.name != "Input" else None
                given[node.outputs[0]] = feeds[name] if source is None else source
        with np.errstate(all="ignore"):
            chosen = evaluator or ReferenceEvaluator()
            return chosen.evaluate(program.graph.outputs, given, float64=float64)

    def apply_pass(self, pass_: Any, program: Program, context: Context | None = None) -> Any:
        return pass_.run(program, context or Context())

    def operators(self, program: Program) -> list[str]:
        """The computing operators, in topological order."""
        return [n.operator.name for n in program.graph.nodes if n.operator.domain != LEAF_DOMAIN]


@pytest.fixture
def make() -> Maker:
    return Maker()


@pytest.fixture
def special() -> np.ndarray[Any, Any]:
    """Twelve floats with both zeros, both infinities and NaN."""
    return SPECIAL.copy()
