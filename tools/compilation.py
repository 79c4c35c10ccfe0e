"""A compile from program to emitted, checked artefact with its report."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import numpy as np

from ..backends.runtime.feeds import initialize, prepare
from ..backends.runtime.samples import size_choices
from ..graph.diagnostics import fail
from ..graph.ir import Program
from ..graph.spec.documents import Recipe
from ..passes.manager.contract import Bounded, Budget
from ..passes.manager.manager import PassManager
from ..passes.manager.pass_ import Context
from ..passes.manager.pipeline import Pipeline, parse_passes, pipeline
from ..passes.manager.record import CompileRecord
from .artefacts import Array, check_backend, drawn_inputs, read_artefact, write_artefact
from .output_checks import OutputCheck, checked

STANDARD = ("freeze_parameters", "simplify")
"""The passes of a compile that names none: exact ones."""


@dataclass(frozen=True)
class Artefact:
    """What a compile wrote, and how it was checked. `latency_ms` holds the least CPU time of one
    run before and after, where it was asked for; `bytes` is the size of all files emitted. `checks` compare it
    with the compiled program, `drift` with the one before any pass where passes may move the outputs."""

    path: Path
    bytes: int
    record: CompileRecord
    checks: tuple[OutputCheck, ...]
    emit_seconds: float
    latency_ms: Mapping[str, float]
    metrics: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    drift: tuple[OutputCheck, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "artefact": self.path.name,
            "bytes": self.bytes,
            "emit_seconds": self.emit_seconds,
            "latency_ms": dict(self.latency_ms),
            "metrics": {n: list(pair) for n, pair in self.metrics.items()},
            "checks": [asdict(c) for c in self.checks],
            "drift": [asdict(c) for c in self.drift],
            **self.record.to_json(),
        }


def choose_pipeline(recipe: str | None, passes: Sequence[str]) -> Pipeline:
    """The pipeline of a recipe file, of `--pass` texts, or the standard one."""
    return pipeline(read_recipe(recipe)) if recipe is not None else parse_passes(passes or STANDARD)


def read_recipe(path: str) -> Recipe:
    """The recipe in a file, or the standard library's of that name. Raises SpecError."""
    from ..graph.spec.reader import read_document
    from ..graph.spec.resolution import STANDARD_LIBRARY
    from .vocabulary import vocabulary

    found = path
    if not Path(path).exists():
        names = [path, f"{path}.yaml"]
        own = (STANDARD_LIBRARY / "recipes" / name for name in names)
        found = next((str(file) for file in own if file.is_file()), path)
    document = read_document(found, vocabulary=vocabulary())
    if document.recipe is None:
        raise fail("G1302", f"'{path}' is a {document.kind}, not a recipe", document.name.span)
    return document.recipe


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
    check_backend(backend)
    program = initialize(program, seed)
    manager = PassManager(reproducers=folder / "reproducers", progress=progress)
    context = replace(context or Context(seed=seed), backend="export" if backend == "torch" else backend)
    record = manager.run(program, steps, context, verify)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".emitted-") as emitted:
        start = process_time()
        path = write_artefact(record.program, Path(emitted), backend, opset, seed)
        seconds = process_time() - start
        lossy = any(isinstance(s.pass_.contract, Budget) for s in steps.steps)
        moved = lossy or any(isinstance(s.pass_.contract, Bounded) for s in steps.steps)
        checks, drift = (
            _check(program, record.program, path, seed, moved, lossy) if verify != "none" else ((), ())
        )
        timing = _latency(program, record.program, backend, opset, seed) if latency or lossy else {}
        files = tuple((f.name, f.stat().st_size) for f in sorted(Path(emitted).iterdir()))
        size, measured = sum(n for _, n in files), _metrics(context, program, record.program)
        artefact = Artefact(folder / path.name, size, record, checks, seconds, timing, measured, drift)
        _write_reports(artefact, folder)
        _require_equal(checks, program, folder)
        if path.suffix == ".onnx" and verify != "none":
            require_kernels(record.program, path)
        for name, _ in files:
            os.replace(Path(emitted) / name, folder / name)
    return artefact


