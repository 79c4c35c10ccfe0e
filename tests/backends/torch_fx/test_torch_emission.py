"""Emitted modules: how they read, what they hold, that they compile, export, copy and pickle."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from graphwright.backends.torch_fx import TorchBackend, emit
from graphwright.graph.ir import (
    Graph,
    Program,
    Size,
    Value,
    Weights,
    apply,
    apply_all,
    argument,
    constant,
    leaf,
)
from graphwright.graph.types import BOOL, FLOAT32, INT64, TensorType, symbol

N, T = symbol("batch"), symbol("time")
RNG = np.random.default_rng(3)


def _program(
    inputs: list[Value], outputs: dict[str, Value], weights: dict[str, Any] | None = None, **options: Any
) -> Program:
    parameters = options.pop("parameters", [])
    return Program(
        "p",
        Graph((*inputs, *parameters), tuple(outputs.values())),
        tuple(outputs),
        weights=Weights(weights or {}),
        **options,
    )


def _input(name: str, *dims: Any, dtype: Any = FLOAT32) -> Value:
    return leaf("Input", name, TensorType(dtype, dims))


def _parameters(**shapes: tuple[int, ...]) -> tuple[dict[str, Value], dict[str, Any]]:
    names = {name.replace("__", "."): shape for name, shape in shapes.items()}
    values = {n: leaf("Parameter", n, TensorType(FLOAT32, s)) for n, s in names.items()}
    return values, {n: RNG.normal(size=s).astype(np.float32) for n, s in names.items()}


def mlp() -> Program:
    x = _input("x", N, 4)
    p, weights = _parameters(h__0__kernel=(4, 8), h__0__bias=(8,), h__1__kernel=(8, 3))
    hidden = apply("Relu", apply("Add", apply("MatMul", x, p["h.0.kernel"]), p["h.0.bias"]))
    logits = apply("MatMul", hidden, p["h.1.kernel"])
    names = {"hidden": hidden, "logits": logits}
    return _program([x], {"logits": logits}, weights, parameters=list(p.values()), names=names)


def cnn() -> Program:
    x = _input("image", N, 1, 8, 8)
    p, weights = _parameters(kernel=(4, 1, 3, 3), head=(64, 3))
    features = apply("Relu", apply("Conv", x, p["kernel"], pads=[1, 1, 1, 1]))
    pooled = apply_all("MaxPool", features, kernel_shape=[2, 2], strides=[2, 2])[0]
    rows = apply("Slice", apply("Shape", pooled), constant([0]), constant([1]))
    flat = apply("Reshape", pooled, apply("Concat", rows, constant([-1]), axis=0))
    return _program([x], {"y": apply("MatMul", flat, p["head"])}, weights, parameters=list(p.values()))


def attention() -> Program:
    x = _input("x", N, T, 8)
    p, weights = _parameters(q=(8, 8), k=(8, 8), v=(8, 8))
    projected = [apply("MatMul", x, p[n]) for n in "qkv"]
    y = apply_all("Attention", *projected, q_num_heads=2, kv_num_heads=2, is_causal=1)[0]
    return _program([x], {"y": apply("Add", x, y)}, weights, parameters=list(p.values()))


def recurrence() -> Program:
    """h' = tanh(h W + x), along a symbolic time axis."""
    x, h = _input("x", T, 4), _input("h", 4)
    p, weights = _parameters(w=(4, 4))
    state, piece, w = (argument(i, v.type) for i, v in enumerate((h, apply("Identity", h), p["w"])))
    new = apply("Tanh", apply("Add", apply("MatMul", state, w), piece))
    body = Graph((state, piece, w), (new, apply("Mul", new, constant(np.float32(2)))))
    last, every = apply_all("Scan", h, x, p["w"], body=body, num_scan_inputs=1, captures=1)
    return _program([x, h], {"last": last, "every": every}, weights, parameters=list(p.values()))


def counted_loop() -> Program:
    """x doubled as many times as it has rows, and the sums on the way."""
    x = _input("x", N, 3)
    iteration, going, carried = (
        argument(0, TensorType(INT64, ())),
        argument(1, TensorType(BOOL, ())),
        argument(2, x.type),
    )
    doubled = apply("Add", carried, carried)
    body = Graph((iteration, going, carried), (going, doubled, apply("ReduceSum", doubled, keepdims=0)))
    rows = apply("Squeeze", apply("Slice", apply("Shape", x), constant([0]), constant([1])))
    last, sums = apply_all("Loop", rows, None, x, body=body)
    return _program([x], {"last": last, "sums": sums})


def branch() -> Program:
    x = _input("x", N, 3)
    positive = apply("Greater", apply("ReduceSum", x, keepdims=0), constant(np.float32(0)))
    a = argument(0, x.type)
    y = apply_all(
        "If",
        positive,
        x,
        then_branch=Graph((a,), (apply("Exp", a),)),
        else_branch=Graph((a,), (apply("Neg", a),)),
    )
    return _program([x], {"y": y[0]})


