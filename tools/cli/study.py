"""`graphwright study`."""

from __future__ import annotations

from pathlib import Path

import click

from .options import graph_options, json_option, overrides


@click.command("study")
@click.argument("name", metavar="STUDY")
@click.argument("spec")
@click.option(
    "--epochs", type=click.IntRange(1), default=None, help="Of each training, instead of the spec's."
)
@click.option(
    "--seeds", type=click.IntRange(1), default=1, show_default=True, help="Seeds of each combination."
)
@click.option(
    "--seconds",
    type=click.FloatRange(0),
    default=600.0,
    show_default=True,
    help="Start no training after so long.",
)
@click.option(
    "-o",
    "--output",
    "folder",
    default="out",
    show_default=True,
    help="For results; what is there is not run again.",
)
@graph_options
@json_option
def command(
    name: str,
    spec: str,
    epochs: int | None,
    seeds: int,
    seconds: float,
    folder: str,
    settings: tuple[str, ...],
    slots: tuple[str, ...],
    optional: tuple[str, ...],
    dtype: str | None,
    as_json: bool,
) -> None:
    """Train SPEC once for each combination of a study's options, and print the table.

    STUDY is fp4 (formats of FP4 training) or surrogates (gradients of rounding). Cut off, by Ctrl-C or
    by --seconds, the same command goes on from what is in OUTPUT.
    """
    from ...graph.diagnostics import did_you_mean, fail
    from ..documents import open_unit
    from ..study import STUDIES, effects, run_study, table
    from ..vocabulary import vocabulary
    from .output import print_json, print_table

    if name not in STUDIES:
        hint = did_you_mean(name, STUDIES) or f"there are {', '.join(STUDIES)}"
        raise fail("G0974", f"there is no study '{name}'", hint=hint)
    study = STUDIES[name]
    unit = open_unit(spec, overrides(settings, slots, optional, dtype), vocabulary())
    outcomes = run_study(
        unit,
        study,
        Path(folder) / name,
        epochs=epochs,
        seeds=seeds,
        seconds=seconds,
        tell=lambda line: click.echo(line, err=True),
    )
    if as_json:
        print_json([o.__dict__ for o in outcomes])
        return
    click.echo(study.doc)
    print_table(table(study, outcomes))
    click.echo()
    print_table(effects(study, outcomes))
