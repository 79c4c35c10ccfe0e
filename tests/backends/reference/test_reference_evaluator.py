"""The reference evaluator and backend: semantics that tests of single operators don't show."""

from __future__ import annotations

import tracemalloc
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import scipy.linalg
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from graphwright.backends.reference import ReferenceBackend, ReferenceEvaluator, evaluate_node
from graphwright.graph.diagnostics import SpecError
from graphwright.graph.diagnostics.codes import CODES
from graphwright.graph.ir import (
    Graph,
    Program,
    Value,
    Weights,
    apply,
    apply_all,
    argument,
    constant,
    leaf,
    make_node,
)
from graphwright.graph.operators.operator import Formal, Operator
from graphwright.graph.types import BOOL, FLOAT32, INT64, TensorType, from_numpy, symbol

GENERATOR = np.random.default_rng(7)


def given_leaf(name: str, array: np.ndarray[Any, Any]) -> Value:
    return leaf("Input", name, TensorType(from_numpy(array.dtype), array.shape))


def run(name: str, *arrays: Any, **attributes: Any) -> list[Any]:
    """All results of one operator on arrays."""
    operands = [None if a is None else given_leaf(f"x{i}", np.asarray(a)) for i, a in enumerate(arrays)]
    node = apply_all(name, *operands, **attributes)[0].node
    return evaluate_node(node, [None if a is None else np.asarray(a) for a in arrays][: len(node.inputs)])


# --- dtypes -----------------------------------------------------------------------------------


def test_integers_wrap_around() -> None:
    assert run("Add", np.int8([100]), np.int8([100]))[0].tolist() == [-56]
    assert run("Sub", np.uint8([1]), np.uint8([2]))[0].tolist() == [255]
    assert run("Mul", np.int32([2**31 - 1]), np.int32([2]))[0].tolist() == [-2]
    assert run("Neg", np.int8([-128]))[0].tolist() == [-128]


@given(st.integers(-20, 20), st.integers(-20, 20))
def test_integer_division_rounds_towards_zero(a: int, b: int) -> None:
    assume(b != 0)
    assert run("Div", np.int64([a]), np.int64([b]))[0].tolist() == [int(a / b)]


def test_scalars_stay_arrays_of_their_dtype() -> None:
    for array in (np.float32(2), np.int64(2), ml_dtypes.bfloat16(2)):
        (found,) = run("Mul", array, array)
        assert isinstance(found, np.ndarray)
        assert (found.shape, found.dtype, float(found)) == ((), np.asarray(array).dtype, 4.0)


@pytest.mark.parametrize("narrow", [np.float16, ml_dtypes.bfloat16])
def test_sums_of_narrow_floats_are_rounded_once(narrow: Any) -> None:
    """4096 ones sum to 4096, where adding one by one would stop at 2048 or 256."""
    ones = np.ones((1, 4096), narrow)
    for (found,) in (
        run("ReduceSum", ones, np.array([1])),
        run("MatMul", ones, ones.T),
        run("Gemm", ones, ones.T),
        run("Einsum", ones, ones, equation="ij,ij->i"),
    ):
        assert found.dtype == narrow
        assert float(found.ravel()[0]) == 4096.0


def test_casts_truncate_and_round_to_even() -> None:
    assert run("Cast", np.float32([1.9, -1.9]), to="int32")[0].tolist() == [1, -1]
    assert run("Cast", np.float32([2049, 2051]), to="float16")[0].tolist() == [2048, 2052]
    assert run("Cast", np.float32([0, 0.1, -2]), to="bool")[0].tolist() == [False, True, True]
    assert run("Cast", np.float32([500]), to="float8e4m3fn")[0].astype(float).tolist() == [448.0]


# --- against torch ----------------------------------------------------------------------------

