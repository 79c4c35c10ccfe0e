"""Statistics against torch's counter of operations, and against counts by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from graphwright.graph.ir import Graph, Program, Value, apply, apply_all, argument, constant, leaf, statistics
from graphwright.graph.types import BOOL, DTYPES, FLOAT32, INT64, TensorType, symbol
from graphwright.graph.types.dimensions import evaluate

N = symbol("n")


def _float(name: str, *shape: Any, role: str = "Input") -> Value:
    return leaf(role, name, TensorType(FLOAT32, shape))


def _torch_count(function: Any, *shapes: tuple[int, ...]) -> int:
    with FlopCounterMode(display=False) as counter:
        function(*(torch.zeros(s) for s in shapes))
    return counter.get_total_flops() // 2  # it counts a multiply-accumulate as two


def _conv_options(**options: Any) -> dict[str, Any]:
    return {"strides": [2, 1], "pads": [1, 0, 1, 0], "dilations": [1, 2], **options}


CONTRACTIONS: list[tuple[Value, Any, list[tuple[int, ...]]]] = [
    (apply("MatMul", _float("a", N, 2, 4, 5), _float("b", 5, 6)), torch.matmul, [(3, 2, 4, 5), (5, 6)]),
    (apply("MatMul", _float("a", 7, 4, 5), _float("b", 7, 5, 6)), torch.matmul, [(7, 4, 5), (7, 5, 6)]),
    (
        apply("Gemm", _float("a", 5, N), _float("b", 6, 5), transA=1, transB=1),
        lambda a, b: a.T @ b.T,
        [(5, 3), (6, 5)],
    ),
    (
        apply("Conv", _float("x", N, 4, 9, 8), _float("w", 6, 2, 3, 3), group=2, **_conv_options()),
        lambda x, w: torch.conv2d(x, w, stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2),
        [(3, 4, 9, 8), (6, 2, 3, 3)],
    ),
    (
        apply("ConvTranspose", _float("x", N, 4, 5, 5), _float("w", 4, 3, 2, 2), strides=[2, 2]),
        lambda x, w: torch.conv_transpose2d(x, w, stride=2),
        [(3, 4, 5, 5), (4, 3, 2, 2)],
    ),
    (
        apply("Einsum", _float("a", N, 4, 5), _float("b", N, 5, 6), equation="bij, bjk -> bik"),
        torch.bmm,
        [(3, 4, 5), (3, 5, 6)],
    ),
    (
        apply("Attention", *(_float(x, N, 2, 5, 8) for x in "qkv")),
        lambda q, k, v: torch.softmax(q @ k.transpose(-1, -2), -1) @ v,
        [(3, 2, 5, 8)] * 3,
    ),
    (
        apply("Attention", *(_float(x, N, 5, 16) for x in "qkv"), q_num_heads=2, kv_num_heads=2),
        lambda q, k, v: torch.softmax(q @ k.transpose(-1, -2), -1) @ v,
        [(3, 2, 5, 8)] * 3,
    ),
]


@pytest.mark.parametrize(("value", "function", "shapes"), CONTRACTIONS, ids=range(len(CONTRACTIONS)))
def test_multiply_accumulates_like_torch(value: Value, function: Any, shapes: list[tuple[int, ...]]) -> None:
    found = statistics(Graph((), (value,)))
    assert evaluate(found.total, {"n": 3}) == _torch_count(function, *shapes)
    assert set(found.multiply_accumulates) == {value.node.name}


def test_recurrent_work_is_its_matrix_products() -> None:
    x, w, r = _float("x", 7, N, 5), _float("w", 2, 12, 5), _float("r", 2, 12, 4)
    results = apply_all("GRU", x, w, r, hidden_size=4, direction="bidirectional")
    by_step = 2 * (12 * 5 + 12 * 4)  # directions x (input gates + hidden gates), for one row
    assert statistics(Graph((), results[:1])).total == 7 * N * by_step


def test_bodies_count_times_their_trips() -> None:
    row, weight = TensorType(FLOAT32, (N, 4)), TensorType(FLOAT32, (4, 4))
    state, item, captured = argument(0, row), argument(1, row), argument(2, weight)
    after = apply("Add", apply("MatMul", state, captured), item)
    body = Graph((state, item, captured), (after, after))
    x, start, w = _float("x", symbol("t"), N, 4), _float("h", N, 4), _float("w", 4, 4)
    scanned = apply_all("Scan", start, x, w, body=body, num_scan_inputs=1, captures=1, outputs=2)[0]
    found = statistics(Graph((), (scanned,)))
    assert found.total == symbol("t") * N * 16
    assert found.operators == {"Add": 1, "MatMul": 1, "Scan": 1}


def test_loop_needs_a_known_count() -> None:
    row = TensorType(FLOAT32, (4, 4))
    step, going, carried = (
        argument(0, TensorType(INT64, ())),
        argument(1, TensorType(BOOL, ())),
        argument(2, row),
    )
    body = Graph((step, going, carried), (apply("Identity", going), apply("MatMul", carried, carried)))
    x, yes = _float("x", 4, 4), constant(np.bool_(True))
    known = apply_all("Loop", constant(np.int64(5)), yes, x, body=body, outputs=1)
    assert statistics(Graph((), known)).total == 5 * 64
    free = apply_all("Loop", leaf("Input", "times", TensorType(INT64, ())), yes, x, body=body, outputs=1)
    found = statistics(Graph((), free))
    assert (found.total, found.unbounded) == (0, 1)


def test_dearer_branch_counts() -> None:
    square = TensorType(FLOAT32, (4, 4))
    inner = argument(0, square)
    cheap, dear = Graph((inner,), (inner,)), Graph((inner,), (apply("MatMul", inner, inner),))
    flag = leaf("Input", "flag", TensorType(BOOL, ()))
    for then_branch, else_branch in ((cheap, dear), (dear, cheap)):
        value = apply_all(
            "If", flag, _float("x", 4, 4), then_branch=then_branch, else_branch=else_branch, outputs=1
        )
        assert statistics(Graph((), value)).total == 64


def test_unknown_rank_is_counted_and_left_out() -> None:
    a = leaf("Input", "a", TensorType(FLOAT32, None))
    found = statistics(Graph((), (apply("MatMul", a, a),)))
    assert (found.total, found.unbounded) == (0, 1)


def test_parameters_and_bytes() -> None:
    x = _float("x", N, 4)
    kernel = _float("k", 4, 3, role="Parameter")
    half = leaf("Parameter", "h", TensorType(DTYPES["float16"], (3,)))
    packed = leaf("Weight", "p", TensorType(DTYPES["int4"], (7,)))
    used = apply("Cast", packed, to="float32")
    outputs = (apply("Add", apply("MatMul", x, kernel), apply("Cast", half, to="float32")), used)
    found = statistics(Program("p", Graph((x, kernel, half), outputs), ("y", "z")))
    assert found.parameters == 12 + 3 + 7
    assert found.parameter_bytes == 48 + 6 + 4
    assert found.operators == {"Add": 1, "Cast": 2, "MatMul": 1}
    assert found.nodes == 4
