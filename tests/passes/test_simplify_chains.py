"""Chains of Transpose, Cast, Reshape and relatives, and shape arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.graph.ir import apply
from graphwright.graph.types import DTYPES, dtype
from graphwright.passes.simplify.chains import FuseChains, holds_exactly, shape_target
from graphwright.passes.simplify.shapes import SimplifyShapes


@given(st.permutations(range(4)), st.permutations(range(4)))
@settings(max_examples=40, deadline=None)
def test_two_transposes_are_one_or_none(first, second):
    from graphwright.graph.ir import Graph, Program, leaf
    from graphwright.graph.types import FLOAT32, TensorType
    from graphwright.passes.manager import Context

    x = leaf("Input", "x", TensorType(FLOAT32, (2, 3, 4, 5)))
    y = apply("Transpose", apply("Transpose", x, perm=first), perm=second)
    program = FuseChains().run(Program("t", Graph((x,), (y,)), ("y",)), Context()).program
    (value,) = program.graph.outputs
    order = np.arange(120).reshape(2, 3, 4, 5).transpose(first).transpose(second)
    if value is x:
        assert np.array_equal(order, np.arange(120).reshape(2, 3, 4, 5))
    else:
        assert value.node.inputs == (x,)
        again = np.arange(120).reshape(2, 3, 4, 5).transpose(value.node.attribute("perm"))
        assert np.array_equal(order, again)


def test_a_transpose_without_permutation_reverses(make):
    x = make.input(shape=(2, 3, 4))
    y = make.apply("Transpose", make.apply("Transpose", x), perm=[2, 1, 0])
    assert make.apply_pass(FuseChains(), make.program(y)).program.graph.outputs == (x,)


FINITE = (
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "int64",
    "bool",
)


@pytest.mark.parametrize("narrow", FINITE)
@pytest.mark.parametrize("wide", FINITE)
def test_lossless_casts_by_brute_force(narrow, wide):
    """`holds_exactly` against casting there and back: all numbers of small types, edges of large ones."""
    if DTYPES[narrow].bits <= 16 and narrow != "bool":
        numbers = np.arange(2 ** DTYPES[narrow].bits, dtype=np.uint32)
        numbers = numbers.astype(f"u{DTYPES[narrow].bits // 8}").view(dtype(narrow).numpy)
    elif narrow == "bool":
        numbers = np.array([False, True])
    elif DTYPES[narrow].is_float:
        with np.errstate(all="ignore"):
            edges = np.array([1 + 2.0**-23, 2.0**127, 2.0**-126, 1 + 2.0**-52, 2.0**1000])
            numbers = edges.astype(dtype(narrow).numpy)
    else:
        edge = np.iinfo(narrow)
        numbers = np.array([edge.max, edge.max - 1, edge.min, 2**24 + 1], dtype(narrow).numpy)
    with np.errstate(all="ignore"):
        if numbers.dtype.kind in "fV" and numbers.dtype != bool:
            numbers = numbers[np.isfinite(numbers.astype(np.float64))]
        there = numbers.astype(dtype(wide).numpy)
        back = there.astype(dtype(narrow).numpy)
        kept = np.array_equal(numbers.astype(np.float64), there.astype(np.float64))
        kept = kept and np.array_equal(back, numbers)
    if holds_exactly(dtype(wide), dtype(narrow)):
        assert kept


@pytest.mark.parametrize(
    ("source", "middle", "last", "joined"),
    [
        ("float16", "float32", "float16", True),
        ("int32", "int64", "float32", True),
        ("int32", "float32", "int32", False),  # 2**24 + 1 is lost
        ("float32", "float16", "float32", False),
        ("uint8", "float32", "int8", False),  # 200 out of range: a float saturates, an integer wraps
        ("bool", "int64", "float32", True),
        ("float32", "int64", "float32", False),
    ],
)
def test_casts_join_only_where_nothing_is_lost(make, source, middle, last, joined):
    x = make.input(dtype=source)
    y = make.apply("Cast", make.apply("Cast", x, to=middle), to=last)
    result = make.apply_pass(FuseChains(), make.program(y))
    assert ("cast-cast" in result.hits) is joined
    if joined and source == last:
        assert result.program.graph.outputs == (x,)


def test_cast_like_reads_only_the_dtype(make):
    x, y = make.input("x"), make.input("y", (7,), "float16")
    value = make.apply_pass(FuseChains(), make.program(make.apply("CastLike", x, y))).program.graph.outputs[0]
    assert value is make.apply("Cast", x, to="float16")


MOVES = {
    "reshape after reshape": lambda m, x: m.apply(
        "Reshape", m.apply("Reshape", x, m.ints(4, 3)), m.ints(2, 6)
    ),
    "squeeze after unsqueeze": lambda m, x: m.apply("Squeeze", m.apply("Unsqueeze", x, m.ints(0)), m.ints(0)),
    "flatten after unsqueeze": lambda m, x: m.apply("Flatten", m.apply("Unsqueeze", x, m.ints(1)), axis=1),
    "zero copies of the inner shape": lambda m, x: m.apply(
        "Reshape", m.apply("Reshape", x, m.ints(6, 2)), m.ints(0, -1, 1)
    ),
    "reshape to the same": lambda m, x: m.apply("Reshape", x, m.ints(3, -1)),
    "expand to the same": lambda m, x: m.apply("Expand", x, m.ints(1, 4)),
    "tile once": lambda m, x: m.apply("Tile", x, m.ints(1, 1)),
    "slice of everything": lambda m, x: m.apply("Slice", x, m.ints(0, 0), m.ints(99, 4), m.ints(0, 1)),
    "pad with nothing": lambda m, x: m.apply("Pad", x, m.ints(0, 0, 0, 0)),
    "expand of expand": lambda m, x: m.apply(
        "Expand", m.apply("Expand", x, m.ints(2, 1, 1)), m.ints(5, 2, 3, 4)
    ),
    "concat of concat": lambda m, x: m.apply("Concat", m.apply("Concat", x, x, axis=1), x, axis=-1),
    "concat of split": lambda m, x: m.apply(
        "Concat", *m.apply_all("Split", x, outputs=2, axis=1, num_outputs=2), axis=1
    ),
    "expanded operand": lambda m, x: m.apply(
        "Add", x, m.apply("Expand", m.apply("ReduceMax", x, m.ints(0)), m.ints(3, 4))
    ),
}


@pytest.mark.parametrize("name", MOVES)
def test_moves_become_fewer_and_keep_every_element(make, name):
    program = make.program(MOVES[name](make, make.input()))
    result = make.apply_pass(FuseChains(), program)
    assert result.hits
    assert len(make.operators(result.program)) < len(make.operators(program))
    feeds = {"x": np.arange(12, dtype=np.float32).reshape(3, 4)}
    old, new = make.run(program, feeds)[0], make.run(result.program, feeds)[0]
    assert np.array_equal(old, new)
    assert old.shape == new.shape


KEPT = {
    "a reversal": lambda m, x: m.apply("Slice", x, m.ints(-1), m.ints(-99), m.ints(0), m.ints(-1)),
    "a shift by padding": lambda m, x: m.apply("Pad", x, m.ints(1, 0, -1, 0)),
    "an expand that gives the shape": lambda m, x: m.apply(
        "Add", m.apply("Expand", x, m.ints(2, 3, 4)), m.const(1.0)
    ),
    "parts of a split in another order": lambda m, x: m.apply(
        "Concat", *m.apply_all("Split", x, outputs=2, axis=1, num_outputs=2)[::-1], axis=1
    ),
    "an inner concat along another axis": lambda m, x: m.apply(
        "Concat", m.apply("Concat", x, x, axis=0), m.apply("Concat", x, m.apply("Neg", x), axis=0), axis=1
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_moves_that_matter_stay(make, name):
    program = make.program(KEPT[name](make, make.input()))
    assert make.apply_pass(FuseChains(), program).program is program


# --- shapes -------------------------------------------------------------------------------------------


def test_shape_arithmetic_with_known_sizes_folds(make):
    x = make.input(shape=(3, 8))
    rows = make.apply("Gather", make.apply("Shape", x), make.const(0, np.int64))
    target = make.apply("Concat", make.apply("Unsqueeze", rows, make.ints(0)), make.ints(2, -1), axis=0)
    program = make.program(make.apply("Reshape", x, target))
    result = make.apply_pass(SimplifyShapes(), program)
    assert make.operators(result.program) == ["Reshape"]
    assert result.program.graph.outputs[0].tensor.dims == (3, 2, 4)


def test_one_symbolic_size_becomes_minus_one_and_others_are_copied(make):
    x = make.input(shape=("n", "t", 8))
    shape = make.apply("Shape", x)
    n, t = (make.apply("Slice", shape, make.ints(i), make.ints(i + 1)) for i in (0, 1))
    program = make.program(make.apply("Reshape", x, make.apply("Concat", n, t, make.ints(2, 4), axis=0)))
    result = make.apply_pass(SimplifyShapes(), program)
    assert make.operators(result.program) == ["Reshape"]
    for sizes in ((1, 1), (2, 5)):
        feeds = {"x": np.arange(np.prod(sizes) * 8, dtype=np.float32).reshape(*sizes, 8)}
        assert np.array_equal(make.run(program, feeds)[0], make.run(result.program, feeds)[0])


def test_a_size_that_must_be_computed_stays(make):
    x = make.input(shape=("n", "t", 8))
    shape = make.apply("Shape", x)
    n, t = (make.apply("Slice", shape, make.ints(i), make.ints(i + 1)) for i in (0, 1))
    swapped = make.apply("Reshape", x, make.apply("Concat", t, n, make.ints(8), axis=0))
    result = make.apply_pass(SimplifyShapes(), make.program(swapped))
    assert "Concat" in make.operators(result.program)


@given(st.lists(st.sampled_from([1, 2, 3, 5]), min_size=1, max_size=4))
def test_static_targets_are_the_shape(dims):
    assert shape_target(None, dims) == dims


def test_a_target_with_an_empty_dimension_is_left_alone():
    assert shape_target((0, 3), (3, 0)) is None


def test_expand_gets_ones_where_the_operand_has_the_size(make):
    x = make.input(shape=("n", 1))
    shape = make.apply("Concat", make.apply("Shape", x, end=1), make.ints(4), axis=0)
    result = make.apply_pass(SimplifyShapes(), make.program(make.apply("Expand", x, shape)))
    (value,) = result.program.graph.outputs
    assert value.node.inputs[1].constant.tolist() == [1, 4]


def test_the_shape_of_a_result_does_not_keep_its_computation(make):
    x = make.input(shape=("n", 4))
    program = make.program(make.apply("Shape", make.apply("Relu", make.apply("Tanh", x))))
    assert make.operators(make.apply_pass(SimplifyShapes(), program).program) == ["Shape"]


def test_transposes_of_unknown_rank(make):
    """What Squeeze without axes gives has no rank: a permutation says it, none does not."""
    x = make.apply("Squeeze", make.input(shape=("n", 2)))
    known = make.apply("Transpose", make.apply("Transpose", x, perm=[1, 0]), perm=[1, 0])
    assert make.apply_pass(FuseChains(), make.program(known)).program.graph.outputs == (x,)
    reversed_twice = make.apply("Transpose", make.apply("Transpose", x))
    (value,) = make.apply_pass(FuseChains(), make.program(reversed_twice)).program.graph.outputs
    assert value is reversed_twice