small = st.integers(1, 3)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 3), small, small, small, st.integers(0, 2), st.sampled_from([1, 2]))
def test_convolutions_are_torchs(
    rank: int, kernel: int, stride: int, dilation: int, pad: int, group: int
) -> None:
    torch = pytest.importorskip("torch")
    size = 7
    x = GENERATOR.normal(size=(2, 2 * group, *(size,) * rank)).astype(np.float32)
    w = GENERATOR.normal(size=(4, 2, *(kernel,) * rank)).astype(np.float32)
    b = GENERATOR.normal(size=4).astype(np.float32)
    function = (torch.nn.functional.conv1d, torch.nn.functional.conv2d, torch.nn.functional.conv3d)[rank - 1]
    expected = function(*map(torch.from_numpy, (x, w, b)), stride, pad, dilation, group).numpy()
    (found,) = run(
        "Conv",
        x,
        w,
        b,
        strides=[stride] * rank,
        dilations=[dilation] * rank,
        pads=[pad] * (2 * rank),
        group=group,
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@settings(deadline=None, max_examples=80)
@given(st.integers(2, 3), small, st.integers(1, 2), st.integers(0, 1), st.booleans(), st.booleans())
def test_pools_are_torchs(
    kernel: int, stride: int, dilation: int, pad: int, ceil: bool, counted: bool
) -> None:
    torch = pytest.importorskip("torch")
    x = GENERATOR.normal(size=(2, 3, 8, 7)).astype(np.float32)
    common = {
        "kernel_shape": [kernel] * 2,
        "strides": [stride] * 2,
        "pads": [pad] * 4,
        "ceil_mode": int(ceil),
    }
    values, indices = torch.nn.functional.max_pool2d(
        torch.from_numpy(x), kernel, stride, pad, dilation, ceil, return_indices=True
    )
    found, places = run("MaxPool", x, dilations=[dilation] * 2, **common)
    np.testing.assert_array_equal(found, values.numpy())
    planes = np.arange(6).reshape(2, 3, 1, 1) * 56  # torch counts within a plane, ONNX through all
    np.testing.assert_array_equal(places, indices.numpy() + planes)
    mean = torch.nn.functional.avg_pool2d(torch.from_numpy(x), kernel, stride, pad, ceil, counted)
    (found,) = run("AveragePool", x, count_include_pad=int(counted), **common)
    np.testing.assert_allclose(found, mean.numpy(), rtol=1e-5, atol=1e-6)


@settings(max_examples=50)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8), st.booleans(), st.data())
def test_top_k_keeps_the_order_of_ties(values: list[int], largest: bool, data: Any) -> None:
    count = data.draw(st.integers(0, len(values)))
    order = sorted(range(len(values)), key=lambda i: -values[i] if largest else values[i])[:count]
    found, indices = run("TopK", np.float32(values), np.array([count]), largest=int(largest))
    assert indices.tolist() == order
    assert found.tolist() == [values[i] for i in order]


def test_functions_do_not_overflow() -> None:
    x = np.float32([-1000, 0, 1000])
    assert run("Sigmoid", x)[0].tolist() == [0, 0.5, 1]
    assert run("Softplus", x)[0].tolist() == [0, pytest.approx(np.log(2)), 1000]
    assert run("Softmax", x)[0].tolist() == [0, 0, 1]
    assert run("ReduceLogSumExp", x, keepdims=0)[0] == 1000


