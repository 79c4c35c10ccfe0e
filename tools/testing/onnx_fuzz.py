"""Fuzzing of import: `python -m graphwright.tools.testing.onnx_fuzz --cases 50000 --seed 7`.

Each case is a mutated ONNX file. It is read, written as a spec, read back and compared, as `graphwright
import` does. A case fails if it gives a traceback, takes more than 4 CPU seconds or more than 1 GB.
Cases are numbered: `--case 1234` with the same seed writes that file and runs it alone.
"""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from random import Random
from types import FrameType

import onnx

from ...graph.diagnostics import SpecError
from ...graph.diagnostics.rendering import render_json, render_text
from ..importing import Options, import_file
from .onnx_mutation import mutate
from .onnx_seeds import EXTERNAL_BYTES, EXTERNAL_FILE, seeds
from .spec_fuzz import MEMORY_BYTES, Failure, Report, data_bytes, reason_of

CPU_SECONDS = 4.0
_CHUNK = 100


class _TooSlow(BaseException):
    """Raised inside a case by the timer; no `except Exception` of the code under test stops it."""


def case_bytes(case: int, seed: int) -> bytes:
    """The mutated file of that number; the same in every process."""
    return mutate(Random(f"{seed}:{case}"), seeds())


def fuzz(cases: int, seed: int, *, processes: int = 1) -> Report:
    """Runs the cases 0 to `cases`. `readable` counts those that still parse as protobuf, `clean`
    those that were imported."""
    chunks = [(start, min(start + _CHUNK, cases)) for start in range(0, cases, _CHUNK)]
    report = Report()
    if processes == 1:
        for start, stop in chunks:
            report.add(_run(start, stop, seed))
        return report
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(_run_bounded, start, stop, seed): start for start, stop in chunks}
        for future in as_completed(futures):
            try:
                report.add(future.result())
            except BrokenProcessPool:
                report.failures.append(
                    Failure(futures[future], "a process of this chunk, or beside it, died")
                )
            if sys.stderr.isatty():
                print(f"\r{report.cases} of {cases}", end="", file=sys.stderr, flush=True)
    report.failures.sort(key=lambda failure: failure.case)
    return report


def _run_bounded(start: int, stop: int, seed: int) -> Report:
    """A chunk in a worker process: a case that takes more memory than the limit gets a MemoryError."""
    _warm_up()
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (data_bytes() + MEMORY_BYTES, hard))
    return _run(start, stop, seed)


def _warm_up() -> None:
    """Imports what the first case would, so that no case pays for it."""
    with tempfile.TemporaryDirectory() as folder:
        _import(Path(folder), seeds()[0])


def _run(start: int, stop: int, seed: int) -> Report:
    report = Report()

    def too_slow(signum: int, frame: FrameType | None) -> None:
        raise _TooSlow

    previous = signal.signal(signal.SIGVTALRM, too_slow)
    try:
        with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
            warnings.simplefilter("ignore")
            for case in range(start, stop):
                _run_case(report, case, case_bytes(case, seed), Path(folder))
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)
    report.peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return report


def _run_case(report: Report, case: int, data: bytes, folder: Path) -> None:
    report.cases += 1
    started = time.process_time()
    report.readable += _parses(data)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
        codes = _import(folder, data)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except (Exception, _TooSlow) as error:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        slow = isinstance(error, _TooSlow)
        where = f"stopped after {CPU_SECONDS:g} CPU s" if slow else reason_of(error)
        report.failures.append(Failure(case, where))
        return
    report.slowest = max(report.slowest, (time.process_time() - started, case))
    report.clean += not codes
    report.codes.update(codes)


def _parses(data: bytes) -> bool:
    try:
        onnx.ModelProto().ParseFromString(data)
    except Exception:  # of google.protobuf, whose decoder raises more than its DecodeError
        return False
    return True


def _import(folder: Path, data: bytes) -> Counter[str]:
    """The codes that an import of the file gives; nothing may be left of one that fails."""
    model, spec = folder / "model.onnx", folder / "model.yaml"
    model.write_bytes(data)
    (folder / EXTERNAL_FILE).write_bytes(EXTERNAL_BYTES)
    try:
        import_file(model, spec, Options())
    except SpecError as error:
        render_text(error.diagnostics)
        render_json(error.diagnostics)
        left = sorted(p.name for p in folder.iterdir() if p.name not in (model.name, EXTERNAL_FILE))
        if left:
            raise AssertionError(f"a refused import left {left}") from error
        found = Counter(d.code for d in error.diagnostics)
        if "G1223" in found:
            raise AssertionError(f"the spec differs: {error.diagnostics[0].message}") from error
        return found
    spec.unlink()
    (folder / "model.safetensors").unlink(missing_ok=True)
    return Counter()


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 if no case failed and at least half still parse as protobuf, else 1."""
    parser = argparse.ArgumentParser(description="Fuzz the import of ONNX models.")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--case", type=int, help="write one case to case.onnx and run it alone")
    options = parser.parse_args(arguments)
    if options.case is not None:
        data = case_bytes(options.case, options.seed)
        Path("case.onnx").write_bytes(data)
        with tempfile.TemporaryDirectory() as folder:
            print(f"case.onnx, {len(data)} bytes: {dict(_import(Path(folder), data)) or 'imported'}")
        return 0
    report = fuzz(options.cases, options.seed, processes=options.processes)
    print(f"seed {options.seed}: {report}".replace("readable as YAML", "readable as protobuf"))
    return 0 if report.passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
