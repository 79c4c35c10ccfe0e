"""`graphwright check`."""

from __future__ import annotations

import sys

import click

from ...graph.diagnostics import Diagnostic, SpecError
from ..documents import Overrides, open_unit
from ..vocabulary import vocabulary
from .options import graph_options, json_option, overrides
from .output import print_diagnostics


@click.command("check")
@click.argument("files", nargs=-1, required=True, metavar="SPEC...")
@click.option("--strict", is_flag=True, help="Warnings fail too.")
@graph_options
@json_option
def command(
    files: tuple[str, ...],
    strict: bool,
    settings: tuple[str, ...],
    slots: tuple[str, ...],
    optional: tuple[str, ...],
    dtype: str | None,
    as_json: bool,
) -> None:
    """Say everything that is wrong with specs: both variants, all tests, nothing run."""
    given = overrides(settings, slots, optional, dtype)
    found: list[Diagnostic] = []
    for path in files:
        found += check_file(path, given)
    print_diagnostics(found)
    failing = [d for d in found if strict or d.severity.value == "error"]
    if not as_json and not found:
        click.echo(f"{', '.join(files)}: no errors")
    sys.exit(1 if failing else 0)


def check_file(path: str, given: Overrides | None = None) -> list[Diagnostic]:
    """Every diagnostic of a file."""
    from ...graph.build.checking import check_unit

    try:
        unit = open_unit(path, given, vocabulary())
        if unit.document.kind == "logic":
            from ..proofs.checking import check_theory

            return check_theory(unit.document)
        if unit.document.recipe is not None:
            from ...passes.manager.pipeline import pipeline

            pipeline(unit.document.recipe)
        return check_unit(unit).items
    except SpecError as error:
        return list(error.diagnostics)
