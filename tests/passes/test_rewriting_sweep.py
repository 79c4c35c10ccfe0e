"""The sweep: one is enough, new nodes are rewritten too, loops are found, bookkeeping is kept."""

from __future__ import annotations

import numpy as np
import pytest

from graphwright.graph.diagnostics import Source, Span, SpecError
from graphwright.graph.ir import Graph, Origin, argument, make_node
from graphwright.graph.operators import operator
from graphwright.graph.types import FLOAT32, TensorType
from graphwright.passes.rewriting import Procedure, rewrite, rules
from graphwright.passes.simplify.identities import SimplifyIdentities

NEGATIONS = rules("neg-neg: -(-x) -> x", {})


def test_a_long_chain_needs_one_sweep(make):
    y = make.input()
    for _ in range(50):
        y = make.apply("Tanh", make.apply("Neg", make.apply("Neg", y)))
    found = rewrite(make.program(y), NEGATIONS, "test")
    assert make.operators(found.program) == ["Tanh"] * 50
    assert found.counters.sweeps == 1
    assert found.counters.hits == {"neg-neg": 50}


def test_what_a_rule_makes_is_rewritten_before_its_consumers_are_looked_at(make):
    table = rules("split: Abs(x) -> -(-x)\nneg-neg: -(-x) -> x", {})
    x = make.input()
    found = rewrite(make.program(make.apply("Tanh", make.apply("Abs", x))), table, "test")
    assert found.program.graph.outputs == (make.apply("Tanh", x),)


def test_rules_that_undo_each_other_are_named(make):
    table = rules("there: Abs(x) -> Relu(x)\nback: Relu(x) -> Abs(x)", {})
    with pytest.raises(SpecError) as error:
        rewrite(make.program(make.apply("Abs", make.input())), table, "test")
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "G1020"
    assert "there (1)" in diagnostic.message
    assert "back (1)" in diagnostic.message


def test_a_function_may_give_a_numpy_scalar(make):
    """Arithmetic on two constants without axes does."""
    table = rules(
        "twice: x * const(c) * const(d) -> x * product(c, d)",
        {"product": lambda c, d: c.constant * d.constant},
    )
    x, two, three = make.input(), make.const(np.float32(2)), make.const(np.float32(3))
    y = make.apply("Mul", make.apply("Mul", x, two), three)
    found = rewrite(make.program(y), table, "test")
    assert found.program.graph.outputs == (make.apply("Mul", x, make.const(np.float32(6))),)


def test_a_rule_that_grows_its_own_result_is_stopped(make):
    table = rules("grow: Abs(x) -> Abs(Tanh(x))", {})
    with pytest.raises(SpecError) as error:
        rewrite(make.program(make.apply("Abs", make.input())), table, "test")
    assert error.value.diagnostics[0].code == "G1020"


def test_a_replacement_of_another_type_is_refused(make):
    x = make.input(shape=(1, 4))
    y = make.apply("Mul", x, make.const(np.ones((3, 1))))
    found = rewrite(make.program(y), rules("mul-one: x * 1 -> x", {}), "test")
    assert found.program.graph.outputs == (y,)
    assert not found.counters.hits


def test_a_limit_stops_after_so_many_firings(make):
    y = make.input()
    for _ in range(10):
        y = make.apply("Tanh", make.apply("Neg", make.apply("Neg", y)))
    found = rewrite(make.program(y), NEGATIONS, "test", limit=3)
    assert found.counters.hits.total() == 3
    assert make.operators(found.program).count("Neg") == 14


def test_names_follow_their_values_and_origins_merge(make):
    source = Source("a.yaml", "one\ntwo\nthree\n")
    lines = [Span(source, n, 1, n, 4) for n in (1, 2, 3)]
    x = make.input()
    product = make.apply("Mul", x, make.const(2.0))
    joined = make.apply("Mul", product, make.const(3.0))
    kept = make.apply("Neg", make.apply("Neg", joined))
    program = make.program(
        kept,
        names={"joined": joined, "kept": kept},
        origins={product: Origin((lines[0],)), joined: Origin((lines[1],), "a.b"), kept: Origin((lines[2],))},
    )
    table = rules("mul-mul: (x * const(a)) * const(b) -> x * (a * b)\nneg-neg: -(-x) -> x", {})
    found = rewrite(program, table, "test").program
    (value,) = found.graph.outputs
    assert found.names == {"joined": value, "kept": value}
    assert set(found.origins[value].spans) >= {lines[0], lines[1]}
    assert found.origins[value].path == "a.b"
    assert "test" in found.origins[value].passes


def test_bodies_are_rewritten(make):
    row = TensorType(FLOAT32, (4,))
    state, piece = argument(0, row), argument(1, row)
    total = make.apply("Add", state, make.apply("Neg", make.apply("Neg", piece)))
    body = Graph((state, piece), (total,))
    x, start = make.input(shape=(5, 4)), make.input("start", (4,))
    scan = make_node(operator("Scan", ""), (start, x), {"body": body, "num_scan_inputs": 1})
    found = rewrite(make.program(scan.outputs[0]), NEGATIONS, "test")
    (value,) = found.program.graph.outputs
    assert [n.operator.name for n in value.node.attribute("body").nodes] == ["Argument", "Argument", "Add"]
    assert found.replacements[0].in_body
    feeds = {"x": np.arange(20, dtype=np.float32).reshape(5, 4), "start": np.ones(4, np.float32)}
    assert np.array_equal(make.run(found.program, feeds)[0], feeds["x"].sum(axis=0) + 1)


def test_readers_count_the_graph_before_the_sweep(make):
    seen = {}

    def look(node, site):
        seen[node.operator.name] = site.readers(node.inputs[0])
        return "only looking"

    x = make.input()
    shared = make.apply("Tanh", x)
    program = make.program(make.apply("Neg", shared), make.apply("Abs", shared), shared)
    rewrite(program, [Procedure("look", ("Neg", "Tanh"), look)], "test")
    assert seen == {"Tanh": 1, "Neg": 3}


def test_an_unchanged_program_is_the_same_object(make):
    program = make.program(make.apply("Tanh", make.input()))
    assert make.apply_pass(SimplifyIdentities(), program).program is program
