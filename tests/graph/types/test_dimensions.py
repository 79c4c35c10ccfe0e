"""Dimension arithmetic against Python integers: a random expression, built symbolically, evaluates
to what the same expression over numbers gives, for sizes within their ranges."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import dataclass

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from graphwright.graph.types import parse_dimension, symbol
from graphwright.graph.types.dimensions import (
    Dim,
    Dimension,
    bounds,
    divides,
    evaluate,
    exact_divide,
    floor_divide,
    maximum,
    minimum,
    named_sizes,
    substitute,
)

SIZES = {"n": symbol("n"), "m": symbol("m"), "k": symbol("k", 2, 40)}


@dataclass(frozen=True)
class Expression:
    """An expression tree: an int, a size's name, or (operator, left, right)."""

    tree: object

    def symbolic(self, tree: object = None) -> Dimension:
        tree = self.tree if tree is None else tree
        if isinstance(tree, int):
            return tree
        if isinstance(tree, str):
            return SIZES[tree]
        operator, left, right = tree  # type: ignore[misc]  # the strategy makes triples
        a, b = self.symbolic(left), self.symbolic(right)
        return _SYMBOLIC[operator](a, b)

    def number(self, sizes: dict[str, int], tree: object = None) -> int:
        tree = self.tree if tree is None else tree
        if isinstance(tree, int):
            return tree
        if isinstance(tree, str):
            return sizes[tree]
        operator, left, right = tree  # type: ignore[misc]  # the strategy makes triples
        return _NUMBERS[operator](self.number(sizes, left), self.number(sizes, right))


_SYMBOLIC = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": floor_divide,
    "%": lambda a, b: a % b,
    "min": minimum,
    "max": maximum,
}
_NUMBERS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "min": min,
    "max": max,
}

_LEAVES = st.one_of(st.integers(-9, 12), st.sampled_from(sorted(SIZES)))