# --- linear algebra of our domain -------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(0, 2**16))
def test_linear_algebra_is_scipys(size: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    root = generator.normal(size=(2, size, size))
    matrix = root @ root.transpose(0, 2, 1) + size * np.eye(size)
    right = generator.normal(size=(2, size, 3))
    lower = np.linalg.cholesky(matrix)
    expected = {
        "Cholesky": [scipy.linalg.cholesky(m, lower=True) for m in matrix],
        "LogDetSPD": [np.log(scipy.linalg.det(m)) for m in matrix],
        "Solve": [scipy.linalg.solve(m, r) for m, r in zip(matrix, right, strict=True)],
        "SolveSPD": [scipy.linalg.cho_solve((c, True), r) for c, r in zip(lower, right, strict=True)],
        "TriangularSolve": [
            scipy.linalg.solve_triangular(c, r, lower=True) for c, r in zip(lower, right, strict=True)
        ],
    }
    for name, wanted in expected.items():
        first = lower if name == "TriangularSolve" else matrix
        operands = [first] if name in ("Cholesky", "LogDetSPD") else [first, right]
        (found,) = run(name, *operands, domain="graphwright")
        np.testing.assert_allclose(found, np.stack(wanted), rtol=1e-9, atol=1e-9)


def test_a_matrix_that_is_not_positive_definite_gives_nan() -> None:
    matrices = np.stack([np.eye(2), -np.eye(2)])
    (found,) = run("Cholesky", matrices, domain="graphwright")
    assert np.array_equal(found[0], np.eye(2))
    assert np.isnan(found[1]).all()
    (found,) = run("Solve", np.zeros((2, 2)), np.ones((2, 1)), domain="graphwright")
    assert np.isnan(found).all()


# --- walking ----------------------------------------------------------------------------------

X = leaf("Input", "x", TensorType(FLOAT32, (symbol("B"), 3)))
W = leaf("Parameter", "w", TensorType(FLOAT32, (3, 4)))
HIDDEN = apply("Tanh", apply("MatMul", X, W))
OUTPUT = apply("ReduceSum", apply("Mul", HIDDEN, HIDDEN), constant([1]), keepdims=0)
FEEDS = {
    "x": GENERATOR.normal(size=(5, 3)).astype(np.float32),
    "w": GENERATOR.normal(size=(3, 4)).astype(np.float32),
}
GIVEN = {X: FEEDS["x"], W: FEEDS["w"]}


def test_inner_values_may_be_given_instead_of_leaves() -> None:
    hidden = GENERATOR.normal(size=(5, 4)).astype(np.float32)
    found, same = ReferenceEvaluator().evaluate([OUTPUT, HIDDEN], {HIDDEN: hidden})
    np.testing.assert_allclose(found, (hidden**2).sum(1), rtol=1e-6)
    assert same is hidden


def test_a_missing_leaf_is_named() -> None:
    with pytest.raises(KeyError, match="parameter 'w'"):
        ReferenceEvaluator().evaluate([OUTPUT], {X: FEEDS["x"]})


def test_a_value_is_dropped_after_its_last_use() -> None:
    value = leaf("Input", "big", TensorType(FLOAT32, (2**18,)))
    chained = value
    for _ in range(40):
        chained = apply("Tanh", chained)
    array = np.ones(2**18, np.float32)
    tracemalloc.start()
    ReferenceEvaluator().evaluate([chained], {value: array})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * array.nbytes


def test_a_long_chain_needs_no_recursion() -> None:
    value = given_leaf("s", np.float32(0))
    chained = value
    for _ in range(5000):
        chained = apply("Add", chained, constant(1.0, "float32"))
    assert ReferenceEvaluator().evaluate([chained], {value: np.float32(0)})[0] == 5000


# --- the shadow run ---------------------------------------------------------------------------


def test_the_shadow_run_is_in_float64() -> None:
    (found,) = ReferenceEvaluator().evaluate([OUTPUT], GIVEN, float64=True)
    hidden = np.tanh(FEEDS["x"].astype(np.float64) @ FEEDS["w"].astype(np.float64))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, (hidden**2).sum(1), rtol=1e-14)


def test_casts_and_constants_of_a_shadow_run_do_not_round() -> None:
    third = apply("Div", apply("Cast", constant([1]), to="float32"), constant([3.0], "float32"))
    halved = apply("Cast", apply("Cast", third, to="float16"), to="bfloat16")
    like = apply("CastLike", halved, constant([0.0], "float16"))
    shaped = apply("Add", like, apply("ConstantOfShape", constant([1]), value=np.zeros(1, np.float16)))
    (found,) = ReferenceEvaluator().evaluate([shaped], {}, float64=True)
    assert found.tolist() == [1 / 3]
    (rounded,) = ReferenceEvaluator().evaluate([shaped], {})
    assert float(rounded[0]) != 1 / 3


