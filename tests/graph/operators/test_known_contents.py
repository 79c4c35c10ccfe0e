"""Known-value rules: what they say of small integer tensors is what evaluation gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from graphwright.backends.reference import evaluate_node
from graphwright.graph.ir import Value, apply, apply_all, argument, constant, leaf
from graphwright.graph.operators.rules import KNOWN_RULES
from graphwright.graph.types import BOOL, FLOAT32, INT64, TensorType, symbol
from graphwright.graph.types.dimensions import evaluate

Operands = list[Any]
Builder = Callable[[Any], tuple[Operands, dict[str, Any]]]

numbers = st.integers(-9, 9)
positive = st.integers(1, 9)


@st.composite
def arrays(draw: Any, elements: Any = numbers, max_rank: int = 2, min_rank: int = 0) -> np.ndarray[Any, Any]:
    shape = draw(st.lists(st.integers(1, 3), min_size=min_rank, max_size=max_rank))
    size = int(np.prod(shape, dtype=int))
    content = draw(st.lists(elements, min_size=size, max_size=size))
    return np.array(content, dtype=np.int64).reshape(shape)


@st.composite
def pairs(draw: Any, low: Any = numbers, high: Any = numbers) -> tuple[Any, Any]:
    """Two arrays of one shape, or the second a scalar."""
    first = draw(arrays(low))
    second = draw(st.lists(high, min_size=first.size, max_size=first.size))
    if draw(st.booleans()) and second:
        return first, np.array(second[0], dtype=np.int64)
    return first, np.array(second, dtype=np.int64).reshape(first.shape)


def axis_of(array: np.ndarray[Any, Any]) -> Any:
    return st.integers(-array.ndim, array.ndim - 1)


@st.composite
def with_axis(draw: Any, min_rank: int = 1) -> tuple[Any, int]:
    array = draw(arrays(min_rank=min_rank))
    return array, draw(axis_of(array))


def i64(*values: int) -> np.ndarray[Any, Any]:
    return np.array(values, dtype=np.int64)


BINARY = ("Add", "Sub", "Mul", "Max", "Min", "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual")
BITS = ("BitwiseAnd", "BitwiseOr", "BitwiseXor")
UNARY = ("Abs", "Neg", "Sign", "Relu", "Identity")
TRUTH = ("And", "Or", "Xor")

CASES: dict[str, Any] = {
    **{name: pairs().map(lambda p: (list(p), {})) for name in (*BINARY, *BITS)},
    **{name: arrays().map(lambda a: ([a], {})) for name in UNARY},
    **{name: pairs().map(lambda p: ([p[0] > 0, p[1] > 0], {})) for name in TRUTH},
    "Not": arrays().map(lambda a: ([a > 0], {})),
    "Div": pairs(numbers, positive).map(lambda p: ([p[0], p[1] * (1 - 2 * (p[1] % 2))], {})),
    "Mod": st.tuples(pairs(numbers, positive), st.integers(0, 1)).map(
        lambda t: ([t[0][0], t[0][1] * (1 - 2 * (t[0][1] % 2))], {"fmod": t[1]})
    ),
    "Pow": pairs(numbers, st.integers(0, 5)).map(lambda p: (list(p), {})),
    "Cast": st.tuples(arrays(), st.sampled_from(["int8", "int32", "bool"])).map(
        lambda t: ([t[0]], {"to": t[1]})
    ),
    "CastLike": st.tuples(arrays(), arrays()).map(lambda t: ([t[0], t[1] > 0], {})),
    "Clip": st.tuples(arrays(), arrays(max_rank=0), arrays(max_rank=0)).map(lambda t: (list(t), {})),
    "Where": pairs().map(lambda p: ([p[0] > 0, p[0], p[1]], {})),
    "Shape": arrays().map(lambda a: ([a], {})),
    "Size": arrays().map(lambda a: ([a], {})),
    "Concat": with_axis().map(lambda t: ([t[0], t[0] + 1], {"axis": t[1]})),
    "Gather": st.tuples(with_axis(), st.lists(st.integers(0, 2), max_size=3)).map(
        lambda t: ([t[0][0], i64(*t[1]) % t[0][0].shape[t[0][1]]], {"axis": t[0][1]})
    ),
    "GatherElements": with_axis().map(lambda t: ([t[0], np.abs(t[0]) % t[0].shape[t[1]]], {"axis": t[1]})),
    "Slice": st.tuples(with_axis(), numbers, numbers, st.sampled_from([1, 2, -1, -2])).map(
        lambda t: ([t[0][0], i64(t[1]), i64(t[2]), i64(t[0][1]), i64(t[3])], {})
    ),
    "Squeeze": arrays().map(lambda a: ([a[None], i64(0)], {})),
    "Unsqueeze": arrays().map(lambda a: ([a, i64(0, -1)], {})),
    "Reshape": arrays(min_rank=1).map(lambda a: ([a, i64(-1, a.shape[0])], {})),
    "Flatten": arrays(min_rank=1).map(lambda a: ([a], {})),
    "Transpose": arrays().map(lambda a: ([a], {})),
    "Expand": arrays(max_rank=1).map(lambda a: ([a, i64(3, 1)], {})),
    "Tile": arrays(min_rank=2).map(lambda a: ([a, i64(2, 3)], {})),
    "Pad": st.tuples(arrays(min_rank=1, max_rank=1), st.integers(0, 2), numbers).map(
        lambda t: ([t[0], i64(t[1], 1), np.array(t[2])], {})
    ),
    "ReduceSum": with_axis().map(lambda t: ([t[0], i64(t[1])], {"keepdims": 0})),
    "ReduceProd": with_axis().map(lambda t: ([t[0], i64(t[1])], {})),
    "ReduceMax": arrays().map(lambda a: ([a], {"keepdims": 0})),
    "ReduceMin": with_axis().map(lambda t: ([t[0], i64(t[1])], {})),
    "CumSum": st.tuples(arrays(min_rank=1, max_rank=1), st.booleans(), st.booleans()).map(
        lambda t: ([t[0], np.array(0)], {"reverse": int(t[1]), "exclusive": int(t[2])})
    ),
    "CumProd": arrays(min_rank=1, max_rank=1).map(lambda a: ([a, np.array(0)], {})),
    "Range": st.tuples(numbers, numbers, st.sampled_from([-2, -1, 1, 3])).map(
        lambda t: ([np.array(v) for v in t], {})
    ),
    "ConstantOfShape": st.lists(st.integers(0, 3), max_size=2).map(lambda s: ([i64(*s)], {"value": i64(7)})),
    "Constant": arrays().map(lambda a: ([], {"value": a})),
    "Split": arrays(min_rank=1).map(
        lambda a: ([np.concatenate([a, a]), i64(a.shape[0], a.shape[0])], {"axis": 0})
    ),
}


def test_every_known_rule_is_tested() -> None:
    assert set(CASES) == set(KNOWN_RULES)


@pytest.mark.parametrize("name", sorted(CASES))
def test_contents_are_those_that_evaluation_gives(name: str) -> None:
    @settings(max_examples=40)
    @given(CASES[name])
    def check(case: tuple[Operands, dict[str, Any]]) -> None:
        operands, attributes = case
        values = apply_all(
            name, *map(constant, operands), outputs=2 if name == "Split" else None, **attributes
        )
        expected = evaluate_node(values[0].node, operands)
        for value, array in zip(values, expected, strict=True):
            assert value.tensor.dims == array.shape
            assert value.known == tuple(map(int, array.ravel().tolist()))

    check()


# --- symbols ----------------------------------------------------------------------------------

NAMES = ("a", "b", "c")
A, B, C = map(symbol, NAMES)
DIMENSIONS = (A, B, A + 1, 2 * B, A * B, A - B, C - 1, 3, 0, -2)


def vector(content: list[Any], index: int = 0) -> Value:
    return argument(index, TensorType(INT64, (len(content),)), tuple(content))


SYMBOLIC = sorted(
    (
        *BINARY,
        *UNARY,
        "Div",
        "Mod",
        "Pow",
        "Where",
        "Concat",
        "ReduceSum",
        "ReduceProd",
        "ReduceMax",
        "ReduceMin",
    )
)


def symbolic_call(name: str, left: list[Any], right: list[Any]) -> tuple[Value, ...]:
    first, second = vector(left, 0), vector(right, 1)
    if name in UNARY:
        return (first,)
    if name.startswith("Reduce"):
        return (first, constant([0]))
    if name == "Where":
        return (apply("Equal", first, second), first, second)
    return first, second


@pytest.mark.parametrize("name", SYMBOLIC)
def test_symbolic_contents_hold_for_every_size(name: str) -> None:
    """A content of symbols, with numbers put in, is the evaluation of those numbers."""

    @settings(max_examples=60)
    @given(
        st.lists(st.tuples(st.sampled_from(DIMENSIONS), st.sampled_from(DIMENSIONS)), min_size=1, max_size=4),
        st.fixed_dictionaries({n: st.integers(1, 6) for n in NAMES}),
    )
    def check(content: list[tuple[Any, Any]], numbers: dict[str, int]) -> None:
        left, right = (list(side) for side in zip(*content, strict=True))
        if name == "Pow":
            right = [k if isinstance(k, int) and k >= 0 else 2 for k in right]
        operands = symbolic_call(name, left, right)
        found = apply(name, *operands, **({"axis": 0} if name == "Concat" else {}))
        assume(found.known is not None)
        assert found.known is not None
        arrays = [evaluated(v, numbers) for v in operands]
        assume(not (name in ("Div", "Mod") and (arrays[1] <= 0).any()))
        (expected,) = evaluate_node(found.node, arrays)
        for ours, theirs in zip(found.known, expected.ravel().tolist(), strict=True):
            assert ours is None or evaluate(ours, numbers) == theirs

    check()


def evaluated(value: Value, numbers: dict[str, int]) -> np.ndarray[Any, Any]:
    if value.node.name == "Equal":
        left, right = (evaluated(v, numbers) for v in value.node.inputs if v is not None)
        return np.asarray(left == right)
    assert value.known is not None
    return i64(*(evaluate(k, numbers) for k in value.known if k is not None))


def test_shape_arithmetic_stays_symbolic() -> None:
    """Reshape(x, Concat(Shape(x)[0:1], [-1])), as exporters write it."""
    x = leaf("Input", "x", TensorType(FLOAT32, (A, B, 4)))
    shape = apply("Shape", x)
    first = apply("Unsqueeze", apply("Gather", shape, constant(0)), constant([0]))
    assert first.known == (A,)
    target = apply("Concat", first, constant([-1]), axis=0)
    assert target.known == (A, -1)
    assert apply("Reshape", x, target).tensor.dims == (A, 4 * B)


def test_the_expand_idiom_of_exporters_is_decided() -> None:
    """Expand(x, Where(Equal(shape, -1), ones, shape))."""
    x = leaf("Input", "x", TensorType(FLOAT32, (1, A)))
    shape = apply("Concat", vector([B]), constant([-1]), axis=0)
    ones = apply("ConstantOfShape", apply("Shape", shape), value=i64(1))
    chosen = apply("Where", apply("Equal", shape, constant([-1])), ones, shape)
    assert chosen.known == (B, 1)
    assert apply("Expand", x, chosen).tensor.dims == (B, A)


def test_one_unknown_element_leaves_the_others_known() -> None:
    unknown = leaf("Input", "u", TensorType(INT64, (1,)))
    both = apply("Concat", vector([A]), unknown, axis=0)
    assert both.known == (A, None)
    assert apply("Gather", both, constant(0)).known == (A,)
    assert apply("Add", both, constant([1])).known == (A + 1, None)


def test_a_value_that_would_wrap_around_is_not_known() -> None:
    large = constant([100], "int8")
    assert apply("Add", large, large).known is None
    assert apply("Mul", constant([2**62]), constant([4])).known is None
    assert apply("Sub", constant([1], "uint8"), constant([2], "uint8")).known is None


def test_large_tensors_are_not_tracked() -> None:
    assert apply("Range", constant(0), constant(64), constant(1)).known == tuple(range(64))
    assert apply("Range", constant(0), constant(65), constant(1)).known is None


def test_floats_have_no_content() -> None:
    assert apply("Cast", constant([1]), to="float32").known is None
    assert apply("Less", constant([1.0]), constant([2.0])).tensor.dtype is BOOL
