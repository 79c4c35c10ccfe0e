"""`graphwright show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import graph_options, overrides

if TYPE_CHECKING:
    from ...graph.ir import Program


@click.command("show")
@click.argument("spec")
@click.option("--training", is_flag=True, help="The training variant.")
@click.option(
    "--pass", "passes", multiple=True, metavar="PASS{opt=1}", help="Apply passes first; repeatable."
)
@click.option("--origins", is_flag=True, help="With the spec line of every node.")
@click.option("--ir", is_flag=True, help="The IR of a theory, not its description.")
@click.option(
    "--draw",
    "drawing",
    type=click.Path(dir_okay=False),
    metavar="FILE.svg",
    help="Draw a theory's grid into a file: blocks, mail routes, broadcast.",
)
@graph_options
def command(
    spec: str,
    training: bool,
    passes: tuple[str, ...],
    origins: bool,
    ir: bool,
    drawing: str | None,
    settings: tuple[str, ...],
    slots: tuple[str, ...],
    optional: tuple[str, ...],
    dtype: str | None,
) -> None:
    """Print the typed IR of a spec (or of an .onnx model), after the passes given; of a theory, what it
    says and the grid of blocks that proves it.

    A theory's IR is printed after passes, and with --ir.
    """
    from ...graph.ir.printing import print_program
    from ...passes.manager.manager import PassManager
    from ...passes.manager.pipeline import parse_passes
    from ..programs import open_program
    from ..proofs.text import theory_program, theory_text

    theory = theory_program(spec)
    program = theory or open_program(spec, overrides(settings, slots, optional, dtype), training=training)
    if passes:
        program = PassManager().run(program, parse_passes(passes), verify="none").program
    if drawing is not None:
        _draw(program, drawing)
    elif theory is not None and not passes and not ir:
        click.echo(theory_text(program), nl=False)
    else:
        click.echo(print_program(program, origins=origins), nl=False)


def _draw(program: Program, path: str) -> None:
    """Writes the drawing of a grid."""
    from ...backends.logic.reading import node_of
    from ...backends.logic.topology import topology
    from ..proofs.pipeline import write_text
    from ..reports.grid import grid_svg

    fixpoint = node_of(program, "Fixpoint")
    if fixpoint is None:
        raise click.UsageError("--draw draws the grid of a theory, and here is none")
    write_text(Path(path), grid_svg(topology(fixpoint), program.name))
    click.echo(f"wrote {path}")
