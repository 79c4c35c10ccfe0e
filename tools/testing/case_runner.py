"""Runs the tests of a spec on every backend that can (R36-R38)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from time import process_time

import numpy as np

from ...backends.runtime.comparison import allclose
from ...backends.runtime.feeds import complete
from ...backends.runtime.protocols import Array, Backend
from ...graph.build.cases import CaseProgram, Expectation, build_case
from ...graph.build.document import Unit
from ...graph.diagnostics import Diagnostic, SpecError
from ...graph.spec.documents import Block, TestCase
from ...passes.autodiff.resolution import resolve_gradients
from ..api import find_backend


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that does not hold: what it says, and what was found."""

    expectation: Expectation
    found: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """One test on one backend. `skipped` says why it did not run; `error` holds diagnostics."""

    block: str
    case: TestCase
    backend: str
    failures: tuple[Failure, ...] = ()
    error: tuple[Diagnostic, ...] = ()
    skipped: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.failures and not self.error and not self.skipped


def run_cases(unit: Unit, backends: Sequence[str], select: str | None = None) -> Iterator[Outcome]:
    """Every test of the document, of its graph and its functions, on each backend in turn."""
    body = [unit.document.body] if unit.document.body is not None else []
    for block in (*body, *unit.document.functions):
        for case in block.tests:
            if select is None or select in case.name:
                yield from run_case(unit, block, case, backends)


def run_case(unit: Unit, block: Block, case: TestCase, backends: Sequence[str]) -> Iterator[Outcome]:
    """One test on each backend that it allows."""
    name = block.name.text
    if case.expect_error is not None:
        yield _expected_error(unit, block, case)
        return
    try:
        built = build_case(unit, case, block)
        built = replace(built, program=resolve_gradients(built.program)[0])
    except SpecError as error:
        yield Outcome(name, case, "build", error=error.diagnostics)
        return
    for backend in case.backends or backends:
        yield _on_backend(name, built, find_backend(backend))


def _expected_error(unit: Unit, block: Block, case: TestCase) -> Outcome:
    try:
        build_case(unit, case, block)
    except SpecError as error:
        if any(d.code == case.expect_error for d in error.diagnostics):
            return Outcome(block.name.text, case, "build")
        return Outcome(block.name.text, case, "build", error=error.diagnostics)
    message = f"the test expects the error {case.expect_error}, but builds without one"
    return Outcome(block.name.text, case, "build", error=(Diagnostic("G0811", message, case.span),))


def _on_backend(block: str, built: CaseProgram, backend: Backend) -> Outcome:
    case, program = built.case, built.program
    missing = backend.unsupported(program)
    if missing:
        return Outcome(block, case, backend.name, skipped=missing[0].message)
    start = process_time()
    try:
        feeds = complete(program, {}, {}, seed=case.seed)
        results = backend.load(program).run(feeds)
    except SpecError as error:
        return Outcome(block, case, backend.name, error=error.diagnostics)
    failures = tuple(f for e in built.expectations if (f := _failure(e, results)) is not None)
    return Outcome(block, case, backend.name, failures, seconds=process_time() - start)


def _failure(expectation: Expectation, results: dict[str, Array]) -> Failure | None:
    truth = results[expectation.name]
    if bool(np.all(truth)):
        return None
    if expectation.left is None or expectation.right is None:
        where = np.argwhere(np.atleast_1d(~truth))
        place = f" first at {where[0].tolist()}" if truth.ndim else ""
        return Failure(expectation, f"false in {len(where)} of {truth.size} places{place}")
    left, right = results[expectation.left], results[expectation.right]
    try:
        return Failure(expectation, str(allclose(left, right, rtol=0.0, atol=0.0)))
    except (ValueError, TypeError):
        return Failure(expectation, f"left {_shown(left)}, right {_shown(right)}")


def _shown(array: Array) -> str:
    text = np.array2string(array, precision=6, threshold=8)
    return text if array.size <= 8 else f"{list(array.shape)} {text}"
