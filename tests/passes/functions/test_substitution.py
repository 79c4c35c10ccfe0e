"""Certified programs in place of operators: within the budget, named in the report, and the original's meaning at
the edges; what is wrong is caught."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import graphwright
from graphwright.backends.runtime.feeds import initialize
from graphwright.backends.torch_fx.emitter import emit
from graphwright.passes.functions.constants import constant
from graphwright.passes.functions.program_spec import load_program, spec_text, with_certificates
from graphwright.passes.functions.substitution import SubstituteFunctions
from graphwright.passes.functions.substitution.library import FOLDER, library
from graphwright.passes.functions.substitution.ranges import proven
from graphwright.passes.manager.failure import ContractBroken
from graphwright.passes.manager.manager import PassManager
from graphwright.passes.manager.pass_ import Context
from graphwright.passes.manager.pipeline import Pipeline, Step

BUDGET = 1e-5
MODELS = {
    "character_lm": ({}, "target"),
    "transformer_encoder": ({"depth": 3, "width": 64, "heads": 4, "vocab": 300}, "label"),
}


def written(tmp_path, nodes, inputs="x: float32[batch, 64]", name="small"):
    path = tmp_path / f"{name}.yaml"
    text = "".join(f"  {line}\n" for line in nodes)
    path.write_text(
        f"graphwright: 1\nkind: graph\nname: {name}\ninputs:\n  {inputs}\nnodes:\n{text}outputs: [y]\n",
        encoding="utf-8",
    )
    return graphwright.load(path)


def compiled(program, verify="each", sizes=None, **options):
    """By the table of costs, unless a test says otherwise: what pays is then the same on every machine."""
    pipeline = Pipeline((Step(SubstituteFunctions(**{"costs": "table", **options})),))
    return PassManager().run(program, pipeline, Context(sizes=sizes or {}), verify=verify)


def elementwise_nodes(program):
    return [n for n in program.graph.nodes if n.name == "Elementwise"]


SCALES = (1e-3, 1.0, 8.0)
"""Of all weights: with the largest, rows of a softmax are all but one-hot, and outputs move by hundreds."""


@cache
def model(name, scale=1.0):
    """With weights drawn once; at a scale that no budget reaches, operators may stay."""
    sizes, _ = MODELS[name]
    spec = FOLDER.parent / "models" / f"{name}.yaml"
    program = initialize(graphwright.load(spec, sizes=sizes), 0)
    program = program.with_weights({n: np.float32(scale) * program.weights[n] for n in program.parameters})
    return program, compiled(program, tolerance=BUDGET)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_models_stay_within_their_budget(name, scale, data):
    program, record = model(name, scale)
    batch, length = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 24))
    vocabulary = MODELS[name][0].get("vocab", 128)
    tokens = data.draw(
        st.one_of(
            st.lists(st.integers(0, vocabulary - 1), min_size=batch * length, max_size=batch * length),
            st.integers(0, vocabulary - 1).map(lambda t: [t] * (batch * length)),
        )
    )
    feeds = {"tokens": np.array(tokens, np.int64).reshape(batch, length)}
    before, after = graphwright.run(program, feeds), graphwright.run(record.program, feeds)
    for output in before:
        assert np.max(np.abs(before[output] - after[output])) <= BUDGET


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_models_stay_within_their_budget_with_other_weights(seed):
    """Of one scale: amplifications were measured with others."""
    program, record = model("character_lm")
    generator = np.random.default_rng(seed)
    weights = {n: program.weights[n] for n in program.parameters}
    arrays = {n: generator.permuted(w.ravel()).reshape(w.shape) for n, w in weights.items()}
    tokens = generator.integers(0, 128, (2, 16))
    before = graphwright.run(program, {"tokens": tokens}, parameters=arrays)
    after = graphwright.run(record.program, {"tokens": tokens}, parameters=arrays)
    assert np.max(np.abs(before["logits"] - after["logits"])) <= BUDGET


@pytest.mark.parametrize(("dtype", "budget"), [("float64", 1e-10), ("float16", 1e-2)])
def test_attention_in_other_dtypes_stays_within_its_budget(tmp_path, dtype, budget):
    lines = ["a: exp(x @ x.mT / -64) @ x", "y: a / (1 + exp(-a))"]
    program = written(tmp_path, lines, f"x: {dtype}[batch, 48, 64] in -2..2")
    record = compiled(program, tolerance=budget)
    nodes = elementwise_nodes(record.program)
    if dtype == "float64":
        assert nodes  # the exponential; of the rest what the library has
    else:
        assert not nodes
        assert all("no kernels in float16" in n for n in record.passes[0].notes)
    x = np.random.default_rng(0).uniform(-2, 2, (3, 48, 64)).astype(dtype)
    before, after = graphwright.run(program, {"x": x})["y"], graphwright.run(record.program, {"x": x})["y"]
    assert np.max(np.abs(before.astype(np.float64) - after.astype(np.float64))) <= budget


@pytest.mark.parametrize("name", MODELS)
def test_the_report_names_the_certificate_of_every_node(name):
    program, record = model(name)
    nodes = elementwise_nodes(record.program)
    notes = record.passes[0].notes
    assert record.passes[0].verdict.value == "holds"
    replaced = [n for n in notes if ": kept" not in n and not n.startswith("fused")]
    assert len(nodes) == len(replaced) >= 3
    assert len(notes) >= sum(n.name in ("Softmax", "Gelu") for n in program.graph.nodes)
    known = {e.name() for e in library()}
    for node in nodes:
        for certificate in node.attribute("certificates"):
            assert certificate in known
            assert any(certificate in note for note in notes)


def test_a_budget_too_tight_for_every_program_keeps_the_operator(tmp_path):
    program = written(tmp_path, ["y: tanh(x)"], "x: float32[64, 64] in -10..10")

    def taken(budget):
        record = compiled(program, tolerance=budget)
        return [n.attribute("certificates")[0].split()[0] for n in elementwise_nodes(record.program)]

    assert taken(1e-5) == ["tanh_quick"]
    assert taken(1e-7) == []


def test_a_gated_unit_becomes_one_node(tmp_path):
    program = written(tmp_path, ["y: tanh(1.1 * x + 0.1) * sigmoid(0.9 * x - 0.2)"])
    record = compiled(program, ulp=6)
    (node,) = elementwise_nodes(record.program)
    assert len(node.inputs) == 1
    assert len(record.program.graph.nodes) == 2  # it and the input
    x = np.random.default_rng(0).uniform(-9, 9, (40, 64)).astype(np.float32)
    wide = x.astype(np.float64)
    exact = np.tanh(1.1 * wide + 0.1) / (1 + np.exp(-(0.9 * wide - 0.2)))
    np.testing.assert_allclose(graphwright.run(record.program, {"x": x})["y"], exact, atol=1e-6)
    for backend in ("onnx", "reference"):  # which compute what it stands for
        expected = graphwright.run(program, {"x": x}, backend=backend)["y"]
        found = graphwright.run(record.program, {"x": x}, backend=backend)["y"]
        np.testing.assert_array_equal(found, expected)


def test_a_value_read_twice_ends_a_region(tmp_path):
    program = written(tmp_path, ["a: tanh(x)", "b: a * a", "y: sum(a) * b"])
    record = compiled(program, ulp=6)
    assert [len(n.attribute("body").outputs) for n in elementwise_nodes(record.program)] == [1]
    assert "Mul" in [n.name for n in record.program.graph.nodes]


@pytest.mark.parametrize("function", ["exp", "log", "sin", "tanh", "erf", "sigmoid"])
def test_special_values_are_the_operators_own(tmp_path, function):
    program = written(tmp_path, [f"y: {function}(x)"], "x: float32[n]")
    record = compiled(program, ulp=6, verify="none")
    assert len(elementwise_nodes(record.program)) == 1
    x = np.array([math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-45, -1e-40, 3e38, -3e38, 1e5, -90], np.float32)
    before = graphwright.run(program, {"x": x})["y"]
    after = graphwright.run(record.program, {"x": x})["y"]
    atol = 6e-7 if function == "sigmoid" else 1e-44  # whose certificate is absolute
    np.testing.assert_allclose(after, before, rtol=1e-6, atol=atol)


@pytest.mark.parametrize(
    ("line", "exact", "others"),
    [
        ("y: 2.0 ** x", lambda x: np.exp2(x), 1),
        ("y: 3 * 2.0 ** (0.5 * x) + 1", lambda x: 3 * np.exp2(0.5 * x) + 1, 1),
        ("y: tanh(1 / sqrt(x * x + 1))", lambda x: np.tanh(1 / np.sqrt(x * x + 1)), 1),
        ("y: x ** 2.0", lambda x: x**2, 0),
        ("y: cos(x)", np.cos, 1),
    ],
)
def test_powers_of_two_cosines_and_square_roots(tmp_path, line, exact, others):
    program = written(tmp_path, [line], "x: float32[batch, 64] in -9..9")
    record = compiled(program, ulp=6)
    assert len(elementwise_nodes(record.program)) == others
    x = np.random.default_rng(0).uniform(-9, 9, (40, 64)).astype(np.float32)
    found = graphwright.run(record.program, {"x": x})["y"]
    np.testing.assert_allclose(found, exact(x.astype(np.float64)), rtol=2e-6, atol=6e-7)


def test_onnx_keeps_every_operator(tmp_path):
    program = written(tmp_path, ["y: tanh(exp(x))"])
    record = compiled(program, target="onnx")
    assert record.program is program
    assert len(record.passes[0].notes) == 2
    assert all(": kept, " in note for note in record.passes[0].notes)


def test_inductor_keeps_what_does_not_pay(tmp_path):
    program = written(tmp_path, ["y: exp(x)"])
    record = compiled(program, target="inductor", ulp=6)
    assert not elementwise_nodes(record.program)
    assert any("the original is no slower on inductor" in note for note in record.passes[0].notes)


# --- what is wrong is caught -----------------------------------------------------------------------------


def perturbed(tmp_path, name, *, seal):
    """A folder with one program one constant of which is off by a tenth, its certificate as it was or its
    digest made to fit."""
    program = load_program(FOLDER / "vector" / f"{name}.yaml")
    sums = [
        i for i, s in enumerate(program.steps) if s.operation == "fma" and not isinstance(s.operands[2], str)
    ]
    place = sums[-1]
    step = program.steps[place]
    operands = tuple(
        o if isinstance(o, str) else constant(float(np.float32(o.rounded("float32") * 1.1)))
        for o in step.operands
    )
    assert operands != step.operands
    wrong = replace(
        program, steps=(*program.steps[:place], replace(step, operands=operands), *program.steps[place + 1 :])
    )
    wrong = with_certificates(wrong, *wrong.certificates) if seal else wrong
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / f"{name}.yaml").write_text(spec_text(wrong), encoding="utf-8")
    return str(tmp_path / "library")


def test_a_wrong_constant_loses_the_certificate(tmp_path):
    program = written(tmp_path, ["y: exp(x)"])
    record = compiled(program, library=perturbed(tmp_path, "exp_quick", seal=False))
    assert not elementwise_nodes(record.program)
    assert "no certified program for exp in float32" in record.passes[0].notes[0]


def test_a_false_certificate_breaks_the_contract(tmp_path):
    program = written(tmp_path, ["y: exp(x)"])
    with pytest.raises(ContractBroken) as raised:
        compiled(program, ulp=6, library=perturbed(tmp_path, "exp_quick", seal=True))
    assert "substitute_functions" in str(raised.value)


def test_a_domain_that_does_not_hold_the_data_is_refused(tmp_path):
    program = written(tmp_path, ["y: sin(x)"], "x: float32[64, 64] in 0..1000000")
    record = compiled(program, ulp=6)
    assert not elementwise_nodes(record.program)
    assert "covers" in record.passes[0].notes[0]


def test_a_number_outside_the_domain_gets_the_function_itself(tmp_path):
    program = written(tmp_path, ["y: sin(x)"], "x: float32[batch, 64] in -30..30")
    record = compiled(program, ulp=6)
    assert len(elementwise_nodes(record.program)) == 1
    x = np.array([[1e4, -1e6, 33, 12345.678, *[0.5] * 60]], np.float32)
    found = run_module(record, x)
    np.testing.assert_allclose(found[0, :4], np.sin(x[0, :4].astype(np.float64)), rtol=1e-7)


def run_module(record, x):
    """The emitted module itself: `run` checks inputs against what they declare."""
    return emit(record.program)(torch.from_numpy(x))["y"].numpy()


def test_intervals_follow_declared_inputs(tmp_path):
    program = written(tmp_path, ["a: 2 * x - 1", "y: exp(-abs(a))"], "x: float32[batch, 64] in 0..3")
    found = proven(program)
    (value,) = program.graph.outputs
    low, high = found[value]
    assert low == pytest.approx(math.exp(-5), rel=1e-4)
    assert high == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize("function", ["tanh", "exp", "log", "sin", "erf", "sigmoid", "silu"])
def test_gradients_flow_through_the_steps(tmp_path, function):
    written_as = {"erf": "Erf(x)", "silu": "x * sigmoid(x)"}.get(function, f"{function}(x)")
    domain = "0.1..9" if function == "log" else "-3..3"
    program = written(tmp_path, [f"y: {written_as}"], f"x: float32[batch, 64] in {domain}")
    module = emit(compiled(program, ulp=6).program)
    x = torch.linspace(0.1 if function == "log" else -3, 3, 64).reshape(1, 64)
    given, exact = x.clone().requires_grad_(), x.double().requires_grad_()
    module(given)["y"].sum().backward()
    (exact * torch.sigmoid(exact) if function == "silu" else getattr(torch, function)(exact)).sum().backward()
    torch.testing.assert_close(given.grad.double(), exact.grad, atol=2e-4, rtol=2e-4)


@pytest.mark.slow
def test_torch_compile_and_export_take_the_module(tmp_path):
    program = written(tmp_path, ["y: softmax(tanh(x) @ x.mT)"])
    module = emit(compiled(program, ulp=6).program)
    x = torch.randn(48, 64)
    expected = module(x)["y"]
    torch.testing.assert_close(torch.compile(module, fullgraph=True)(x)["y"], expected)
    exported = torch.export.export(module, (x,))
    torch.testing.assert_close(exported.module()(x)["y"], expected, atol=1e-6, rtol=1e-5)
