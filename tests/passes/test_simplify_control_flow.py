"""Unrolled Scan and Loop, decided If, hoisted invariants: against the reference run of the original."""

from __future__ import annotations

import numpy as np
import pytest

from graphwright.graph.ir import Graph, argument, leaf, make_node
from graphwright.graph.operators import operator
from graphwright.graph.types import BOOL, FLOAT32, INT64, TensorType, symbol
from graphwright.passes.simplify.hoisting import HoistInvariants
from graphwright.passes.simplify.unrolling import UnrollScans

ROW = TensorType(FLOAT32, (4,))


def scan(make, length=5, *, invariant=False, **attributes):
    """state, x -> tanh(state w + x), with `w` captured; also a stacked result."""
    state, piece, w = argument(0, ROW), argument(1, ROW), argument(2, TensorType(FLOAT32, (4, 4)))
    matrix = make.apply("Tanh", make.apply("Transpose", w, perm=[1, 0])) if invariant else w
    moved = make.apply("Tanh", make.apply("Add", make.apply("MatMul", state, matrix), piece))
    body = Graph((state, piece, w), (moved, make.apply("Neg", moved)))
    x = leaf("Input", "x", TensorType(FLOAT32, (length, 4)))
    start = make.input("start", (4,))
    weight = make.input("w", (4, 4))
    fields = {"body": body, "num_scan_inputs": 1, "captures": 1, **attributes}
    return make_node(operator("Scan", ""), (start, x, weight), fields)


def feeds(length=5):
    generator = np.random.default_rng(0)
    return {
        "x": generator.standard_normal((length, 4)).astype(np.float32),
        "start": generator.standard_normal(4).astype(np.float32),
        "w": generator.standard_normal((4, 4)).astype(np.float32),
    }


DIRECTIONS = [{}, {"scan_input_directions": [1]}, {"scan_output_directions": [1]}, {"scan_output_axes": [1]}]


@pytest.mark.parametrize("attributes", DIRECTIONS)
def test_a_short_scan_is_written_out(make, attributes):
    program = make.program(*scan(make, **attributes).outputs)
    result = make.apply_pass(UnrollScans(), program).program
    assert "Scan" not in make.operators(result)
    assert make.operators(result).count("MatMul") == 5
    for old, new in zip(make.run(program, feeds()), make.run(result, feeds()), strict=True):
        assert np.array_equal(old, new)


@pytest.mark.parametrize(
    ("length", "options", "reason"),
    [
        (9, {}, "it has 9 steps (max_steps is 8)"),
        (5, {"max_steps": 4}, "it has 5 steps (max_steps is 4)"),
        (5, {"max_nodes": 10}, "5 steps of 4 nodes are more than 10 (max_nodes)"),
        (symbol("t"), {}, "the number of steps is not known"),
    ],
)
def test_a_long_or_unknown_scan_stays(make, length, options, reason):
    from graphwright.passes.rewriting.explanation import explain

    program = make.program(scan(make, length).outputs[0])
    assert make.apply_pass(UnrollScans(**options), program).program is program
    assert explain(UnrollScans(**options), program, "y0").closest.reason == reason


def loop(make, trips, condition=None, *, may_end=False):
    """carried -> carried * i + c, stacked; captures c."""
    scalar = TensorType(INT64, ())
    i, go, carried, c = (
        argument(0, scalar),
        argument(1, TensorType(BOOL, ())),
        argument(2, ROW),
        argument(3, ROW),
    )
    moved = make.apply("Add", make.apply("Mul", carried, make.apply("Cast", i, to="float32")), c)
    ends = make.apply("Less", i, make.const(1, np.int64)) if may_end else make.apply("Identity", go)
    body = Graph((i, go, carried, c), (ends, moved, moved))
    start, capture = make.input("start", (4,)), make.input("c", (4,))
    return make_node(
        operator("Loop", ""), (trips, condition, start, capture), {"body": body, "captures": 1}, 2
    )


