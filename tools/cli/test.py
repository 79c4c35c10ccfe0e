"""`graphwright test`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ...graph.diagnostics import Diagnostic, SpecError
from ..documents import open_unit
from ..testing.case_runner import Outcome, run_cases
from .options import graph_options, json_option, overrides
from .output import print_diagnostics, print_json


@click.command("test")
@click.argument("files", nargs=-1, required=True, metavar="SPEC...")
@click.option("--backend", "backends", multiple=True, help="torch (default), onnx, reference; repeatable.")
@click.option("-k", "select", default=None, help="Only tests whose name contains this.")
@click.option("-v", "--verbose", is_flag=True, help="Print passed tests too.")
@graph_options
@json_option
def command(
    files: tuple[str, ...],
    backends: tuple[str, ...],
    select: str | None,
    verbose: bool,
    settings: tuple[str, ...],
    slots: tuple[str, ...],
    optional: tuple[str, ...],
    dtype: str | None,
    as_json: bool,
) -> None:
    """Run the tests that specs carry; a folder stands for every spec below it."""
    given = overrides(settings, slots, optional, dtype)
    outcomes: list[tuple[str, Outcome]] = []
    errors: list[Diagnostic] = []
    for path in _specs(files):
        try:
            unit = open_unit(path, given)
            for outcome in run_cases(unit, backends or ("torch", "onnx"), select):
                outcomes.append((path, outcome))
                if not as_json and (verbose or not outcome.passed):
                    _print(path, outcome)
        except SpecError as error:
            errors += error.diagnostics
    if not as_json:
        _summary(outcomes)
        print_diagnostics(errors)
    elif errors:
        print_diagnostics(errors)
    else:
        print_json([_record(path, o) for path, o in outcomes])
    failed = any(not o.passed and not o.skipped for _, o in outcomes)
    sys.exit(1 if failed or errors else 0)


def _specs(files: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in files:
        path = Path(name)
        found += sorted(str(p) for p in path.rglob("*.yaml")) if path.is_dir() else [name]
    return found


def _print(path: str, outcome: Outcome) -> None:
    mark = "passed" if outcome.passed else "skipped" if outcome.skipped else "FAILED"
    click.echo(f"{mark}  {path}: {outcome.block}: {outcome.case.name} [{outcome.backend}]")
    if outcome.skipped:
        click.echo(f"    {outcome.skipped}")
    for failure in outcome.failures:
        click.echo(f"    {failure.expectation.span}: {failure.expectation.text}")
        click.echo(f"        {failure.found}")
    print_diagnostics(outcome.error)


def _summary(outcomes: Sequence[tuple[str, Outcome]]) -> None:
    passed = sum(o.passed for _, o in outcomes)
    skipped = sum(bool(o.skipped) for _, o in outcomes)
    failed = len(outcomes) - passed - skipped
    click.echo(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))


def _record(path: str, outcome: Outcome) -> dict[str, Any]:
    return {
        "file": path,
        "block": outcome.block,
        "test": outcome.case.name,
        "backend": outcome.backend,
        "passed": outcome.passed,
        "skipped": outcome.skipped or None,
        "failures": [{"expectation": f.expectation.text, "found": f.found} for f in outcome.failures],
        "errors": [d.message for d in outcome.error],
        "cpu_seconds": round(outcome.seconds, 4),
    }