def _nodes(children: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    plain = st.tuples(st.sampled_from(["+", "-", "*", "min", "max"]), children, children)
    divisor = st.one_of(st.integers(1, 6), st.sampled_from(sorted(SIZES)), st.integers(-4, -1))
    divided = st.tuples(st.sampled_from(["//", "//", "%"]), children, divisor)
    by_product = st.tuples(st.just("//"), children, st.tuples(st.just("*"), st.integers(1, 4), divisor))
    return st.one_of(plain, divided, by_product)


EXPRESSIONS = st.recursive(_LEAVES, _nodes, max_leaves=10).map(Expression)
POLYNOMIALS = st.recursive(
    _LEAVES, lambda inner: st.tuples(st.sampled_from(["+", "-", "*"]), inner, inner), max_leaves=8
).map(Expression)
NUMBERS = st.fixed_dictionaries({"n": st.integers(1, 50), "m": st.integers(1, 50), "k": st.integers(2, 40)})


@given(EXPRESSIONS, NUMBERS)
def test_evaluates_like_python_integers(expression: Expression, sizes: dict[str, int]) -> None:
    assert evaluate(expression.symbolic(), sizes) == expression.number(sizes)


@given(EXPRESSIONS, NUMBERS, NUMBERS)
def test_substitution_of_part_then_rest(
    expression: Expression, sizes: dict[str, int], others: dict[str, int]
) -> None:
    half = substitute(expression.symbolic(), {"n": sizes["n"], "k": sizes["k"]})
    sizes = {**sizes, "m": others["m"]}
    assert evaluate(half, sizes) == expression.number(sizes)


@given(EXPRESSIONS, NUMBERS)
def test_bounds_hold(expression: Expression, sizes: dict[str, int]) -> None:
    low, high = bounds(expression.symbolic())
    assert low <= expression.number(sizes) <= high


@given(EXPRESSIONS)
def test_printing_parses_back(expression: Expression) -> None:
    dimension = expression.symbolic()
    parsed = parse_dimension(str(dimension), SIZES)
    assert parsed == dimension
    assert hash(parsed) == hash(dimension)


@given(EXPRESSIONS, EXPRESSIONS, EXPRESSIONS)
def test_ring_laws_give_one_canonical_form(a: Expression, b: Expression, c: Expression) -> None:
    x, y, z = a.symbolic(), b.symbolic(), c.symbolic()
    assert (x + y) + z == x + (y + z)
    assert x + y == y + x
    assert x * y == y * x
    assert (x * y) * z == x * (y * z)
    assert x * (y + z) == x * y + x * z
    assert x - x == 0
    assert x - y == -(y - x)


@given(EXPRESSIONS, EXPRESSIONS, EXPRESSIONS)
def test_extremes_are_associative_commutative_idempotent(a: Expression, b: Expression, c: Expression) -> None:
    x, y, z = a.symbolic(), b.symbolic(), c.symbolic()
    for extreme in (minimum, maximum):
        assert extreme(x, y) == extreme(y, x)
        assert extreme(x, x) == x
        assert extreme(extreme(x, y), z) == extreme(x, extreme(y, z))


@given(EXPRESSIONS, POLYNOMIALS, st.integers(1, 6), st.integers(1, 6), st.integers(-9, 9))
def test_floors_have_one_form(
    any_expression: Expression, polynomial: Expression, first: int, second: int, offset: int
) -> None:
    x, p = any_expression.symbolic(), polynomial.symbolic()
    assert (x + offset * first) // first == x // first + offset
    assert (first * x) // (first * second) == x // second
    assert (p // first + offset) // second == (p + offset * first) // (first * second)


@given(EXPRESSIONS, EXPRESSIONS, NUMBERS)
def test_exact_quotient_multiplies_back(a: Expression, b: Expression, sizes: dict[str, int]) -> None:
    x, y = a.symbolic(), b.symbolic()
    assume(y != 0)
    quotient = exact_divide(x, y)
    if quotient is not None:
        assert quotient * y == x
    if isinstance(y, int) or len(y.terms) == 1:
        assert exact_divide(x * y, y) == x


@given(EXPRESSIONS, st.integers(1, 8), NUMBERS)
def test_divides_is_never_wrong(a: Expression, divisor: int, sizes: dict[str, int]) -> None:
    assert divides(divisor, a.symbolic() * divisor)
    if divides(divisor, a.symbolic()):
        assert a.number(sizes) % divisor == 0


@given(EXPRESSIONS)
def test_pickled_dimension_is_equal(expression: Expression) -> None:
    dimension = expression.symbolic()
    assert pickle.loads(pickle.dumps(dimension)) == dimension


def test_hash_of_a_pickled_dimension_is_that_of_the_reading_process() -> None:
    dimension = 2 * symbol("n", 1, 8) + 1
    hash(dimension)  # it is cached, and must not travel: strings hash differently in every process
    program = (
        "import pickle,sys\n"
        "from graphwright.graph.types import symbol\n"
        "d = pickle.loads(bytes.fromhex(sys.argv[1]))\n"
        "assert {2 * symbol('n', 1, 8) + 1: 'found'}[d] == 'found'\n"
    )
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        content = pickle.dumps(dimension).hex()
        subprocess.run([sys.executable, "-c", program, content], env=environment, check=True)


def test_sizes_of_one_name_and_different_ranges_stay_apart() -> None:
    free, short = symbol("n"), symbol("n", 1, 4)
    assert free != short
    assert free - short != 0
    assert maximum(short, 4) == 4
    assert isinstance(maximum(free, 4), Dim)


@pytest.mark.parametrize(
    ("dimension", "text"),
    [
        (symbol("n") // 2, "(n // 2)"),
        ((symbol("n") - 1) // 2 + 1, "((n + 1) // 2)"),
        (3 * symbol("n") - symbol("m"), "3*n - m"),
        (5 - symbol("n"), "5 - n"),
        (maximum(symbol("n"), 3), "max(3, n)"),
        (symbol("a b"), '"a b"'),
    ],
)
def test_text(dimension: Dimension, text: str) -> None:
    assert str(dimension) == text


def test_division_by_zero_is_refused() -> None:
    with pytest.raises(ZeroDivisionError):
        floor_divide(symbol("n"), 0)
    assert exact_divide(symbol("n"), 0) is None


def test_unbound_size_is_named() -> None:
    with pytest.raises(KeyError, match="m"):
        evaluate(symbol("n") * symbol("m"), {"n": 3})


def test_named_sizes_are_found_inside_floors_and_extremes() -> None:
    dimension = maximum(symbol("a") // 2, symbol("b")) * symbol("c", 3)
    assert {s.name for s in named_sizes(dimension)} == {"a", "b", "c"}
    assert {s.low for s in named_sizes(dimension) if s.name == "c"} == {3}
