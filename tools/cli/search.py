"""`graphwright search`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import json_option, seed_option

if TYPE_CHECKING:
    from ...passes.functions.evolution import Search
    from ...passes.functions.target import Target
    from ..search.enumeration import Enumeration
    from ..search.function_search import Found
    from ..search.measured_front import Measured


@click.group("search")
def command() -> None:
    """Search for programs of few operations for a function."""


@command.command("function")
@click.argument("function")
@click.option(
    "--domain", nargs=2, type=float, metavar="LOW HIGH", help="The interval; an FPCore may state it."
)
@click.option("--ops", type=click.IntRange(1, 24), default=10, show_default=True, help="The largest cost.")
@click.option(
    "--error",
    type=click.Choice(["relative", "absolute"]),
    default="relative",
    show_default=True,
    help="Of what.",
)
@click.option(
    "--cost",
    type=click.Choice(["operations", "multiply-add", "no-multiply-add", "time"]),
    default="operations",
    show_default=True,
    help="What a program costs: operations, a target's costs with or without fused multiply-adds, or the time of its"
    " float32 kernel (errors are then those of float32, and --ops limits operations).",
)
@click.option("--core", help="Which FPCore of a file, by its name.")
@click.option("--empty", is_flag=True, help="Begin from x alone, not from the textbook forms and ladders.")
@click.option(
    "--exhaustive", type=click.IntRange(1, 8), help="Fit every program of at most so many operations."
)
@click.option(
    "--prior",
    type=click.Choice(["none", "odd", "mobius"]),
    default="none",
    show_default=True,
    help="Of --exhaustive: every structure, odd functions, or c / (w + c) + c of odd w (sizes are those of w).",
)
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Stop after so long.")
@click.option("--epochs", type=click.IntRange(min=1), help="Stop after so many epochs in all.")
@click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes.")
@click.option(
    "-o", "--output", "folder", default="out", show_default=True, help="The folder for what is found."
)
@click.option("--fresh", is_flag=True, help="Do not go on from the journal in the folder.")
@click.option(
    "--measure", is_flag=True, help="Also time float32 kernels of the best: nanoseconds against units."
)
@click.option("--plot", is_flag=True, help="Draw the front into FUNCTION.png (extra plots).")
@seed_option
@json_option
def function_command(
    function: str,
    domain: tuple[float, float] | None,
    ops: int,
    error: str,
    cost: str,
    core: str | None,
    empty: bool,
    exhaustive: int | None,
    prior: str,
    seconds: float | None,
    epochs: int | None,
    workers: int,
    folder: str,
    fresh: bool,
    measure: bool,
    plot: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Programs of + - * / for FUNCTION (exp2, log2, sin, …, or a file of FPCore): for each cost the most exact.

    Begins from the textbook forms and ladders of rungs w + c / w. Ctrl-C stops and keeps what was found; the
    next run in the same folder goes on, and ends where it would have without the stop. Writes the front: a
    library of functions (FUNCTION.yaml), one program spec each (programs/), and the journal.
    """
    from ...passes.functions.island import Settings
    from ..search.function_search import begin, front

    target, out = _target(function, domain, error, core), Path(folder)
    _refuse_idle(
        exhaustive, prior, cost, {"seconds": seconds, "epochs": epochs, "measure": measure, "plot": plot}
    )
    if cost == "time":
        target, measure = replace(target, arithmetic="float32"), True
    out.mkdir(parents=True, exist_ok=True)
    if exhaustive is not None:
        _enumerate(target, exhaustive, prior, out, workers, seed, fresh, as_json)
        return
    search = begin(target, Settings(most=ops), seed, out, fresh=fresh, cost=cost, classical=not empty)
    _search(search, out, workers, epochs, seconds, not empty, as_json)
    _leave_search(search, seed, out, as_json, measure)
    if plot:
        from ..search.front_plot import draw

        draw(target, front(search), out / f"{target.name}.png")


def _enumerate(
    target: Target, size: int, prior: str, out: Path, workers: int, seed: int, fresh: bool, as_json: bool
) -> None:
    """Every structure up to `size` operations, or as many as until Ctrl-C; then what was found."""
    from ..search.enumeration import enumerate_programs
    from ..search.executors import executor_of

    progress = None if as_json or not sys.stderr.isatty() else _show_enumeration
    with executor_of(workers) as executor:
        found = enumerate_programs(
            target, size, seed, out, executor=executor, prior=prior, fresh=fresh, progress=progress
        )
    _leave_enumeration(found, out, as_json)


