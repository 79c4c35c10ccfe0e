"""Random programs by the standard's reference evaluator, one operator at a time: every result has
the type that was inferred, known content is right, and values are finite and of moderate size."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

from graphwright.graph.ir import Node, Program, Value, check, print_program
from graphwright.graph.types.dimensions import evaluate
from graphwright.tools.testing.random_graphs import random_inputs, random_program
from graphwright.tools.testing.random_operators import CONTROL, OPERATORS

FLAT = [name for name in OPERATORS if name not in CONTROL]


def _model(node: Node) -> onnx.ModelProto:
    names = [f"i{k}" if v is not None else "" for k, v in enumerate(node.inputs)]
    proto = helper.make_node(node.name, names, [f"o{k}" for k in range(len(node.outputs))])
    for name, attribute in node.attributes.items():
        value = attribute.value
        tensor = onnx.numpy_helper.from_array(value) if attribute.kind == "tensor" else value
        proto.attribute.append(helper.make_attribute(name, tensor))

    def infos(prefix: str, values: tuple[Value | None, ...]) -> list[onnx.ValueInfoProto]:
        return [
            helper.make_tensor_value_info(f"{prefix}{k}", v.tensor.dtype.code, None)
            for k, v in enumerate(values)
            if v is not None
        ]

    graph = helper.make_graph([proto], "one", infos("i", node.inputs), infos("o", node.outputs))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", onnx.defs.onnx_opset_version())])


def _run(program: Program, feeds: dict[str, Any], sizes: dict[str, int]) -> dict[Value, Any]:
    values: dict[Value, Any] = {}
    for node in program.graph.nodes:
        result = node.outputs[0]
        if result.constant is not None:
            values[result] = result.constant
        elif result.is_leaf:
            name = node.attribute("name")
            values[result] = feeds[name] if name in feeds else program.weights[name]
        else:
            given = {f"i{k}": values[v] for k, v in enumerate(node.inputs) if v is not None}
            arrays = ReferenceEvaluator(_model(node)).run(None, given)
            assert isinstance(arrays, list)
            values |= {v: np.asarray(a) for v, a in zip(node.outputs, arrays, strict=False)}
    return values


@pytest.mark.parametrize("seed", range(12))
def test_types_and_contents_are_those_of_the_reference(seed: int) -> None:
    program = random_program(np.random.default_rng(seed), FLAT, nodes=25)
    sizes = {"n": 1 + seed % 4}
    values = _run(program, random_inputs(program, np.random.default_rng(seed), sizes), sizes)
    for value, array in values.items():
        shape = tuple(evaluate(d, sizes) for d in value.tensor.shape)
        assert (array.shape, array.dtype) == (shape, value.tensor.dtype.numpy), value
        assert np.isfinite(array.astype(np.float64)).all(), value
        assert np.abs(array.astype(np.float64)).max(initial=0) < 1e4, value
        known = zip(value.known or (), array.ravel().tolist(), strict=False)
        assert all(k is None or evaluate(k, sizes) == found for k, found in known), value


def test_roundings_keep_off_ties() -> None:
    """A whole number or a half may fall either way after an allowed rounding error."""
    seen = 0
    for seed in range(8):
        program = random_program(np.random.default_rng(seed), [*ROUNDINGS, "Relu", "Mul"], nodes=12)
        values = _run(program, random_inputs(program, np.random.default_rng(seed), {"n": 2}), {"n": 2})
        for node in program.graph.nodes:
            if node.name in ROUNDINGS and node.inputs[0] is not None:
                doubled = 2 * values[node.inputs[0]]
                assert np.abs(doubled - np.round(doubled)).min() > 1e-6
                seen += 1
    assert seen > 20


ROUNDINGS = ("Floor", "Ceil", "Round", "Sign")


def test_every_operator_is_drawn() -> None:
    found: Counter[str] = Counter()
    for seed in range(60):
        program = random_program(np.random.default_rng(seed), nodes=40, outputs=100)
        found.update(node.name for node in program.graph.nodes)
    assert set(OPERATORS) <= set(found)
    assert len(OPERATORS) >= 100


def test_chosen_operators_only() -> None:
    program = random_program(np.random.default_rng(1), ["Relu", "Add"], nodes=15)
    names = {n.name for n in program.graph.nodes}
    assert names <= {"Relu", "Add", "Input", "Parameter", "Constant"}
    assert {"Relu", "Add"} <= names


def test_same_seed_same_program_and_inputs() -> None:
    first, second = (random_program(np.random.default_rng(3), nodes=20) for _ in range(2))
    assert print_program(first) == print_program(second)
    assert first.weights == second.weights
    one, two = (random_inputs(first, np.random.default_rng(4)) for _ in range(2))
    assert all(np.array_equal(one[n], two[n]) for n in one)
    assert print_program(random_program(np.random.default_rng(5), nodes=20)) != print_program(first)


def test_results_keep_the_symbolic_batch() -> None:
    programs = [random_program(np.random.default_rng(s), nodes=20) for s in range(20)]
    assert all(check(p) == [] for p in programs)
    assert sum(any("n" in str(v.type) for v in p.graph.outputs) for p in programs) >= 15
