"""Fuzzing of spec reading: `python -m graphwright.tools.testing.spec_fuzz --cases 100000 --seed 7`.

A case fails if it gives a traceback, takes more than 1 CPU second or more than 1 GB. Cases are
numbered: `--case 1234` with the same seed prints that one and runs it alone.
"""

from __future__ import annotations

import argparse
import gc
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from random import Random
from types import FrameType

from ...graph.diagnostics import Diagnostic, Source
from ...graph.diagnostics.rendering import render_json, render_text
from ...graph.spec.reader import parse_document
from ...graph.spec.resolution import STANDARD_LIBRARY, resolve
from ...graph.spec.yaml_reader import read_yaml
from .spec_mutation import corpus, make_case

CPU_SECONDS = 1.0
MEMORY_BYTES = 1 << 30
_CHUNK = 250

Check = Callable[[str], Iterable[Diagnostic]]


@dataclass(frozen=True, slots=True)
class Failure:
    case: int
    reason: str


@dataclass
class Report:
    """Counts of a run. `readable`: the YAML reader gave a tree. `clean`: no diagnostic at all."""

    cases: int = 0
    readable: int = 0
    clean: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, -1)
    peak_bytes: int = 0

    def add(self, other: Report) -> None:
        self.cases += other.cases
        self.readable += other.readable
        self.clean += other.clean
        self.codes.update(other.codes)
        self.failures.extend(other.failures)
        self.slowest = max(self.slowest, other.slowest)
        self.peak_bytes = max(self.peak_bytes, other.peak_bytes)

    @property
    def passed(self) -> bool:
        return not self.failures and 2 * self.readable >= self.cases

    def __str__(self) -> str:
        lines = [
            f"{self.cases} cases, {self.readable} readable as YAML, {self.clean} without a diagnostic",
            f"{len(self.codes)} distinct codes, {self.codes.total()} diagnostics",
            f"slowest {self.slowest[0]:.3f} CPU s (case {self.slowest[1]}), peak {self.peak_bytes >> 20} MB",
            f"{len(self.failures)} failures",
        ]
        lines.extend(f"  case {failure.case}: {failure.reason}" for failure in self.failures[:10])
        return "\n".join(lines)


def read_check(text: str) -> Iterable[Diagnostic]:
    """Reads a text, follows its `use:`, renders what is wrong; every caret must lie in its text."""
    folder = Path(tempfile.gettempdir()) / "no-such-folder-of-specs"
    document, diagnostics = parse_document(Source(str(folder / "case.yaml"), text))
    if document is not None:
        _, found = resolve(document)
        for item in found.items:
            diagnostics.add(item)
    render_text(diagnostics.items)
    render_json(diagnostics.items)
    for item in diagnostics.items:
        _assert_place(item)
    return diagnostics.items


def build_check(text: str) -> Iterable[Diagnostic]:
    """All that `graphwright check` says of a text: reading, `use:`, types and tests."""
    from ...graph.build.checking import check_unit  # numpy and the operator tables, for this check only
    from ...graph.build.document import Unit

    folder = Path(tempfile.gettempdir()) / "no-such-folder-of-specs"
    document, diagnostics = parse_document(Source(str(folder / "case.yaml"), text))
    if document is not None:
        resolution, found = resolve(document)
        if not diagnostics.errors and not found.errors:
            found = check_unit(Unit(document, resolution))
        for item in found.items:
            diagnostics.add(item)
    render_text(diagnostics.items)
    for item in diagnostics.items:
        _assert_place(item)
    return diagnostics.items


_CHECKS: dict[str, Check] = {"read": read_check, "build": build_check}


def _assert_place(item: Diagnostic) -> None:
    span = item.span
    if span is None:
        return
    lines = span.source.lines
    inside = 1 <= span.line <= len(lines) and 1 <= span.column <= len(lines[span.line - 1]) + 1
    if not inside or (span.line, span.column) >= (span.end_line, span.end_column):
        raise AssertionError(f"{item.code} points outside the text: {span}")


