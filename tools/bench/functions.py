"""Certified programs in C beside torch, inductor, ONNX Runtime, NumPy, libmvec and SLEEF: a million float32
elements, one thread, warm, all in one run; the largest error in units of the last place beside each.

Ours, libmvec and SLEEF are called from C's side of the border: with addresses taken before, as operators of torch
have them. Every result is compared with the function in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from time import perf_counter_ns
from typing import Any

import numpy as np

from ...backends.native.compiler import cpu, instruction_set
from ...backends.native.kernel import Kernel, kernel
from ...passes.functions.elementwise import elementwise
from ...passes.functions.substitution.library import Entry, library
from .function_goals import keep
from .goals import Goal
from .vector_libraries import vector_library

Array = np.ndarray[Any, Any]
COUNT = 1_000_000
ROUNDS = 20
WARM = 3
"""Calls in a row: the first of them finds another's arrays in the cache."""
FIVE = ("exp", "log", "sin", "tanh", "erf")
ALLOWED, CLOSE = 6.0, 1.0
"""Units in the last place that a program of the five may be off, and the exponential held to the closer bound."""
COMMAND = "python -m graphwright.tools.bench functions"


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


@dataclass(frozen=True)
class Table:
    """Of each that computes the time an element in nanoseconds, and the largest error in units of the last place
    and absolutely; `ours`: the names of our programs with the bounds of their certificates."""

    times: Mapping[str, float]
    units: Mapping[str, float]
    errors: Mapping[str, float]
    ours: Mapping[str, float]

    def least(self, allowed: float) -> float:
        """The time of our fastest program with a certificate of so many units."""
        return min(
            (self.times[name] for name, bound in self.ours.items() if bound <= allowed), default=math.nan
        )


def report() -> None:
    """Prints nanoseconds an element, the ratio to the best of ours, and the largest error of each; then the goals."""
    print(f"command: {COMMAND}")
    keep(goals(), COMMAND)


def goals() -> Iterator[Goal]:
    """Goals 6 and 7, after the tables."""
    import torch

    torch.set_num_threads(1)
    name, _ = cpu()
    print(
        f"{name}, kernels for {instruction_set()}, {COUNT} float32, one thread, least of {ROUNDS * WARM} calls"
    )
    tables = {case.name: _table(case) for case in CASES}
    yield from _goals(tables)
    yield with_softmax()
    yield with_gate()


def _table(case: Case) -> Table:
    calls = _calls(case)
    times, found = _measured(calls), _errors(case, calls)
    programs = {f"ours {e.program.name}": e for e in entries(case.name)}
    ours = {n: e.certificate.bound if e.program.error == "ulp" else math.inf for n, e in programs.items()}
    table = Table(times, {n: u for n, (u, _) in found.items()}, {n: e for n, (_, e) in found.items()}, ours)
    least = min(times[n] for n in ours) if ours else math.nan
    print(f"\n{case.name:<24}{'ns':>8}{'ratio':>8}{'max ulp':>12}{'max error':>12}")
    for key, time in times.items():
        print(
            f"  {key:<22}{time:>8.3f}{time / least:>8.2f}{table.units[key]:>12.4g}{table.errors[key]:>12.2g}"
        )
    return table


def _goals(tables: Mapping[str, Table]) -> Iterator[Goal]:
    """Goal 6, the lines of it."""
    five = [tables[name] for name in FIVE]
    for peer, wanted in (("torch eager", 8.0), ("torch.compile", 2.5)):
        ratio = math.exp(sum(math.log(t.times[peer] / t.least(ALLOWED)) for t in five) / len(five))
        what = f"exp, log, sin, tanh, erf within {ALLOWED:g} units: {wanted:g} times {peer}, geometric mean"
        yield Goal(f"6 {peer}", what, f"{ratio:.2f} times", ratio >= wanted)
    exp, gelu = tables["exp"], tables["gelu"]
    close = exp.least(CLOSE)
    ratio = exp.times["torch eager"] / close
    what = f"exp within {CLOSE:g} unit: 6 times torch eager"
    yield Goal("6 exp", what, f"{ratio:.2f} times, {close:.3f} ns an element", ratio >= 6)
    ours = min(gelu.ours, key=lambda n: gelu.times[n])
    faster = gelu.times["torch eager"] / gelu.times[ours]
    closer = gelu.errors["torch eager"] / gelu.errors[ours]
    said = f"{faster:.2f} times the speed, the largest error {closer:.2f} times smaller"
    what = "gelu faster than torch and at least twice as exact"
    yield Goal("6 gelu", what, said, faster > 1 and closer >= 2)


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
        made = vector_library(name, case.name, x, out)
        if made is not None:
            found[name] = made
    for entry in entries(case.name):
        found[f"ours {entry.program.name}"] = by_address(Kernel(elementwise(entry.program)), x, out)
    return found


