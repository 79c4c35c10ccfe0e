"""A compile from program to emitted, checked artefact with its report."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from ..backends.runtime.comparison import allclose
from ..backends.runtime.feeds import initialize, prepare
from ..backends.runtime.samples import draw, size_choices
from ..graph.diagnostics import fail
from ..graph.ir import Program
from ..passes.manager.manager import PassManager
from ..passes.manager.pass_ import Context
from ..passes.manager.pipeline import Pipeline, parse_passes, pipeline
from ..passes.manager.record import CompileRecord

Array = np.ndarray[Any, Any]
STANDARD = ("freeze_parameters", "simplify")
"""The passes of a compile that names none: exact ones."""


@dataclass(frozen=True)
class OutputCheck:
    """The emitted artefact against the program before any pass, on drawn inputs."""

    output: str
    sizes: Mapping[str, int]
    max_abs: float
    max_rel: float
    ok: bool


@dataclass(frozen=True)
class Artefact:
    """What a compile wrote, and how it was checked. `latency_ms` holds the least CPU time of one
    run before and after, where it was asked for."""

    path: Path
    record: CompileRecord
    checks: tuple[OutputCheck, ...]
    emit_seconds: float
    latency_ms: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        return {
            "artefact": self.path.name,
            "bytes": self.path.stat().st_size,
            "emit_seconds": self.emit_seconds,
            "latency_ms": dict(self.latency_ms),
            "checks": [asdict(c) for c in self.checks],
            **self.record.to_json(),
        }


def choose_pipeline(recipe: str | None, passes: Sequence[str]) -> Pipeline:
    """The pipeline of a recipe file, of `--pass` texts, or the standard one."""
    if recipe is not None:
        from ..graph.spec.reader import read_document
        from .vocabulary import vocabulary

        document = read_document(recipe, vocabulary=vocabulary())
        if document.recipe is None:
            raise fail("G1302", f"'{recipe}' is a {document.kind}, not a recipe", document.name.span)
        return pipeline(document.recipe)
    return parse_passes(passes or STANDARD)


def compile_program(
    program: Program,
    steps: Pipeline,
    folder: Path,
    *,
    backend: str = "onnx",
    opset: int = 21,
    verify: str | None = None,
    seed: int = 0,
    latency: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    context: Context | None = None,
) -> Artefact:
    """Runs the passes, emits, checks the artefact on its own runtime and writes the report.

    Parameters without weights are initialised with `seed`. Raises SpecError: what passes and
    emission raise, and G1180 where the artefact's results differ from the program's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    program = initialize(program, seed)
    manager = PassManager(reproducers=folder / "reproducers", progress=progress)
    record = manager.run(program, steps, context or Context(seed=seed, backend=backend), verify)
    start = process_time()
    path = _emit(record.program, folder, backend, opset, seed)
    emitted = process_time() - start
    checks = tuple(_check(program, record.program, path, seed)) if verify != "none" else ()
    timing = _latency(program, record.program, backend, opset, seed) if latency else {}
    artefact = Artefact(path, record, checks, emitted, timing)
    _write_reports(artefact, folder)
    wrong = next((c for c in checks if not c.ok), None)
    if wrong is not None:
        raise fail(
            "G1180",
            f"the emitted model's output '{wrong.output}' differs from the program's by {wrong.max_abs:.3g}",
            hint=f"the report in '{folder}' has the sizes; please report this",
        )
    return artefact


def _emit(program: Program, folder: Path, backend: str, opset: int, seed: int) -> Path:
    if backend == "onnx":
        from ..backends.onnx.capabilities import RuntimeKernels
        from ..backends.onnx.emitting.emission import save

        return save(program, folder / "model.onnx", opset=opset, kernels=RuntimeKernels())
    if backend == "torch":
        return _export(program, folder / "model.pt2", seed)
    raise fail("G1307", f"compile emits onnx or torch, not '{backend}'")


