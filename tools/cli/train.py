"""`graphwright train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import graph_options, json_option, overrides, seed_option


@click.command("train")
@click.argument("spec")
@click.option(
    "-o", "--output", "folder", default="out", show_default=True, help="For weights, history, checkpoints."
)
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in OUTPUT.")
@click.option("--epochs", type=click.IntRange(1), default=None, help="Instead of the spec's.")
@click.option(
    "--weights", type=click.Path(), default=None, help="Start from the parameters in a safetensors file."
)
@graph_options
@seed_option
@json_option
def command(
    spec: str,
    folder: str,
    resume: bool,
    epochs: int | None,
    weights: str | None,
    settings: tuple[str, ...],
    slots: tuple[str, ...],
    optional: tuple[str, ...],
    dtype: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Train a graph by its training: block. Ctrl-C leaves a checkpoint; --resume goes on from it."""
    from ..documents import open_unit
    from ..programs import read_arrays
    from ..training import train_unit
    from ..vocabulary import vocabulary
    from .output import print_diagnostics, print_json

    unit = open_unit(spec, overrides(settings, slots, optional, dtype), vocabulary())
    out = Path(folder)
    progress = False if as_json else None
    start = None if weights is None else read_arrays(weights)
    result = train_unit(
        unit, seed=seed, out=out, resume=resume, epochs=epochs, progress=progress, start=start
    )
    if as_json:
        warnings = [d.message for d in result.warnings]
        weights = str(out / "weights.safetensors")
        print_json({"history": result.history, "weights": weights, "warnings": warnings})
        return
    print_diagnostics(result.warnings)
    click.echo(_last(result.history[-1]) if result.history else "no step was taken")
    click.echo(f"wrote {out / 'weights.safetensors'}")


def _last(record: dict[str, Any]) -> str:
    from ...backends.torch_fx.training.display import describe

    return describe(record)
