"""Reductions over axes of size 1, and reductions whose kept axes are removed afterwards."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.graph.ir import Graph, Program, apply, constant, leaf
from graphwright.graph.types import FLOAT32, TensorType, symbol
from graphwright.passes.manager import PassManager, Verdict
from graphwright.passes.simplify.family import Simplify
from graphwright.passes.simplify.reductions import REDUCTIONS, reduced_axes

N = symbol("n")


def simplified(program):
    record = PassManager().run(program, [Simplify()], verify="each")
    assert record.verdict is Verdict.HOLDS, record.reason
    return record.program.graph.outputs[0]


@pytest.mark.parametrize("name", ["ReduceMean", "ReduceMax", "ReduceProd"])
def test_the_mean_of_one_element_is_the_element(make, name):
    x = make.input(shape=("n", 3, 1, 1))
    y = make.apply(name, x, make.ints(-1, 2))
    assert simplified(make.program(y)) is x


def test_a_reduction_of_one_element_that_drops_its_axis_is_a_shape(make):
    x = make.input(shape=("n", 1, 4))
    y = make.apply("ReduceSum", x, make.ints(1), keepdims=0)
    value = simplified(make.program(y))
    assert value.node.name == "Reshape"
    assert value.node.inputs[0] is x


def test_other_norms_of_one_element_stay(make):
    x = make.input(shape=("n", 1))
    y = make.apply("ReduceL2", x, make.ints(1))
    assert simplified(make.program(y)).node.name == "ReduceL2"


@pytest.mark.parametrize("name", sorted(REDUCTIONS))
@pytest.mark.parametrize("move", ["Flatten", "Squeeze", "Reshape"])
def test_axes_removed_afterwards_are_not_kept(make, name, move):
    x = make.input(shape=("n", 3, 4, 5))
    pooled = make.apply(name, make.apply("Abs", x), make.ints(2, 3))
    operand = {"Flatten": (), "Squeeze": (make.ints(2, 3),), "Reshape": (make.ints(-1, 3),)}[move]
    value = simplified(make.program(make.apply(move, pooled, *operand)))
    assert value.node.name == name
    assert value.node.attribute("keepdims") == 0


def test_a_reduction_that_something_else_reads_keeps_its_axes(make):
    x = make.input(shape=("n", 3, 4))
    pooled = make.apply("ReduceMean", x, make.ints(2))
    flat = make.apply("Flatten", pooled)
    value = simplified(make.program(flat, make.apply("Mul", pooled, x)))
    assert value.node.name == "Reshape" or value.node.name == "Flatten"


def test_another_shape_than_without_the_axes_stays(make):
    x = make.input(shape=("n", 3, 4))
    pooled = make.apply("ReduceMean", x, make.ints(2))
    value = simplified(make.program(make.apply("Reshape", pooled, make.ints(-1, 1, 3))))
    assert value.node.name == "Reshape"


@given(
    st.sampled_from(sorted(REDUCTIONS)),
    st.lists(st.sampled_from([1, 1, 2, 3]), min_size=1, max_size=3),
    st.data(),
)
@settings(max_examples=60, deadline=None)
def test_reductions_keep_their_meaning(name, sizes, data):
    """Against NumPy: the axes that are reduced, and what verification says of every rewriting."""
    axes = data.draw(st.lists(st.integers(0, len(sizes)), unique=True, min_size=1))
    x = leaf("Input", "x", TensorType(FLOAT32, (N, *sizes)))
    keep = data.draw(st.integers(0, 1))
    y = apply(name, apply("Abs", x), constant(np.array(axes, np.int64)), keepdims=keep)
    assert reduced_axes(y.node) == tuple(sorted(axes))
    shape = np.empty((7, *sizes)).sum(axis=tuple(axes), keepdims=bool(keep)).shape
    wanted = y.type.dims
    assert [7 if d == N else d for d in wanted] == list(shape)
    z = apply("Flatten", y) if y.type.rank and data.draw(st.booleans()) else y
    simplified(Program("t", Graph((x,), (z,)), ("z",)))
