"""Speed of state-space layers on one core: goals G7, G8, G9 and G13, beside LSTM, GRU and a Scan a step."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from ...backends.onnx.backend import OnnxBackend
from ...backends.runtime.state_space_cost import CHUNKS, Layer, best_plan
from ...backends.torch_fx.backend import TorchBackend
from ...graph.ir import Graph, Program, Weights, apply_all, leaf
from ...graph.types import FLOAT32, TensorType
from ...passes.diagonalization.chunking import ChunkSsm
from ...passes.manager.pass_ import Context
from ...passes.simplify.dead_code import EliminateDeadCode
from .memory import apart, status_megabytes

COMMAND = "python -m graphwright.tools.bench state_space_speed"
Array = np.ndarray[Any, Any]
SECONDS = 0.4


def report() -> None:
    """The table side by side, then the goals."""
    print(f"command: {COMMAND}")
    memory()
    beside()
    regret()


def layer(
    groups: int, states: int, length: int, *, dense: bool, inputs: int = 1, outputs: int = 1
) -> Program:
    """A stable layer with constant matrices, u[1, groups · inputs, length]."""
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
    weights = {n: x.astype(np.float32) for n, x in weights.items()}
    u = leaf("Input", "u", TensorType(FLOAT32, (1, groups * inputs, length)))
    w = [leaf("Weight", n, TensorType(FLOAT32, x.shape)) for n, x in weights.items()]
    form = "dense" if dense else "diagonal"
    y = apply_all("LtiSsm", u, *w, domain="graphwright", form=form, mode="step")[0]
    return Program("layer", Graph((u,), (y,)), ("y",), weights=Weights(weights))


def chunks(program: Program, chunk: int) -> Program:
    """Written out in chunks, without what is no longer read."""
    context = Context()
    return EliminateDeadCode().run(ChunkSsm(chunk=chunk).run(program, context).program, context).program


def seconds(run: Callable[[], object], budget: float = SECONDS) -> float:
    """The least time of repeated runs."""
    run()
    best, spent = np.inf, 0.0
    while spent < budget:
        start = perf_counter()
        run()
        taken = perf_counter() - start
        best, spent = min(best, taken), spent + taken
    return float(best)


def onnx_seconds(program: Program, budget: float = SECONDS) -> float:
    model = OnnxBackend(threads=1).load(program)
    shape = [int(str(d)) for d in program.graph.inputs[0].tensor.shape]
    feeds = {"u": np.random.default_rng(1).standard_normal(shape).astype(np.float32)}
    return seconds(lambda: model.run(feeds), budget)


def recurrent(operator: str, width: int, length: int) -> Program:
    """The standard's LSTM or GRU of equal width."""
    gates = {"LSTM": 4, "GRU": 3}[operator]
    draws = np.random.default_rng(0)
    u = leaf("Input", "u", TensorType(FLOAT32, (length, 1, width)))
    weights = {n: (draws.standard_normal((1, gates * width, width)) / width).astype(np.float32) for n in "WR"}
    w = [leaf("Weight", n, TensorType(FLOAT32, x.shape)) for n, x in weights.items()]
    y = apply_all(operator, u, *w, hidden_size=width)[0]
    return Program(operator, Graph((u,), (y,)), ("y",), weights=Weights(weights))


def torch_seconds(width: int, length: int) -> dict[str, float]:
    """torch's own LSTM and GRU, and the chunked layer with torch."""
    import torch

    torch.set_num_threads(1)
    found = {}
    x = torch.randn(length, 1, width)
    with torch.no_grad():
        for name, made in (("torch LSTM", torch.nn.LSTM), ("torch GRU", torch.nn.GRU)):
            module = made(width, width)
            found[name] = seconds(lambda module=module: module(x))  # type: ignore[misc]  # bound now
    program = chunks(layer(width, 64, length, dense=False), 64)
    model = TorchBackend().load(program)
    feeds = {"u": np.random.default_rng(1).standard_normal((1, width, length)).astype(np.float32)}
    return {**found, "torch chunk-64": seconds(lambda: model.run(feeds))}


