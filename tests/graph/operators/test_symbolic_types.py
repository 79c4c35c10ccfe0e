"""Type rules on symbolic shapes, against shapes written by hand from the standard's formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from graphwright.graph.ir import Graph, Value, apply, apply_all, argument, constant, leaf
from graphwright.graph.operators import RuleError
from graphwright.graph.types import BOOL, FLOAT32, INT64, Dimension, TensorType, symbol
from graphwright.graph.types.dimensions import evaluate, floor_divide, maximum, minimum

B, C, H, N, K, T = (symbol(name) for name in "BCHNKT")
END = 2**63 - 1


def x(*dims: Dimension, dtype: Any = FLOAT32) -> Value:
    return leaf("Input", f"x{len(dims)}", TensorType(dtype, dims))


def ints(*values: int) -> Value:
    return constant(list(values), "int64")


def sizes(*dims: Dimension) -> Value:
    """An int64 vector whose content is these dimensions."""
    return argument(0, TensorType(INT64, (len(dims),)), dims)


def scalar(dim: Dimension) -> Value:
    return argument(0, TensorType(INT64, ()), (dim,))


def sliced(value: Value, start: int, end: int, step: int = 1, axis: int = 0) -> Value:
    return apply("Slice", value, ints(start), ints(end), ints(axis), ints(step))


SHAPES: list[tuple[str, Any, tuple[Dimension, ...]]] = [
    ("broadcast of 1", lambda: apply("Add", x(B, 1, N), x(H, 1)), (B, H, N)),
    ("broadcast of ranks", lambda: apply("Less", x(N), x(B, N)), (B, N)),
    ("variadic", lambda: apply("Sum", x(N), x(B, 1), x(1)), (B, N)),
    ("where", lambda: apply("Where", x(B, 1, dtype=BOOL), x(N), x(1)), (B, N)),
    ("matrix product", lambda: apply("MatMul", x(B, H, N, K), x(H, K, T)), (B, H, N, T)),
    ("matrix by vector", lambda: apply("MatMul", x(B, N, K), x(K)), (B, N)),
    ("vector by matrix", lambda: apply("MatMul", x(K), x(B, K, N)), (B, N)),
    ("inner product", lambda: apply("MatMul", x(K), x(K)), ()),
    ("gemm", lambda: apply("Gemm", x(K, N), x(T, K), x(T), transA=1, transB=1), (N, T)),
    ("einsum", lambda: apply("Einsum", x(B, N, K), x(B, K, T), equation="bnk,bkt->btn"), (B, T, N)),
    ("einsum ellipsis", lambda: apply("Einsum", x(B, N, K), x(K, T), equation="...k,kt->...t"), (B, N, T)),
    ("einsum implicit", lambda: apply("Einsum", x(N, K), x(K, T), equation="ij,jk"), (N, T)),
    ("reshape -1", lambda: apply("Reshape", x(B, N, 4), ints(0, -1)), (B, 4 * N)),
    ("reshape split", lambda: apply("Reshape", x(B, 4 * N), sizes(B, -1, 2)), (B, 2 * N, 2)),
    ("reshape floor", lambda: apply("Reshape", x(B, N), ints(0, 2, -1)), (B, 2, floor_divide(N, 2))),
    ("flatten", lambda: apply("Flatten", x(B, C, H), axis=1), (B, C * H)),
    ("flatten 0", lambda: apply("Flatten", x(B, C), axis=0), (1, B * C)),
    ("transpose", lambda: apply("Transpose", x(B, C, H), perm=[0, 2, 1]), (B, H, C)),
    ("transpose all", lambda: apply("Transpose", x(B, C, H)), (H, C, B)),
    ("concat", lambda: apply("Concat", x(B, N), x(B, K), x(B, 3), axis=1), (B, N + K + 3)),
    ("squeeze", lambda: apply("Squeeze", x(B, 1, N, 1), ints(-1, 1)), (B, N)),
    ("unsqueeze", lambda: apply("Unsqueeze", x(B, N), ints(0, -1)), (1, B, N, 1)),
    ("expand", lambda: apply("Expand", x(1, N), sizes(B, 1)), (B, N)),
    ("tile", lambda: apply("Tile", x(B, N), ints(1, 3)), (B, 3 * N)),
    ("pad", lambda: apply("Pad", x(B, N), ints(0, 1, 0, 2)), (B, N + 3)),
    ("pad axes", lambda: apply("Pad", x(B, N), ints(2, 2), None, ints(1)), (B, N + 4)),
    ("slice rest", lambda: sliced(x(N), 1, END), (N - 1,)),
    ("slice head", lambda: sliced(x(N), 0, 5), (minimum(5, N),)),
    ("slice drop last", lambda: sliced(x(N), 0, -1), (N - 1,)),
    ("slice tail", lambda: sliced(x(N), -3, END), (minimum(N, 3),)),
    ("slice step", lambda: sliced(x(2 * N), 0, END, 2), (N,)),
    ("slice reverse", lambda: sliced(x(N), -1, -END, -1), (N,)),
    ("slice beyond", lambda: sliced(x(N), 4, END), (maximum(N - 4, 0),)),
    ("gather", lambda: apply("Gather", x(B, N, K), x(T, dtype=INT64), axis=1), (B, T, K)),
    ("gather nd", lambda: apply("GatherND", x(B, N, K), x(B, T, 1, dtype=INT64), batch_dims=1), (B, T, K)),
    ("reduce", lambda: apply("ReduceSum", x(B, N, K), ints(-1), keepdims=0), (B, N)),
    ("reduce keep", lambda: apply("ReduceMean", x(B, N, K), ints(1)), (B, 1, K)),
    ("reduce all", lambda: apply("ReduceMax", x(B, N), keepdims=0), ()),
    ("arg", lambda: apply("ArgMax", x(B, N), axis=1, keepdims=0), (B,)),
    ("top k", lambda: apply("TopK", x(B, N), sizes(K)), (B, K)),
    (
        "one hot",
        lambda: apply("OneHot", x(B, dtype=INT64), scalar(N), constant([0.0, 1.0], "float32")),
        (B, N),
    ),
    ("range", lambda: apply("Range", scalar(0), scalar(N), scalar(1)), (N,)),
    ("range step", lambda: apply("Range", scalar(0), scalar(2 * N), scalar(2)), (N,)),
    ("constant of shape", lambda: apply("ConstantOfShape", sizes(B, N)), (B, N)),
    ("convolution", lambda: apply("Conv", x(B, 3, H, H), x(8, 3, 3, 3)), (B, 8, H - 2, H - 2)),
    (
        "convolution stride",
        lambda: apply("Conv", x(B, C, 2 * H), x(8, C, 3), pads=[1, 1], strides=[2]),
        (B, 8, floor_divide(2 * H - 1, 2) + 1),
    ),
    ("convolution same", lambda: apply("Conv", x(B, C, H), x(8, C, 5), auto_pad="SAME_UPPER"), (B, 8, H)),
    (
        "convolution transposed",
        lambda: apply("ConvTranspose", x(B, C, H), x(C, 4, 4), strides=[2], pads=[1, 1]),
        (B, 4, 2 * H),
    ),
    ("max pool", lambda: apply("MaxPool", x(B, C, 2 * H), kernel_shape=[2], strides=[2]), (B, C, H)),
    ("global pool", lambda: apply("GlobalAveragePool", x(B, C, H, H)), (B, C, 1, 1)),
    (
        "resize",
        lambda: apply("Resize", x(B, C, H), None, constant([1.0, 1.0, 2.0], "float32")),
        (B, C, 2 * H),
    ),
    ("depth to space", lambda: apply("DepthToSpace", x(B, 4 * C, H, N), blocksize=2), (B, C, 2 * H, 2 * N)),
    ("attention", lambda: apply("Attention", x(B, H, T, K), x(B, H, N, K), x(B, H, N, C)), (B, H, T, C)),
    ("lstm", lambda: apply("LSTM", x(T, B, N), x(1, 4 * K, N), x(1, 4 * K, K)), (T, 1, B, K)),
    ("dft", lambda: apply("DFT", x(B, N, 1), onesided=1), (B, floor_divide(N, 2) + 1, 2)),
]


@pytest.mark.parametrize(("build", "dims"), [row[1:] for row in SHAPES], ids=[row[0] for row in SHAPES])
def test_symbolic_shapes(build: Any, dims: tuple[Dimension, ...]) -> None:
    assert build().tensor.dims == dims


REFUSED: list[tuple[str, Any, str]] = [
    (
        "G0401",
        lambda: apply("Add", x(B, N), x(B, K)),
        "cannot prove N == K for float32[B, N] and float32[B, K]",
    ),
    ("G0401", lambda: apply("Add", x(B, 3), x(B, 4)), "3 is not 4"),
    ("G0401", lambda: apply("Add", x(N), x(4)), "cannot prove N == 4"),
    ("G0401", lambda: apply("MatMul", x(B, N), x(K, N)), "cannot prove N == K"),
    ("G0401", lambda: apply("Concat", x(B, N), x(H, N), axis=1), "cannot prove B == H"),
    ("G0401", lambda: apply("Conv", x(B, 3, H, H), x(8, 4, 3, 3)), "has 3 channels, the kernel takes 4"),
    ("G0401", lambda: apply("Expand", x(B, N), ints(2, 3)), "N == 3"),
    ("G0401", lambda: apply("Squeeze", x(B, N), ints(1)), "cannot prove N == 1"),
    ("G0401", lambda: apply("Einsum", x(B, N), x(K, T), equation="ij,jk->ik"), "cannot prove N == K"),
    ("G0401", lambda: apply("LayerNormalization", x(B, N), x(K)), "cannot prove K == N"),
    ("G0402", lambda: apply("Reshape", x(4, 4), ints(3, 5)), "16 elements don't make 15"),
    ("G0402", lambda: apply("Reshape", x(4, 4), ints(3, -1)), "not divisible"),
    ("G0402", lambda: apply("Reshape", x(B, N), ints(-1, -1)), "only one dimension may be -1"),
    ("G0402", lambda: apply("Reshape", x(N), sizes(2 * N)), "N elements don't make 2*N"),
    ("G0405", lambda: apply("Conv", x(B, 3, H), x(8, 3, 3, 3)), "one rank"),
    ("G0405", lambda: apply("Gemm", x(B, N, K), x(K, N)), "needs rank 2"),
    ("G0406", lambda: apply("Det", x(B, N, K)), "square"),
    ("G0461", lambda: apply("Softmax", x(B, N), axis=2), "allowed is -2..1"),
    ("G0461", lambda: apply("ReduceSum", x(B, N), ints(0, -2)), "twice"),
    ("G0464", lambda: apply("Conv", x(B, 3, H, H), x(8, 3, 3, 3), strides=[2]), "for 2 spatial axes"),
    ("G0464", lambda: apply("Transpose", x(B, N, K), perm=[0, 1]), "does not order"),
    ("G0464", lambda: apply("Pad", x(B, N), ints(1, 1)), "2 pads for 2 axes"),
    (
        "G0464",
        lambda: apply("GroupNormalization", x(B, 6, H), x(6), x(6), num_groups=4),
        "4 does not divide 6",
    ),
    ("G0465", lambda: apply("Conv", x(B, 3, 2, 2), x(8, 3, 3, 3)), "does not fit into 2"),
    ("G0465", lambda: apply("Pad", x(2), ints(-2, -1)), "leaves -1 elements"),
    ("G0466", lambda: apply("Gather", x(4, N), ints(4)), "index 4 is outside an axis of 4"),
    ("G0466", lambda: apply("TopK", x(3), ints(4)), "4 of 3"),
]


@pytest.mark.parametrize(("code", "build", "text"), REFUSED)
def test_what_cannot_be_proved_is_refused(code: str, build: Any, text: str) -> None:
    with pytest.raises(RuleError) as caught:
        build()
    assert caught.value.code == code
    assert text in caught.value.message


def test_sizes_that_depend_on_data_have_no_shape() -> None:
    assert apply("NonZero", x(B, N)).tensor.dims is None
    assert apply("Compress", x(B, N), x(B, dtype=BOOL), axis=0).tensor.dims is None
    assert apply("Reshape", x(B, N), x(2, dtype=INT64)).tensor.dims is None
    values, _, inverse, _ = apply_all("Unique", x(N))
    assert values.tensor.dims is None
    assert inverse.tensor.dims == (N,)


def test_an_unknown_rank_goes_through() -> None:
    unknown = apply("Reshape", x(B, N), x(2, dtype=INT64))
    assert apply("Relu", unknown).type == unknown.type
    assert apply("Add", unknown, x(N)).tensor.dims is None
    assert apply("MatMul", unknown, x(N, K)).tensor.dims is None


# --- broadcasting and slices against NumPy ----------------------------------------------------

lengths = st.integers(0, 3)


@given(st.lists(st.lists(lengths, max_size=3), min_size=2, max_size=3))
def test_broadcasting_is_numpys(shapes: list[list[int]]) -> None:
    try:
        expected = np.broadcast_shapes(*map(tuple, shapes))
    except ValueError:
        with pytest.raises(RuleError):
            apply("Max", *(x(*s) for s in shapes))
    else:
        assert apply("Max", *(x(*s) for s in shapes)).tensor.dims == expected


@given(st.integers(1, 9), st.integers(-12, 12), st.integers(-12, 12), st.sampled_from([1, 2, 3]))
def test_symbolic_slices_have_numpys_length(size: int, start: int, end: int, step: int) -> None:
    dims = sliced(x(N), start, end, step).tensor.dims
    assert dims is not None
    assert evaluate(dims[0], {"N": size}) == len(range(size)[start:end:step])


@given(st.integers(1, 9), st.integers(0, 12), st.integers(0, 12), st.sampled_from([1, 2, 3]))
def test_backward_slices_have_numpys_length(size: int, start: int, end: int, step: int) -> None:
    dims = sliced(x(N), start, end, -step).tensor.dims
    assert dims is not None
    assert evaluate(dims[0], {"N": size}) == len(range(size)[start:end:-step])


@settings(deadline=None)
@given(
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 2),
    st.integers(0, 2),
    st.booleans(),
    st.integers(5, 12),
)
def test_pool_lengths_are_torchs(
    kernel: int, stride: int, dilation: int, pad: int, ceil: bool, size: int
) -> None:
    """`torch.nn.functional.max_pool1d` on numbers, with the length as a symbol."""
    torch = pytest.importorskip("torch")
    pad = min(pad, kernel // 2)
    assume((kernel - 1) * dilation + 1 <= size + 2 * pad)
    pooled = torch.nn.functional.max_pool1d(
        torch.zeros(1, 1, size), kernel, stride, pad, dilation, ceil_mode=ceil
    )
    found = apply(
        "MaxPool",
        x(1, 1, N),
        kernel_shape=[kernel],
        strides=[stride],
        dilations=[dilation],
        pads=[pad, pad],
        ceil_mode=int(ceil),
    )
    assert evaluate(found.tensor.shape[2], {"N": size}) == pooled.shape[2]


# --- bodies -----------------------------------------------------------------------------------


def loop_body(carried: TensorType, grows: bool = False) -> Graph:
    """Adds the captured tensor to the carried one, and gives that as a result of each step."""
    step, going = argument(0, TensorType(INT64, ())), argument(1, TensorType(BOOL, ()))
    state, captured = argument(2, carried), argument(3, TensorType(FLOAT32, (N,)))
    total = apply("Concat", state, state, axis=0) if grows else apply("Add", state, captured)
    return Graph((step, going, state, captured), (going, total, total))


def test_a_loop_stacks_as_many_results_as_it_has_steps() -> None:
    state = x(N)
    carried, stacked = apply_all(
        "Loop", scalar(T), None, state, state, body=loop_body(state.tensor), captures=1, outputs=2
    )
    assert carried.tensor.dims == (N,)
    assert stacked.tensor.dims == (T, N)


def test_a_loop_that_may_end_early_stacks_an_unknown_number() -> None:
    state, going = x(N), leaf("Input", "going", TensorType(BOOL, ()))
    _, stacked = apply_all(
        "Loop", scalar(T), going, state, state, body=loop_body(state.tensor), captures=1, outputs=2
    )
    assert stacked.tensor.dims is None


def test_a_loop_whose_body_may_end_it_stacks_an_unknown_number() -> None:
    state = x(N)
    body = loop_body(state.tensor)
    total = body.outputs[1]
    positive = apply("Less", constant(0.0, "float32"), apply("ReduceSum", total, keepdims=0))
    ends = Graph(body.inputs, (positive, *body.outputs[1:]))
    _, stacked = apply_all("Loop", scalar(T), None, state, state, body=ends, captures=1, outputs=2)
    assert stacked.tensor.dims is None


def test_a_carried_value_keeps_its_type() -> None:
    state = x(N)
    with pytest.raises(RuleError) as caught:
        apply_all("Loop", scalar(T), None, state, state, body=loop_body(state.tensor, True), captures=1)
    assert caught.value.code == "G0467"
    open_type = TensorType(FLOAT32, None)
    grown = apply_all("Loop", scalar(T), None, state, state, body=loop_body(open_type, True), captures=1)
    assert grown[0].tensor.dims is None


def test_a_scan_slices_its_operands_and_takes_captures_whole() -> None:
    state, piece, captured = (argument(i, t) for i, t in enumerate((x(N).type, x(N).type, x(K, N).type)))
    body = Graph((state, piece, captured), (apply("Add", state, piece), apply("MatMul", captured, piece)))
    last, stacked = apply_all(
        "Scan", x(N), x(T, N), x(K, N), body=body, num_scan_inputs=1, captures=1, outputs=2
    )
    assert last.tensor.dims == (N,)
    assert stacked.tensor.dims == (T, K)


def test_both_branches_give_the_same_dtypes() -> None:
    condition, value = leaf("Input", "c", TensorType(BOOL, ())), x(N)
    inside = argument(0, value.type)
    same = Graph((inside,), (inside,))
    reduced = Graph((inside,), (apply("ReduceSum", inside),))
    other = Graph((inside,), (apply("Cast", inside, to="int64"),))
    assert apply("If", condition, value, then_branch=same, else_branch=same).type == value.type
    assert apply("If", condition, value, then_branch=same, else_branch=reduced).tensor.dims is None
    for wrong in (other, Graph((), (constant([1.0], "float32"),))):
        with pytest.raises(RuleError) as caught:
            apply("If", condition, value, then_branch=same, else_branch=wrong)
        assert caught.value.code == "G0467"
