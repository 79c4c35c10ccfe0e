"""Certified programs in C beside torch, inductor, ONNX Runtime, NumPy, libmvec and SLEEF: a million float32
elements, one thread, warm, all in one run; the largest error in units of the last place beside each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from time import perf_counter_ns
from typing import Any

import numpy as np

from ...backends.native.compiler import cpu, instruction_set
from ...backends.native.kernel import Kernel
from ...passes.functions.elementwise import elementwise
from ...passes.functions.substitution.library import Entry, library
from .vector_libraries import vector_library

Array = np.ndarray[Any, Any]
COUNT = 1_000_000
ROUNDS = 20
WARM = 3
"""Calls in a row: the first of them finds another's arrays in the cache."""
FIVE = ("exp", "log", "sin", "tanh", "erf")
ALLOWED = 6.0
"""Units in the last place that a program of the five may be off."""


@dataclass(frozen=True)
class Case:
    """A function, where its inputs lie, and how others are asked for it."""

    name: str
    low: float
    high: float
    torch: str
    onnx: str = ""
    numpy: str = ""
    is_logarithmic: bool = False

    def inputs(self, count: int, seed: int = 0) -> Array:
        drawn = np.random.default_rng(seed).uniform(self.low, self.high, count)
        return (np.exp2(drawn) if self.is_logarithmic else drawn).astype(np.float32)


CASES = (
    Case("exp", -87.0, 88.5, "exp", "Exp", "exp"),
    Case("log", -12.0, 12.0, "log", "Log", "log", True),
    Case("sin", -math.pi, math.pi, "sin", "Sin", "sin"),
    Case("tanh", -10.0, 10.0, "tanh", "Tanh", "tanh"),
    Case("erf", -4.0, 4.0, "erf", "Erf"),
    Case("sigmoid", -20.0, 20.0, "sigmoid", "Sigmoid"),
    Case("silu", -10.0, 10.0, "nn.functional.silu"),
    Case("gelu", -5.0, 5.0, "nn.functional.gelu"),
)

Call = Callable[[], Any]


def report() -> None:
    """Prints nanoseconds an element, the ratio to the best of ours, and the largest error of each."""
    import torch

    torch.set_num_threads(1)
    name, _ = cpu()
    print(
        f"{name}, kernels for {instruction_set()}, {COUNT} float32, one thread, least of {ROUNDS * WARM} calls"
    )
    best: dict[str, tuple[float, Mapping[str, float]]] = {}
    for case in CASES:
        calls = _calls(case)
        times, errors = _measured(calls), _errors(case, calls)
        best[case.name] = _print(case.name, times, errors)
    _summary(best)
    with_softmax()
    with_gate()


def _print(
    name: str, times: Mapping[str, float], errors: Mapping[str, float]
) -> tuple[float, Mapping[str, float]]:
    ours = {k: t for k, t in times.items() if k.startswith("ours") and errors[k] <= ALLOWED}
    least = min(ours.values(), default=math.nan)
    print(f"\n{name:<24}{'ns':>8}{'ratio':>8}{'max ulp':>10}")
    for key, time in times.items():
        print(f"  {key:<22}{time:>8.3f}{time / least:>8.2f}{errors[key]:>10.2f}")
    return least, times


def _summary(best: Mapping[str, tuple[float, Mapping[str, float]]]) -> None:
    print(f"\ngeometric mean over {', '.join(FIVE)} of what is at most {ALLOWED:g} units off:")
    for peer in ("torch eager", "torch.compile", "ONNX Runtime"):
        ratios = [times[peer] / least for least, times in (best[n] for n in FIVE) if peer in times]
        print(f"  {peer:<22}{math.exp(sum(map(math.log, ratios)) / len(ratios)):>8.2f}x")


# --- who computes --------------------------------------------------------------------------------------


def _calls(case: Case) -> dict[str, Call]:
    import torch

    x = case.inputs(COUNT)
    function = _torch_function(case.torch)
    tensor, out = torch.from_numpy(x), np.empty_like(x)
    found: dict[str, Call] = {"torch eager": lambda: function(tensor)}
    found["torch.compile"] = _compiled(function, tensor)
    if case.onnx:
        found["ONNX Runtime"] = _onnx(case.onnx, x)
    if case.numpy:
        numpy_function = getattr(np, case.numpy)
        found["numpy"] = lambda: numpy_function(x, out=out)
    for name in ("libmvec", "SLEEF"):
        made = vector_library(name, case.name)
        if made is not None:
            found[name] = partial(made, x, out)
    for entry in entries(case.name):
        kernel = Kernel(elementwise(entry.program))
        found[f"ours {entry.program.name}"] = partial(kernel, x, out=out)
    return found


def entries(function: str) -> list[Entry]:
    """The shipped float32 programs for a function."""
    return [e for e in library() if e.program.function == function and e.program.dtype == "float32"]


def _torch_function(path: str) -> Callable[..., Any]:
    import torch

    found: Any = torch
    for part in path.split("."):
        found = getattr(found, part)
    function: Callable[..., Any] = found
    return function


