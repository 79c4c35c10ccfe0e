"""Functions written out in several operators: found, equal in meaning, replaced where nothing else reads their parts,
and at infinities what the original is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

import graphwright
from graphwright.backends.torch_fx import TorchEvaluator
from graphwright.backends.torch_fx.emitter import emit
from graphwright.graph.ir import Graph
from graphwright.passes.functions.substitution import SubstituteFunctions
from graphwright.passes.functions.substitution.matches import FORMS, matches
from graphwright.passes.manager.manager import PassManager
from graphwright.passes.manager.pass_ import Context
from graphwright.passes.manager.pipeline import Pipeline, Step

LN2 = "0.6931471805599453"
REFERENCES = {
    "gelu": lambda x: x * special.ndtr(x),
    "silu": lambda x: x * special.expit(x),
    "sigmoid": special.expit,
    "softplus": lambda x: np.logaddexp(0, x),
    "tanh": np.tanh,
    "exp2": np.exp2,
    "log2": np.log2,
    "rsqrt": lambda x: 1 / np.sqrt(x),
}
WRITTEN = {
    "x * sigmoid(x)": "silu",
    "x / (1 + exp(-x))": "silu",
    "x * (1 / (1 + exp(-x)))": "silu",
    "1 / (1 + exp(-x))": "sigmoid",
    "Reciprocal(1 + exp(-x))": "sigmoid",
    "exp(x) / (1 + exp(x))": "sigmoid",
    "0.5 * (1 + tanh(0.5 * x))": "sigmoid",
    "log(1 + exp(x))": "softplus",
    "Max(x, 0.0) + log(1 + exp(-abs(x)))": "softplus",
    "Relu(x) + log(1 + exp(-abs(x)))": "softplus",
    "0.5 * x * (1 + Erf(x / 1.4142135623730951))": "gelu",
    "x * (0.5 * (1 + Erf(x * 0.7071067811865476)))": "gelu",
    "x * (1 + Erf(x / 1.4142135623730951)) / 2": "gelu",
    "(exp(x) - exp(-x)) / (exp(x) + exp(-x))": "tanh",
    "(exp(2 * x) - 1) / (exp(2 * x) + 1)": "tanh",
    "(1 - exp(-2 * x)) / (1 + exp(-2 * x))": "tanh",
    "1 - 2 / (exp(2 * x) + 1)": "tanh",
    "2 * sigmoid(2 * x) - 1": "tanh",
    f"exp(x * {LN2})": "exp2",
    "exp(x / 1.4426950408889634)": "exp2",
    "2.0 ** x": "exp2",
    f"log(x) / {LN2}": "log2",
    "log(x) * 1.4426950408889634": "log2",
    "1 / sqrt(x)": "rsqrt",
    "Reciprocal(sqrt(x))": "rsqrt",
    "sqrt(1 / x)": "rsqrt",
    "x ** -0.5": "rsqrt",
}
POSITIVE = frozenset({"log2", "rsqrt"})


def program_of(tmp_path, line, domain="-3..3", dtype="float32"):
    path = tmp_path / "form.yaml"
    path.write_text(
        f"graphwright: 1\nkind: graph\nname: form\ninputs:\n  x: {dtype}[64, 64]{f' in {domain}' * bool(domain)}\n"
        f"nodes:\n  y: {line}\noutputs: [y]\n",
        encoding="utf-8",
    )
    return graphwright.load(path)


def compiled(program, **options):
    pipeline = Pipeline((Step(SubstituteFunctions(**{"costs": "table", **options})),))
    return PassManager().run(program, pipeline, Context())


def replaced(record):
    return [n for n in record.program.graph.nodes if n.name == "Elementwise"]


@pytest.mark.parametrize("line", WRITTEN)
def test_a_written_form_is_its_function(tmp_path, line):
    function = WRITTEN[line]
    domain = "0.25..3" if function in POSITIVE else "-3..3"
    program = program_of(tmp_path, line, domain)
    (found,) = matches(program.graph)
    assert found.function == function
    assert found.result is program.graph.outputs[0]
    record = compiled(program, ulp=6)
    (node,) = replaced(record)
    assert len(node.inputs) == 1
    assert node.attribute("certificates")[0].lower().startswith(function)
    assert record.passes[0].verdict.value == "holds"
    x = np.random.default_rng(0).uniform(0.25, 3, (64, 64)).astype(np.float32)
    exact = REFERENCES[function](x.astype(np.float64))
    np.testing.assert_allclose(graphwright.run(record.program, {"x": x})["y"], exact, rtol=2e-6, atol=6e-7)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_forms_mean_their_functions_in_real_arithmetic(data):
    """Every pattern of the table, built as a graph and run in float64, against SciPy."""
    form = data.draw(st.sampled_from([f for f in FORMS if f.function != "softmax"]))
    low = 0.01 if form.function in POSITIVE else -30.0
    xs = data.draw(st.lists(st.floats(low, 30.0), min_size=4, max_size=4))
    graph, operand = built(form)
    (found,) = matches(graph)
    assert (found.function, found.operand) == (form.function, operand)
    array = np.array(xs, np.float32)
    (result,) = TorchEvaluator().evaluate(graph.outputs, {operand: array}, float64=True)
    exact = REFERENCES[form.function](array.astype(np.float64))
    np.testing.assert_allclose(result, exact, rtol=1e-6, atol=1e-7)  # constants have 24 bits


def built(form):
    """The pattern as a graph over a leaf."""
    from graphwright.graph.ir import apply, constant, leaf
    from graphwright.graph.types import FLOAT32, TensorType
    from graphwright.passes.rewriting.pattern import Application, Hole

    x = leaf("Input", "x", TensorType(FLOAT32, (4,)))
    known = {"x": x, **{n: constant(np.float32(v)) for n, v in form.constants.items()}}

    def build(pattern):
        if isinstance(pattern, Hole):
            return known[pattern.name]
        if not isinstance(pattern, Application):
            return constant(np.float32(pattern.value))
        value = apply(pattern.operator.name, *map(build, pattern.inputs))
        if pattern.bound:
            known[pattern.bound] = value
        return value

    return Graph((x,), (build(form.pattern),)), x


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        ("x * sigmoid(x) + sigmoid(x)", 1),  # the sigmoid alone: the product is not all that reads it
        ("0.5 * x * (1 + Erf(x / 1.5))", 1),  # no gelu: the erf alone
        ("exp(x * 0.6931)", 1),  # no power of two: the exponential alone
        ("log(2 + exp(x))", 2),
        ("1 / (1 + exp(-2 * x))", 1),  # the sigmoid of -(-2 x) is written otherwise: the exponential alone
    ],
)
def test_what_only_looks_like_a_form_is_no_form(tmp_path, lines, count):
    program = program_of(tmp_path, lines)
    found = matches(program.graph)
    assert len(found) == count
    assert not any(m.form for m in found)
    x = np.random.default_rng(0).uniform(-3, 3, (64, 64)).astype(np.float32)
    before = graphwright.run(program, {"x": x})["y"]
    after = graphwright.run(compiled(program, ulp=6).program, {"x": x})["y"]
    np.testing.assert_allclose(after, before, rtol=3e-6, atol=1e-6)


def test_softmax_written_out_is_one_loop(tmp_path):
    line = "exp(x - ReduceMax(x, [-1])) / ReduceSum(exp(x - ReduceMax(x, [-1])), [-1])"
    record = compiled(program_of(tmp_path, line), ulp=6)
    (node,) = replaced(record)
    assert node.attribute("softmax") == 1
    x = np.random.default_rng(0).normal(0, 3, (64, 64)).astype(np.float32)
    exact = special.softmax(x.astype(np.float64), axis=-1)
    np.testing.assert_allclose(
        graphwright.run(record.program, {"x": np.clip(x, -3, 3)})["y"].sum(-1), 1, atol=1e-5
    )
    found = emit(record.program)(torch_of(x))["y"].numpy()
    np.testing.assert_allclose(found, exact, atol=1e-6)


def test_a_form_that_overflows_on_the_numbers_seen_stays(tmp_path):
    record = compiled(program_of(tmp_path, "log(1 + exp(x))", "-10..200"), ulp=6)
    assert not replaced(record)
    assert "overflows on numbers seen" in record.passes[0].notes[0]


def test_a_tanh_gelu_is_one_loop(tmp_path):
    line = "0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))"
    record = compiled(program_of(tmp_path, line), ulp=6)
    assert len(replaced(record)) == 1
    x = np.random.default_rng(0).uniform(-3, 3, (64, 64)).astype(np.float32)
    wide = x.astype(np.float64)
    exact = 0.5 * wide * (1 + np.tanh(math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3)))
    np.testing.assert_allclose(graphwright.run(record.program, {"x": x})["y"], exact, atol=2e-6)


def torch_of(array):
    import torch

    return torch.from_numpy(array)


FINITE_OR_NOT = np.array(
    [math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-45, -1e-40, 3e38, -3e38, 1e-38, 60.0, -60.0], np.float32
)


@pytest.mark.parametrize(
    "line", [*WRITTEN, "Gelu(x)", "Swish(x)", "Softplus(x)", "sigmoid(x)", "tanh(x)", "Erf(x)"]
)
def test_infinities_and_nan_are_the_originals(tmp_path, line):
    """By the operators' definitions: torch's own gelu is NaN at infinity on some processors."""
    positive = WRITTEN.get(line) in POSITIVE
    record = compiled(program_of(tmp_path, line, "0.25..3" if positive else ""), ulp=6)
    (node,) = replaced(record)
    x = np.resize(FINITE_OR_NOT, (64, 64)).astype(np.float32)
    before, after = originals(line, x), emit(record.program)(torch_of(x))["y"].numpy()
    looked_at = ~np.isfinite(x) | (np.abs(x) < 1e-30)
    if positive:
        looked_at &= x > (3e-39 if line == "sqrt(1 / x)" else 0)  # whose quotient overflows
    np.testing.assert_allclose(after[looked_at], before[looked_at], rtol=2e-6, atol=6e-7)
    assert node.attribute("program")


def originals(line, x):
    """In NumPy, operator by operator."""
    with np.errstate(all="ignore"):
        wide = x.astype(np.float32)
        erf = special.erf
        names = {
            "x": wide,
            "exp": np.exp,
            "log": np.log,
            "sqrt": np.sqrt,
            "tanh": np.tanh,
            "abs": np.abs,
            "Erf": erf,
            "Max": np.maximum,
            "Relu": lambda v: np.maximum(v, 0),
            "Reciprocal": lambda v: 1 / v,
            "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
            "Gelu": lambda v: 0.5 * v * (1 + erf(v / math.sqrt(2))),
            "Swish": lambda v: v * (1 / (1 + np.exp(-v))),
            "Softplus": lambda v: np.maximum(v, 0) + np.log1p(np.exp(-np.abs(v))),
        }
        return np.asarray(eval(line, {"__builtins__": {}}, names), np.float32)  # lines of this file
