"""Constant folding, freezing, merged weights, dead code."""

from __future__ import annotations

import numpy as np
import pytest

from graphwright.graph.diagnostics import SpecError
from graphwright.graph.ir import Graph, argument, leaf, make_node
from graphwright.graph.operators import operator
from graphwright.graph.types import BOOL, FLOAT32, TensorType
from graphwright.passes.rewriting.explanation import explain
from graphwright.passes.simplify.dead_code import EliminateDeadCode
from graphwright.passes.simplify.folding import FoldConstants
from graphwright.passes.simplify.freezing import FreezeParameters
from graphwright.passes.simplify.weights import MergeWeights


def weight(name, *shape, role="Weight"):
    return leaf(role, name, TensorType(FLOAT32, shape))


def test_what_depends_on_constants_alone_is_computed(make):
    c = make.apply("Exp", make.apply("Add", make.const([0.1, 0.2]), make.const(0.3)))
    program = make.program(make.apply("Mul", make.input(shape=(3, 2)), c))
    result = make.apply_pass(FoldConstants(), program).program
    assert make.operators(result) == ["Mul"]
    (folded,) = [n.outputs[0].constant for n in result.graph.nodes if n.operator.name == "Constant"]
    assert folded.dtype == np.float32
    assert np.allclose(folded, np.exp([0.4, 0.5]), rtol=3e-7)


def test_large_results_become_weights_named_by_content(make):
    w = weight("w", 16, 16)
    arrays = {"w": np.random.default_rng(0).standard_normal((16, 16)).astype(np.float32)}
    y = make.apply("MatMul", make.input(shape=(2, 16)), make.apply("Transpose", w, perm=[1, 0]))
    first = make.apply_pass(FoldConstants(), make.program(y, weights=arrays)).program
    second = make.apply_pass(FoldConstants(), make.program(y, weights=arrays)).program
    (name,) = [n.attribute("name") for n in first.graph.nodes if n.operator.name == "Weight"]
    assert name.startswith("w~")
    assert np.array_equal(first.weights[name], arrays["w"].T)
    assert first.graph == second.graph


@pytest.mark.parametrize(
    ("size", "options", "folds"),
    [
        (100, {}, True),
        (5000, {"max_output": 4096}, False),
        (5000, {}, True),
        (300_000, {}, False),
    ],
)
def test_results_that_grow_beyond_the_limit_stay(make, size, options, folds):
    y = make.apply("Expand", make.const(2.0), make.ints(size))
    result = make.apply_pass(FoldConstants(**options), make.program(y))
    assert (make.operators(result.program) == []) is folds


def test_results_that_do_not_grow_fold_whatever_their_size(make):
    y = make.apply("Neg", weight("w", 1000, 400))
    program = make.program(y, weights={"w": np.ones((1000, 400), np.float32)})
    assert make.operators(make.apply_pass(FoldConstants(max_output=10), program).program) == []


def test_random_draws_and_compact_weights_are_never_folded(make):
    draw = make.apply("RandomNormal", shape=[2, 2])
    levels = make.apply("DequantizeLinear", make.const([1, 2], np.int8), make.const(0.5))
    program = make.program(draw, levels)
    assert make.apply_pass(FoldConstants(), program).program is program


def test_parameters_are_no_constants(make):
    program = make.program(
        make.apply("Neg", weight("p", 2, role="Parameter")), weights={"p": np.ones(2, np.float32)}
    )
    assert make.apply_pass(FoldConstants(), program).program is program


def test_integers_with_known_content_become_constants(make):
    size = make.apply("Size", make.input(shape=(3, 5)))
    (value,) = make.apply_pass(FoldConstants(), make.program(size)).program.graph.outputs
    assert value.constant.tolist() == 15


def test_the_reason_why_a_node_is_not_folded(make):
    x = make.input()
    y = make.apply("Add", x, make.const(1))
    program = make.program(y, names={"logits": y})
    explanation = explain(FoldConstants(), program, "logits")
    assert explanation.operator == "Add"
    assert any(a.reason == "operand Input is no constant" for a in explanation.attempts)
    grown = make.program(make.apply("Expand", make.const(2.0), make.ints(300_000)))
    assert "the result would have 300000 elements (max_output is 262144)" in [
        a.reason for a in explain(FoldConstants(), grown, "y0").attempts
    ]
    with pytest.raises(SpecError) as error:
        explain(FoldConstants(), program, "logit")
    assert error.value.diagnostics[0].code == "G1021"
    assert error.value.diagnostics[0].hint == "did you mean 'logits'?"


# --- freezing -----------------------------------------------------------------------------------------


