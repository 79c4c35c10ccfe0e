"""Patterns: what they match, what they bind, and why they do not match."""

from __future__ import annotations

import numpy as np
import pytest

from graphwright.passes.rewriting.pattern import Application, Hole, Literal, match, parse_pattern


def reasons_of(pattern, node):
    reasons = []
    assert match(parse_pattern(pattern), node, reasons.append) is None
    return reasons


def test_arithmetic_reads_as_operators():
    pattern = parse_pattern("x * 1 + (-y)")
    assert pattern.operator.name == "Add"
    product, negative = pattern.inputs
    assert isinstance(product, Application)
    assert product.inputs == (Hole("x"), Literal(1))
    assert isinstance(negative, Application)
    assert negative.operator.name == "Neg"


@pytest.mark.parametrize("text", ["x", "1", "f(x)", "Add(x, y[0])", "Transpose(x, perm=[1, 0])"])
def test_text_that_is_no_pattern_is_refused(text):
    with pytest.raises((ValueError, KeyError)):
        parse_pattern(text)


def test_attributes_and_values_are_bound(make):
    x = make.input()
    inner = make.apply("Transpose", x, perm=[1, 0])
    node = make.apply("Transpose", inner, perm=[0, 1]).node
    found = match(parse_pattern("Transpose(y := Transpose(x, perm=p), perm=q)"), node)
    assert found is not None
    assert found.bound == {"x": x, "p": (1, 0), "q": (0, 1), "y": inner}
    assert found.nodes == [node, inner.node]


def test_commutative_operators_match_in_both_orders_others_do_not(make):
    x, one = make.input(), make.const(1)
    assert match(parse_pattern("x * 1"), make.apply("Mul", one, x).node) is not None
    assert match(parse_pattern("x - 1"), make.apply("Sub", one, x).node) is None


def test_a_variable_used_twice_is_one_value(make):
    x, y = make.input("x"), make.input("y")
    pattern = parse_pattern("Max(x, x)")
    assert match(pattern, make.apply("Max", x, x).node) is not None
    assert reasons_of("Max(x, x)", make.apply("Max", x, y).node)[-1] == "two different values stand for x"


def test_zero_matches_by_its_sign(make):
    x = make.input()
    minus = make.apply("Sub", x, make.const(-0.0)).node
    assert match(parse_pattern("x - 0"), minus) is None
    assert match(parse_pattern("x - 0"), make.apply("Sub", x, make.const(0.0)).node) is not None
    whole = make.input(dtype="int32")
    assert match(parse_pattern("x - 0"), make.apply("Sub", whole, make.const(0, np.int32)).node) is not None


def test_attributes_that_a_pattern_does_not_mention_must_be_default(make):
    x = make.input()
    cast = make.apply("Cast", x, to="float16", saturate=0).node
    assert reasons_of("Cast(x, to=t)", cast) == ["Cast sets saturate, which the rule does not cover"]


def test_an_absent_operand_needs_maybe(make):
    x = make.input()
    clip = make.apply("Clip", x, make.const(0.0)).node
    assert match(parse_pattern("Clip(x, lo, hi)"), clip) is None
    found = match(parse_pattern("Clip(x, lo, maybe(hi))"), clip)
    assert found is not None
    assert found.bound["hi"] is None


def test_const_holes_take_constant_leaves_only(make):
    x, y = make.input("x"), make.input("y")
    assert reasons_of("x / const(c)", make.apply("Div", x, y).node) == ["c (Input) is no constant"]