def _metrics(context: Context | None, before: Program, after: Program) -> dict[str, tuple[float, float]]:
    """The graph's metrics on held-out data, before and after; empty without data."""
    meter = context.meter if context is not None else None
    if meter is None:
        return {}
    stages = [{m: float(np.mean(meter.measure(p, m, None))) for m in meter.metrics} for p in (before, after)]
    return {m: (stages[0][m], stages[1][m]) for m in meter.metrics}


def require_kernels(program: Program, path: Path) -> None:
    """Loads the model, reads its optimized graph again, and raises SpecError G1046 where the runtime
    does not run the kernels that the passes planned."""
    from ..passes.quantization.kernels import fused_operators, missing_kernels
    from ..passes.quantization.lowering import KERNELS_KEY

    expected = program.metadata.get(KERNELS_KEY, "")
    short = missing_kernels(expected, fused_operators(str(path))) if expected else []
    if short:
        raise fail("G1046", f"the runtime has fewer integer kernels than planned: {', '.join(short)}")


def _require_equal(checks: Sequence[OutputCheck], program: Program, folder: Path) -> None:
    wrong = next((c for c in checks if not c.ok), None)
    if wrong is None:
        return
    hint = f"no model was written; the report in '{folder}' has the sizes; please report this"
    message = f"the emitted model's output '{wrong.output}' differs from the program's by {wrong.max_abs:.3g}"
    if wrong.nonfinite:
        names = [n for n, a in program.weights.arrays.items() if a.dtype.kind == "f" and np.isnan(a).any()]
        message = (
            f"{wrong.nonfinite:,} of {wrong.count:,} numbers of output '{wrong.output}' are NaN or infinite in the "
            "program, and other ones in the emitted model"
        )
        hint = f"NaN is in {', '.join(names)}" if names else "a constant is NaN, or the numbers overflow"
    raise fail("G1180", message, hint=f"{hint}; no model was written")


def _check(
    before: Program, after: Program, path: Path, seed: int, moved: bool, lossy: bool
) -> tuple[tuple[OutputCheck, ...], tuple[OutputCheck, ...]]:
    """The program on torch and the written file on its own runtime, on the same drawn inputs. Where passes
    moved the outputs, the file is compared with what they made (their contracts say how far that may be from
    the start), and the second list says how far it is."""
    from .api import find_backend

    found: list[OutputCheck] = []
    drift: list[OutputCheck] = []
    runtime = read_artefact(path, after)
    original = find_backend("torch").load(before)
    compiled = find_backend("torch").load(after) if moved else original
    for sizes in size_choices(before, seed):
        feeds = prepare(before, drawn_inputs(before, seed, sizes), seed=seed)
        given = {**feeds, **_new_leaves(after, feeds)}
        start, actual = original.run(feeds), runtime.run(given)
        expected = compiled.run(given) if moved else start
        for name in before.output_names:
            found.append(checked(name, sizes, actual[name], expected[name], lossy))
            if moved:
                drift.append(checked(name, sizes, actual[name], start[name], lossy))
    return tuple(found), tuple(drift)


def _new_leaves(program: Program, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Leaves that passes made, from the program's own weights."""
    return {n: program.weights[n] for n in program.parameters if n not in feeds and n in program.weights}


def _runtime(backend: str, opset: int) -> Any:
    from .api import find_backend

    if backend != "onnx":
        return find_backend(backend)
    from ..backends.onnx.backend import OnnxBackend

    return OnnxBackend(opsets=(opset,))


def _latency(before: Program, after: Program, backend: str, opset: int, seed: int) -> dict[str, float]:
    """The least CPU milliseconds of a run on the artefact's runtime, before and after, interleaved."""
    runtime = _runtime(backend, opset)
    loaded = {"before": runtime.load(before), "after": runtime.load(after)}
    sizes = size_choices(before, seed)[0]
    feeds = {
        n: prepare(p, drawn_inputs(before, seed, sizes), seed=seed)
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