EXAMPLES: dict[str, tuple[Callable[[], Program], Callable[[int], tuple[torch.Tensor, ...]]]] = {
    "mlp": (mlp, lambda n: (torch.randn(n, 4),)),
    "cnn": (cnn, lambda n: (torch.randn(n, 1, 8, 8),)),
    "attention": (attention, lambda n: (torch.randn(n, n + 1, 8),)),
    "recurrence": (recurrence, lambda n: (torch.randn(n, 4), torch.randn(4))),
    "counted_loop": (counted_loop, lambda n: (torch.randn(n, 3),)),
    "branch": (branch, lambda n: (torch.randn(n, 3),)),
}
examples = pytest.mark.parametrize(("make", "draw"), EXAMPLES.values(), ids=EXAMPLES)


def _require_equal(got: dict[str, torch.Tensor], want: dict[str, torch.Tensor]) -> None:
    assert list(got) == list(want)
    for name in want:
        torch.testing.assert_close(got[name], want[name])


def test_code_reads_like_the_spec() -> None:
    code = emit(mlp()).code
    lines = [line.split(";")[0].strip() for line in code.splitlines() if "=" in line]
    assert "hidden = relu(add_1)" in lines
    assert "logits = matmul(hidden, h_1_kernel)" in lines
    assert "def forward(self, x):" in code
    assert "return {'logits': logits}" in code


def test_one_node_for_each_call() -> None:
    calls = [n for n in emit(mlp()).graph.nodes if n.op == "call_function"]
    assert [n.target.__name__ for n in calls] == ["matmul", "add", "relu", "matmul"]


def test_shapes_are_numbers() -> None:
    """A shape as a tensor would break export; the batch size is read once."""
    graph = emit(cnn()).graph
    reshape = next(n for n in graph.nodes if n.op == "call_function" and n.target.__name__ == "reshape")
    batch = reshape.args[1][0]
    assert (batch.op, batch.target, batch.args[1]) == ("call_method", "size", 0)
    assert not any(n.op == "call_function" and n.target.__name__ in ("shape", "slice_") for n in graph.nodes)


def test_arithmetic_of_sizes() -> None:
    x = _input("x", N, 2, 6)
    doubled = apply("Mul", apply("Shape", x), constant([2, 1, 3]))
    sizes = apply("Div", doubled, constant([1, 1, 2]))
    module = emit(_program([x], {"zeros": apply("ConstantOfShape", sizes), "s": sizes}))
    for n in (1, 5):
        got = module(torch.zeros(n, 2, 6))
        assert tuple(got["zeros"].shape) == (2 * n, 2, 9)
        assert got["s"].tolist() == [2 * n, 2, 9]
    called = {n.target.__name__ for n in module.graph.nodes if n.op == "call_function"}
    assert called == {"mul", "constant_of_shape", "sizes_tensor"}


def test_state_dict_names_are_the_specs() -> None:
    program = mlp()
    module = emit(program)
    assert set(module.state_dict()) == {"h.0.kernel", "h.0.bias", "h.1.kernel"}
    assert all(isinstance(p, torch.nn.Parameter) for p in module.parameters())


def test_weights_are_buffers_and_small_constants_are_not_saved() -> None:
    table = leaf("Weight", "pos.table", TensorType(FLOAT32, (5, 20)))
    x = _input("x", 5, 20)
    y = apply("Mul", apply("Add", x, table), constant(np.float32(3)))
    module = emit(_program([x], {"y": y}, {"pos.table": np.ones((5, 20), np.float32)}))
    assert list(module.state_dict()) == ["pos.table"]
    assert not list(module.parameters())
    assert float(module(torch.ones(5, 20))["y"].sum()) == 600


@pytest.mark.parametrize("name", ["graph", "forward", "training", "h.code", "class", "a/b:0", "meta"])
def test_names_that_a_module_cannot_hold(name: str) -> None:
    w = leaf("Parameter", name, TensorType(FLOAT32, (2,)))
    x = _input("x", 2)
    program = _program([x], {"y": apply("Add", x, w)}, {name: np.ones(2, np.float32)}, parameters=[w])
    module = emit(program)
    assert module(torch.ones(2))["y"].tolist() == [2, 2]
    (target,) = module.state_dict()
    assert (module.signature.tensors or {}).get(target, target) == name


def test_a_name_that_is_also_a_prefix() -> None:
    p, weights = _parameters(h=(2,), h__kernel=(2,))
    x = _input("x", 2)
    y = apply("Add", apply("Mul", x, p["h"]), p["h.kernel"])
    module = emit(_program([x], {"y": y}, weights, parameters=list(p.values())))
    want = weights["h"] + weights["h.kernel"]
    np.testing.assert_allclose(module(torch.ones(2))["y"].detach(), want, rtol=1e-6)


@pytest.mark.parametrize("name", ["relu", "self", "lambda", "size", "x.y", "2nd"])
def test_inputs_of_any_name(name: str) -> None:
    x = _input(name, 2)
    module = emit(_program([x], {"y": apply("Relu", x)}))
    assert module.signature.inputs == (name,)
    assert module(torch.tensor([-1.0, 2.0]))["y"].tolist() == [0, 2]