def _export(program: Program, path: Path, seed: int) -> Path:
    import torch

    from ..backends.torch_fx.backend import TorchBackend

    feeds = prepare(program, _inputs(program, seed, size_choices(program, seed)[0]), seed=seed)
    leaves = {**program.inputs, **program.states, **program.noise}
    exported = TorchBackend().export(program, {name: feeds[name] for name in leaves})
    part = path.with_name(f".{path.name}")
    torch.export.save(exported, str(part))
    os.replace(part, path)
    return path


def _inputs(program: Program, seed: int, sizes: Mapping[str, int]) -> dict[str, Array]:
    feeds = draw(program, seed, dict(sizes))
    return {name: feeds[name] for name in program.inputs}


def _check(before: Program, after: Program, path: Path, seed: int) -> list[OutputCheck]:
    """The program on torch and the written file on its own runtime, on the same drawn inputs."""
    from .api import find_backend

    found: list[OutputCheck] = []
    runtime = OnnxFile(path) if path.suffix == ".onnx" else find_backend("torch").load(after)
    original = find_backend("torch").load(before)
    for sizes in size_choices(before, seed):
        feeds = prepare(before, _inputs(before, seed, sizes), seed=seed)
        expected, actual = original.run(feeds), runtime.run({**feeds, **_new_leaves(after, feeds)})
        for name in before.output_names:
            found.append(_compared(name, sizes, actual[name], expected[name]))
    return found


class OnnxFile:
    """A model file run by ONNX Runtime, by the names of its inputs and outputs."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        self.session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Output name -> array."""
        names = [o.name for o in self.session.get_outputs()]
        given = {i.name: feeds[i.name] for i in self.session.get_inputs()}
        try:
            results = self.session.run(names, given)
        except Exception as error:  # onnxruntime raises private C++ exception types
            raise fail("G1120", f"ONNX Runtime failed on the sample inputs: {_last_line(error)}") from error
        return dict(zip(names, results, strict=True))


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _new_leaves(program: Program, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Leaves that passes made, from the program's own weights."""
    return {n: program.weights[n] for n in program.parameters if n not in feeds and n in program.weights}


def _runtime(backend: str, opset: int) -> Any:
    from .api import find_backend

    if backend != "onnx":
        return find_backend(backend)
    from ..backends.onnx.backend import OnnxBackend

    return OnnxBackend(opsets=(opset,))


def _compared(name: str, sizes: Mapping[str, int], actual: Array, expected: Array) -> OutputCheck:
    """Equal up to 1e-4 of the output's largest value, for two runtimes in float32."""
    if actual.dtype.kind != "f":
        same = actual.shape == expected.shape and bool(np.all(actual == expected))
        return OutputCheck(name, dict(sizes), 0.0 if same else 1.0, 0.0 if same else 1.0, same)
    scale = float(np.max(np.abs(expected), initial=0.0))
    relative = 1e-4 if expected.dtype == np.float32 else 1e-2 if expected.dtype.itemsize == 2 else 1e-9
    result = allclose(actual, expected, rtol=relative, atol=relative * max(1.0, scale), equal_nan=True)
    return OutputCheck(
        name, dict(sizes), float(result.max_abs), float(result.max_abs) / max(scale, 1e-30), bool(result)
    )


def _latency(before: Program, after: Program, backend: str, opset: int, seed: int) -> dict[str, float]:
    """The least CPU milliseconds of a run on the artefact's runtime, before and after, interleaved."""
    runtime = _runtime(backend, opset)
    loaded = {"before": runtime.load(before), "after": runtime.load(after)}
    sizes = size_choices(before, seed)[0]
    feeds = {
        n: prepare(p, _inputs(before, seed, sizes), seed=seed)
        for n, p in (("before", before), ("after", after))
    }
    best = dict.fromkeys(loaded, float("inf"))
    for _ in range(20):
        for name, executable in loaded.items():
            start = process_time()
            executable.run(feeds[name])
            best[name] = min(best[name], (process_time() - start) * 1000)
    return best


def _write_reports(artefact: Artefact, folder: Path) -> None:
    from .reports.page import page

    data = artefact.to_json()
    write_text(folder / "report.json", json.dumps(data, indent=2, default=str) + "\n")
    write_text(folder / "report.html", page(data))


def write_text(path: Path, text: str) -> None:
    """A text file, whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
