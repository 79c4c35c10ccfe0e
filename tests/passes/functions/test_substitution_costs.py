"""What pays: times at numbers of elements, measured once and kept; the original below the number from which programs
are faster; ONNX by steps; dtypes without kernels."""

from __future__ import annotations

import math

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import graphwright
from graphwright.backends.onnx import emit as emit_onnx
from graphwright.backends.onnx.emitting.function_programs import unprintable
from graphwright.backends.torch_fx.emitter import emit
from graphwright.graph.diagnostics import SpecError
from graphwright.graph.ir import Graph, Program, apply, leaf
from graphwright.graph.types import FLOAT32, TensorType
from graphwright.passes.functions.evaluation import evaluate
from graphwright.passes.functions.substitution import SubstituteFunctions, pricing, timing
from graphwright.passes.functions.substitution.library import library
from graphwright.passes.functions.substitution.matches import FUNCTIONS, matches
from graphwright.passes.functions.substitution.regions import single
from graphwright.passes.functions.substitution.replacing import Chosen
from graphwright.passes.functions.substitution.timing import Comparison, Surroundings
from graphwright.passes.manager.manager import PassManager
from graphwright.passes.manager.pass_ import Context
from graphwright.passes.manager.pipeline import Pipeline, Step


def written(tmp_path, line, type="float32[n]", domain="in -3..3"):
    path = tmp_path / "priced.yaml"
    path.write_text(
        "graphwright: 1\nkind: graph\nname: priced\ninputs:\n"
        f"  x: {type} {domain}\nnodes:\n  y: {line}\noutputs: [y]\n",
        encoding="utf-8",
    )
    return graphwright.load(path)


def compiled(program, backend="torch", sizes=None, **options):
    pipeline = Pipeline((Step(SubstituteFunctions(**options)),))
    return PassManager().run(program, pipeline, Context(backend=backend, sizes=sizes or {}))


def replaced(record):
    return [n for n in record.program.graph.nodes if n.name == "Elementwise"]


@given(
    st.lists(st.tuples(st.floats(1, 1e6), st.floats(1, 1e6)), min_size=2, max_size=6),
    st.integers(1, 10**7),
)
def test_programs_pay_from_the_least_on_and_only_where_they_are_faster(times, count):
    counts = tuple(2 ** (i + 4) for i in range(len(times)))
    compared = Comparison(counts, tuple(b for b, _ in times), tuple(a for _, a in times))
    before, after = compared.at(count)
    assert compared.pays(count) == (after <= timing.GAIN * before)
    least = compared.least
    faster = [a <= timing.GAIN * b for b, a in times]
    assert (least is None) == (not faster[-1])
    if least is not None:
        assert all(faster[counts.index(least) :])
        assert counts.index(least) == 0 or not faster[counts.index(least) - 1]


def test_a_region_is_measured_once(tmp_path, monkeypatch):
    calls = []

    def runner(form, around):
        calls.append(form)
        return lambda arrays: lambda: calls[0]

    monkeypatch.setattr(timing, "_folder", lambda: tmp_path)
    monkeypatch.setitem(timing._RUNNERS, "native", runner)
    x = leaf("Input", "x", TensorType(FLOAT32, (64,)))
    forms = Graph((x,), (apply("Tanh", x),)), Graph((x,), (apply("Erf", x),))
    first = timing.measured("native", *forms, Surroundings())
    assert len(calls) == 2
    assert timing.measured("native", *forms, Surroundings()) == first
    assert len(calls) == 2
    timing.measured("native", *forms, Surroundings(columns=128))
    assert len(calls) == 4
    for file in tmp_path.iterdir():
        file.write_text("{", encoding="utf-8")  # cut off
    assert isinstance(timing.measured("native", *forms, Surroundings()), Comparison)


COUNTS = (64, 4096, 65536)


def told(monkeypatch, before, after):
    compared = Comparison(COUNTS, tuple(b * c for b, c in zip(before, COUNTS, strict=True)), after)
    monkeypatch.setattr(pricing, "measured", lambda *_: compared)


def test_what_is_slower_on_the_target_stays_and_says_so(tmp_path, monkeypatch):
    told(monkeypatch, (1, 1, 1), tuple(2.0 * c for c in COUNTS))
    for target in ("native", "inductor"):
        record = compiled(written(tmp_path, "tanh(x)", "float32[64, 64]"), ulp=6, target=target)
        assert not replaced(record)
        assert (
            f"the original is no slower on {target}: 1 against 2 ns an element" in record.passes[0].notes[0]
        )


