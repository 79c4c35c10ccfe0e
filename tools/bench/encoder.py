"""Compile time and memory of larger programs."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from ...backends.runtime.feeds import initialize
from ...graph.build.document import build_program
from ...graph.ir import Graph, Program, Weights, apply, leaf
from ...graph.spec.resolution import STANDARD_LIBRARY
from ...graph.types import FLOAT32, TensorType, symbol
from ...passes.manager.manager import PassManager
from ...passes.manager.pipeline import parse_passes
from ..documents import open_unit
from .memory import apart, status_megabytes

PASSES = (
    "freeze_parameters",
    "fold_constants",
    "simplify_identities",
    "simplify_algebra",
    "simplify_shapes",
    "fuse_chains",
    "fold_batch_norm",
    "unroll_scans",
    "hoist_invariants",
    "merge_weights",
    "eliminate_dead_code",
)
SPEC = STANDARD_LIBRARY / "models" / "transformer_encoder.yaml"


def report() -> None:
    """Prints CPU seconds of reading, building and simplifying, and the memory of mapped weights."""
    seconds: list[dict[str, float]] = [_compile_once() for _ in range(5)]
    best = min(seconds, key=lambda s: sum(s.values()))
    print("12-layer encoder, CPU s: " + ", ".join(f"{k} {v:.3f}" for k, v in best.items()))
    print(
        f"  build and simplify: {best['build'] + best['simplify']:.3f}; with reading: {sum(best.values()):.3f}"
    )
    print(f"  {len(PASSES)} passes, each verified: {min(_verified() for _ in range(3)):.2f}")
    weights, growth = mapped_weights()
    print(f"400 MB of mapped weights: peak memory grows by {growth:.0f} MB ({growth / weights:.2f}x)")


def _compile_once() -> dict[str, float]:
    start = process_time()
    unit = open_unit(str(SPEC))
    read = process_time()
    program = build_program(unit)
    built = process_time()
    PassManager().run(program, parse_passes(("simplify",)), verify="none")
    return {"read": read - start, "build": built - read, "simplify": process_time() - built}


def _verified() -> float:
    """CPU seconds of every pass that simplifies on its own, contracts checked at sites and outputs."""
    program = initialize(build_program(open_unit(str(SPEC))), 0)
    start = process_time()
    PassManager().run(program, parse_passes(PASSES), verify="each")
    return process_time() - start


def mapped_weights(layers: int = 100) -> tuple[float, float]:
    """(MB of weights, MB by which the peak grows) of simplifying a deep chain whose weights are
    memory-mapped, verification off; in a process of its own, whose peak nothing else has raised."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.bin"
        with path.open("wb") as file:
            for i in range(layers):
                file.write(np.full((1024, 1024), i, np.float32).tobytes())
        return apart(_growth, str(path), layers)


def _growth(path: str, layers: int) -> tuple[float, float]:
    mapped = np.memmap(path, np.float32, "r", shape=(layers, 1024, 1024))
    program = _chain(mapped)
    before = status_megabytes("VmHWM")
    PassManager().run(program, parse_passes(("freeze_parameters", "simplify")), verify="none")
    after = status_megabytes("VmHWM")
    return mapped.nbytes / 2**20, after - before


def _chain(mapped: np.ndarray[Any, Any]) -> Program:
    x = leaf("Input", "x", TensorType(FLOAT32, (symbol("B"), 1024)))
    parameters, y = [], x
    for i in range(len(mapped)):
        w = leaf("Parameter", f"w{i}", TensorType(FLOAT32, (1024, 1024)))
        parameters.append(w)
        y = apply("Relu", apply("MatMul", y, w))
    program = Program("chain", Graph((x, *parameters), (y,)), ("y",))
    return replace(program, weights=Weights({f"w{i}": mapped[i] for i in range(len(mapped))}))