def test_a_shadow_run_keeps_integers_and_codes() -> None:
    x = given_leaf("q", np.zeros(3, np.float32))
    coded = apply("QuantizeLinear", x, constant(0.1, "float32"), constant(0, "int8"))
    code = apply("Cast", x, to="float8e4m3fn")
    array = np.float32([0.31, -0.24, 0.07])
    integers, floats = ReferenceEvaluator().evaluate([coded, code], {x: array}, float64=True)
    assert (integers.dtype, integers.tolist()) == (np.int8, [3, -2, 1])
    assert floats.dtype == ml_dtypes.float8_e4m3fn


SHADOWED: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "LayerNormalization": ([GENERATOR.normal(size=(2, 6)), np.ones(6)], {}),
    "RMSNormalization": ([GENERATOR.normal(size=(2, 6)), np.ones(6)], {}),
    "LSTM": ([GENERATOR.normal(size=s) for s in ((3, 2, 4), (1, 8, 4), (1, 8, 2))], {"hidden_size": 2}),
    "Attention": ([GENERATOR.normal(size=(1, 2, 3, 4)) for _ in range(3)], {}),
    "ConvTranspose": ([GENERATOR.normal(size=s) for s in ((1, 2, 5), (2, 3, 3))], {}),
    "LRN": ([GENERATOR.normal(size=(1, 4, 3))], {"size": 3}),
    "Gelu": ([GENERATOR.normal(size=5)], {}),
    "Range": ([np.array(0.1), np.array(0.9), np.array(0.1)], {}),
}


@pytest.mark.parametrize("name", sorted(SHADOWED))
def test_a_shadow_run_is_much_nearer_to_float64(name: str) -> None:
    """Operators without a kernel here go through the standard's reference, in float64 too."""
    arrays, attributes = SHADOWED[name]
    narrow = [a.astype(np.float32) for a in arrays]
    leaves = [given_leaf(f"n{i}", a) for i, a in enumerate(narrow)]
    exact_leaves = [given_leaf(f"e{i}", a.astype(np.float64)) for i, a in enumerate(narrow)]
    shadow = ReferenceEvaluator().evaluate(
        [apply(name, *leaves, **attributes)], dict(zip(leaves, narrow, strict=True)), float64=True
    )[0]
    exact = ReferenceEvaluator().evaluate(
        [apply(name, *exact_leaves, **attributes)],
        {v: a.astype(np.float64) for v, a in zip(exact_leaves, narrow, strict=True)},
    )[0]
    assert shadow.dtype == np.float64
    np.testing.assert_allclose(shadow, exact, rtol=1e-12, atol=1e-13)


# --- bodies -----------------------------------------------------------------------------------


def fibonacci(limit: int | None, largest: int) -> list[Any]:
    """Carries (a, b) to (b, a + b) while b < largest, and stacks b."""
    vector = TensorType(INT64, ())
    inside = [
        argument(0, vector),
        argument(1, TensorType(BOOL, ())),
        *(argument(i, vector) for i in (2, 3, 4)),
    ]
    _, _, a, b, top = inside
    total = apply("Add", a, b)
    body = Graph(tuple(inside), (apply("Less", total, top), b, total, b))
    first, second, bound = (leaf("Input", n, vector) for n in "abm")
    count = None if limit is None else constant(limit)
    outputs = apply_all("Loop", count, None, first, second, bound, body=body, captures=1, outputs=3)
    given = {first: np.array(0), second: np.array(1), bound: np.array(largest)}
    return [x.tolist() for x in ReferenceEvaluator().evaluate(outputs, given)]


def test_a_loop_ends_by_its_condition_or_its_count() -> None:
    assert fibonacci(None, 30) == [21, 34, [1, 1, 2, 3, 5, 8, 13, 21]]
    assert fibonacci(4, 30) == [3, 5, [1, 1, 2, 3]]
    assert fibonacci(0, 30) == [0, 1, []]


