"""A transformer encoder and the character language model with an output budget of 1e-5: speed before and after
certified programs, in torch (eager, compiled) and ONNX Runtime; outputs compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from time import thread_time_ns
from typing import Any

import numpy as np

from ...backends.onnx import emit as emit_onnx
from ...backends.runtime.feeds import initialize
from ...backends.torch_fx.emitter import emit
from ...graph.build.document import build_program
from ...graph.ir import Program
from ...graph.spec.resolution import STANDARD_LIBRARY
from ...passes.functions.substitution import SubstituteFunctions, Target
from ...passes.manager.manager import PassManager
from ...passes.manager.pass_ import Context
from ...passes.manager.pipeline import Pipeline, Step
from ...passes.manager.record import CompileRecord
from ..documents import Overrides, open_unit
from .function_goals import keep
from .goals import Goal
from .sessions import open_session

COMMAND = "python -m graphwright.tools.bench function_models"
BUDGET = 1e-5
BATCH, LENGTH, ROUNDS = 8, 128, 40
TARGETS: Mapping[Target, str] = {"native": "torch eager", "inductor": "torch.compile", "onnx": "ONNX Runtime"}
"""What the pass compiles for, and what runs it."""
Call = Callable[[], Any]


@dataclass(frozen=True)
class Model:
    """A spec and its sizes."""

    name: str
    sizes: Mapping[str, int]
    vocabulary: int


MODELS = (
    Model("transformer_encoder", {"depth": 3, "width": 64, "heads": 4, "vocab": 300}, 300),
    Model("character_lm", {}, 128),
)


def report() -> None:
    """Milliseconds of each, and the largest difference of the outputs from those before; then the goal's line."""
    print(f"command: {COMMAND}")
    keep(goals(), COMMAND)


def goals() -> Iterator[Goal]:
    """Goal 8, after the tables."""
    import torch

    torch.set_num_threads(1)
    said, within = [], True
    for model in MODELS:
        before = initialize(
            build_program(open_unit(str(_spec(model)), Overrides(sizes=dict(model.sizes)))), 0
        )
        records = {target: _compiled(before, target) for target in TARGETS}
        times, differences = _measured(model, before, {t: r.program for t, r in records.items()})
        ours = {name: d for name, d in differences.items() if name.endswith("ours")}
        within = within and max(ours.values()) <= BUDGET
        _show(model, times, differences, {t: r.passes[-1].notes for t, r in records.items()})
        ratios = [
            f"{name} as it was"
            if records[target].program is before
            else f"{times[name] / times[f'{name}, ours']:.2f} times {name}'s speed"
            for target, name in TARGETS.items()
        ]
        said.append(f"{model.name} {', '.join(ratios)}, outputs within {max(ours.values()):.1e}")
    target = "encoder and character model stay within a budget of 1e-5, speed measured"
    yield Goal("8", target, "; ".join(said), within)


def _compiled(before: Program, target: Target) -> CompileRecord:
    """The model for one target, at the sizes that are measured."""
    steps = Pipeline((Step(SubstituteFunctions(tolerance=BUDGET, target=target)),))
    sizes = {"B": BATCH, "T": LENGTH}
    return PassManager().run(before, steps, Context(sizes=sizes), verify="each")


def _spec(model: Model) -> Any:
    return STANDARD_LIBRARY / "models" / f"{model.name}.yaml"


def _show(
    model: Model,
    times: Mapping[str, float],
    differences: Mapping[str, float],
    notes: Mapping[str, tuple[str, ...]],
) -> None:
    print(f"\n{model.name}, {BATCH} x {LENGTH} tokens, one thread{'':<8}{'ms':>8}{'difference':>14}")
    for name, time in times.items():
        print(f"  {name:<40}{time:>12.2f}{differences[name]:>14.1e}")
    for target, lines in notes.items():
        kept = [line for line in lines if ": kept" in line]
        print(f"  {target}: {len(lines) - len(kept)} places replaced or fused, {len(kept)} kept")
        for line in dict.fromkeys(line.partition(": ")[2] for line in lines):
            print(f"    {line}")


def _measured(
    model: Model, before: Program, after: Mapping[str, Program]
) -> tuple[dict[str, float], dict[str, float]]:
    """Milliseconds, and differences of what was compiled from what it was compiled from, on the same runtime (of
    others: from torch's)."""
    import torch

    tokens = np.random.default_rng(0).integers(0, model.vocabulary, (BATCH, LENGTH))
    run = {
        "native": partial(_torch, tokens=tokens, compiled=False),
        "inductor": partial(_torch, tokens=tokens, compiled=True),
        "onnx": partial(_onnx, tokens=tokens),
    }
    calls: dict[str, Call] = {}
    for target, name in TARGETS.items():
        calls[name] = run[target](before)
        calls[f"{name}, ours"] = run[target](after[target])
    with torch.inference_mode():
        results = {name: call() for name, call in calls.items()}
        differences = {}
        for name, found in results.items():
            wanted = results[name.removesuffix(", ours") if name.endswith("ours") else "torch eager"]
            pairs = zip(wanted, found, strict=True)
            differences[name] = max(float(np.max(np.abs(a - b))) for a, b in pairs)
        return _times(calls), differences


def _times(calls: Mapping[str, Call]) -> dict[str, float]:
    """Milliseconds of the thread, the least of all rounds, in turn: what else the machine does counts for little."""
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = thread_time_ns()
            call()
            best[name] = min(best[name], (thread_time_ns() - start) / 1e6)
    return best


def _torch(program: Program, tokens: np.ndarray[Any, Any], *, compiled: bool) -> Call:
    import torch

    module: Any = emit(program)
    if compiled:
        torch._dynamo.reset()
        module = torch.compile(module, dynamic=False)
    given = torch.from_numpy(tokens)
    return lambda: [v.detach().numpy() for v in module(given).values()]


def _onnx(program: Program, tokens: np.ndarray[Any, Any]) -> Call:
    session = open_session(emit_onnx(program).SerializeToString())
    return lambda: session.run(None, {"tokens": tokens})