def beside() -> None:
    """G7 and G8."""
    print("ms (ns an element) at L = 4096, N = 64 states a channel, batch 1, one core")
    for width, wanted, faster in ((64, 80, 3), (256, 130, 10)):
        length = 4096
        rows = {
            "onnx dense Scan a step": onnx_seconds(layer(width, 64, length, dense=True), 0.2),
            "onnx diagonal Scan a step": onnx_seconds(layer(width, 64, length, dense=False), 0.2),
        }
        for chunk in (32, 64, 128):
            rows[f"onnx chunk-{chunk}"] = onnx_seconds(chunks(layer(width, 64, length, dense=False), chunk))
        rows |= {f"onnx {name}": onnx_seconds(recurrent(name, width, length)) for name in ("LSTM", "GRU")}
        rows |= torch_seconds(width, length)
        for name, taken in rows.items():
            print(
                f"  H={width:4} {name:26} {taken * 1e3:9.2f} ({taken * 1e9 / (width * length):7.1f})",
                flush=True,
            )
        best = min(rows[f"onnx chunk-{c}"] for c in (32, 64, 128))
        gain, against = rows["onnx dense Scan a step"] / best, rows["onnx LSTM"] / best
        print(f"G7  H={width}: dense Scan -> compiled >= {wanted}x: {gain:.0f}x {_met(gain >= wanted)}")
        print(f"G8  H={width}: >= {faster}x faster than ONNX LSTM: {against:.1f}x {_met(against >= faster)}")
    for width in (64, 256):
        for length in (1024, 16384):
            taken = onnx_seconds(chunks(layer(width, 64, length, dense=False), 64))
            each = taken * 1e9 / (width * length)
            print(f"G8  H={width} L={length}: <= 6 ns an element: {each:.1f} {_met(each <= 6)}", flush=True)


def _met(condition: bool) -> str:
    return "yes" if condition else "NO"


def regret() -> None:
    """G9: the cost model's choice against the best of all forms, on a grid of layers."""
    worst: list[tuple[float, str]] = []
    for groups, inputs in ((1, 16), (16, 1), (64, 1)):
        for states in (16, 64, 256):
            if groups * states * states > 600_000:
                continue
            for length in (1, 64, 512, 2048):
                worst.append(_regret(groups, inputs, states, length))
    worst.sort(reverse=True)
    within = sum(r <= 1.3 for r, _ in worst)
    print(f"G9  the chosen form is within 1.3x of the best on {within} of {len(worst)} layers; worst:")
    for ratio, name in worst[:4]:
        print(f"      {ratio:.2f}x {name}")


def _regret(groups: int, inputs: int, states: int, length: int) -> tuple[float, str]:
    taken: dict[str, float] = {}
    predicted: dict[str, float] = {}
    for dense in (True, False):
        program = layer(groups, states, length, dense=dense, inputs=inputs, outputs=inputs)
        shape = Layer(1, groups, inputs, inputs, states, length, diagonal=not dense)
        kind = "dense" if dense else "diagonal"
        plan = best_plan(shape, "onnx")
        predicted[f"{kind} {plan.chunk if plan.mode == 'chunk' else 1}"] = plan.cost
        if length <= 512:
            taken[f"{kind} 1"] = onnx_seconds(program, 0.02)
        for chunk in CHUNKS[1:]:
            if 1 < chunk <= length and groups * chunk * inputs * (chunk * inputs + states) < 20_000_000:
                taken[f"{kind} {chunk}"] = onnx_seconds(chunks(program, chunk), 0.02)
    chosen = min(predicted, key=lambda k: predicted[k])
    if chosen not in taken:
        taken[chosen] = onnx_seconds(
            chunks(
                layer(
                    groups, states, length, dense=chosen.startswith("dense"), inputs=inputs, outputs=inputs
                ),
                int(chosen.split()[1]),
            ),
            0.02,
        )
    best = min(taken, key=lambda k: taken[k])
    name = f"G={groups} I=O={inputs} N={states} L={length}: {chosen} instead of {best}"
    return taken[chosen] / taken[best], name


def memory() -> None:
    """G13: what a run adds to the peak of a process of its own."""
    grown = apart(_growth)
    print(f"G13 peak of L=65536, H=256 <= 400 MB: {grown:.0f} MB {_met(grown <= 400)}")


def _growth() -> float:
    before = status_megabytes("VmHWM")
    program = chunks(layer(256, 64, 65536, dense=False), 64)
    model = OnnxBackend(threads=1).load(program)
    model.run({"u": np.ones((1, 256, 65536), np.float32)})
    return status_megabytes("VmHWM") - before
