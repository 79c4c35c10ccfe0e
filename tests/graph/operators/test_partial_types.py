"""Type rules where some sizes are unknown: what stays known is known, nothing else is claimed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphwright.graph.ir import Graph, Value, apply, apply_all, argument, constant, leaf, make_node
from graphwright.graph.operators import RuleError, operator
from graphwright.graph.types import (
    BOOL,
    DTYPES,
    FLOAT32,
    INT64,
    SequenceType,
    TensorType,
    symbol,
)
from graphwright.graph.types.refinement import covers
from graphwright.graph.types.types import Axes, Axis

N, C, K = (symbol(name) for name in "NCK")
_ = None


def x(*axes: Axis, dtype: Any = FLOAT32, name: str = "x") -> Value:
    return leaf("Input", f"{name}{len(axes)}", TensorType.of(dtype, axes))


def unranked(dtype: Any = FLOAT32) -> Value:
    return leaf("Input", "u", TensorType(dtype, None))


def ints(*values: int) -> Value:
    return constant(list(values), "int64")


def vector(length: Axis, dtype: Any = INT64) -> Value:
    """A vector of unknown content."""
    return x(length, dtype=dtype, name="v")


def sizes(*known: Axis) -> Value:
    """An int64 vector of which some elements are known."""
    return argument(0, TensorType(INT64, (len(known),)), known)


def second(name: str, *inputs: Value | None, **attributes: Any) -> Value:
    return apply_all(name, *inputs, **attributes)[1]


RESULTS: list[tuple[str, Any, Axes | None]] = [
    ("non-zero", lambda: apply("NonZero", x(N, C)), (2, _)),
    ("non-zero of nothing", lambda: apply("NonZero", x(N, 0)), (2, 0)),
    ("compress", lambda: apply("Compress", x(N, C), vector(N, BOOL), axis=1), (N, _)),
    ("compress of a flat tensor", lambda: apply("Compress", unranked(), vector(N, BOOL)), (_,)),
    ("unique", lambda: apply("Unique", x(N, C), axis=0), (_, C)),
    ("unique of one", lambda: apply("Unique", x(1, 1)), (1,)),
    ("suppression", lambda: apply("NonMaxSuppression", x(N, K, 4), x(N, C, K, name="s"), ints(3)), (_, 3)),
    ("top k", lambda: apply("TopK", x(N, C), vector(1), axis=1), (N, _)),
    ("one-hot", lambda: apply("OneHot", x(N, dtype=INT64), vector(1), x(2), axis=0), (_, N)),
    ("range", lambda: apply("Range", *(x(dtype=INT64, name=n) for n in "abc")), (_,)),
    ("slice", lambda: apply("Slice", x(N, C, 4), vector(1), vector(1), ints(1)), (N, _, 4)),
    ("slice of one end", lambda: apply("Slice", x(N, 9), sizes(0, 0), sizes(_, 5), ints(0, 1)), (_, 5)),
    ("slice anywhere", lambda: apply("Slice", x(N, 0), vector(1), vector(1), vector(1)), (_, 0)),
    ("slice of unknown", lambda: apply("Slice", x(_, C), ints(0), ints(3), ints(0)), (_, C)),
    ("reshape of known length", lambda: apply("Reshape", x(N, C), vector(3)), (_, _, _)),
    ("reshape of unknown length", lambda: apply("Reshape", x(N, C), vector(N)), None),
    ("reshape in part", lambda: apply("Reshape", x(N, 12), sizes(_, 3)), (4 * N, 3)),
    ("reshape by a symbol", lambda: apply("Reshape", x(N, 12), sizes(N, _)), (N, 12)),
    ("reshape that may be empty", lambda: apply("Reshape", x(N, 0), sizes(0, 0, _)), (N, 0, _)),
    ("reshape of unknown", lambda: apply("Reshape", x(_, 4), ints(-1, 2)), (_, 2)),
    ("reshape keeps", lambda: apply("Reshape", x(_, C, 4), ints(0, 0, 2, 2)), (_, C, 2, 2)),
    ("reshape without rank", lambda: apply("Reshape", unranked(), ints(0, -1, 2)), (_, _, 2)),
    ("expand", lambda: apply("Expand", x(3, 1, N), vector(3)), (3, _, _)),
    ("expand in part", lambda: apply("Expand", x(1, C), sizes(_, N, 1)), (_, N, C)),
    ("tile", lambda: apply("Tile", x(N, 0), vector(2)), (_, 0)),
    ("tile in part", lambda: apply("Tile", x(N, C), sizes(2, _)), (2 * N, _)),
    ("pad", lambda: apply("Pad", x(N, C), vector(4)), (_, _)),
    ("pad some axes", lambda: apply("Pad", x(N, C), vector(2), None, ints(1)), (N, _)),
    ("resize by scales", lambda: apply("Resize", x(N, C, 4, 4), None, x(4)), (_, _, _, _)),
    ("resize some axes", lambda: apply("Resize", x(N, C, 4), None, None, vector(1), axes=[2]), (N, C, _)),
    ("constant of shape", lambda: apply("ConstantOfShape", sizes(N, _)), (N, _)),
    ("shape", lambda: apply("Shape", x(N, _, C)), (3,)),
    ("broadcast with 1", lambda: apply("Add", x(_, 3), x(1, name="y")), (_, 3)),
    ("broadcast with a number", lambda: apply("Add", x(_, _), x(4, name="y")), (_, 4)),
    ("broadcast with what may be 1", lambda: apply("Add", x(_), x(N, name="y")), (_,)),
    ("broadcast with 2 N", lambda: apply("Add", x(_), x(2 * N, name="y")), (2 * N,)),
    ("broadcast with nothing", lambda: apply("Add", x(_), x(0, name="y")), (0,)),
    ("broadcast of two", lambda: apply("Add", x(_), x(_, name="y")), (_,)),
    ("comparison", lambda: apply("Less", x(_, 3), x(_, 3, name="y")), (_, 3)),
    ("matrix product", lambda: apply("MatMul", x(_, K), x(K, N, name="y")), (_, N)),
    ("matrix product on trust", lambda: apply("MatMul", x(N, _), x(K, C, name="y")), (N, C)),
    ("gemm without ranks", lambda: apply("Gemm", unranked(), x(K, N), transB=1), (_, K)),
    ("einsum", lambda: apply("Einsum", x(N, _), x(K, C, name="y"), equation="ij,jk->ki"), (C, N)),
    ("gather", lambda: apply("Gather", x(N, C), x(_, 3, dtype=INT64, name="i"), axis=1), (N, _, 3)),
    ("gather rows", lambda: apply("GatherND", x(N, C, 4), x(_, 2, dtype=INT64, name="i")), (_, 4)),
    ("gather elements", lambda: apply("GatherElements", x(N, C), unranked(INT64)), (_, _)),
    ("concat", lambda: apply("Concat", x(_, 3), x(N, _, name="y"), axis=0), (_, 3)),
    ("concat beside", lambda: apply("Concat", x(_, 3), x(N, 4, name="y"), axis=1), (N, 7)),
    ("concat without a rank", lambda: apply("Concat", unranked(), x(N, 4), axis=0), (_, 4)),
    ("split", lambda: apply_all("Split", x(N, C), vector(2), outputs=2, axis=1)[0], (N, _)),
    ("split in part", lambda: apply_all("Split", x(N, C), sizes(2, _), axis=1)[0], (N, 2)),
    ("squeeze", lambda: apply("Squeeze", x(_, C, 1), ints(0, 2)), (C,)),
    ("squeeze anywhere", lambda: apply("Squeeze", x(N, 1, 1), vector(2)), (_,)),
    ("unsqueeze", lambda: apply("Unsqueeze", x(_, C), ints(1)), (_, 1, C)),
    ("unsqueeze anywhere", lambda: apply("Unsqueeze", x(N), vector(1)), (_, _)),
    ("flatten", lambda: apply("Flatten", x(_, C, 0), axis=1), (_, 0)),
    ("transpose", lambda: apply("Transpose", x(_, C, 4)), (4, C, _)),
    ("reduction", lambda: apply("ReduceSum", x(_, C), ints(0), keepdims=0), (C,)),
    ("reduction anywhere", lambda: apply("ReduceSum", x(N, C), vector(1)), (_, _)),
    ("reduction of as many", lambda: apply("ReduceSum", x(N, C, 3), vector(2), keepdims=0), (_,)),
    ("reduction of who knows how many", lambda: apply("ReduceSum", x(N, C), vector(N), keepdims=0), None),
    ("argmax", lambda: apply("ArgMax", x(_, C), axis=1, keepdims=0), (_,)),
    ("softmax", lambda: apply("Softmax", x(_, C)), (_, C)),
    ("convolution", lambda: apply("Conv", x(_, 3, _, 8), x(5, 3, 3, 3, name="w")), (_, 5, _, 6)),
    ("pooling", lambda: apply("MaxPool", x(N, C, _), kernel_shape=[2], strides=[2]), (N, C, _)),
    ("pooling without a rank", lambda: apply("MaxPool", unranked(), kernel_shape=[2, 2]), (_, _, _, _)),
    (
        "regions",
        lambda: apply(
            "RoiAlign", x(1, C, 8, 8), x(_, 4), vector(_), output_height=2, output_width=3, mode="max"
        ),
        (_, C, 2, 3),
    ),
    ("columns", lambda: apply("Col2Im", x(N, C, 9), vector(2), ints(3, 3)), (N, C // 9, _, _)),
    ("transform", lambda: apply("DFT", x(N, 8, 1), None, vector(1)), (N, 8, 2)),
    ("quantized", lambda: apply("QuantizeLinear", x(_, C), x(), None), (_, C)),
    ("cast", lambda: apply("Cast", x(_, C), to=INT64.code), (_, C)),
    ("random", lambda: apply("Bernoulli", x(_, C)), (_, C)),
    ("layer norm", lambda: second("LayerNormalization", x(_, C, 4), x(4), axis=-1), (_, C, 1)),
    ("split strings", lambda: apply("StringSplit", x(N, dtype=DTYPES["string"])), (N, _)),
    ("image", lambda: apply("ImageDecoder", vector(N, DTYPES["uint8"])), (_, _, 3)),
]


@pytest.mark.parametrize(("build", "axes"), [r[1:] for r in RESULTS], ids=[r[0] for r in RESULTS])
def test_what_is_known_stays_known(build: Any, axes: Axes | None) -> None:
    assert build().tensor.axes == axes


def test_the_known_sizes_of_a_shape_are_content() -> None:
    assert apply("Shape", x(N, _, C)).known == (N, _, C)
    assert apply("Shape", x(_, _)).known is None
    assert apply("Size", x(N, _)).known is None
    assert apply("Gather", apply("Shape", x(N, _, C)), constant(2, "int64")).known == (C,)


@pytest.mark.parametrize(
    "build",
    [
        lambda: apply("Add", x(_, 3), x(_, 4, name="y")),
        lambda: apply("Concat", x(_, 3), x(_, 4, name="y"), axis=0),
        lambda: apply("MatMul", x(_, 3), x(4, _, name="y")),
        lambda: apply("Transpose", x(_, _), perm=[0]),
        lambda: apply("Conv", x(_, 4, _, _), x(5, 3, 3, 3, name="w")),
    ],
)
def test_what_is_wrong_whatever_is_unknown_is_refused(build: Any) -> None:
    with pytest.raises(RuleError):
        build()


def test_elements_of_a_sequence_share_what_is_known() -> None:
    found = apply("SequenceConstruct", x(N, 3), x(C, 3, name="y"))
    assert found.type == SequenceType(TensorType.of(FLOAT32, (_, 3)))
    assert apply("SequenceAt", found, constant(0, "int64")).tensor.axes == (_, 3)
    assert apply("ConcatFromSequence", found, axis=0).tensor.axes == (_, 3)
    assert apply("ConcatFromSequence", found, axis=0, new_axis=1).tensor.axes == (_, _, 3)
    parts = apply("SplitToSequence", x(N, 3), vector(2), axis=0)
    assert parts.type == SequenceType(TensorType.of(FLOAT32, (_, 3)))


def branches(*results: Axes) -> list[Graph]:
    found = []
    for k, axes in enumerate(results):
        inner = argument(k, TensorType.of(FLOAT32, axes))
        inputs = [argument(i, TensorType.of(FLOAT32, results[i])) for i in range(len(results))]
        found.append(Graph(tuple(inputs), (inner,)))
    return found


def test_branches_share_what_is_known() -> None:
    then, other = branches((N, 3), (C, 3))
    captures = [x(N, 3), x(C, 3, name="y")]
    inputs = (x(dtype=BOOL), *captures)
    node = make_node(operator("If"), inputs, {"then_branch": then, "else_branch": other})
    assert node.outputs[0].tensor.axes == (_, 3)


def loop(carried: Axes, after: Axes, piece: Axes) -> Value:
    """The stacked result of a Loop whose condition data decide, over one carried value."""
    types = [TensorType(INT64, ()), TensorType(BOOL, ()), *(TensorType.of(FLOAT32, a) for a in (carried,))]
    extra = [TensorType.of(FLOAT32, after), TensorType.of(FLOAT32, piece)]
    arguments = tuple(argument(i, t) for i, t in enumerate((*types, *extra)))
    body = Graph(arguments, (arguments[1], arguments[3], arguments[4]))
    captured = [leaf("Input", f"c{i}", t) for i, t in enumerate(extra)]
    start = leaf("Input", "s", TensorType.of(FLOAT32, carried))
    inputs = (None, x(dtype=BOOL), start, *captured)
    return make_node(operator("Loop"), inputs, {"body": body, "captures": 2}).outputs[1]


def test_a_loop_stacks_what_each_step_knows() -> None:
    assert loop((N,), (N,), (C, 3)).tensor.axes == (_, C, 3)
    assert loop((_, 3), (N, 3), (C,)).tensor.axes == (_, C)  # a carried value may know more after a step


def test_a_carried_value_may_not_know_less_after_a_step() -> None:
    with pytest.raises(RuleError, match="becomes"):
        loop((N, 3), (_, 3), (C,))


def test_an_argument_may_know_less_than_its_operand_and_never_more() -> None:
    def run(declared: Axes, given: Axes) -> Value:
        inner = argument(0, TensorType.of(FLOAT32, declared))
        body = Graph((inner,), (inner,))
        inputs = (x(dtype=BOOL), leaf("Input", "g", TensorType.of(FLOAT32, given)))
        return make_node(operator("If"), inputs, {"then_branch": body, "else_branch": body}).outputs[0]

    assert run((_, 3), (N, 3)).tensor.axes == (_, 3)
    with pytest.raises(RuleError):
        run((N, 3), (_, 3))


# --- broadcasting against NumPy -----------------------------------------------------------------

lengths = st.integers(0, 3)


@given(st.lists(st.lists(st.tuples(lengths, st.booleans()), max_size=3), min_size=2, max_size=3))
def test_broadcasting_covers_numpys_result(shapes: list[list[tuple[int, bool]]]) -> None:
    """Whatever is forgotten of the shapes, the true result is among what the type allows."""
    try:
        expected = np.broadcast_shapes(*(tuple(n for n, _ in shape) for shape in shapes))
    except ValueError:
        return
    operands = [
        x(*(n if known else None for n, known in shape), name=f"p{i}") for i, shape in enumerate(shapes)
    ]
    assert covers(apply("Max", *operands).type, TensorType(FLOAT32, tuple(int(n) for n in expected)))