def fuzz(
    cases: int,
    seed: int,
    *,
    check: Check = read_check,
    processes: int = 1,
    seeds: Sequence[str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Runs `cases` cases. `check` gets a text and gives its diagnostics; it must be importable by
    name where `processes` > 1. The same cases come with any number of processes."""
    texts = tuple(seeds) if seeds is not None else corpus(STANDARD_LIBRARY)
    chunks = [(start, min(start + _CHUNK, cases)) for start in range(0, cases, _CHUNK)]
    report = Report()
    if processes == 1:
        for start, stop in chunks:
            report.add(_run(start, stop, seed, texts, check))
        return report
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(_run_bounded, start, stop, seed, texts, check) for start, stop in chunks]
        for future in as_completed(futures):
            report.add(future.result())
            if progress is not None:
                progress(report.cases)
    report.failures.sort(key=lambda failure: failure.case)
    return report


def case_text(case: int, seed: int, seeds: Sequence[str]) -> str:
    return make_case(Random(f"{seed}:{case}"), seeds)


class _TooSlow(BaseException):
    """Raised inside a case by the timer; no `except Exception` of the code under test stops it."""


def _run_bounded(start: int, stop: int, seed: int, seeds: Sequence[str], check: Check) -> Report:
    """A chunk in a worker process: a case that takes more than the limit gets a MemoryError."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (data_bytes() + MEMORY_BYTES, hard))
    return _run(start, stop, seed, seeds, check)


def data_bytes() -> int:
    """What this process holds already; 0 where the system does not tell."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def _run(start: int, stop: int, seed: int, seeds: Sequence[str], check: Check) -> Report:
    report = Report()

    def too_slow(signum: int, frame: FrameType | None) -> None:
        raise _TooSlow

    previous = signal.signal(signal.SIGVTALRM, too_slow)
    gc.freeze()  # a collection during a case looks at what the case made, not at all of this process
    try:
        for case in range(start, stop):
            _run_case(report, case, case_text(case, seed, seeds), check)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)
        gc.unfreeze()
    report.peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return report


def _run_case(report: Report, case: int, text: str, check: Check) -> None:
    report.cases += 1
    started = time.process_time()
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, 4 * CPU_SECONDS)
        readable = read_yaml(Source("case", text))[0] is not None
        codes = Counter(item.code for item in check(text))
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except (Exception, _TooSlow) as error:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        report.failures.append(Failure(case, reason_of(error)))
        return
    seconds = time.process_time() - started
    if seconds > CPU_SECONDS:
        report.failures.append(Failure(case, f"{seconds:.1f} CPU s"))
    report.slowest = max(report.slowest, (seconds, case))
    report.readable += readable
    report.clean += not codes
    report.codes.update(codes)


def reason_of(error: BaseException) -> str:
    """What failed and where, in one line."""
    if isinstance(error, _TooSlow):
        return f"stopped after {4 * CPU_SECONDS:g} CPU s"
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1]
    return f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno} {last.name})"[:300]


# --- command line -------------------------------------------------------------------------


def _named_check(name: str) -> Check:
    module, _, attribute = name.partition(":")
    found: Check = getattr(import_module(module), attribute)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 if no case failed and at least half were readable as YAML, else 1."""
    parser = argparse.ArgumentParser(description="Fuzz the reading of specs.")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--check", default="read", help="read, build, or module:function from text to diagnostics"
    )
    parser.add_argument("--case", type=int, help="print one case and run it alone")
    options = parser.parse_args(arguments)
    check = _CHECKS.get(options.check) or _named_check(options.check)
    if options.case is not None:
        return _one(options.case, options.seed, check)
    shown = sys.stderr.isatty()

    def progress(done: int) -> None:
        if shown:
            print(f"\r{done} of {options.cases}", end="", file=sys.stderr, flush=True)

    report = fuzz(options.cases, options.seed, check=check, processes=options.processes, progress=progress)
    print(f"seed {options.seed}: {report}")
    return 0 if report.passed else 1


def _one(case: int, seed: int, check: Check) -> int:
    text = case_text(case, seed, corpus(STANDARD_LIBRARY))
    print(text)
    started = time.process_time()
    items = list(check(text))
    print(f"--- {time.process_time() - started:.3f} CPU s\n{render_text(items)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
