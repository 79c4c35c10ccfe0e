"""`graphwright diff`."""

from __future__ import annotations

import sys

import click


@click.command("diff")
@click.argument("before")
@click.argument("after")
def command(before: str, after: str) -> None:
    """Compare two programs (specs or .onnx models): signature, nodes, weights. Exit code 1 if they differ."""
    from ...graph.ir.diff import diff
    from ..programs import open_program

    difference = diff(open_program(before), open_program(after))
    text = str(difference)
    click.echo(text if text else "the same program")
    sys.exit(1 if difference else 0)
