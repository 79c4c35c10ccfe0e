"""Random typed graphs, rich in what rules look for, mean the same before and after every pass."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphwright.backends.reference import ReferenceEvaluator
from graphwright.graph.ir import Graph, Program, Weights, apply, apply_all, constant, leaf
from graphwright.graph.types import FLOAT32, TensorType, symbol
from graphwright.passes.catalogue import PASSES, pass_class
from graphwright.passes.manager import Context, PassManager, Verdict
from graphwright.passes.manager.contract import Exact

UNARY = (
    "Abs Neg Relu Tanh Sigmoid Exp Ceil Floor Round Sign Softplus Softsign Erf Cos Sin Atan Identity "
    "HardSigmoid Elu Selu LeakyRelu Celu HardSwish Mish Gelu"
).split()
BINARY = "Add Sub Mul Max Min Div".split()
NUMBERS = [0.0, -0.0, 1.0, -1.0, 2.0, 0.1, -3.5, 0.5]
N = symbol("n")


@st.composite
def programs(draw):
    """Values of shape [n, 4] throughout, from two inputs, a weight and constants."""
    x, y = (leaf("Input", name, TensorType(FLOAT32, (N, 4))) for name in "xy")
    w = leaf("Weight", "w", TensorType(FLOAT32, (4, 4)))
    pool = [x, y]
    for _ in range(draw(st.integers(3, 18))):
        pool.append(draw(step(pool, w)))
    outputs = tuple(pool[-draw(st.integers(1, 3)) :])
    weights = Weights({"w": np.random.default_rng(7).standard_normal((4, 4)).astype(np.float32)})
    return Program(
        "random", Graph((x, y), outputs), tuple(f"y{i}" for i in range(len(outputs))), weights=weights
    )


def numbers(draw):
    if draw(st.booleans()):
        return constant(np.float32(draw(st.sampled_from(NUMBERS))))
    content = draw(st.lists(st.sampled_from(NUMBERS), min_size=4, max_size=4))
    if draw(st.booleans()):
        return apply("Add", constant(np.array(content, np.float32)), constant(np.float32(0.25)))
    return constant(np.array(content, np.float32))


@st.composite
def step(draw, pool, w):
    a, b = draw(st.sampled_from(pool)), draw(st.sampled_from(pool))
    kind = draw(
        st.sampled_from(["unary", "binary", "constant", "twice", "move", "logic", "product", "shape"])
    )
    if kind == "unary":
        return apply(draw(st.sampled_from(UNARY)), a)
    if kind == "binary":
        return apply(draw(st.sampled_from(BINARY[:-1])), a, b)
    if kind == "constant":
        operands = [a, numbers(draw)]
        operator = draw(st.sampled_from(BINARY))
        return apply(operator, *(operands if operator == "Div" or draw(st.booleans()) else operands[::-1]))
    if kind == "twice":
        operator = draw(st.sampled_from(["Neg", "Abs", "Relu", "Floor", "Clip"]))
        if operator == "Clip":
            low, high = (
                constant(np.float32(v)) for v in sorted(draw(st.tuples(*[st.sampled_from(NUMBERS)] * 2)))
            )
            return apply(
                "Clip", apply("Clip", a, low, high), constant(np.float32(-1)), constant(np.float32(2))
            )
        return apply(operator, apply(operator, a))
    if kind == "move":
        return moved(draw, a, b)
    if kind == "logic":
        condition = apply(draw(st.sampled_from(["Less", "GreaterOrEqual"])), a, b)
        if draw(st.booleans()):
            condition = apply("Not", condition)
        return apply("Where", condition, a, b)
    if kind == "product":
        return apply("Mul", apply("Add", apply("MatMul", a, w), numbers(draw)), constant(np.float32(0.5)))
    rows = apply("Slice", apply("Shape", a), constant(np.array([0])), constant(np.array([1])))
    target = apply("Concat", rows, constant(np.array([2, 2])), axis=0)
    return apply("Flatten", apply("Reshape", a, target), axis=1)


def moved(draw, a, b):
    choice = draw(st.integers(0, 5))
    if choice == 0:
        return apply("Transpose", apply("Transpose", a, perm=[1, 0]), perm=[1, 0])
    if choice == 1:
        left, right = apply_all("Split", a, axis=1, num_outputs=2, outputs=2)
        return apply("Concat", *((left, right) if draw(st.booleans()) else (right, left)), axis=1)
    if choice == 2:
        return apply("Squeeze", apply("Unsqueeze", a, constant(np.array([1]))), constant(np.array([1])))
    if choice == 3:
        total = apply("ReduceSum", b, constant(np.array([0])))
        return apply("Add", a, apply("Expand", total, apply("Shape", a)))
    if choice == 4:
        return apply("Cast", apply("Cast", a, to="float64"), to="float32")
    return apply(
        "Slice",
        a,
        constant(np.array([-1])),
        constant(np.array([-9])),
        constant(np.array([1])),
        constant(np.array([-1])),
    )


FEEDS = [
    {
        "x": np.random.default_rng(n).standard_normal((n, 4)).astype(np.float32),
        "y": np.array([[0.0, -0.0, 1.0, -2.5]] * n, np.float32),
    }
    for n in (1, 3)
]


def outputs_of(program, feeds, float64):
    given = {v: feeds[name] for name, v in program.inputs.items()}
    for node in program.graph.nodes:
        if node.operator.name == "Weight":
            given[node.outputs[0]] = program.weights[node.attribute("name")]
    with np.errstate(all="ignore"):
        return ReferenceEvaluator().evaluate(program.graph.outputs, given, float64=float64)


EXACT = [n for n in PASSES if pass_class(n)().contract == Exact("bits")]


@given(programs())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_passes_that_keep_bits_keep_bits(program):
    for name in EXACT:
        after = pass_class(name)().run(program, Context()).program
        for feeds in FEEDS:
            for old, new in zip(
                outputs_of(program, feeds, False), outputs_of(after, feeds, False), strict=True
            ):
                assert np.array_equal(old, new, equal_nan=True), name
                assert np.array_equal(np.signbit(old)[~np.isnan(old)], np.signbit(new)[~np.isnan(new)]), name


@given(programs())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_whole_family_means_the_same(program):
    """The manager's verdict, on every rule that fires, is never `broken`."""
    record = PassManager(ReferenceEvaluator()).run(program, [pass_class("simplify")()])
    assert record.passes[0].verdict in (Verdict.HOLDS, Verdict.INCONCLUSIVE)
    again = pass_class("simplify")().run(record.program, Context())
    assert not again.hits  # it comes to rest in one go


def test_random_graphs_reach_many_operators_and_rules():
    operators, rules = set(), set()

    @given(programs())
    @settings(
        max_examples=150,
        deadline=None,
        database=None,
        derandomize=True,  # what is reached is counted: the same each time
        suppress_health_check=list(HealthCheck),
    )
    def collect(program):
        operators.update(n.operator.name for n in program.graph.nodes)
        rules.update(pass_class("simplify")().run(program, Context()).hits)

    collect()
    assert len(operators) >= 40
    assert len(rules) >= 20
