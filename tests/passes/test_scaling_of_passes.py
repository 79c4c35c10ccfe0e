"""Every pass of the catalogue is linear: node visits, rule attempts, and Python function calls."""

from __future__ import annotations

import gc
import sys
from itertools import pairwise

import numpy as np
import pytest

from graphwright.graph.ir import Graph, Program, Weights, apply, argument, constant, leaf, make_node
from graphwright.graph.operators import operator
from graphwright.graph.types import FLOAT32, TensorType, symbol
from graphwright.passes.catalogue import PASSES, pass_class
from graphwright.passes.manager import Context
from graphwright.passes.simplify.family import Simplify

WIDTH = 4
SIZES = (1000, 2000, 4000)


def block(k, x, weights):
    """About 40 nodes with something to do for every pass."""
    w = leaf("Weight" if k % 2 else "Parameter", f"w{k}", TensorType(FLOAT32, (WIDTH, WIDTH)))
    weights[f"w{k}"] = np.full((WIDTH, WIDTH), 0.01 * (k % 7), np.float32)
    big = leaf("Weight", f"b{k}", TensorType(FLOAT32, (9, 9)))
    weights[f"b{k}"] = np.full((9, 9), float(k % 5), np.float32)
    c = apply("Add", constant(np.float32(0.5 + k * 1e-3)), constant(np.float32(0.25)))
    y = apply("MatMul", x, w)
    y = apply("Add", apply("Mul", y, c), constant(np.float32(k)))
    y = apply("Mul", apply("Mul", apply("Identity", y), constant(np.float32(2))), constant(np.float32(0.3)))
    y = apply("Transpose", apply("Transpose", y, perm=[1, 0]), perm=[1, 0])
    y = apply("Add", y, apply("ReduceSum", apply("Neg", apply("Neg", big)), keepdims=0))
    rows = apply("Slice", apply("Shape", y), constant(np.array([0])), constant(np.array([1])))
    y = apply("Reshape", y, apply("Concat", rows, constant(np.array([WIDTH])), axis=0))
    return apply("Tanh", apply("Add", y, scanned(y)))


def scanned(y):
    """A scan of three steps along another axis, with an invariant in its body."""
    row = TensorType(FLOAT32, (WIDTH,))
    state, piece, capture = argument(0, row), argument(1, row), argument(2, row)
    total = apply("Add", apply("Add", state, piece), apply("Exp", capture))
    pieces = apply("Slice", y, constant(np.array([0])), constant(np.array([3])), constant(np.array([1])))
    transposed = apply("Expand", apply("ReduceMean", pieces, keepdims=0), constant(np.array([3, WIDTH])))
    start = apply("ReduceMax", y, constant(np.array([0])), keepdims=0)
    fields = {"body": Graph((state, piece, capture), (total,)), "num_scan_inputs": 1, "captures": 1}
    return make_node(operator("Scan", ""), (start, transposed, start), fields).outputs[0]


