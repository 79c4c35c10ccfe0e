"""A transformer encoder and the character language model with an output budget of 1e-5: speed before and after
certified programs, in torch (eager, compiled) and ONNX Runtime; outputs compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

import numpy as np

from ...backends.onnx import emit as emit_onnx
from ...backends.runtime.feeds import initialize
from ...backends.torch_fx.emitter import emit
from ...graph.build.document import build_program
from ...graph.ir import Program
from ...graph.spec.resolution import STANDARD_LIBRARY
from ...passes.functions.substitution import SubstituteFunctions
from ...passes.manager.manager import PassManager
from ...passes.manager.pass_ import Context
from ...passes.manager.pipeline import Pipeline, Step
from ..documents import Overrides, open_unit
from .function_goals import keep
from .goals import Goal
from .sessions import open_session

COMMAND = "python -m graphwright.tools.bench function_models"
BUDGET = 1e-5
BATCH, LENGTH, ROUNDS = 8, 128, 15
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
        pipeline = Pipeline((Step(SubstituteFunctions(tolerance=BUDGET)),))
        record = PassManager().run(before, pipeline, Context(), verify="each")
        times, differences = _measured(model, before, record.program)
        within = within and differences["torch eager, ours"] <= BUDGET
        _show(model, times, differences, record.passes[0].notes)
        faster = times["torch eager"] / times["torch eager, ours"]
        compiled = times["torch.compile"] / times["torch.compile, ours"]
        said.append(
            f"{model.name} {faster:.2f} times eager's and {compiled:.2f} times torch.compile's speed, "
            f"outputs within {differences['torch eager, ours']:.1e}"
        )
    target = "encoder and character model stay within a budget of 1e-5, speed measured"
    yield Goal("8", target, "; ".join(said), within)


def _spec(model: Model) -> Any:
    return STANDARD_LIBRARY / "models" / f"{model.name}.yaml"


def _show(
    model: Model, times: Mapping[str, float], differences: Mapping[str, float], notes: tuple[str, ...]
) -> None:
    print(f"\n{model.name}, {BATCH} x {LENGTH} tokens, one thread{'':<8}{'ms':>8}{'difference':>14}")
    for name, time in times.items():
        print(f"  {name:<40}{time:>12.2f}{differences[name]:>14.1e}")
    kept = sum(": kept" in note for note in notes)
    print(f"  {len(notes) - kept} places replaced or fused, {kept} kept")


def _measured(model: Model, before: Program, after: Program) -> tuple[dict[str, float], dict[str, float]]:
    """Milliseconds, and differences from torch's outputs before."""
    import torch

    tokens = np.random.default_rng(0).integers(0, model.vocabulary, (BATCH, LENGTH))
    calls = {
        "torch eager": _torch(before, tokens, compiled=False),
        "torch eager, ours": _torch(after, tokens, compiled=False),
        "torch.compile": _torch(before, tokens, compiled=True),
        "torch.compile, ours": _torch(after, tokens, compiled=True),
        "ONNX Runtime": _onnx(before, tokens),
        "ONNX Runtime, ours (operators as they were)": _onnx(after, tokens),
    }
    with torch.inference_mode():
        wanted = calls["torch eager"]()
        differences = {
            name: max(float(np.max(np.abs(a - b))) for a, b in zip(wanted, call(), strict=True))
            for name, call in calls.items()
        }
        return _times(calls), differences


def _times(calls: Mapping[str, Call]) -> dict[str, float]:
    """The least of all rounds, in turn."""
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = perf_counter_ns()
            call()
            best[name] = min(best[name], (perf_counter_ns() - start) / 1e6)
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
