"""Legality: random programs keep every rule; a program that breaks one is told which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.graph.ir import (
    Assumption,
    Domain,
    Graph,
    Level,
    Node,
    Program,
    Size,
    Value,
    Weights,
    apply,
    apply_all,
    argument,
    check,
    constant,
    leaf,
)
from graphwright.graph.ir.legality import RULES
from graphwright.graph.operators import Attribute, operator
from graphwright.graph.types import BOOL, FLOAT32, INT64, TensorType, Type, symbol
from graphwright.tools.testing.random_graphs import random_program

N = symbol("n", 1, 8)
ROW = TensorType(FLOAT32, (N, 4))
X = leaf("Input", "x", ROW)
KERNEL = leaf("Parameter", "k", TensorType(FLOAT32, (4, 3)))
COUNT = leaf("State", "count", TensorType(INT64, ()))
Y = apply("Relu", apply("MatMul", X, KERNEL))
AFTER = apply("Add", COUNT, constant(np.int64(1)))
DRAW = leaf("Draw", "k", KERNEL.type, kind="normal", bits=24)

LEGAL = Program(
    "p",
    Graph((X, COUNT, KERNEL), (Y, AFTER)),
    ("y",),
    ("count",),
    Weights({"k": np.zeros((4, 3), np.float32)}),
    {"k": DRAW},
    {"x": X, "y": Y},
    sizes={"n": Size(1, 8)},
    assumptions=(Assumption(N, "<", 9),),
    domains={"x": Domain()},
)


def forged(name: str, inputs: tuple[Value | None, ...], types: list[Type], **attributes: Attribute) -> Node:
    """A node past all checks, as a faulty pass might make one."""
    node = Node.__new__(Node)
    node.operator, node.inputs, node.attributes = operator(name), inputs, attributes
    node.outputs = tuple(Value(node, i, t, None) for i, t in enumerate(types))
    return node


def _ending_in(value: Value) -> Program:
    return replace(LEGAL, graph=Graph(LEGAL.graph.inputs, (value, AFTER)), names={"x": X})


def _of(node: Node) -> Program:
    return _ending_in(node.outputs[0])


def _with_known(known: tuple[int, ...], type: Type) -> Program:
    node = forged("Neg", (COUNT,), [type])
    node.outputs = (Value(node, 0, type, known),)
    return _of(node)


def _writable() -> Program:
    array = np.zeros(3, np.float32)
    node = forged("ConstantOfShape", (apply("Shape", X),), [ROW], value=Attribute("tensor", array))
    return _of(node)


def _conditional(body: Graph) -> Program:
    flag = leaf("Input", "flag", TensorType(BOOL, ()))
    branch = Attribute("graph", body)
    node = forged("If", (flag, X), [ROW], then_branch=branch, else_branch=branch)
    inputs = (X, flag, COUNT, KERNEL)
    return replace(_of(node), graph=Graph(inputs, (node.outputs[0], AFTER)))


def _misplaced_result() -> Program:
    node = forged("Neg", (X,), [ROW])
    node.outputs = (Value(Y.node, 1, ROW, None),)
    holder = forged("Neg", (X,), [ROW])
    holder.outputs = (Value(node, 0, ROW, None),)
    return _ending_in(holder.outputs[0])


ILLEGAL: list[tuple[str, Callable[[], Program]]] = [
    ("attributes", lambda: _of(forged("Relu", (X,), [ROW], axis=Attribute("int", 1)))),
    ("attributes", lambda: _of(forged("Elu", (X,), [ROW], alpha=Attribute("int", 1)))),
    ("attributes", lambda: _of(forged("Elu", (X,), [ROW], alpha=Attribute("float", 1.0)))),
    ("attributes", lambda: _of(forged("Cast", (X,), [ROW]))),
    ("arrays", _writable),
    ("links", _misplaced_result),
    ("links", lambda: _of(forged("Clip", (X, None), [ROW]))),
    ("known", lambda: _with_known((1, 2), TensorType(INT64, ()))),
    ("known", lambda: _with_known((1,), TensorType(FLOAT32, ()))),
    ("types", lambda: _of(forged("Relu", (X,), [TensorType(FLOAT32, (N, 5))]))),
    ("types", lambda: _of(forged("MatMul", (X, X), [ROW]))),
    ("types", lambda: _of(forged("Relu", (X,), [ROW, ROW]))),
    ("known-rule", lambda: _with_known((3,), TensorType(INT64, ()))),
    ("interned", lambda: _of(forged("Neg", (X,), [ROW]))),
    ("closed", lambda: _conditional(Graph((argument(0, ROW),), (apply("Neg", X),)))),
    ("closed", lambda: _conditional(Graph((argument(0, ROW),), (apply("Neg", argument(1, ROW)),)))),
    ("numbered", lambda: _conditional(Graph((argument(1, ROW),), (argument(1, ROW),)))),
    ("signature", lambda: replace(LEGAL, graph=Graph((X, Y, COUNT, KERNEL), (Y, AFTER)))),
    ("signature", lambda: replace(LEGAL, graph=Graph((X, X, COUNT, KERNEL), (Y, AFTER)))),
    ("leaves", lambda: replace(LEGAL, graph=Graph((X, COUNT), (Y, AFTER)))),
    ("leaves", lambda: _ending_in(apply("Neg", DRAW))),
    ("leaves", lambda: _ending_in(apply("Neg", argument(0, ROW)))),
    ("results", lambda: replace(LEGAL, output_names=("y", "z"))),
    (
        "results",
        lambda: replace(LEGAL, graph=Graph(LEGAL.graph.inputs, (Y, Y, AFTER)), output_names=("y", "y")),
    ),
    ("updates", lambda: replace(LEGAL, updates=("k",))),
    ("updates", lambda: LEGAL.with_graph((Y, apply("Cast", AFTER, to="int32")))),
    ("order", lambda: replace(LEGAL, graph=Graph((KERNEL, X, COUNT), (Y, AFTER)))),
    ("initializers", lambda: replace(LEGAL, initializers={"x": DRAW})),
    ("initializers", lambda: replace(LEGAL, initializers={"k": apply("Transpose", DRAW)})),
    ("draws", lambda: replace(LEGAL, initializers={"k": apply("Neg", KERNEL)})),
    ("tables", lambda: replace(LEGAL, sizes={"n": Size(1, 8), "m": Size(4, 2)})),
    ("tables", lambda: replace(LEGAL, sizes={"n": Size(1, 8), "m": Size(0, 2)})),
    ("tables", lambda: replace(LEGAL, domains={"k": Domain()})),
    ("tables", lambda: replace(LEGAL, assumptions=(Assumption(N, "=", 8),))),
    (
        "tables",
        lambda: replace(LEGAL, assumptions=(Assumption(N, "<", 9, alternatives=(Assumption(N, "~", 1),)),)),
    ),
    ("ranges", lambda: replace(LEGAL, sizes={"n": Size(1, 9)})),
    ("ranges", lambda: replace(LEGAL, sizes={})),
    ("weights", lambda: LEGAL.with_weights({"k": np.zeros((3, 4), np.float32)})),
    ("weights", lambda: LEGAL.with_weights({"k": np.zeros((4, 3))})),
    ("weights", lambda: LEGAL.with_weights({"k": np.zeros((4, 3, 1), np.float32)})),
    ("stored", lambda: _ending_in(apply("MatMul", X, leaf("Weight", "w", KERNEL.type)))),
    ("names", lambda: replace(LEGAL, names={"gone": apply("Neg", Y)})),
]


@pytest.mark.parametrize(("rule", "program"), ILLEGAL, ids=[f"{r}-{i}" for i, (r, _) in enumerate(ILLEGAL)])
def test_broken_rule_is_named(rule: str, program: Callable[[], Program]) -> None:
    found = check(program())
    assert rule in {v.rule for v in found}, list(map(str, found))


def test_constant_with_other_known_content() -> None:
    node = Node.__new__(Node)
    good = constant(np.array([1, 2], np.int64)).node
    node.operator, node.inputs, node.attributes = good.operator, (), good.attributes
    node.outputs = (Value(node, 0, good.outputs[0].type, (1, 3)),)
    assert "constant" in {v.rule for v in check([node])}


def test_every_rule_has_a_broken_program() -> None:
    assert {rule.name for rule in RULES} == {name for name, _ in ILLEGAL} | {"constant"}
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_legal_program_keeps_all_rules() -> None:
    assert check(LEGAL) == []


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_random_programs_keep_all_rules(seed: int) -> None:
    assert check(random_program(np.random.default_rng(seed), nodes=25)) == []


def test_levels_leave_out_what_costs_more() -> None:
    wrong_type = _of(forged("Relu", (X,), [TensorType(FLOAT32, (N, 5))]))
    assert check(wrong_type, Level.FULL)
    assert not check(wrong_type, Level.NODES)
    stray = replace(LEGAL, graph=Graph((X, COUNT), (Y, AFTER)), weights=Weights(), initializers={})
    assert check(stray, Level.NODES)
    assert not check(stray, Level.FAST)


def test_given_nodes_and_their_bodies_are_checked_alone() -> None:
    program = _conditional(Graph((argument(0, ROW),), (apply("Neg", X),)))
    assert [v.rule for v in check([program.graph.outputs[0].node], Level.NODES)] == ["closed"]
    assert check([Y.node]) == []


def test_deep_bodies_are_reached() -> None:
    body: Any = Graph((argument(0, ROW),), (apply("Neg", X),))
    flag = argument(0, TensorType(BOOL, ()))
    branch = Attribute("graph", body)
    inner = forged("If", (flag, argument(1, ROW)), [ROW], then_branch=branch, else_branch=branch)
    program = _conditional(Graph((flag, argument(1, ROW)), inner.outputs))
    assert "closed" in {v.rule for v in check(program, Level.NODES)}


def test_captured_values_are_operands() -> None:
    inner = argument(0, ROW)
    flag = leaf("Input", "flag", TensorType(BOOL, ()))
    branch = Graph((inner,), (apply("Tanh", inner),))
    result = apply_all("If", flag, X, then_branch=branch, else_branch=branch, outputs=1)[0]
    assert check(Graph((flag, X), (result,))) == []
