"""Identities that keep every bit, on numbers with both zeros, infinities and NaN; and where they
must not fire. The oracle is NumPy's own comparison of two reference runs."""

from __future__ import annotations

import numpy as np
import pytest

from graphwright.passes.simplify.algebra import SimplifyAlgebra, algebra_rules
from graphwright.passes.simplify.identities import SimplifyIdentities, identity_rules

F = np.float32
KINDS = {"f": "float32", "b": "bool", "i": "int32"}

IDENTITIES = {
    "identity": lambda m, x, y: m.apply("Identity", x),
    "mul-one": lambda m, x, y: m.apply("Mul", m.const(1), x),
    "div-one": lambda m, x, y: m.apply("Div", x, m.const(1)),
    "sub-zero": lambda m, x, y: m.apply("Sub", x, m.const(0.0)),
    "add-negative-zero": lambda m, x, y: m.apply("Add", x, m.const([-0.0] * 4)),
    "pow-one": lambda m, x, y: m.apply("Pow", x, m.const(1)),
    "mul-minus-one": lambda m, x, y: m.apply("Mul", x, m.const(-1)),
    "neg-neg": lambda m, x, y: m.apply("Neg", m.apply("Neg", x)),
    "add-neg": lambda m, x, y: m.apply("Add", m.apply("Neg", y), x),
    "sub-neg": lambda m, x, y: m.apply("Sub", x, m.apply("Neg", y)),
    "neg-mul-neg": lambda m, x, y: m.apply("Mul", m.apply("Neg", x), m.apply("Neg", y)),
    "neg-mul-constant": lambda m, x, y: m.apply("Mul", m.apply("Neg", x), m.const([2, -3, 0, 0.5])),
    "abs-neg": lambda m, x, y: m.apply("Abs", m.apply("Neg", x)),
    "abs-abs": lambda m, x, y: m.apply("Abs", m.apply("Abs", x)),
    "relu-relu": lambda m, x, y: m.apply("Relu", m.apply("Relu", x)),
    "ceil-ceil": lambda m, x, y: m.apply("Ceil", m.apply("Ceil", x)),
    "floor-floor": lambda m, x, y: m.apply("Floor", m.apply("Floor", x)),
    "round-round": lambda m, x, y: m.apply("Round", m.apply("Round", x)),
    "sign-sign": lambda m, x, y: m.apply("Sign", m.apply("Sign", x)),
    "where-true": lambda m, x, y: m.apply("Where", m.const([True] * 4, bool), x, y),
    "where-false": lambda m, x, y: m.apply("Where", m.const(False, bool), x, y),
    "where-same": lambda m, x, y: m.apply("Where", m.apply("Less", x, y), x, x),
    "where-not": lambda m, x, y: m.apply("Where", m.apply("Not", m.apply("Less", x, y)), x, y),
    "max-same": lambda m, x, y: m.apply("Max", x, x),
    "min-same": lambda m, x, y: m.apply("Min", x, x),
    "max-one": lambda m, x, y: m.apply("Max", x),
    "min-one": lambda m, x, y: m.apply("Min", x),
    "sum-one": lambda m, x, y: m.apply("Sum", x),
    "mean-one": lambda m, x, y: m.apply("Mean", x),
    "concat-one": lambda m, x, y: m.apply("Concat", x, axis=1),
    "clip-clip": lambda m, x, y: m.apply(
        "Clip", m.apply("Clip", x, m.const(-2.0), m.const(5.0)), m.const(-1.0), m.const(9.0)
    ),
}
LOGIC = {
    "not-not": lambda m, x, y: m.apply("Not", m.apply("Not", x)),
    "and-true": lambda m, x, y: m.apply("And", x, m.const(True, bool)),
    "and-false": lambda m, x, y: m.apply("And", x, m.const(np.zeros((3, 4)), bool)),
    "and-same": lambda m, x, y: m.apply("And", x, x),
    "or-false": lambda m, x, y: m.apply("Or", m.const(False, bool), x),
    "or-true": lambda m, x, y: m.apply("Or", x, m.const(np.ones((3, 4)), bool)),
    "or-same": lambda m, x, y: m.apply("Or", x, x),
}
ALGEBRA = {
    "add-zero": lambda m, x, y: m.apply("Add", x, m.const(0.0)),
    "sub-zero": lambda m, x, y: m.apply("Sub", x, m.const(-0.0)),
    "zero-sub": lambda m, x, y: m.apply("Sub", m.const(0.0), x),
    "mul-mul": lambda m, x, y: m.apply("Mul", m.apply("Mul", x, m.const(0.1)), m.const([0.3, 7, 1, 2])),
    "add-add": lambda m, x, y: m.apply("Add", m.const(0.1), m.apply("Add", x, m.const(0.7))),
    "sub-add": lambda m, x, y: m.apply("Add", m.apply("Sub", x, m.const(0.1)), m.const(0.7)),
    "add-sub": lambda m, x, y: m.apply("Sub", m.apply("Add", x, m.const(0.1)), m.const(0.7)),
    "mul-div": lambda m, x, y: m.apply("Div", m.apply("Mul", x, m.const(0.1)), m.const(0.7)),
    "div-mul": lambda m, x, y: m.apply("Mul", m.apply("Div", x, m.const(0.1)), m.const(0.7)),
    "div-div": lambda m, x, y: m.apply("Div", m.apply("Div", x, m.const(0.1)), m.const(0.7)),
    "neg-sub": lambda m, x, y: m.apply("Neg", m.apply("Sub", x, y)),
    "log-softmax": lambda m, x, y: m.apply("Log", m.apply("Softmax", x, axis=-1)),
    "reciprocals": lambda m, x, y: m.apply("Reciprocal", m.apply("Reciprocal", x)),
    "times-rsqrt": lambda m, x, y: m.apply("Mul", m.apply("Reciprocal", m.apply("Sqrt", y)), x),
    "times-one-over-sqrt": lambda m, x, y: m.apply(
        "Mul", x, m.apply("Div", m.const(1.0), m.apply("Sqrt", y))
    ),
}