@pytest.mark.parametrize("turned", [0, 1])
@pytest.mark.parametrize("backward", [0, 1])
def test_a_scan_is_a_python_loop(backward: int, turned: int) -> None:
    row = TensorType(FLOAT32, (4,))
    state, piece, scale = argument(0, row), argument(1, row), argument(2, row)
    new = apply("Add", apply("Mul", state, scale), piece)
    body = Graph((state, piece, scale), (new, new))
    arrays = {
        n: GENERATOR.normal(size=s).astype(np.float32) for n, s in (("s", (4,)), ("x", (4, 6)), ("c", (4,)))
    }
    leaves = [given_leaf(n, a) for n, a in arrays.items()]
    outputs = apply_all(
        "Scan",
        *leaves,
        body=body,
        num_scan_inputs=1,
        captures=1,
        scan_input_axes=[1],
        scan_input_directions=[backward],
        scan_output_axes=[-1],
        scan_output_directions=[turned],
        outputs=2,
    )
    last, stacked = ReferenceEvaluator().evaluate(outputs, dict(zip(leaves, arrays.values(), strict=True)))
    expected, states = arrays["s"], []
    for i in range(6)[:: -1 if backward else 1]:
        expected = expected * arrays["c"] + arrays["x"][:, i]
        states.append(expected)
    np.testing.assert_array_equal(last, expected)
    np.testing.assert_array_equal(stacked, np.stack(states[:: -1 if turned else 1], axis=-1))


def test_only_the_branch_taken_is_evaluated() -> None:
    condition, value = leaf("Input", "c", TensorType(BOOL, ())), leaf("Input", "v", TensorType(INT64, (2,)))
    inside = argument(0, value.type)
    outside = Graph(
        (inside,), (apply("Gather", inside, apply("Add", apply("Gather", inside, constant(0)), constant(9))),)
    )
    kept = Graph((inside,), (apply("Gather", inside, constant(1)),))
    output = apply("If", condition, value, then_branch=kept, else_branch=outside)
    array = np.array([3, 4])
    assert ReferenceEvaluator().evaluate([output], {condition: np.array(True), value: array})[0] == 4
    with pytest.raises(IndexError):
        ReferenceEvaluator().evaluate([output], {condition: np.array(False), value: array})


# --- the backend ------------------------------------------------------------------------------


def program(output: Value = OUTPUT) -> Program:
    return Program("p", Graph((X, W), (output, HIDDEN)), ("y",), ("h",), Weights({"w": FEEDS["w"]}))


def test_the_backend_runs_a_program() -> None:
    executable = ReferenceBackend().load(program())
    found = executable.run({"x": FEEDS["x"]})
    expected = ReferenceEvaluator().evaluate([OUTPUT, HIDDEN], GIVEN)
    assert list(found) == ["y", "h"]
    np.testing.assert_array_equal(found["y"], expected[0])
    np.testing.assert_array_equal(found["h"], expected[1])


@pytest.mark.parametrize(
    ("feeds", "code"),
    [
        ({}, "G1339"),
        ({"x": FEEDS["x"].astype(np.float64)}, "G1330"),
        ({"x": FEEDS["x"][0]}, "G1341"),
    ],
)
def test_a_wrong_feed_is_a_diagnostic(feeds: dict[str, Any], code: str) -> None:
    with pytest.raises(SpecError) as caught:
        ReferenceBackend().load(program()).run(feeds)
    assert [d.code for d in caught.value.diagnostics] == [code]
    assert code in CODES


def test_operators_of_other_domains_are_refused_before_anything_runs() -> None:
    foreign = Operator(
        "com.example", "Twice", 1, (Formal("x"),), (Formal("y"),), infer=lambda call: [call.inputs[0].type]
    )
    output = make_node(foreign, (X,)).outputs[0]
    with pytest.raises(SpecError) as caught:
        ReferenceBackend().load(program(output))
    (diagnostic,) = caught.value.diagnostics
    assert "com.example.Twice" in diagnostic.message
    assert diagnostic.code in CODES
