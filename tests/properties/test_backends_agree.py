"""Random typed graphs mean the same everywhere: on torch, in ONNX Runtime, in the ONNX reference
evaluator, and after every exact pass of the catalogue."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphwright.graph.ir import Program
from graphwright.passes.catalogue import PASSES, pass_class
from graphwright.passes.manager.contract import Exact
from graphwright.passes.manager.manager import PassManager
from graphwright.tools.api import find_backend
from graphwright.tools.testing.random_graphs import random_inputs, random_program

SEEDS = st.integers(0, 2**31)
FEW = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
EXACT = [n for n in PASSES if isinstance(pass_class(n)().contract, Exact)]


def results(program: Program, feeds: dict[str, np.ndarray], backend: str) -> dict[str, np.ndarray]:
    return find_backend(backend).load(program).run({**program.weights.arrays, **feeds})


def assert_close(actual: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        found = actual[name]
        assert found.shape == array.shape
        assert found.dtype == array.dtype
        if array.dtype.kind == "f":
            scale = max(1.0, float(np.max(np.abs(array), initial=0.0)))
            np.testing.assert_allclose(found, array, rtol=2e-4, atol=2e-4 * scale)
        else:
            np.testing.assert_array_equal(found, array)


def drawn(seed: int) -> tuple[Program, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    program = random_program(rng, nodes=14)
    return program, random_inputs(program, rng)


@FEW
@given(SEEDS)
def test_torch_and_onnx_runtime_and_the_reference_agree(seed: int) -> None:
    program, feeds = drawn(seed)
    expected = results(program, feeds, "reference")
    assert_close(results(program, feeds, "torch"), expected)
    assert_close(results(program, feeds, "onnx"), expected)


@FEW
@given(SEEDS)
def test_the_emitted_model_agrees_with_the_onnx_reference_evaluator(seed: int) -> None:
    from onnx.reference import ReferenceEvaluator

    from graphwright.backends.onnx.emitting.emission import emit

    program, feeds = drawn(seed)
    model = emit(program)
    names = [o.name for o in model.graph.output]
    given_inputs = {i.name: feeds[i.name] for i in model.graph.input}
    found = dict(zip(names, ReferenceEvaluator(model).run(names, given_inputs), strict=True))
    assert_close({n: np.asarray(a) for n, a in found.items()}, results(program, feeds, "torch"))


@pytest.mark.parametrize("name", EXACT)
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(SEEDS)
def test_exact_passes_keep_the_meaning(name: str, seed: int) -> None:
    program, feeds = drawn(seed)
    record = PassManager().run(program, [pass_class(name)()], verify="each")
    before, after = results(program, feeds, "torch"), results(record.program, feeds, "torch")
    assert_close(after, before)
    assert_close(results(record.program, feeds, "onnx"), before)