def test_states_come_back_under_their_names() -> None:
    x = _input("x", 2)
    total = leaf("State", "total", TensorType(FLOAT32, (2,)))
    new = apply("Add", total, x)
    program = Program("p", Graph((x, total), (apply("Neg", new), new)), ("y",), ("total",))
    module = emit(program)
    got = module(torch.ones(2), torch.full((2,), 4.0))
    assert {k: v.tolist() for k, v in got.items()} == {"y": [-5, -5], "total": [5, 5]}
    assert module.signature.updates == ("total",)


def test_parameters_without_weights_are_nan_until_loaded() -> None:
    program = mlp()
    module = emit(Program("p", program.graph, program.output_names))
    assert bool(module(torch.ones(1, 4))["logits"].isnan().all())
    module.load_state_dict(emit(program).state_dict())
    _require_equal(module(torch.ones(1, 4)), emit(program)(torch.ones(1, 4)))


def test_training_changes_no_weight_of_the_program() -> None:
    program = mlp()
    before = {n: a.copy() for n, a in program.weights.arrays.items()}
    module = emit(program)
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-4)
    loss = module(torch.ones(2, 4))["logits"].square().sum()
    loss.backward()
    optimizer.step()
    assert float(module(torch.ones(2, 4))["logits"].detach().square().sum()) < float(loss.detach())
    for name, array in before.items():
        np.testing.assert_array_equal(array, program.weights[name])


@examples
def test_copies_and_pickles(make: Callable[[], Program], draw: Callable[[int], Any]) -> None:
    module, arguments = emit(make()), draw(3)
    want = module(*arguments)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        _require_equal(other(*arguments), want)
        assert other.signature == module.signature
        assert other.code == module.code
        assert list(other.state_dict()) == list(module.state_dict())
        assert [n for n, _ in other.named_parameters()] == [n for n, _ in module.named_parameters()]


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@examples
def test_compiles_without_a_break(
    make: Callable[[], Program], draw: Callable[[int], Any], backend: str
) -> None:
    torch._dynamo.reset()
    module = emit(make())
    compiled = torch.compile(module, fullgraph=True, backend=backend)
    for n in (3, 4):
        arguments = draw(n)
        _require_equal(compiled(*arguments), module(*arguments))


@examples
def test_exports_with_symbolic_sizes(make: Callable[[], Program], draw: Callable[[int], Any]) -> None:
    program = make()
    sizes = {n: Size(2, 50) for n in ("batch", "time")}
    program = Program(
        "p", program.graph, program.output_names, weights=program.weights, names=program.names, sizes=sizes
    )
    names = list(program.inputs)
    exported = TorchBackend().export(program, dict(zip(names, (a.numpy() for a in draw(3)), strict=True)))
    module = emit(program)
    for n in (2, 7):
        arguments = draw(n)
        _require_equal(exported.module()(*arguments), module(*arguments))


def test_gradients_flow_through_loops() -> None:
    module = emit(recurrence())
    x, h = torch.randn(3, 4, requires_grad=True), torch.randn(4, requires_grad=True)
    got = module(x, h)["last"]
    w = module.get_parameter("w")
    want = h
    for t in range(3):
        want = torch.tanh(want @ w + x[t])
    torch.testing.assert_close(got, want)
    for a, b in zip(
        torch.autograd.grad(got.sum(), (x, h, w)), torch.autograd.grad(want.sum(), (x, h, w)), strict=True
    ):
        torch.testing.assert_close(a, b)


def test_a_loop_that_its_body_ends() -> None:
    """Doubling until the sum passes 100, as torch's own loop and exported."""
    x = _input("x", 3)
    going, carried = argument(1, TensorType(BOOL, ())), argument(2, x.type)
    doubled = apply("Add", carried, carried)
    small = apply("Less", apply("ReduceSum", doubled, keepdims=0), constant(np.float32(100)))
    body = Graph((argument(0, TensorType(INT64, ())), going, carried), (small, doubled))
    program = _program([x], {"y": apply_all("Loop", None, constant(True), x, body=body)[0]})
    start = torch.tensor([1.0, 2.0, 3.0])
    want = start * 32
    assert emit(program)(start)["y"].tolist() == want.tolist()
    exported = TorchBackend().export(program, {"x": start.numpy()})
    assert exported.module()(start)["y"].tolist() == want.tolist()


def test_a_loop_without_iterations_gives_empty_stacks() -> None:
    x = _input("x", 3)
    going, carried = argument(1, TensorType(BOOL, ())), argument(2, x.type)
    body = Graph(
        (argument(0, TensorType(INT64, ())), going, carried), (going, carried, apply("Neg", carried))
    )
    last, stack = apply_all("Loop", constant(np.int64(0)), None, x, body=body)
    got = emit(_program([x], {"last": last, "stack": stack}))(torch.ones(3))
    assert (got["last"].tolist(), tuple(got["stack"].shape)) == ([1, 1, 1], (0, 3))


def test_a_long_scan_is_not_unrolled_when_exported() -> None:
    program = recurrence()
    arguments = {"x": np.zeros((200, 4), np.float32), "h": np.zeros(4, np.float32)}
    nodes = list(TorchBackend().export(program, arguments).graph.nodes)
    assert len(nodes) < 40
