"""Feeds: sizes solved from shapes, faults reported with both places, leaves filled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.backends.runtime.feeds import initialize, prepare, solve_sizes
from graphwright.backends.runtime.noise import fill
from graphwright.backends.runtime.sizes import Equation, solve
from graphwright.graph.diagnostics import SpecError
from graphwright.graph.ir import (
    Assumption,
    Domain,
    Graph,
    Program,
    Size,
    Value,
    Weights,
    apply,
    constant,
    leaf,
)
from graphwright.graph.types import Dimension, TensorType, dtype, symbol
from graphwright.graph.types.dimensions import evaluate, floor_divide

B, N = symbol("B"), symbol("N")


def tensor(name: str, *dims: Dimension) -> TensorType:
    return TensorType(dtype(name), dims)


def program_of(*leaves: Value, **changes: Any) -> Program:
    return Program("p", Graph(leaves, leaves[:1]), ("y",), **changes)


def codes(error: SpecError) -> list[str]:
    return [d.code for d in error.diagnostics]


X = leaf("Input", "x", tensor("float32", B, 2 * N))
LABEL = leaf("Input", "label", tensor("int64", B))
NOISE = leaf("Noise", "eps", tensor("float32", B, N))
WEIGHT = leaf("Parameter", "w", tensor("float32", 3, 4))
STATE = leaf("State", "s", tensor("float32", 3))
DRAWN = leaf("Draw", "w", tensor("float32", 3, 4), kind="normal", bits=53)
DRAWN_NOISE = leaf("Draw", "eps", tensor("float32", B, N), kind="normal", bits=53)
TWO = constant(2.0, np.float32)
INITIALIZERS: Mapping[str, Value] = {
    "w": apply("Mul", DRAWN, TWO),
    "s": constant(0.5, np.float32),
    "eps": apply("Add", DRAWN_NOISE, TWO),
}
FULL = program_of(X, LABEL, STATE, NOISE, WEIGHT, initializers=INITIALIZERS)


def test_every_leaf_is_filled(evaluator: Any) -> None:
    feeds = prepare(
        FULL, {"x": np.ones((5, 6), np.float32), "label": [0, 1, 2, 3, 4]}, seed=9, evaluator=evaluator
    )
    assert set(feeds) == {"x", "label", "s", "eps", "w"}
    assert np.array_equal(feeds["w"], fill(DRAWN, 9, {}) * np.float32(2))
    assert np.array_equal(feeds["s"], np.full(3, 0.5, np.float32))
    assert np.array_equal(feeds["eps"], fill(DRAWN_NOISE, 9, {"B": 5, "N": 3}) + np.float32(2))
    assert feeds["label"].dtype == np.int64


def test_given_leaves_and_weights_win_over_initializers(evaluator: Any) -> None:
    weights = Weights({"w": np.full((3, 4), 7, np.float32)})
    feeds = prepare(
        program_of(X, STATE, NOISE, WEIGHT, initializers=INITIALIZERS, weights=weights),
        {"x": np.ones((2, 2), np.float32)},
        states={"s": [1.0, 2.0, 3.0]},
        noise={"eps": [[0.0], [1.0]]},
        evaluator=evaluator,
    )
    assert feeds["w"] is weights["w"]
    assert feeds["s"].tolist() == [1, 2, 3]
    assert feeds["eps"].tolist() == [[0], [1]]


def test_steps_draw_different_noise_but_the_same_parameters(evaluator: Any) -> None:
    inputs = {"x": np.ones((2, 2), np.float32), "label": [0, 0]}
    first, second = (prepare(FULL, inputs, evaluator=evaluator, step=k) for k in (0, 1))
    assert np.array_equal(first["w"], second["w"])
    assert not np.array_equal(first["eps"], second["eps"])


def test_initializers_may_read_one_another(evaluator: Any) -> None:
    copy = leaf("State", "copy", tensor("float32", 3, 4))
    program = program_of(X, copy, WEIGHT, initializers={"w": DRAWN, "copy": apply("Mul", WEIGHT, TWO)})
    ready = initialize(program, 4, evaluator)
    assert np.array_equal(ready.weights["copy"], ready.weights["w"] * np.float32(2))


def test_initialize_keeps_weights_and_is_seeded(evaluator: Any) -> None:
    program = program_of(X, STATE, WEIGHT, initializers=INITIALIZERS)
    kept = np.zeros((3, 4), np.float32)
    assert initialize(program.with_weights({"w": kept}), 0, evaluator).weights["w"] is kept
    one, again, other = (initialize(program, seed, evaluator).weights["w"] for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


# --- sizes ----------------------------------------------------------------------------------------


@given(st.integers(1, 1000), st.integers(1, 9), st.integers(0, 9), st.integers(1, 3))
def test_polynomial_dimensions_are_solved(n: int, factor: int, offset: int, power: int) -> None:
    dimension: Dimension = factor
    for _ in range(power):
        dimension = dimension * N
    dimension = dimension + offset
    assert solve([Equation(dimension, evaluate(dimension, {"N": n}), "x")]) == {"N": n}


@settings(max_examples=60)
@given(st.permutations(range(4)), st.integers(1, 50), st.integers(1, 50))
def test_sizes_are_solved_in_any_order(order: list[int], b: int, n: int) -> None:
    dims = [B * N, 2 * N + 1, floor_divide(N, 2) + B, B + N]
    equations = [Equation(dims[i], evaluate(dims[i], {"B": b, "N": n}), f"{i}") for i in order]
    assert solve(equations) == {"B": b, "N": n}


@given(st.integers(1, 200), st.integers(0, 400))
def test_numbers_that_no_size_gives_are_refused(n: int, number: int) -> None:
    equation = Equation(2 * N + 1, number, "axis 0 of input 'x'")
    if number % 2 and number >= 1:
        assert solve([equation]) == {"N": (number - 1) // 2}
    else:
        with pytest.raises(SpecError) as caught:
            solve([equation])
        assert codes(caught.value) == ["G1331"]


def test_a_conflict_shows_both_places(evaluator: Any) -> None:
    with pytest.raises(SpecError) as caught:
        prepare(
            program_of(X, LABEL), {"x": np.ones((3, 2), np.float32), "label": [0, 1]}, evaluator=evaluator
        )
    (found,) = caught.value.diagnostics
    assert found.code == "G1331"
    assert "axis 0 of input 'label' is 2" in found.message
    assert "B is 3 by axis 0 of input 'x'" in found.message


def test_sizes_also_come_from_weights(evaluator: Any) -> None:
    loose = leaf("Parameter", "w", tensor("float32", N))
    program = program_of(LABEL, loose, weights=Weights({"w": np.zeros(6, np.float32)}))
    assert solve_sizes(program, {"label": np.zeros(2, np.int64)}) == {"B": 2, "N": 6}


def test_ranges_and_assumptions_are_checked(evaluator: Any) -> None:
    even = Assumption(B % 2, "==", 0, "the batch is halved")
    program = program_of(LABEL, sizes={"B": Size(2, 4)}, assumptions=(even,))
    assert solve_sizes(program, {"label": np.zeros(4, np.int64)}) == {"B": 4}
    for rows, expected in [
        (1, ["G1332", "G1334"]),
        (3, ["G1334"]),
        (5, ["G1332", "G1334"]),
        (6, ["G1332"]),
        (0, ["G1332"]),
    ]:
        with pytest.raises(SpecError) as caught:
            solve_sizes(program, {"label": np.zeros(rows, np.int64)})
        assert codes(caught.value) == expected
        assert all("the batch is halved" in d.message for d in caught.value.diagnostics if d.code == "G1334")


def test_alternatives_need_one_to_hold() -> None:
    either = Assumption(B, "==", 1, alternatives=(Assumption(B, "==", 1), Assumption(B, "==", N)))
    program = program_of(leaf("Input", "x", tensor("float32", B, N)), assumptions=(either,))
    assert solve_sizes(program, {"x": np.zeros((1, 3))}) == {"B": 1, "N": 3}
    assert solve_sizes(program, {"x": np.zeros((3, 3))}) == {"B": 3, "N": 3}
    with pytest.raises(SpecError):
        solve_sizes(program, {"x": np.zeros((2, 3))})


def test_unbound_and_unknown_sizes(evaluator: Any) -> None:
    program = program_of(LABEL, NOISE, initializers=INITIALIZERS)
    with pytest.raises(SpecError) as caught:
        prepare(program, {"label": [0, 1]}, evaluator=evaluator)
    assert codes(caught.value) == ["G1333"]
    feeds = prepare(program, {"label": [0, 1]}, sizes={"N": 7}, evaluator=evaluator)
    assert feeds["eps"].shape == (2, 7)
    with pytest.raises(SpecError) as caught:
        prepare(program, {"label": [0, 1]}, sizes={"M": 7}, evaluator=evaluator)
    assert codes(caught.value) == ["G1336"]


def test_absurd_sizes_are_refused_before_memory_is_taken(evaluator: Any) -> None:
    program = program_of(LABEL, NOISE, initializers=INITIALIZERS)
    with pytest.raises(SpecError) as caught:
        prepare(program, {"label": [0, 1]}, sizes={"N": 10**15}, evaluator=evaluator)
    assert codes(caught.value) == ["G1338"]


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "given_value"),
    [
        ("float32", [0.1, 2]),
        ("float32", np.zeros(2, np.float16)),
        ("float64", np.zeros(2, np.float32)),
        ("int64", np.zeros(2, np.int32)),
        ("bool", [0, 1]),
        ("uint8", [0, 255]),
        ("float16", [2048, 4096]),
        ("bfloat16", [0.1, 256]),
        ("string", ["a", "b"]),
        ("float64", [2**70, 0]),
    ],
)
def test_values_that_fit(declared: str, given_value: object, evaluator: Any) -> None:
    found = prepare(
        program_of(leaf("Input", "x", tensor(declared, 2))), {"x": given_value}, evaluator=evaluator
    )
    assert found["x"].dtype == dtype(declared).numpy
    assert found["x"].shape == (2,)


@pytest.mark.parametrize(
    ("declared", "given_value"),
    [
        ("float32", np.zeros(2)),
        ("int64", [0.5, 1]),
        ("int64", np.zeros(2, np.float32)),
        ("float32", np.zeros(2, np.int64)),
        ("int32", np.zeros(2, np.int64)),
        ("uint8", [0, 256]),
        ("uint8", [0, -1]),
        ("int64", [2**70, 0]),
        ("bool", [0, 2]),
        ("float16", [2049, 0]),
        ("float16", [1e9, 0]),
        ("float32", [[1], [1, 2]]),
        ("float32", ["a", "b"]),
        ("string", [1, 2]),
        ("float32", [object(), object()]),
        ("float32", np.array(["2020-01-01"] * 2, "datetime64[D]")),
        ("float32", None),
        ("float32", [1j, 0]),
    ],
)
def test_values_that_do_not_fit(declared: str, given_value: object, evaluator: Any) -> None:
    with pytest.raises(SpecError) as caught:
        prepare(program_of(leaf("Input", "x", tensor(declared, 2))), {"x": given_value}, evaluator=evaluator)
    assert codes(caught.value) == ["G1330"]


def test_decimal_literals_are_rounded_once(evaluator: Any) -> None:
    feeds = prepare(program_of(leaf("Input", "x", tensor("float32"))), {"x": 0.1}, evaluator=evaluator)
    assert feeds["x"] == np.float32(0.1)


def test_names_and_ranks(evaluator: Any) -> None:
    ones = np.ones((2, 2), np.float32)
    for inputs, more, expected in [
        ({}, {}, ["G1339", "G1339"]),
        ({"x": ones, "labels": [0, 1]}, {}, ["G1340", "G1339"]),
        ({"x": ones, "label": [0, 1], "w": ones}, {}, ["G1340"]),
        ({"x": np.ones(2, np.float32), "label": [[0, 1]]}, {}, ["G1341", "G1341"]),
        ({"x": ones, "label": [0, 1]}, {"parameters": {"v": 1}}, ["G1340"]),
        (
            {"x": ones, "label": [0, 1]},
            {"parameters": {"w": np.ones((4, 3), np.float32)}},
            ["G1331", "G1331"],
        ),
    ]:
        with pytest.raises(SpecError) as caught:
            prepare(FULL, inputs, evaluator=evaluator, **more)
        assert codes(caught.value) == expected


def test_missing_initializers_and_wrong_weights(evaluator: Any) -> None:
    inputs = {"x": np.ones((2, 2), np.float32)}
    bare = program_of(X, WEIGHT)
    wrong = program_of(X, WEIGHT, weights=Weights({"w": np.zeros((3, 4))}))
    shape = program_of(X, WEIGHT, initializers={"w": constant(np.zeros(3), np.float32)})
    circle = program_of(X, WEIGHT, STATE, initializers={"w": apply("Identity", STATE), "s": WEIGHT})
    for program in (bare, wrong, shape, circle):
        with pytest.raises(SpecError) as caught:
            prepare(program, inputs, evaluator=evaluator)
        assert codes(caught.value) == ["G1337"]


@pytest.mark.parametrize(
    ("domain", "good", "bad"),
    [
        (Domain("range", 0, N - 1), [[0, 2, 1]], [[0, 3, 1]]),
        (Domain("range", -0.5, 0.5), [[0.5, -0.5]], [[0.5, float("nan")]]),
        (Domain("prefix"), [[1, 1, 0]], [[1, 0, 1]]),
        (Domain("prefix"), [[0, 0, 0]], [[2, 1, 0]]),
        (Domain("permutation"), [[2, 0, 1]], [[2, 0, 2]]),
        (Domain("simplex"), [[0.25, 0.75]], [[0.5, 0.6]]),
        (Domain("simplex"), [[0.0, 1.0]], [[-0.5, 1.5]]),
        (Domain("spd"), [[2, 1], [1, 2]], [[1, 2], [2, 1]]),
        (Domain("spd"), [[2, 1], [1, 2]], [[2, 1], [0, 2]]),
        (Domain("onehot"), [[0, 1, 0]], [[0, 1, 1]]),
        (Domain("onehot"), [[0, 1, 0]], [[0, 2, 0]]),
        (Domain("unit"), [[0.6, 0.8]], [[0.6, 0.9]]),
        (Domain("sorted"), [[1, 1, 2]], [[1, 3, 2]]),
        (Domain("positive"), [[1, 0.5]], [[1, 0]]),
        (Domain("nonzero"), [[-1, 0.5]], [[-1, 0]]),
        (Domain("triangular"), [[1, 0], [5, 2]], [[1, 3], [0, 2]]),
        (Domain("triangular"), [[1, 0], [5, 2]], [[1, 0], [5, 0]]),
    ],
)
def test_declared_domains_are_checked(domain: Domain, good: Any, bad: Any, evaluator: Any) -> None:
    program = program_of(leaf("Input", "x", tensor("float32", B, N)), domains={"x": domain})
    prepare(program, {"x": good}, evaluator=evaluator)
    with pytest.raises(SpecError) as caught:
        prepare(program, {"x": bad}, evaluator=evaluator)
    assert codes(caught.value) == ["G1335"]
    undeclared = Domain(domain.kind, domain.low, domain.high, declared=False)
    prepare(program_of(program.inputs["x"], domains={"x": undeclared}), {"x": bad}, evaluator=evaluator)