def _search(
    search: Search,
    out: Path,
    workers: int,
    epochs: int | None,
    seconds: float | None,
    classical: bool,
    as_json: bool,
) -> None:
    """The search until its end or Ctrl-C, kept in the folder."""
    from ..search.executors import executor_of
    from ..search.function_search import run, save

    save(search, out, classical)
    seconds = 60.0 if seconds is None and epochs is None else seconds
    progress = None if as_json or not sys.stderr.isatty() else _show
    with executor_of(workers) as executor:
        try:
            run(
                search,
                out,
                epochs=epochs,
                seconds=seconds,
                classical=classical,
                executor=executor,
                progress=progress,
            )
        except KeyboardInterrupt:
            click.echo("\nstopped; run it again to go on", err=True)


def _refuse_idle(exhaustive: int | None, prior: str, cost: str, others: dict[str, object]) -> None:
    """UsageError for options that would change nothing."""
    if exhaustive is None and prior != "none":
        raise click.UsageError("--prior belongs to --exhaustive")
    idle = [f"--{name}" for name, value in others.items() if value]
    if exhaustive is not None and (idle or cost != "operations"):
        raise click.UsageError(f"--exhaustive goes without {idle[0] if idle else '--cost'}")


def _leave_search(search: Search, seed: int, out: Path, as_json: bool, measure: bool) -> None:
    """Writes and prints the front; with `measure`, what its kernels take."""
    from ..search.function_search import front, leave

    target, programs = search.target, front(search)
    leave(target, programs, out, {"search": f"seed {seed}, {search.epoch} epochs, {search.fitted} programs"})
    facts: dict[str, object] = {"epochs": search.epoch, "programs_fitted": search.fitted}
    timed = _timed(search) if measure else []
    if measure:
        facts["kernels"] = [
            {"nanoseconds": m.nanoseconds, "units": m.units, "program": m.program.text(m.constants)}
            for m in timed
        ]
    summary = f"{search.fitted:,} programs fitted in {search.epoch} epochs"
    _report(programs, as_json, summary, facts, target, out)
    if not as_json:
        for one in timed:
            click.echo(f"{one.nanoseconds:8.4f} ns {one.units:12.4g} ulp  {one.program.text()}")


def _timed(search: Search) -> list[Measured]:
    from ..search.measured_front import measured_front

    return measured_front(search)


def _leave_enumeration(found: Enumeration, out: Path, as_json: bool) -> None:
    from ..search.function_search import leave

    if len(found.counts) < found.largest:
        click.echo("\nstopped; run it again to go on", err=True)
    provenance = {
        "search": f"exhaustive to {len(found.counts)} operations",
        "prior": found.prior,
        "seed": found.seed,
    }
    leave(found.target, found.front, out, provenance)
    facts: dict[str, object] = {"counts": list(found.counts), "fitted": list(found.fitted)}
    _report(found.front, as_json, found.summary(), facts, found.target, out)


def _target(function: str, domain: tuple[float, float] | None, error: str, core: str | None) -> Target:
    from ...passes.functions.target import Target

    if function.endswith(".fpcore"):
        from ..search.fpcore_files import fpcore_target

        return fpcore_target(Path(function), core, domain, error)
    if domain is None:
        raise click.UsageError("--domain LOW HIGH is missing")
    return Target(function, domain[0], domain[1], error)


def _report(
    found: list[Found], as_json: bool, summary: str, facts: dict[str, object], target: Target, folder: Path
) -> None:
    from .output import print_json

    if as_json:
        print_json({**facts, "front": [f.to_json() for f in found]})
        return
    click.echo(summary)
    for one in found:
        click.echo(f"cost {one.cost:>4g}  {one.digits:6.2f} digits  {one.program.text()}")
    click.echo(f"wrote {folder / f'{target.name}.yaml'} and {len(found)} specs in {folder / 'programs'}")


def _show(search: Search) -> None:
    best = min((e.error for e in search.archive.entries()), default=1.0)
    click.echo(f"\repoch {search.epoch}, {search.fitted:,} programs, best {best:.2e}", nl=False, err=True)


def _show_enumeration(state: Enumeration) -> None:
    size = len(state.counts) + 1
    best = min((e.error for kept in state.kept.values() for e in kept), default=1.0)
    done = f"{state.position:,} structures of {size} operations, {state.position_fitted:,} fitted"
    click.echo(f"\r{done}, best {best:.2e}", nl=False, err=True)