def test_few_elements_are_left_to_the_original(tmp_path, monkeypatch):
    told(monkeypatch, (1, 1, 1), (640.0, 2048.0, 16384.0))
    record = compiled(written(tmp_path, "tanh(x)"), ulp=6)
    (node,) = replaced(record)
    assert node.attribute("least") == 4096
    assert "the original below 4,096" in record.passes[0].notes[0]
    module = emit(record.program)
    for count, same in ((4095, True), (4096, False)):
        x = torch.linspace(-3, 3, count)
        assert torch.equal(module(x)["y"], torch.tanh(x)) is same
    known = compiled(written(tmp_path, "tanh(x)", "float32[1000]"), ulp=6)
    assert not replaced(known)  # 1,000 elements, as the type says
    assert not replaced(compiled(written(tmp_path, "tanh(x)"), ulp=6, sizes={"n": 1000}))


def test_measuring_really_runs_both_forms(tmp_path, monkeypatch):
    monkeypatch.setattr(timing, "_folder", lambda: tmp_path)
    monkeypatch.setattr(timing, "COUNTS", (64, 1024))
    record = compiled(written(tmp_path, "2 * tanh(x) + 1", "float32[512]"), ulp=6)
    assert "ns an element of 512" in record.passes[0].notes[0]
    assert len(list(tmp_path.glob("times-*.json"))) == 1


def test_files_hold_no_kernels(tmp_path):
    record = compiled(written(tmp_path, "tanh(x)"), backend="export", ulp=6)
    assert not replaced(record)
    assert "an exported file holds standard operators" in record.passes[0].notes[0]
    record = compiled(written(tmp_path, "tanh(x)"), backend="onnx", ulp=6, costs="table")
    assert not replaced(record)


# --- ONNX ---------------------------------------------------------------------------------------------

PRINTABLE = [
    e for e in library() if e.program.dtype == "float32" and e.program.function in FUNCTIONS.values()
]


def steps_model(entry):
    """The program as ONNX operators, and what keeps it from being."""
    name = next(n for n, f in FUNCTIONS.items() if f == entry.program.function and n != "Softmax")
    x = leaf("Input", "x", TensorType(FLOAT32, (64,)))
    graph = Graph((x,), (apply(name, x),))
    (match,) = matches(graph)
    chosen = Chosen(graph, single(match), {match.node: entry}, steps=True)
    program = Program("steps", Graph((x,), (chosen.node([x]),)), ("y",))
    return program, unprintable(chosen.text())


@pytest.mark.parametrize("entry", PRINTABLE, ids=lambda e: e.program.name)
def test_steps_in_onnx_are_the_program(entry):
    """Up to a product and sum that float64 rounds first: one unit, at few numbers."""
    program, problem = steps_model(entry)
    if problem:
        with pytest.raises(SpecError, match=r"ONNX has no operator|can't be written"):
            emit_onnx(program)
        return
    session = onnxruntime.InferenceSession(
        emit_onnx(program).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    low, high = (max(min(e, 20.0), -20.0) for e in entry.program.domain)
    x = np.random.default_rng(0).uniform(low, high, 64).astype(np.float32)
    x[:6] = math.nan, 0.0, -0.0, low, high, 1e-40
    (found,) = session.run(None, {"x": x})
    exact = evaluate(entry.program, x)
    np.testing.assert_array_max_ulp(found[1:], exact[1:], 1)
    assert np.isnan(found[0])
    assert np.mean(found[1:] == exact[1:]) > 0.9


# --- other dtypes -------------------------------------------------------------------------------------


def test_float64_gets_programs_of_its_own(tmp_path):
    program = written(tmp_path, "exp(-x * x)", "float64[64, 64]")
    record = compiled(program, tolerance=1e-12, costs="table")
    (node,) = replaced(record)
    assert "float64" in node.attribute("certificates")[0]
    x = np.random.default_rng(0).uniform(-3, 3, (64, 64))
    np.testing.assert_allclose(graphwright.run(record.program, {"x": x})["y"], np.exp(-x * x), atol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_narrow_dtypes_are_kept_with_a_reason(tmp_path, dtype):
    program = written(tmp_path, "tanh(x)", f"{dtype}[64, 64]")
    record = compiled(program, tolerance=1e-3, costs="table")
    assert record.program.graph.outputs == program.graph.outputs
    assert f"programs have no kernels in {dtype}" in record.passes[0].notes[0]
