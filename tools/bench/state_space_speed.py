"""Speed of state-space layers on one core: goals G7, G8 and G13, beside LSTM, GRU, S5 and a Scan a step.

The dense layers have matrices of the same shapes as the diagonal ones, not the same response. G7 is measured against
the recurrence as its equations stand, three products in the body of a Scan, and told beside it against the Scan that
we write for a dense layer now, which is about twice as fast. Opset 23, where a product of complex numbers is one
operator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from ...backends.onnx.backend import OnnxBackend
from ...backends.onnx.emitting.state_space_tables import reshape
from ...backends.torch_fx.backend import TorchBackend
from ...graph.ir import Graph, Program, Weights, apply, apply_all, argument, constant, leaf
from ...graph.types import FLOAT32, TensorType
from ...passes.diagonalization.chunking import ChunkSsm
from ...passes.manager.pass_ import Context
from ...passes.simplify.dead_code import EliminateDeadCode
from .goals import Goal, show
from .interleaved import cpu_seconds
from .memory import apart, status_megabytes

COMMAND = "python -m graphwright.tools.bench state_space_speed"
Array = np.ndarray[Any, Any]
Run = Callable[[], object]
STATES = 64
OPSET = 23
SESSIONS = 2
COMPILED = "onnx compiled"
WRITTEN, OURS = "onnx dense Scan a step, as written", "onnx dense Scan a step, as we write it"
RATIOS = {64: (80, 3, "110x", "3.4-4.3x"), 256: (130, 10, "175x", "10.8x")}
"""By width: G7 and G8's ratios, and what the prototype reached."""


def report() -> None:
    """The table side by side, then the goals."""
    print(f"command: {COMMAND}")
    show(goals())


def goals() -> Iterator[Goal]:
    """Memory, then the layers side by side at each width, then the time an element by length."""
    yield memory()
    for width in RATIOS:
        yield from beside(width)
    for width in RATIOS:
        yield from lengths(width)


