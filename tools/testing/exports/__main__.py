"""`python -m graphwright.tools.testing.exports [--small] [--folder F] [NAME …]`: exports what is not yet
there, and prints a line a model."""

from __future__ import annotations

import sys
from time import process_time

import click

from .catalogue import ARCHITECTURES
from .exporting import WAYS, export_path, exported


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(ARCHITECTURES)))
@click.option("--way", "ways", multiple=True, type=click.Choice(WAYS), help="All by default; repeatable.")
@click.option("--small", is_flag=True, help="Narrow and shallow, as the tests use them.")
@click.option("--folder", default=None, help=".build/exports by default.")
def main(names: tuple[str, ...], ways: tuple[str, ...], small: bool, folder: str | None) -> None:
    """Export the architectures by torch.onnx, each in its three ways."""
    failed = False
    for name in names or ARCHITECTURES:
        for way in ways or WAYS:
            start = process_time()
            try:
                model = exported(name, way, small=small, folder=folder)
            except Exception as error:  # torch's exporters raise anything
                failed = True
                click.echo(f"{name} {way}: {type(error).__name__}: {str(error).splitlines()[0]}", err=True)
                continue
            seconds = process_time() - start
            place = export_path(name, way, small, folder)
            click.echo(
                f"{name:<13} {way:<12} {len(model.graph.node):>5} nodes {seconds:>6.1f} CPU s  {place}"
            )
    sys.exit(failed)


if __name__ == "__main__":
    main()
