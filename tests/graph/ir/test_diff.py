"""The difference of two programs names what was changed, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.graph.diagnostics import Source, Span
from graphwright.graph.ir import (
    Graph,
    Origin,
    Program,
    Size,
    Value,
    Weights,
    apply,
    constant,
    diff,
    leaf,
    parse_program,
    print_program,
)
from graphwright.graph.types import FLOAT32, TensorType, symbol
from graphwright.tools.testing.random_graphs import random_program

X = leaf("Input", "x", TensorType(FLOAT32, (symbol("n"), 4)))
KERNEL = leaf("Parameter", "k", TensorType(FLOAT32, (4, 4)))
ONE = constant(np.float32(1))


def _program(output: Value, names: dict[str, Value] | None = None, **changes: object) -> Program:
    weights = Weights({"k": np.eye(4, dtype=np.float32)})
    program = Program("p", Graph((X, KERNEL), (output,)), ("y",), weights=weights, names=names or {})
    return replace(program, **changes)  # type: ignore[arg-type]  # fields of Program


def _layer(value: Value) -> Value:
    return apply("Relu", apply("MatMul", value, KERNEL))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_program_and_its_copy_have_no_difference(seed: int) -> None:
    program = random_program(np.random.default_rng(seed), nodes=20)
    again = parse_program(print_program(program), {n: a.copy() for n, a in program.weights.arrays.items()})
    assert diff(program, again).is_empty
    assert str(diff(program, again)) == ""


def test_changed_attribute_is_shown_once_and_its_users_are_not() -> None:
    def build(alpha: float) -> Program:
        return _program(_layer(apply("Softsign", apply("Elu", _layer(X), alpha=alpha))))

    found = diff(build(0.5), build(0.25))
    assert (found.only_before, found.only_after) == ((), ())
    (change,) = found.changed
    assert change.attributes == (("alpha", "0.5", "0.25"),)
    assert found.rebuilt == 3  # Softsign, MatMul, Relu
    assert "alpha: 0.5 -> 0.25" in str(found)


def test_new_and_missing_nodes() -> None:
    inner = _layer(X)
    found = diff(_program(apply("Tanh", inner)), _program(apply("Sigmoid", inner)))
    assert [n.name for n in found.only_before] == ["Tanh"]
    assert [n.name for n in found.only_after] == ["Sigmoid"]
    assert str(found).splitlines() == ["- Tanh(Relu): float32[n, 4]", "+ Sigmoid(Relu): float32[n, 4]"]


def test_inserted_node_is_a_changed_operand_of_its_user() -> None:
    inner = _layer(X)
    before = _program(apply("Tanh", inner), {"y": apply("Tanh", inner)})
    moved = apply("Add", inner, ONE)
    after = _program(apply("Tanh", moved), {"y": apply("Tanh", moved)})
    found = diff(before, after)
    assert [n.name for n in found.only_after] == ["Add"]
    assert [c.operands for c in found.changed] == [(0,)]
    assert "    operand 1: Relu -> Add" in str(found).splitlines()


def test_names_pair_nodes_before_operands_do() -> None:
    left, right = apply("Mul", X, ONE), apply("Mul", X, constant(np.float32(2)))
    before = _program(apply("Sub", left, right), {"a": left, "b": right})
    new_left, new_right = (apply("Mul", X, constant(np.float32(v))) for v in (3, 4))
    after = _program(apply("Sub", new_left, new_right), {"a": new_left, "b": new_right})
    pairs = {(c.before.outputs[0], c.after.outputs[0]) for c in diff(before, after).changed}
    assert pairs == {(left, new_left), (right, new_right)}


def test_origins_pair_nodes_without_names() -> None:
    left, right = apply("Mul", X, ONE), apply("Mul", X, constant(np.float32(2)))
    new_left, new_right = (apply("Mul", X, constant(np.float32(v))) for v in (3, 4))
    source = Source("model.yaml", "a\nb\n")
    first, second = (Origin((Span(source, n, 1, n, 2),)) for n in (1, 2))
    before = _program(apply("Sub", left, right), origins={left: first, right: second})
    after = _program(apply("Sub", new_right, new_left), origins={new_right: second, new_left: first})
    found = {c.before.outputs[0]: c.after.outputs[0] for c in diff(before, after).changed}
    assert found[left] is new_left
    assert found[right] is new_right
    assert "# model.yaml:1:1" in str(diff(before, after))


def test_types_that_changed() -> None:
    wide = leaf("Input", "x", TensorType(FLOAT32, (symbol("n"), 8)))
    before = _program(apply("Neg", X))
    after = replace(_program(apply("Neg", wide)), graph=Graph((wide, KERNEL), (apply("Neg", wide),)))
    found = diff(before, after)
    assert [(c.types, c.attributes) for c in found.changed if c.before.name == "Neg"] == [
        (((0, "float32[n, 4]", "float32[n, 8]"),), ())
    ]
    assert "~ inputs: x: float32[n, 4] -> float32[n, 8]" in str(found)


def test_weights_by_largest_difference() -> None:
    before = _program(_layer(X))
    moved = np.eye(4, dtype=np.float32)
    moved[2, 1], moved[0, 0] = -0.75, 1.25
    (change,) = diff(before, before.with_weights({"k": moved})).weights
    assert (change.name, change.largest) == ("k", 0.75)
    assert str(diff(before, before.with_weights({"k": moved}))) == (
        "~ weight k: float32[4, 4], max |Δ| = 0.75"
    )
    assert diff(before, before.with_weights({"k": np.eye(4, dtype=np.float32)})).is_empty


def test_weights_with_infinities_nans_and_other_types() -> None:
    before = _program(X).with_weights(
        {"a": np.array([np.nan, np.inf, 1.0]), "b": np.zeros(2), "c": np.zeros(1)}
    )
    after = _program(X).with_weights(
        {"a": np.array([np.nan, np.inf, 2.0]), "b": np.zeros(3), "d": np.zeros(1)}
    )
    found = diff(before, after)
    assert [(w.name, w.largest) for w in found.weights] == [("a", 1.0), ("b", None)]
    assert (found.weights_only_before, found.weights_only_after) == (("c",), ("d",))
    (broken,) = diff(before, before.with_weights({"a": np.array([1.0, np.inf, 1.0])})).weights
    assert broken.largest is not None
    assert np.isnan(broken.largest)


def test_signature_sizes_and_variant() -> None:
    before = _program(apply("Neg", X), sizes={"n": Size(1, 8)})
    after = _program(apply("Neg", X), sizes={"n": Size(1, 16)}, output_names=("z",), variant="train")
    assert str(diff(before, after)).splitlines() == [
        "- outputs: y: float32[n, 4]",
        "+ outputs: z: float32[n, 4]",
        "~ sizes: n: 1..8 -> 1..16",
        "~ variant: infer -> train",
    ]


def test_changed_constant_is_a_changed_operand() -> None:
    def scaled(factor: float) -> Program:
        return _program(_layer(apply("Mul", X, constant(np.float32(factor)))))

    found = diff(scaled(2), scaled(3))
    assert (found.only_before, found.only_after, found.rebuilt) == ((), (), 2)
    assert str(found).splitlines() == ["~ Mul(x, 3.0): float32[n, 4]", "    operand 2: 2.0 -> 3.0"]


def test_siblings_are_paired_by_their_attributes() -> None:
    def build(start: Value, *slopes: float) -> Program:
        total = start
        for slope in slopes:
            total = apply("Add", total, apply("Elu", start, alpha=slope))
        return _program(total)

    before, after = (apply("LeakyRelu", X, alpha=slope) for slope in (0.1, 0.2))
    found = diff(build(before, 0.5, 0.25), build(after, 0.25, 0.5))
    assert [c.after.name for c in found.changed if c.attributes] == ["LeakyRelu"]