def layer(
    groups: int,
    states: int,
    length: int,
    *,
    dense: bool,
    inputs: int = 1,
    outputs: int = 1,
    carried: bool = False,
    rank: int = 0,
) -> Program:
    """A stable layer with constant matrices, u[1, groups · inputs, length]; `carried` with a state that comes in and
    goes out, as from one call to the next; `rank` above 0 with a diagonal less that rank."""
    draws = np.random.default_rng(0)
    if dense:
        a = draws.standard_normal((groups, states, states)).astype(np.float32) * (0.5 / np.sqrt(states))
        shapes: dict[str, tuple[int, ...]] = {"B": (groups, states, inputs), "C": (groups, outputs, states)}
    else:
        m = states // 2
        angle = draws.uniform(0, np.pi, (groups, m))
        a = 0.98 * np.stack([np.cos(angle), np.sin(angle)], -1).astype(np.float32)
        shapes = {"B": (groups, m, inputs, 2), "C": (groups, outputs, m, 2)}
    weights: dict[str, Array] = {"A": a}
    weights |= {n: (draws.standard_normal(s) / states).astype(np.float32) for n, s in shapes.items()}
    if rank:
        low = (groups, states // 2, rank, 2)
        weights |= {n: draws.standard_normal(low) * 0.05 / np.sqrt(states) for n in "PQ"}
    weights = {n: x.astype(np.float32) for n, x in weights.items()}
    u = leaf("Input", "u", TensorType(FLOAT32, (1, groups * inputs, length)))
    w = [leaf("Weight", n, TensorType(FLOAT32, x.shape)) for n, x in weights.items()]
    form = "dense" if dense else "dplr" if rank else "diagonal"
    state = (1, groups, states) if dense else (1, groups, states // 2, 2)
    before = leaf("Input", "x", TensorType(FLOAT32, state)) if carried else None
    operands = (u, *w[:3], None, None, before, *w[3:])
    y, last = apply_all("LtiSsm", *operands, domain="graphwright", form=form, mode="step")
    if before is None:
        return Program("layer", Graph((u,), (y,)), ("y",), weights=Weights(weights))
    return Program("layer", Graph((u, before), (y, last)), ("y", "last"), weights=Weights(weights))


def as_written(width: int, length: int) -> Program:
    """x = A x + B u, y = C x as a Scan over steps, a matrix product each: u[1, width, length]."""
    given = layer(width, STATES, length, dense=True).weights
    weights = {n: given[n] for n in "ABC"}
    u = leaf("Input", "u", TensorType(FLOAT32, (1, width, length)))
    x, fed = (argument(i, TensorType(FLOAT32, (width, n, 1))) for i, n in enumerate((STATES, 1)))
    a, b, c = (argument(i + 2, TensorType(FLOAT32, w.shape)) for i, w in enumerate(weights.values()))
    moved = apply("Add", apply("MatMul", a, x), apply("MatMul", b, fed))
    body = Graph((x, fed, a, b, c), (moved, apply("MatMul", c, moved)))
    zero = constant(np.zeros(1, np.float32))
    first = apply("Expand", zero, constant(np.array([width, STATES, 1])))
    steps = apply("Transpose", reshape(u, width, length, 1, 1), perm=[1, 0, 2, 3])
    held = [leaf("Weight", n, TensorType(FLOAT32, w.shape)) for n, w in weights.items()]
    ys = apply_all("Scan", first, steps, *held, outputs=2, body=body, num_scan_inputs=1, captures=3)[1]
    y = apply("Transpose", reshape(ys, length, 1, width), perm=[1, 2, 0])
    return Program("as written", Graph((u,), (y,)), ("y",), weights=Weights(weights))


def chunks(program: Program, chunk: int = 0) -> Program:
    """Written out in chunks (0: as the cost model chooses), without what is no longer read."""
    context = Context()
    return EliminateDeadCode().run(ChunkSsm(chunk=chunk).run(program, context).program, context).program


def onnx_run(program: Program) -> Run:
    """One run of the session of the program, on normal numbers."""
    session = OnnxBackend((OPSET,), threads=1).load(program).session
    feeds = {}
    for given in session.get_inputs():
        feeds[given.name] = np.random.default_rng(1).standard_normal(given.shape).astype(np.float32)
    return lambda: session.run(None, feeds)


def fastest(programs: Mapping[str, Program], others: Mapping[str, Run], budget: float) -> dict[str, float]:
    """The least CPU seconds of each: of a program in two sessions, since a session's buffers lie where they happen to
    lie, in pages that share a cache well or badly, as long as it lives."""
    runs = {f"{name}/{i}": onnx_run(p) for i in range(SESSIONS) for name, p in programs.items()}
    taken = cpu_seconds({**runs, **others}, budget)
    found = {n: min(taken[f"{n}/{i}"] for i in range(SESSIONS)) for n in programs}
    return found | {n: taken[n] for n in others}


def recurrent(operator: str, width: int, length: int) -> Program:
    """The standard's LSTM or GRU of equal width."""
    gates = {"LSTM": 4, "GRU": 3}[operator]
    draws = np.random.default_rng(0)
    u = leaf("Input", "u", TensorType(FLOAT32, (length, 1, width)))
    weights = {n: (draws.standard_normal((1, gates * width, width)) / width).astype(np.float32) for n in "WR"}
    w = [leaf("Weight", n, TensorType(FLOAT32, x.shape)) for n, x in weights.items()]
    y = apply_all(operator, u, *w, hidden_size=width)[0]
    return Program(operator, Graph((u,), (y,)), ("y",), weights=Weights(weights))


def torch_runs(width: int, length: int) -> dict[str, Run]:
    """torch's own LSTM and GRU, the compiled layer with torch, and the public S5 where it is installed."""
    import torch

    torch.set_num_threads(1)
    modules: dict[str, Any] = {"torch LSTM": torch.nn.LSTM, "torch GRU": torch.nn.GRU}
    x = torch.randn(length, 1, width)
    runs = {name: _quiet(made(width, width), x) for name, made in modules.items()}
    model = TorchBackend().load(chunks(layer(width, STATES, length, dense=False), 64))
    feeds = {"u": np.random.default_rng(1).standard_normal((1, width, length)).astype(np.float32)}
    runs["torch chunk-64"] = lambda: model.run(feeds)
    if find_spec("s5") is not None:
        public = import_module("s5").S5(width, STATES)
        runs["s5-pytorch (one state of 64)"] = _quiet(public, torch.randn(1, length, width))
    return runs


def _quiet(module: Any, x: Any) -> Run:
    import torch

    def run() -> object:
        with torch.no_grad():
            return module(x)

    return run


def beside(width: int, length: int = 4096) -> Iterator[Goal]:
    """G7 and G8's ratios: everything in the same rounds."""
    diagonal = layer(width, STATES, length, dense=False)
    programs = {
        WRITTEN: as_written(width, length),
        OURS: layer(width, STATES, length, dense=True),
        "onnx diagonal Scan a step": diagonal,
        COMPILED: chunks(diagonal),
        **{f"onnx chunk-{c}": chunks(diagonal, c) for c in (32, 64, 128)},
        **{f"onnx {name}": recurrent(name, width, length) for name in ("LSTM", "GRU")},
    }
    if find_spec("s5") is None:
        yield Goal("G7", f"H={width}: s5-pytorch", "not installed (pip install --no-deps s5-pytorch)")
    taken = fastest(programs, torch_runs(width, length), 40.0)
    for name, seconds in taken.items():
        text = f"{seconds * 1e3:9.2f} ms, {seconds * 1e9 / (width * length):7.1f} ns an element"
        yield Goal("", f"H={width}, L={length}: {name}", text)
    least, faster, first, second = RATIOS[width]
    gain, ours, against = (taken[name] / taken[COMPILED] for name in (WRITTEN, OURS, "onnx LSTM"))
    text = f"{gain:.0f}x ({ours:.0f}x the Scan that we write for a dense layer)"
    yield Goal("G7", f"H={width}: dense Scan -> compiled >= {least}x", text, gain >= least, first)
    yield Goal(
        "G8", f"H={width}: >= {faster}x faster than ONNX LSTM", f"{against:.1f}x", against >= faster, second
    )


def lengths(width: int) -> Iterator[Goal]:
    """G8's time an element, beside the product that the layer would be at this machine's full rate."""
    programs = {"product": _product()}
    for length in (1024, 4096, 16384):
        programs[str(length)] = chunks(layer(width, STATES, length, dense=False))
    taken = fastest(programs, {}, 36.0)
    rate = taken.pop("product") * 1e9 / 512**3  # ns a multiply-accumulate
    for steps, seconds in taken.items():
        each = seconds * 1e9 / (width * int(steps))
        text = f"{each:.1f} ({each / (192 * rate):.1f} times its 192 multiplications in one large product)"
        yield Goal(
            "G8", f"H={width} L={steps}: <= 6 ns an element", text, each <= 6, "3.7-5.2 ns, other machine"
        )


def _product() -> Program:
    types = {n: leaf("Input", n, TensorType(FLOAT32, (512, 512))) for n in ("a", "b")}
    y = apply("MatMul", *types.values())
    return Program("product", Graph(tuple(types.values()), (y,)), ("y",))


def memory() -> Goal:
    """G13: what a run adds to the peak of a process of its own, input and result included."""
    grown = apart(_growth)
    return Goal("G13", "peak of L=65536, H=256 <= 400 MB", f"{grown:.0f} MB", grown <= 400, "320-350 MB")


def _growth() -> float:
    before = status_megabytes("VmHWM")
    program = chunks(layer(256, STATES, 65536, dense=False))
    model = OnnxBackend((OPSET,), threads=1).load(program)
    model.run({"u": np.ones((1, 256, 65536), np.float32)})
    return status_megabytes("VmHWM") - before