def chain(nodes):
    weights = {}
    x = y = leaf("Input", "x", TensorType(FLOAT32, (symbol("n"), WIDTH)))
    for k in range(nodes // 40):
        y = block(k, y, weights)
    program = Program("chain", Graph((x,), (y,)), ("y",), weights=Weights(weights))
    weights["stray"] = np.zeros(100, np.float32)
    parameters = tuple(n.outputs[0] for n in program.graph.nodes if n.outputs[0].role == "Parameter")
    return Program("chain", Graph((x, *parameters), (y,)), ("y",), weights=Weights(weights))


def calls(function):
    """How many Python and C function calls it makes: work that no other process disturbs."""
    count = 0

    def note(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    gc.collect()  # the nodes that earlier tests left call back when they go
    gc.disable()
    sys.setprofile(note)
    try:
        result = function()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count, result


@pytest.fixture(scope="module")
def chains():
    programs = [chain(n) for n in SIZES]
    for program in programs:
        assert len(program.graph.nodes) > 0  # the node list is made once and kept
    Simplify(fold_parameters=True).run(chain(400), Context())  # imports and tables are made once
    return programs


@pytest.mark.parametrize("name", PASSES)
def test_work_grows_with_the_number_of_nodes(chains, name):
    if name == "quantize_trained":
        pytest.skip(
            "refuses a program that no training rounded; its work is that of find_layers, as quantize's"
        )
    pass_ = pass_class(name)()
    pass_.run(chain(120), Context())
    counted = [calls(lambda p=p: pass_.run(p, Context())) for p in chains]
    work = [count for count, _ in counted]
    visits = [result.visits for _, result in counted]
    attempts = [result.attempts for _, result in counted]
    for series in (work, visits, attempts):
        for smaller, larger in pairwise(series):
            assert larger <= 2.2 * smaller + 50, (name, series)
    per_node = attempts[-1] / max(visits[-1], 1)
    assert per_node < 8, f"{name} tries {per_node:.1f} rules a visit"


THEORIES = {"functionalise", "conjecture", "filter", "prove", "compress", "certify", "export"}
NOTHING_HERE = THEORIES | {
    "raise_ssm",
    "diagonalize",
    "chunk_ssm",
    "smooth",
    "hadamard",
    "equalize",
    "quantize_trained",
    "lower_quantized",
}
"""Passes that look for what a chain of blocks has none of (recurrences, scaled layers, codes, a theory):
one visit a node."""


@pytest.mark.parametrize("name", [n for n in PASSES if n not in NOTHING_HERE])
def test_every_pass_has_something_to_do_here(chains, name):
    """Else the test above would count nothing."""
    assert pass_class(name)().run(chains[0], Context()).program is not chains[0]


def test_a_quadratic_pass_would_be_seen(chains):
    def quadratic(program):
        for node in program.graph.nodes:
            for other in program.graph.nodes:
                node.operator.name.startswith(other.operator.name)

    small, large = chain(200), chain(400)
    assert small.graph.nodes
    assert large.graph.nodes
    first, second = (calls(lambda p=p: quadratic(p))[0] for p in (small, large))
    assert second > 2.2 * first + 50


@pytest.mark.parametrize(("nodes", "left"), [(1000, 420), (2000, 835), (5000, 2085)])
def test_the_synthetic_graph_comes_down_to_its_minimum(nodes, left):
    """Blocks as in the benchmark: five nodes of each remain."""
    from graphwright.tools.bench.synthetic import minimal_nodes

    weights = {
        f"w{i}": np.random.default_rng(i % 7).standard_normal((32, 32)).astype(np.float32) for i in range(8)
    }
    kind = TensorType(FLOAT32, (4, 32))
    x = y = leaf("Input", "x", kind)
    for b in range(-(-nodes // 12)):
        c = apply("Add", constant(np.float32(0.5 + b * 0.001)), constant(np.float32(0.5)))
        product = apply("Mul", y, apply("Add", c, constant(np.float32(1))))
        w = leaf("Weight", f"w{b % 8}", TensorType(FLOAT32, (32, 32)))
        total = apply("Add", apply("MatMul", product, w), apply("MatMul", product, w))
        z = apply("Add", apply("Tanh", apply("Identity", total)), y)
        if b % 4 == 0:
            rows = apply("Gather", apply("Shape", z), constant(np.array([0])), axis=0)
            z = apply("Reshape", z, apply("Concat", rows, constant(np.array([32])), axis=0))
        y = z
    program = Program("s", Graph((x,), (apply("Identity", y),)), ("y",), weights=Weights(weights))
    result = Simplify().run(program, Context())
    computing = [n for n in result.program.graph.nodes if not n.outputs[0].is_leaf]
    assert len(computing) == left == minimal_nodes(nodes)
    assert len(result.program.weights.arrays) == 7
