"""What the verbs print: diagnostics, JSON, tables; plain where no terminal is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from ...graph.diagnostics import Diagnostic
from ...graph.diagnostics.rendering import render_json, render_text


def wants_json() -> bool:
    """Whether `--format json` or `--json` was given to the running verb."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.params.get("as_json"))


def print_diagnostics(diagnostics: Iterable[Diagnostic]) -> None:
    """Diagnostics on standard error, or as JSON on standard output."""
    items = list(diagnostics)
    if wants_json():
        click.echo(render_json(items))
    elif items:
        click.echo(render_text(items, colour=sys.stderr.isatty()).rstrip("\n"), err=True)


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Columns aligned by blanks."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())
