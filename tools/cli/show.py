"""`graphwright show`."""

from __future__ import annotations

import click

from .options import graph_options, overrides


@click.command("show")
@click.argument("spec")
@click.option("--training", is_flag=True, help="The training variant.")
@click.option(
    "--pass", "passes", multiple=True, metavar="PASS{opt=1}", help="Apply passes first; repeatable."
)
@click.option("--origins", is_flag=True, help="With the spec line of every node.")
@graph_options
def command(
    spec: str,
    training: bool,
    passes: tuple[str, ...],
    origins: bool,
    settings: tuple[str, ...],
    slots: tuple[str, ...],
    optional: tuple[str, ...],
    dtype: str | None,
) -> None:
    """Print the typed IR of a spec (or of an .onnx model), after the passes given; of a theory, what it
    says."""
    from ...graph.ir.printing import print_program
    from ...passes.manager.manager import PassManager
    from ...passes.manager.pipeline import parse_passes
    from ..programs import open_program
    from ..proofs.text import theory_text

    if (theory := theory_text(spec)) is not None:
        click.echo(theory, nl=False)
        return
    program = open_program(spec, overrides(settings, slots, optional, dtype), training=training)
    if passes:
        program = PassManager().run(program, parse_passes(passes), verify="none").program
    click.echo(print_program(program, origins=origins), nl=False)
