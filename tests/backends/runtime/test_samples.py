"""Samples: sizes that tell axes apart, inputs inside their domains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.backends.runtime import domains
from graphwright.backends.runtime.domains import KINDS
from graphwright.backends.runtime.feeds import prepare
from graphwright.backends.runtime.input_domains import input_domains
from graphwright.backends.runtime.samples import draw, size_choices
from graphwright.backends.runtime.sizes import check_sizes
from graphwright.graph.diagnostics import SpecError
from graphwright.graph.ir import (
    DOMAIN_KINDS,
    Assumption,
    Domain,
    Graph,
    Program,
    Size,
    Value,
    apply,
    constant,
    leaf,
)
from graphwright.graph.types import Dimension, TensorType, dtype, symbol
from graphwright.tools.api import load

B, N, M = symbol("B"), symbol("N"), symbol("M")


def tensor(name: str, *dims: Dimension) -> TensorType:
    return TensorType(dtype(name), dims)


def source(name: str, type_name: str, *dims: Dimension) -> Value:
    return leaf("Input", name, tensor(type_name, *dims))


def program_of(*outputs: Value, inputs: tuple[Value, ...], **changes: Any) -> Program:
    return Program("p", Graph(inputs, outputs), tuple(f"y{i}" for i in range(len(outputs))), **changes)


def test_sizes_are_distinct_twice_and_least_once() -> None:
    x = source("x", "float32", B, N, M)
    choices = size_choices(program_of(x, inputs=(x,)), 3)
    assert len(choices) == 3
    first, second, least = choices
    assert len(set(first.values())) == len(set(second.values())) == 3
    assert all(first[n] != second[n] for n in first)
    assert min(*first.values(), *second.values()) >= 2
    assert least == {"B": 1, "N": 1, "M": 1}
    assert size_choices(program_of(x, inputs=(x,)), 3) == choices


def test_a_static_program_has_one_choice() -> None:
    x = source("x", "float32", 3)
    assert size_choices(program_of(x, inputs=(x,))) == [{}]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 20),
    st.integers(0, 20),
    st.integers(1, 5),
    st.sampled_from([None, "B == N", "B == 2 * N", "N < B", "N % 3 == 0", "B == M or M == 1"]),
    st.integers(0, 1000),
)
def test_every_choice_satisfies_ranges_and_assumptions(
    low: int, extra: int, divisor: int, relation: str | None, seed: int
) -> None:
    x = source("x", "float32", B, N, M)
    relations = {
        "B == N": Assumption(B, "==", N),
        "B == 2 * N": Assumption(B, "==", 2 * N),
        "N < B": Assumption(N, "<", B),
        "N % 3 == 0": Assumption(N % 3, "==", 0),
        "B == M or M == 1": Assumption(
            B, "==", M, alternatives=(Assumption(B, "==", M), Assumption(M, "==", 1))
        ),
    }
    assumptions = [Assumption(M % divisor, "==", 0)] + ([relations[relation]] if relation else [])
    program = program_of(
        x,
        inputs=(x,),
        sizes={"N": Size(low, low + extra), "M": Size(divisor)},
        assumptions=tuple(assumptions),
    )
    try:
        choices = size_choices(program, seed)
    except SpecError:
        possible = any(n % 3 == 0 for n in range(low, low + extra + 1))
        assert relation == "N % 3 == 0"
        assert not possible
        return
    for choice in choices:
        check_sizes(program, choice)


def test_contradicting_assumptions_are_a_diagnostic() -> None:
    x = source("x", "float32", B)
    program = program_of(x, inputs=(x,), assumptions=(Assumption(B, "<", 3), Assumption(B, ">", 3)))
    with pytest.raises(SpecError) as caught:
        size_choices(program)
    assert [d.code for d in caught.value.diagnostics] == ["G1342"]


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("type_name", ["float32", "float64", "float16"])
def test_draws_pass_their_own_check(kind: str, type_name: str) -> None:
    domain = Domain(kind, -1.5, N) if kind == "range" else Domain(kind)
    for seed, n in [(0, 1), (1, 2), (2, 7)]:
        array = domains.draw("x", tensor(type_name, B, N, N), domain, {"B": 3, "N": n}, seed)
        assert array.shape == (3, n, n)
        assert array.dtype == dtype(type_name).numpy
        tolerant = type_name == "float16" and kind in ("simplex", "unit")
        assert tolerant or domains.check("x", array, domain, {"B": 3, "N": n}) is None


def test_every_kind_that_a_spec_can_name_is_drawn() -> None:
    assert set(KINDS) == {"range", *DOMAIN_KINDS}


def test_an_unknown_kind_is_an_error_at_its_place(tmp_path: Path) -> None:
    spec = tmp_path / "s.yaml"
    spec.write_text(
        "graphwright: 1\nkind: graph\nname: s\ninputs:\n  A: float64[n, n] ~ spdd\n"
        "nodes:\n  y: A + 1\noutputs: [y]\n"
    )
    with pytest.raises(SpecError) as caught:
        load(spec)
    (found,) = caught.value.diagnostics
    assert found.code == "G1344"
    assert found.span is not None
    assert found.span.line == 5
    assert found.hint == "did you mean 'spd'?"


@pytest.mark.parametrize("type_name", ["int64", "uint8", "int32"])
def test_integer_ranges_reach_both_ends(type_name: str) -> None:
    array = domains.draw("x", tensor(type_name, 500), Domain("range", 0, N - 1), {"N": 5}, 0)
    assert set(array.tolist()) == {0, 1, 2, 3, 4}


def test_float_ranges_fill_the_interval() -> None:
    array = domains.draw("x", tensor("float32", 1000), Domain("range", 2.0, 3.0), {}, 0)
    assert 2 <= array.min() < 2.01
    assert 2.99 < array.max() <= 3


def test_normal_is_the_default_and_bools_are_fair() -> None:
    numbers = domains.draw("x", tensor("float32", 20_000), Domain(), {}, 0)
    assert abs(numbers.mean()) < 0.03
    assert abs(numbers.std() - 1) < 0.03
    coins = domains.draw("c", tensor("bool", 20_000), Domain(), {}, 0)
    assert coins.dtype == bool
    assert abs(coins.mean() - 0.5) < 0.02


def test_draws_depend_on_name_and_seed() -> None:
    drawn = {
        (name, seed): domains.draw(name, tensor("float32", 8), Domain(), {}, seed).tobytes()
        for name in ("x", "y")
        for seed in (0, 1)
    }
    assert len(set(drawn.values())) == 4


# --- domains that operators demand ----------------------------------------------------------------


def demanded(output: Value, *inputs: Value) -> dict[str, Domain]:
    return input_domains(program_of(output, inputs=inputs))


def test_gather_and_friends_bound_their_index() -> None:
    data, index = source("data", "float32", 7, N), source("index", "int64", B)
    assert demanded(apply("Gather", data, index), data, index)["index"] == Domain(
        "range", 0, 6, declared=False
    )
    along = demanded(apply("Gather", data, index, axis=1), data, index)["index"]
    assert (along.low, along.high) == (0, N - 1)
    reshaped = apply("Unsqueeze", index, constant([1], np.int64))
    picked = apply("GatherElements", source("wide", "float32", B, 9), reshaped, axis=1)
    assert demanded(picked, index)["index"].high == 8


def test_the_tightest_demand_wins() -> None:
    a, b, index = source("a", "float32", 7), source("b", "float32", 4), source("index", "int64", B)
    both = apply("Add", apply("Gather", a, index), apply("Gather", b, index))
    assert demanded(both, a, b, index)["index"].high == 3


def test_index_arithmetic_is_inverted() -> None:
    data, index = source("data", "float32", 7), source("index", "int64", B)
    moved = apply("Sub", index, constant(2, np.int64))
    found = demanded(apply("Gather", data, moved), data, index)["index"]
    assert (found.low, found.high) == (2, 8)


@pytest.mark.parametrize(
    ("build", "reference"),
    [
        (lambda x: apply("Log", x), np.log),
        (lambda x: apply("Log", apply("Add", x, constant(-3.0, np.float32))), lambda v: np.log(v - 3)),
        (lambda x: apply("Sqrt", apply("Sub", constant(1.0, np.float32), x)), lambda v: np.sqrt(1 - v)),
        (lambda x: apply("Acos", apply("Mul", x, constant(0.25, np.float32))), lambda v: np.arccos(v / 4)),
        (lambda x: apply("Atanh", apply("Neg", x)), lambda v: np.arctanh(-v)),
        (lambda x: apply("Acosh", apply("Transpose", x)), np.arccosh),
        (lambda x: apply("Reciprocal", x), lambda v: 1 / v),
        (lambda x: apply("Reciprocal", apply("Mul", x, x)), lambda v: 1 / v**2),
        (lambda x: apply("Log", apply("ReduceSum", x, keepdims=0)), lambda v: np.log(v.sum())),
        (lambda x: apply("Pow", x, constant(0.5, np.float32)), np.sqrt),
        (lambda x: apply("Div", constant(1.0, np.float32), apply("Sqrt", x)), lambda v: 1 / np.sqrt(v)),
        (lambda x: apply("Log", apply("Sub", constant(2.0, np.float32), x)), lambda v: np.log(2 - v)),
    ],
)
def test_samples_stay_where_the_function_is_finite(build: Any, reference: Any, evaluator: Any) -> None:
    x = source("x", "float32", B, N)
    program = program_of(build(x), inputs=(x,))
    for seed in range(5):
        feeds = draw(program, seed, {"B": 20, "N": 30}, evaluator=evaluator)
        assert np.isfinite(reference(feeds["x"].astype(np.float64))).all()


def test_divisors_are_away_from_zero_on_both_sides() -> None:
    x, y = source("x", "float32", B), source("y", "float32", B)
    program = program_of(apply("Div", x, y), inputs=(x, y))
    values = draw(program, 0, {"B": 1000})["y"]
    assert np.abs(values).min() >= 0.5
    assert (values < 0).any()
    assert (values > 0).any()


def test_declared_domains_win() -> None:
    x = source("x", "float32", B)
    declared = Domain("range", 5, 6)
    program = program_of(apply("Log", x), inputs=(x,), domains={"x": declared})
    assert input_domains(program)["x"] is declared


def test_spd_reaches_the_input_through_a_cast() -> None:
    a = source("a", "float32", N, N)
    wide = apply("Cast", a, to="float64")
    program = program_of(apply("Cholesky", wide, domain="graphwright"), inputs=(a,))
    assert input_domains(program)["a"].kind == "spd"


def test_bodies_pass_demands_to_their_operands() -> None:
    from graphwright.graph.ir import argument

    x, flag = source("x", "float32", B), source("flag", "bool")
    inner = argument(0, x.type)
    log = Graph((inner,), (apply("Log", inner),))
    same = Graph((inner,), (apply("Identity", inner),))
    try:
        chosen = apply("If", flag, x, then_branch=log, else_branch=same)
    except Exception as error:  # the type rule of If is not merged yet
        pytest.skip(str(error))
    assert input_domains(program_of(chosen, inputs=(x, flag)))["x"].kind == "positive"


def test_a_sample_is_a_valid_feed(evaluator: Any) -> None:
    label, data = source("label", "int64", B), source("data", "float32", N, 3)
    w = leaf("Parameter", "w", tensor("float32", 3))
    drawn_w = leaf("Draw", "w", tensor("float32", 3), kind="uniform", bits=24)
    program = program_of(
        apply("Add", apply("Gather", data, label), w), inputs=(label, data, w), initializers={"w": drawn_w}
    )
    for sizes in size_choices(program):
        feeds = draw(program, 1, sizes, evaluator=evaluator)
        given_inputs = {n: feeds[n] for n in program.inputs}
        again = prepare(program, given_inputs, seed=1, evaluator=evaluator)
        assert {n: a.tobytes() for n, a in again.items()} == {n: a.tobytes() for n, a in feeds.items()}
        assert feeds["label"].max() < sizes["N"]