def by_address(kernel: Kernel, x: Array, out: Array) -> Call:
    """The kernel on arrays whose addresses are taken now."""
    counts = (x.size // x.shape[-1], x.shape[-1]) if kernel.rows else (x.size,)
    function, given = kernel.address, (*counts, x.ctypes.data, out.ctypes.data)

    def call() -> Array:
        function(*given)
        return out

    return call


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


def _errors(case: Case, calls: Mapping[str, Call]) -> dict[str, tuple[float, float]]:
    """In units of the last place, and absolutely where the exact value is finite in float32."""
    import torch

    x = case.inputs(COUNT)
    exact = _torch_function(case.torch)(torch.from_numpy(x.astype(np.float64))).numpy()
    finite = np.abs(exact) < 2.0**127
    found = {}
    for name, call in calls.items():
        y = np.array(call(), np.float64)
        found[name] = units(y, exact), float(np.max(np.abs(y - exact)[finite]))
    return found


def units(found: Array, exact: Array) -> float:
    """The largest error in units of the last place of the exact value, normal ones only."""
    kept = (np.abs(exact) > 2.0**-126) & (np.abs(exact) < 2.0**128)
    scale = np.ldexp(1.0, np.frexp(exact[kept])[1] - 24)
    return float(np.max(np.abs(found.astype(np.float64)[kept] - exact[kept]) / scale))


# --- fused -----------------------------------------------------------------------------------------------


def with_softmax(columns: int = 1024) -> Goal:
    """Rows of 1,024 columns: torch's operator, one fused loop by inductor, one by us. Goal 7."""
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
        calls[f"ours {entry.program.name}"] = by_address(
            Kernel(elementwise(entry.program), rows=True), x, out
        )
    exact = function(tensor.double()).numpy()
    eager, compiled = _fused(f"softmax of {rows} x {columns}", calls, exact)
    said = f"{eager:.2f} times torch eager, {compiled:.2f} times torch.compile"
    return Goal("7 softmax", "fused softmax: twice torch's speed", said, min(eager, compiled) >= 2)


def gate(x: Any) -> Any:
    """A gated unit: tanh(1.1 x + 0.1) sigmoid(0.9 x - 0.2)."""
    import torch

    return torch.tanh(1.1 * x + 0.1) * torch.sigmoid(0.9 * x - 0.2)


def with_gate() -> Goal:
    """The gated unit in one loop, as the pass fuses it. Goal 7."""
    import torch

    x = np.random.default_rng(0).uniform(-6, 6, COUNT).astype(np.float32)
    tensor, out = torch.from_numpy(x), np.empty_like(x)
    calls: dict[str, Call] = {
        "torch eager": lambda: gate(tensor),
        "torch.compile": _compiled(gate, tensor),
        "ours": by_address(gate_kernel(), x, out),
    }
    eager, compiled = _fused("gated unit", calls, gate(tensor.double()).numpy())
    said = f"{compiled:.2f} times torch.compile, {eager:.2f} times torch eager"
    return Goal("7 gate", "fused gated unit: 4 times torch.compile's speed", said, compiled >= 4)


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
    made = SubstituteFunctions(ulp=ALLOWED, costs="table").run(program, Context()).program
    node = made.graph.outputs[0].node
    return kernel(tuple(node.attribute("program")))


def _fused(name: str, calls: Mapping[str, Call], exact: Array) -> tuple[float, float]:
    """Prints times and errors; how much slower torch, eager and compiled, is than the fastest of ours. Results that
    differ from the exact ones by more than 1e-5 stop the comparison."""
    times = _measured(calls, exact.size)
    least = min(t for k, t in times.items() if k.startswith("ours"))
    print(f"\n{name:<24}{'ns':>8}{'ratio':>8}{'max error':>12}")
    for key, time in times.items():
        error = float(np.max(np.abs(np.asarray(calls[key]()).astype(np.float64) - exact)))
        print(f"  {key:<22}{time:>8.3f}{time / least:>8.2f}{error:>12.2g}")
        if not error <= 1e-5:
            raise ValueError(f"{name} by {key} is {error:.2g} off: there is nothing to compare")
    return times["torch eager"] / least, times["torch.compile"] / least