def _compiled(function: Callable[..., Any], *tensors: Any) -> Call:
    import torch

    torch._dynamo.reset()
    compiled = torch.compile(lambda *x: function(*x), dynamic=False)
    compiled(*tensors)
    return partial(compiled, *tensors)


def _onnx(operator: str, x: Array) -> Call:
    import onnx
    import onnxruntime

    node = onnx.helper.make_node(operator, ["x"], ["y"])
    tensor = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [x.size]) for n in "xy"]
    graph = onnx.helper.make_graph([node], "one", tensor[:1], tensor[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, {"x": x})[0]


# --- measuring -----------------------------------------------------------------------------------------


def _measured(calls: Mapping[str, Call], count: int = COUNT, rounds: int = ROUNDS) -> dict[str, float]:
    """The least time an element, all calls taken in turn."""
    best = dict.fromkeys(calls, math.inf)
    for _ in range(rounds):
        for name, call in calls.items():
            for _ in range(WARM):
                start = perf_counter_ns()
                call()
                best[name] = min(best[name], (perf_counter_ns() - start) / count)
    return best


def _errors(case: Case, calls: Mapping[str, Call]) -> dict[str, float]:
    import torch

    x = case.inputs(COUNT)
    exact = _torch_function(case.torch)(torch.from_numpy(x.astype(np.float64))).numpy()
    return {name: units(np.asarray(call()), exact) for name, call in calls.items()}


def units(found: Array, exact: Array) -> float:
    """The largest error in units of the last place of the exact value, normal ones only."""
    kept = (np.abs(exact) > 2.0**-126) & (np.abs(exact) < 2.0**128)
    scale = np.ldexp(1.0, np.frexp(exact[kept])[1] - 24)
    return float(np.max(np.abs(found.astype(np.float64)[kept] - exact[kept]) / scale))


# --- fused -----------------------------------------------------------------------------------------------


def with_softmax(columns: int = 1024) -> None:
    """Rows of 1,024 columns."""
    import torch

    rows = COUNT // columns
    x = np.random.default_rng(0).normal(0, 3, (rows, columns)).astype(np.float32)
    tensor, out = torch.from_numpy(x), np.empty_like(x)

    def function(t: torch.Tensor) -> torch.Tensor:
        return torch.softmax(t, dim=-1)

    calls: dict[str, Call] = {
        "torch eager": lambda: function(tensor),
        "torch.compile": _compiled(function, tensor),
    }
    for entry in entries("exp"):
        kernel = Kernel(elementwise(entry.program), rows=True)
        calls[f"ours {entry.program.name}"] = partial(kernel, x, out=out)
    exact = function(tensor.double()).numpy()
    _print_fused(f"softmax of {rows} x {columns}", calls, exact, rows * columns)


def gate(x: Any) -> Any:
    """A gated unit: tanh(1.1 x + 0.1) sigmoid(0.9 x - 0.2)."""
    import torch

    return torch.tanh(1.1 * x + 0.1) * torch.sigmoid(0.9 * x - 0.2)


def with_gate() -> None:
    """The gated unit in one loop, as the pass fuses it."""
    import torch

    x = np.random.default_rng(0).uniform(-6, 6, COUNT).astype(np.float32)
    tensor, out = torch.from_numpy(x), np.empty_like(x)
    kernel = gate_kernel()
    calls: dict[str, Call] = {
        "torch eager": lambda: gate(tensor),
        "torch.compile": _compiled(gate, tensor),
        "ours": lambda: kernel(x, out=out),
    }
    _print_fused("gated unit", calls, gate(tensor.double()).numpy(), COUNT)


def gate_kernel() -> Kernel:
    """The kernel that substitution makes of the unit written in a graph."""
    from ...graph.ir import Program, apply, constant, leaf
    from ...graph.ir.graph import Graph
    from ...graph.types import FLOAT32, TensorType
    from ...passes.functions.substitution.substitute import SubstituteFunctions
    from ...passes.manager.pass_ import Context

    x = leaf("Input", "x", TensorType(FLOAT32, (COUNT,)))

    def number(value: float) -> Any:
        return constant(np.float32(value))

    tanh = apply("Tanh", apply("Add", apply("Mul", x, number(1.1)), number(0.1)))
    sigmoid = apply("Sigmoid", apply("Sub", apply("Mul", x, number(0.9)), number(0.2)))
    program = Program("gate", Graph((x,), (apply("Mul", tanh, sigmoid),)), ("y",))
    made = SubstituteFunctions(ulp=ALLOWED).run(program, Context()).program
    node = made.graph.outputs[0].node
    from ...backends.native.kernel import kernel

    return kernel(tuple(node.attribute("program")))


def _print_fused(name: str, calls: Mapping[str, Call], exact: Array, count: int) -> None:
    times = _measured(calls, count)
    least = min(t for k, t in times.items() if k.startswith("ours"))
    print(f"\n{name:<24}{'ns':>8}{'ratio':>8}{'max error':>12}")
    for key, time in times.items():
        error = float(np.max(np.abs(np.asarray(calls[key]()).astype(np.float64) - exact)))
        print(f"  {key:<22}{time:>8.3f}{time / least:>8.2f}{error:>12.2g}")