def bits(array):
    """What decides equality here: NaN alike, zeros by their sign."""
    return np.where(np.isnan(array), np.nan, array).tobytes() if array.dtype.kind == "f" else array.tobytes()


@pytest.mark.parametrize("name", IDENTITIES)
def test_identities_fire_and_keep_every_bit(make, special, name):
    x, y = make.input("x"), make.input("y")
    program = make.program(IDENTITIES[name](make, x, y))
    result = make.apply_pass(SimplifyIdentities(), program)
    assert result.hits == {name: 1}
    feeds = {"x": special.reshape(3, 4), "y": special[::-1].reshape(3, 4).copy()}
    assert bits(make.run(program, feeds)[0]) == bits(make.run(result.program, feeds)[0])
    assert len(result.program.graph.nodes) <= len(program.graph.nodes)


@pytest.mark.parametrize("name", LOGIC)
def test_identities_of_logic(make, name):
    x, y = make.input("x", dtype="bool"), make.input("y", dtype="bool")
    program = make.program(LOGIC[name](make, x, y))
    result = make.apply_pass(SimplifyIdentities(), program)
    assert result.hits == {name: 1}
    x_values = np.arange(12).reshape(3, 4) % 2 == 0
    feeds = {"x": x_values, "y": ~x_values}
    assert np.array_equal(make.run(program, feeds)[0], make.run(result.program, feeds)[0])


@pytest.mark.parametrize("name", ALGEBRA)
def test_algebra_fires_and_is_equal_in_real_arithmetic(make, name):
    x, y = make.input("x"), make.input("y")
    program = make.program(ALGEBRA[name](make, x, y))
    result = make.apply_pass(SimplifyAlgebra(), program)
    assert result.hits[name] == 1
    generator = np.random.default_rng(1)
    feeds = {n: generator.uniform(0.5, 2, (3, 4)).astype(F) for n in "xy"}
    old, new = make.run(program, feeds, float64=True)[0], make.run(result.program, feeds)[0]
    assert np.allclose(old, new, rtol=4e-7, atol=1e-7)


def test_every_rule_has_a_case():
    covered = {*IDENTITIES, *LOGIC, "dropout", "stop-gradient"}
    assert {r.name for r in identity_rules()} == covered
    assert {r.name for r in algebra_rules()} == set(ALGEBRA)


