"""`graphwright render`."""

from __future__ import annotations

import click

from ...graph.spec.reader import read_document
from ...graph.spec.yaml_writer import render


@click.command("render")
@click.argument("spec")
def command(spec: str) -> None:
    """Print a spec in its canonical form: what the compiler understood, as YAML."""
    click.echo(render(read_document(spec)), nl=False)
