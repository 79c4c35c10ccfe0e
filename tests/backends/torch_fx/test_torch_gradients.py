"""Gradients of emitted modules against finite differences, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from graphwright.backends.torch_fx import LOWERINGS, emit
from graphwright.graph.ir import Graph, Program, Value, apply_all, constant, leaf
from graphwright.graph.types import DTYPES, FLOAT64, TensorType

Maker = Callable[[torch.Generator], torch.Tensor]


def normal(*shape: int) -> Maker:
    return lambda g: torch.randn(shape, generator=g, dtype=torch.float64)


def positive(*shape: int) -> Maker:
    return lambda g: torch.rand(shape, generator=g, dtype=torch.float64) + 0.5


def inside(*shape: int) -> Maker:
    return lambda g: torch.rand(shape, generator=g, dtype=torch.float64) * 1.6 - 0.8


def spd(n: int) -> Maker:
    def make(g: torch.Generator) -> torch.Tensor:
        a = torch.randn((n, n), generator=g, dtype=torch.float64)
        return a @ a.t() + n * torch.eye(n, dtype=torch.float64)

    return make


def lower(n: int) -> Maker:
    return lambda g: torch.tril(spd(n)(g))


class Fixed:
    """An operand that is no subject of the gradient."""

    def __init__(self, array: Any) -> None:
        self.array = np.asarray(array)


I64 = np.int64
CASES: list[tuple[str, list[Any], dict[str, Any]]] = [
    *((name, [normal(2, 3), normal(3)], {}) for name in ("Add", "Sub", "Mul", "Max", "Min", "Sum", "Mean")),
    ("Div", [normal(2, 3), positive(3)], {}),
    ("Pow", [positive(2, 3), normal(3)], {}),
    *(
        (name, [normal(2, 3)], {})
        for name in (
            *("Neg", "Abs", "Exp", "Sin", "Cos", "Sinh", "Cosh", "Tanh", "Erf", "Relu", "LeakyRelu", "Elu"),
            *("Celu", "Selu", "Gelu", "Sigmoid", "HardSwish", "Softplus", "Softsign", "Swish", "Mish"),
            *("ThresholdedRelu", "Shrink", "HardSigmoid", "Asinh", "Atan", "Identity", "Softmax"),
            *("LogSoftmax", "ReduceSum", "ReduceMean", "ReduceProd", "ReduceMax", "ReduceMin", "ReduceL1"),
            *("ReduceL2", "ReduceSumSquare", "ReduceLogSumExp", "LpNormalization", "Flatten"),
        )
    ),
    *((name, [positive(2, 3)], {}) for name in ("Sqrt", "Log", "Reciprocal", "ReduceLogSum")),
    *((name, [inside(2, 3)], {}) for name in ("Asin", "Acos", "Atanh", "Tan")),
    ("Acosh", [lambda g: 1.5 + torch.rand((2, 3), generator=g, dtype=torch.float64)], {}),
    ("Gelu", [normal(2, 3)], {"approximate": "tanh"}),
    ("PRelu", [normal(2, 3), positive(3)], {}),
    ("SwiGLU", [normal(2, 3), normal(2, 3)], {}),
    ("Clip", [normal(2, 3), Fixed(-0.5), Fixed(0.5)], {}),
    ("Where", [Fixed([True, False, True]), normal(2, 3), normal(3)], {}),
    ("MatMul", [normal(2, 3, 4), normal(4, 2)], {}),
    ("Gemm", [normal(3, 2), normal(4, 3), normal(4)], {"transA": 1, "transB": 1, "alpha": 0.5, "beta": 2.0}),
    ("Einsum", [normal(2, 3), normal(3, 4)], {"equation": "ij,jk->ki"}),
    ("Det", [spd(3)], {}),
    ("CumSum", [normal(2, 3), Fixed(I64(1))], {"exclusive": 1, "reverse": 1}),
    ("CumProd", [normal(2, 3), Fixed(I64(1))], {}),
    ("Transpose", [normal(2, 3)], {}),
    ("Reshape", [normal(2, 3), Fixed(np.array([3, 2]))], {}),
    ("Expand", [normal(2, 1), Fixed(np.array([2, 3]))], {}),
    ("Concat", [normal(2, 3), normal(2, 1)], {"axis": 1}),
    ("Slice", [normal(5), Fixed([4]), Fixed([0]), Fixed([0]), Fixed([-2])], {}),
    ("Pad", [normal(2, 3), Fixed([0, 1, 1, 2])], {"mode": "reflect"}),
    ("Pad", [normal(2, 3), Fixed([0, 1, 1, -1]), Fixed(2.0)], {}),
    ("Tile", [normal(2, 3), Fixed([2, 1])], {}),
    ("Gather", [normal(4, 3), Fixed([[0, -1], [2, 2]])], {}),
    ("GatherElements", [normal(2, 3), Fixed([[0, -1], [2, 2]])], {"axis": 1}),
    ("GatherND", [normal(2, 3), Fixed([[0, 1], [1, -1]])], {}),
    ("ScatterElements", [normal(3, 2), Fixed([[0, 1]]), normal(1, 2)], {"reduction": "add"}),
    ("ScatterND", [normal(3, 2), Fixed([[0], [2]]), normal(2, 2)], {"reduction": "mul"}),
    ("ScatterND", [normal(3, 2), Fixed([[0], [2]]), normal(2, 2)], {}),
    ("Trilu", [normal(3, 3)], {}),
    ("DepthToSpace", [normal(1, 4, 2, 2)], {"blocksize": 2}),
    ("SpaceToDepth", [normal(1, 1, 4, 4)], {"blocksize": 2}),
    ("TopK", [normal(5), Fixed([3])], {}),
    ("Split", [normal(4, 2)], {"num_outputs": 2}),
    (
        "Conv",
        [normal(1, 2, 5, 5), normal(4, 1, 3, 3), normal(4)],
        {"group": 2, "pads": [1, 0, 2, 1], "strides": [2, 1]},
    ),
    ("Conv", [normal(1, 2, 5), normal(3, 2, 2)], {"auto_pad": "SAME_UPPER", "dilations": [2]}),
    (
        "ConvTranspose",
        [normal(1, 2, 3, 3), normal(2, 1, 3, 3), normal(1)],
        {"strides": [2, 2], "pads": [1, 0, 1, 1], "output_padding": [1, 1]},
    ),
    ("MaxPool", [normal(1, 1, 5, 5)], {"kernel_shape": [2, 2], "ceil_mode": 1, "strides": [2, 2]}),
    (
        "AveragePool",
        [normal(1, 1, 5, 5)],
        {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1},
    ),
    ("AveragePool", [normal(1, 1, 5, 5)], {"kernel_shape": [2, 2], "ceil_mode": 1, "strides": [2, 2]}),
    ("LpPool", [normal(1, 1, 4, 4)], {"kernel_shape": [2, 2]}),
    ("GlobalAveragePool", [normal(1, 2, 3, 3)], {}),
    ("GlobalMaxPool", [normal(1, 2, 3, 3)], {}),
    ("BatchNormalization", [normal(3, 2, 2), normal(2), normal(2), normal(2), positive(2)], {}),
    (
        "BatchNormalization",
        [normal(3, 2, 2), normal(2), normal(2), normal(2), positive(2)],
        {"training_mode": 1},
    ),
    ("InstanceNormalization", [normal(2, 2, 4), normal(2), normal(2)], {}),
    ("GroupNormalization", [normal(2, 4, 3), normal(4), normal(4)], {"num_groups": 2, "stash_type": 11}),
    ("LayerNormalization", [normal(2, 3, 4), normal(4), normal(4)], {"stash_type": 11}),
    ("RMSNormalization", [normal(2, 4), normal(4)], {"stash_type": 11}),
    ("MeanVarianceNormalization", [normal(2, 2, 2, 2)], {}),
    ("LRN", [normal(1, 4, 2, 2)], {"size": 3}),
    ("NegativeLogLikelihoodLoss", [normal(3, 4), Fixed([0, 3, 1]), positive(4)], {"ignore_index": 3}),
    ("SoftmaxCrossEntropyLoss", [normal(3, 4), Fixed([0, 3, 1])], {}),
    ("Attention", [normal(1, 2, 3, 4), normal(1, 2, 3, 4), normal(1, 2, 3, 4)], {"is_causal": 1}),
    (
        "Attention",
        [normal(1, 2, 3, 4), normal(1, 1, 3, 4), normal(1, 1, 3, 4), normal(3, 3)],
        {"softcap": 2.0},
    ),
    ("RNN", [normal(3, 2, 2), normal(1, 3, 2), normal(1, 3, 3)], {"hidden_size": 3}),
    ("GRU", [normal(3, 2, 2), normal(1, 9, 2), normal(1, 9, 3), normal(1, 18)], {"hidden_size": 3}),
    (
        "LSTM",
        [
            normal(3, 2, 2),
            normal(2, 12, 2),
            normal(2, 12, 3),
            normal(2, 24),
            Fixed(np.array([3, 2], np.int32)),
        ],
        {"hidden_size": 3, "direction": "bidirectional"},
    ),
    ("Resize", [normal(1, 1, 3, 3), None, Fixed(np.array([1, 1, 2, 1.5], np.float32))], {"mode": "cubic"}),
    ("GridSample", [normal(1, 1, 3, 3), inside(1, 2, 2, 2)], {}),
    ("AffineGrid", [normal(1, 2, 3), Fixed([1, 1, 2, 3])], {}),
    ("DFT", [normal(1, 4, 2)], {}),
    ("STFT", [normal(1, 8, 1), Fixed(I64(2)), positive(4)], {}),
    ("Cast", [normal(2, 3)], {"to": "float64"}),
    ("graphwright.Cholesky", [spd(3)], {}),
    ("graphwright.Solve", [spd(3), normal(3, 2)], {}),
    ("graphwright.SolveSPD", [spd(3), normal(3, 2)], {}),
    ("graphwright.TriangularSolve", [lower(3), normal(3, 2)], {}),
    ("graphwright.LogDetSPD", [spd(3)], {}),
]


# The standard gives these no float64, but their functions take it (the shadow run of passes).
HALF_CASES: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("RotaryEmbedding", [normal(1, 2, 3, 4), normal(1, 3, 2), normal(1, 3, 2)], {}),
    ("CausalConvWithState", [normal(1, 2, 4), normal(2, 1, 3)], {"activation": "silu"}),
    (
        "LinearAttention",
        [normal(1, 3, 4), normal(1, 3, 4), normal(1, 3, 4), None, normal(1, 3, 2), positive(1, 3, 2)],
        {"q_num_heads": 2, "kv_num_heads": 2},
    ),
]

SYMMETRIC = {"graphwright.Cholesky", "graphwright.SolveSPD", "graphwright.LogDetSPD"}
"""Operators of symmetric matrices: checked along symmetric directions."""


def _fixed(array: np.ndarray[Any, Any]) -> Value:
    return constant(array.astype(np.float64) if array.dtype == np.float64 else array)


@pytest.mark.parametrize(
    ("name", "makers", "attributes"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)]
)
def test_gradients_match_finite_differences(name: str, makers: list[Any], attributes: dict[str, Any]) -> None:
    generator = torch.Generator().manual_seed(7)
    operands: list[Value | None] = []
    subjects: list[torch.Tensor] = []
    for maker in makers:
        if maker is None:
            operands.append(None)
        elif isinstance(maker, Fixed):
            operands.append(_fixed(maker.array))
        else:
            tensor = maker(generator).requires_grad_()
            operands.append(leaf("Input", f"x{len(subjects)}", TensorType(FLOAT64, tuple(tensor.shape))))
            subjects.append(tensor)
    domain, _, bare = name.rpartition(".")
    results = apply_all(bare, *operands, domain=domain, **attributes)
    first = tuple(v for v in results if v.tensor.dtype is FLOAT64)[:1]
    inputs = tuple(v for v in operands if v is not None and v.is_leaf and v.role == "Input")
    module = emit(Program("p", Graph(inputs, first), ("y",)))

    def run(first: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        first = (first + first.t()) / 2 if name in SYMMETRIC else first
        found: torch.Tensor = module(first, *rest)["y"]
        return found

    assert torch.autograd.gradcheck(run, subjects)


@pytest.mark.parametrize(("name", "makers", "attributes"), HALF_CASES, ids=[c[0] for c in HALF_CASES])
def test_gradients_of_operators_without_float64(
    name: str, makers: list[Any], attributes: dict[str, Any]
) -> None:
    generator = torch.Generator().manual_seed(7)
    made = [m(generator).requires_grad_() if m is not None else None for m in makers]

    def run(*operands: Any) -> Any:
        results = LOWERINGS[name].function(*operands, **attributes)
        return results[0] if isinstance(results, tuple) else results

    assert torch.autograd.gradcheck(run, made)


def test_no_gradient_flows_through_stop_gradient() -> None:
    x = leaf("Input", "x", TensorType(DTYPES["float32"], (3,)))
    stopped = apply_all("StopGradient", x, domain="graphwright")[0]
    module = emit(Program("p", Graph((x,), (apply_all("Mul", stopped, x)[0],)), ("y",)))
    tensor = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    module(tensor)["y"].sum().backward()
    assert tensor.grad is not None
    assert tensor.grad.tolist() == [1.0, 2.0, 3.0]