NEVER = {
    "a zero with the wrong sign": lambda m, x, y: m.apply("Add", x, m.const(0.0)),
    "minus a negative zero": lambda m, x, y: m.apply("Sub", x, m.const(-0.0)),
    "nearly one": lambda m, x, y: m.apply("Mul", x, m.const(np.nextafter(F(1), F(2)))),
    "one that is not all ones": lambda m, x, y: m.apply("Mul", x, m.const([1, 1, 1, 2])),
    "one that broadcasts": lambda m, x, y: m.apply("Mul", x, m.const(np.ones((2, 1, 1)))),
    "one divided": lambda m, x, y: m.apply("Div", m.const(1), x),
    "zero minus": lambda m, x, y: m.apply("Sub", m.const(0.0), x),
    "zero times": lambda m, x, y: m.apply("Mul", x, m.const(0.0)),
    "x minus x": lambda m, x, y: m.apply("Sub", x, x),
    "x divided by x": lambda m, x, y: m.apply("Div", x, x),
    "a mixed condition": lambda m, x, y: m.apply("Where", m.const([True, True, False, True], bool), x, y),
    "limits in disorder": lambda m, x, y: m.apply(
        "Clip", m.apply("Clip", x, m.const(5.0), m.const(-2.0)), m.const(-1.0), m.const(9.0)
    ),
    "a limit that is no number": lambda m, x, y: m.apply(
        "Clip", m.apply("Clip", x, m.const(np.nan), m.const(5.0)), m.const(-1.0), m.const(9.0)
    ),
    "a negated constant of integers": lambda m, x, y: m.apply(
        "Mul", m.apply("Neg", m.input("k", dtype="int32")), m.const(3, np.int32)
    ),
}


@pytest.mark.parametrize("name", NEVER)
def test_identities_stay_away(make, name):
    program = make.program(NEVER[name](make, make.input("x"), make.input("y")))
    result = make.apply_pass(SimplifyIdentities(), program)
    assert result.hits == {}
    assert result.program is program


def test_the_lowest_integer_shows_why_integers_are_left_alone():
    lowest = np.array([np.iinfo(np.int32).min], np.int32)
    with np.errstate(all="ignore"):
        assert (-lowest)[0] == lowest[0]  # so Abs(-x) and (-x) * c need floats


def test_constants_are_joined_only_where_nothing_else_reads_the_inner_result(make):
    x = make.input()
    inner = make.apply("Mul", x, make.const(0.1))
    program = make.program(make.apply("Mul", inner, make.const(0.3)), inner)
    assert make.apply_pass(SimplifyAlgebra(), program).hits == {}


@pytest.mark.parametrize(
    ("first", "second", "dtype"),
    [
        (1e30, 1e30, "float32"),  # the product overflows
        (1e-30, 1e-30, "float32"),  # vanishes
        (3, 5, "int32"),  # would be right, but Div rounds and products wrap
    ],
)
def test_constants_that_do_not_join(make, first, second, dtype):
    x = make.input(dtype=dtype)
    kind = np.dtype(dtype)
    inner = make.apply("Mul", x, make.const(first, kind))
    program = make.program(make.apply("Mul", inner, make.const(second, kind)))
    assert make.apply_pass(SimplifyAlgebra(), program).hits == {}


def test_a_reciprocal_root_that_something_else_reads_stays(make):
    x, y = make.input("x"), make.input("y")
    root = make.apply("Reciprocal", make.apply("Sqrt", y))
    program = make.program(make.apply("Mul", x, root), make.apply("Add", x, root))
    assert make.apply_pass(SimplifyAlgebra(), program).hits == {}


def test_joining_does_not_grow_constants(make):
    x = make.input(shape=(8, 8))
    inner = make.apply("Mul", x, make.const(np.full((8, 1), 0.1)))
    program = make.program(make.apply("Mul", inner, make.const(np.full((1, 8), 0.3))))
    assert make.apply_pass(SimplifyAlgebra(), program).hits == {}


def test_dropout_goes_where_it_drops_nothing(make):
    x = make.input()
    y, mask = make.apply_all("Dropout", x, make.const(0.5))
    result = make.apply_pass(SimplifyIdentities(), make.program(y, mask))
    assert "Dropout" not in make.operators(result.program)
    kept, all_true = make.run(result.program, {"x": np.ones((3, 4), F)})
    assert kept.shape == (3, 4)
    assert all_true.dtype == bool
    assert all_true.all()
    training = make.apply_all("Dropout", x, make.const(0.5), make.const(True, bool))[0]
    assert make.apply_pass(SimplifyIdentities(), make.program(training)).hits == {}


def test_stop_gradient_goes_outside_of_training_only(make):
    value = make.apply("StopGradient", make.input(), domain="graphwright")
    assert make.apply_pass(SimplifyIdentities(), make.program(value)).hits == {"stop-gradient": 1}
    assert make.apply_pass(SimplifyIdentities(), make.program(value, variant="train")).hits == {}