def test_a_short_loop_is_written_out(make):
    program = make.program(*loop(make, make.const(3, np.int64), make.const(True, bool)).outputs)
    result = make.apply_pass(UnrollScans(), program).program
    assert "Loop" not in make.operators(result)
    values = {"start": np.arange(4, dtype=np.float32), "c": np.ones(4, np.float32)}
    for old, new in zip(make.run(program, values), make.run(result, values), strict=True):
        assert np.array_equal(old, new)


def test_a_loop_that_may_end_by_itself_stays(make):
    trips = make.const(3, np.int64)
    ends = make.program(loop(make, trips, may_end=True).outputs[0])
    asked = make.program(loop(make, trips, leaf("Input", "go", TensorType(BOOL, ()))).outputs[0])
    for program in (ends, asked):
        assert make.apply_pass(UnrollScans(), program).program is program


@pytest.mark.parametrize("condition", [True, False])
def test_an_if_with_a_constant_condition_is_its_branch(make, condition):
    a = argument(0, ROW)
    then, other = Graph((a,), (make.apply("Neg", a),)), Graph((a,), (make.apply("Tanh", a),))
    x = make.input(shape=(4,))
    fields = {"then_branch": then, "else_branch": other}
    node = make_node(operator("If", ""), (make.const(condition, bool), x), fields)
    result = make.apply_pass(UnrollScans(), make.program(node.outputs[0])).program
    assert make.operators(result) == ["Neg" if condition else "Tanh"]


def test_what_depends_on_captures_alone_leaves_the_body(make):
    program = make.program(*scan(make, symbol("t"), invariant=True).outputs)
    result = make.apply_pass(HoistInvariants(), program).program
    assert make.operators(result) == ["Transpose", "Tanh", "Scan"]
    (node,) = [n for n in result.graph.nodes if n.operator.name == "Scan"]
    inside = [n.operator.name for n in node.attribute("body").nodes if n.operator.name != "Argument"]
    assert inside == ["MatMul", "Add", "Tanh", "Neg"]
    assert node.attribute("captures") == 1  # the captured matrix itself is no longer read
    for old, new in zip(make.run(program, feeds(3)), make.run(result, feeds(3)), strict=True):
        assert np.array_equal(old, new)


def test_what_depends_on_the_step_stays_in_the_body(make):
    program = make.program(scan(make, symbol("t")).outputs[0])
    assert make.apply_pass(HoistInvariants(), program).program is program


def test_shape_arithmetic_stays_where_types_rest_on_it(make):
    """An argument has no known content, so a target moved out would leave a Reshape without shape."""
    state, piece, w = argument(0, ROW), argument(1, ROW), argument(2, TensorType(FLOAT32, (2, 2)))
    length = make.apply("ReduceProd", make.apply("Shape", w), keepdims=1)
    flat = make.apply("Reshape", make.apply("Tanh", piece), length)
    body = Graph((state, piece, w), (make.apply("Add", state, flat),))
    x, start = leaf("Input", "x", TensorType(FLOAT32, (symbol("t"), 4))), make.input("start", (4,))
    fields = {"body": body, "num_scan_inputs": 1, "captures": 1}
    node = make_node(operator("Scan", ""), (start, x, make.input("w", (2, 2))), fields)
    program = make.program(node.outputs[0])
    assert make.apply_pass(HoistInvariants(), program).program is program


def test_nothing_leaves_an_if(make):
    a = argument(0, ROW)
    then, other = Graph((a,), (make.apply("Neg", a),)), Graph((a,), (make.apply("Tanh", a),))
    fields = {"then_branch": then, "else_branch": other}
    condition = leaf("Input", "go", TensorType(BOOL, ()))
    node = make_node(operator("If", ""), (condition, make.input(shape=(4,))), fields)
    program = make.program(node.outputs[0])
    assert make.apply_pass(HoistInvariants(), program).program is program
