"""`graphwright search`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import json_option, seed_option

if TYPE_CHECKING:
    from ...passes.functions.evolution import Search


@click.group("search")
def command() -> None:
    """Search for programs of few operations for a function."""


@command.command("function")
@click.argument("function")
@click.option("--domain", nargs=2, type=float, required=True, metavar="LOW HIGH", help="The interval.")
@click.option("--ops", type=click.IntRange(1, 24), default=10, show_default=True, help="The most operations.")
@click.option(
    "--error",
    type=click.Choice(["relative", "absolute"]),
    default="relative",
    show_default=True,
    help="Of what.",
)
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Stop after so long.")
@click.option("--generations", type=click.IntRange(min=1), help="Stop after so many generations in all.")
@click.option(
    "-o", "--output", "folder", default="out", show_default=True, help="The folder for what is found."
)
@click.option("--fresh", is_flag=True, help="Do not go on from the journal in the folder.")
@seed_option
@json_option
def function_command(
    function: str,
    domain: tuple[float, float],
    ops: int,
    error: str,
    seconds: float | None,
    generations: int | None,
    folder: str,
    fresh: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Programs of + - * / for FUNCTION (exp2, log2, sin, …): for each number of operations the most exact.

    Ctrl-C stops and keeps what was found; the next run in the same folder goes on. Writes the front as a
    library of functions (FUNCTION.yaml) and the journal.
    """
    from ...backends.runtime.cache import write_atomically
    from ...passes.functions.evolution import Settings
    from ...passes.functions.target import Target
    from ..search.function_search import begin, front, library, run
    from .output import print_json

    if seconds is None and generations is None:
        seconds = 60.0
    target = Target(function, domain[0], domain[1], error)
    search = begin(target, Settings(operations=ops), seed, Path(folder), fresh)
    shown = None if as_json or not sys.stderr.isatty() else _show
    try:
        run(search, Path(folder), generations=generations, seconds=seconds, progress=shown)
    except KeyboardInterrupt:
        click.echo("\nstopped; run it again to go on", err=True)
    found = front(search)
    write_atomically(Path(folder) / f"{function}.yaml", library(target, found).encode("utf-8"))
    records = [f.to_json() for f in found]
    if as_json:
        print_json({"generation": search.generation, "programs_fitted": search.fitted, "front": records})
        return
    click.echo(f"{search.fitted:,} programs fitted in {search.generation} generations")
    for one in found:
        click.echo(f"{one.operations:>3} operations {one.digits:6.2f} digits  {one.program.text()}")
    click.echo(f"wrote {Path(folder) / f'{function}.yaml'}")


def _show(search: Search) -> None:
    best = min((e.error for e in search.archive.entries()), default=1.0)
    click.echo(
        f"\rgeneration {search.generation}, {search.fitted:,} programs, best {best:.2e}", nl=False, err=True
    )