def test_stored_parameters_and_constant_states_become_constants(make):
    p, q = weight("p", 2, role="Parameter"), weight("q", 2, role="Parameter")
    buffer, moving = weight("buffer", 100, role="State"), weight("moving", 2, role="State")
    x = make.input(shape=(100, 2))
    y = make.apply("Add", make.apply("Mul", x, p), make.apply("Mul", q, moving))
    z = make.apply("Neg", buffer)
    arrays = {
        "p": np.array([1, 2], np.float32),
        "buffer": np.ones(100, np.float32),
        "moving": np.ones(2, np.float32),
    }
    program = make.program(y, z, make.apply("Neg", moving), weights=arrays)
    from dataclasses import replace

    program = replace(program, output_names=("y", "z"), updates=("moving",))
    frozen = make.apply_pass(FreezeParameters(), program).program
    assert set(frozen.parameters) == {"q"}  # no value is stored for it
    assert set(frozen.states) == {"moving"}  # it changes
    feeds = {"x": np.ones((100, 2), np.float32), "q": np.array([3, 4], np.float32)}
    for old, new in zip(make.run(program, feeds), make.run(frozen, feeds), strict=True):
        assert np.array_equal(old, new)
    assert frozen.weights["buffer"] is arrays["buffer"]


def test_nothing_to_freeze_is_the_same_program(make):
    program = make.program(make.apply("Neg", make.input()))
    assert make.apply_pass(FreezeParameters(), program).program is program
    assert FreezeParameters.variants == {"infer"}


# --- weights --------------------------------------------------------------------------------------------


def test_equal_weights_become_one_and_their_users_too(make):
    x = make.input(shape=(2, 16))
    arrays = {
        n: np.random.default_rng(k).standard_normal((16, 16)).astype(np.float32)
        for n, k in zip("abc", (0, 0, 1), strict=True)
    }
    arrays["d"] = arrays["a"].copy()
    arrays["d"][15, 15] += 1  # differs in one element
    parts = [make.apply("MatMul", x, weight(n, 16, 16)) for n in "abcd"]
    program = make.program(make.apply("Sum", *parts), weights=arrays)
    result = make.apply_pass(MergeWeights(), program).program
    assert make.operators(result).count("MatMul") == 3
    feeds = {"x": np.ones((2, 16), np.float32)}
    assert np.array_equal(make.run(program, feeds)[0], make.run(result, feeds)[0])


def test_weights_that_differ_only_in_the_sign_of_zero_stay_apart(make):
    zeros = np.zeros((10, 10), np.float32)
    program = make.program(
        make.apply(
            "Div", make.apply("Add", weight("a", 10, 10), weight("b", 10, 10)), make.input(shape=(10, 10))
        ),
        weights={"a": zeros, "b": -zeros},
    )
    assert make.apply_pass(MergeWeights(), program).program is program


def test_content_is_hashed_only_where_a_sample_agrees(make, monkeypatch):
    from graphwright.graph.ir import program as program_module

    hashed = []
    original = program_module.array_digest
    monkeypatch.setattr(program_module, "array_digest", lambda a: hashed.append(1) or original(a))
    arrays = {n: np.full((10, 10), k, np.float32) for k, n in enumerate("abcd")}
    program = make.program(make.apply("Sum", *(weight(n, 10, 10) for n in "abcd")), weights=arrays)
    make.apply_pass(MergeWeights(), program)
    assert hashed == []


# --- dead code ------------------------------------------------------------------------------------------


def test_what_outputs_do_not_reach_goes_and_inputs_stay(make):
    used, unused = weight("used", 3, role="Parameter"), weight("unused", 3, role="Parameter")
    x, ignored = make.input(shape=(3,)), make.input("ignored")
    y = make.apply("Add", x, used)
    program = make.program(y, weights={"used": np.ones(3, np.float32), "stray": np.ones(3, np.float32)})
    from dataclasses import replace

    whole = replace(
        program,
        graph=Graph((x, ignored, used, unused), (y,)),
        names={"y": y, "lost": make.apply("Neg", x)},
        initializers={"unused": make.const([1, 2, 3])},
    )
    pruned = make.apply_pass(EliminateDeadCode(), whole).program
    assert list(pruned.inputs) == ["x", "ignored"]
    assert list(pruned.parameters) == ["used"]
    assert list(pruned.weights.arrays) == ["used"]
    assert pruned.names == {"y": y}
    assert pruned.initializers == {}


def test_captures_that_no_branch_reads_are_dropped(make):
    x, y, z = (make.input(n, (2,)) for n in "xyz")
    a = [argument(i, TensorType(FLOAT32, (2,))) for i in range(3)]
    then = Graph(tuple(a), (make.apply("Neg", a[2]),))
    other = Graph(tuple(a), (make.apply("Add", a[0], a[2]),))
    condition = leaf("Input", "c", TensorType(BOOL, ()))
    node = make_node(operator("If", ""), (condition, x, y, z), {"then_branch": then, "else_branch": other})
    program = make.program(node.outputs[0])
    result = make.apply_pass(EliminateDeadCode(), program).program
    assert result.graph.outputs[0].node.inputs == (condition, x, z)
    feeds = {"x": np.ones(2, np.float32), "z": np.full(2, 5, np.float32), "y": np.zeros(2, np.float32)}
    for c in (True, False):
        old = make.run(program, {**feeds, "c": np.array(c)})[0]
        assert np.array_equal(old, make.run(result, {**feeds, "c": np.array(c)})[0])
