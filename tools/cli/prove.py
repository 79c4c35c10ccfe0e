"""`graphwright prove`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import json_option, seed_option

if TYPE_CHECKING:
    from ...backends.logic.engine.prover import Cycle
    from ..proofs.pipeline import Proved

SECONDS = 60.0


@click.command("prove")
@click.argument("spec")
@click.option(
    "-o", "--output", "folder", default="out", show_default=True, help="The folder for theorems and proofs."
)
@click.option("--goal", "goals", multiple=True, metavar="FORMULA", help="Prove this instead; repeatable.")
@click.option(
    "--conjecture",
    "operators",
    type=click.IntRange(min=0),
    help="Also try what the models suggest, of at most so many operators a side.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    help="Stop searching after so long; else the spec's limit, else 60.",
)
@click.option("--cycles", type=click.IntRange(min=1), help="Rounds in which theorems become lemmas.")
@click.option("--rounds", type=click.IntRange(min=1), help="Rounds of saturation an obligation.")
@click.option("--depth", type=click.IntRange(min=0), help="Nested inductions.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes.")
@click.option("--fresh", is_flag=True, help="Do not go on from the theorems in the folder.")
@click.option("--recipe", type=click.Path(), default=None, help="A recipe: the passes to run instead.")
@click.option(
    "--pass", "passes", multiple=True, metavar="PASS{opt=1}", help="A pass instead; repeatable, in order."
)
@click.option("--verify", type=click.Choice(["none", "final", "each"]), help="How much to check; else each.")
@seed_option
@json_option
def command(
    spec: str,
    folder: str,
    goals: tuple[str, ...],
    operators: int | None,
    seconds: float | None,
    cycles: int | None,
    rounds: int | None,
    depth: int | None,
    workers: int,
    fresh: bool,
    recipe: str | None,
    passes: tuple[str, ...],
    verify: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Prove the goals of a theory, check the proofs, write theorems, certificates and an explorer.

    The theory becomes a grid of blocks, and passes do the rest: functionalise, filter, prove, compress,
    certify, export; with --conjecture, or for a theory without goals, conjecture before filter. The
    options are theirs; --recipe and --pass name others.

    Exit code 0: every goal is proved and every checker at hand accepts; 1: some goal is left, or a
    checker rejects; conjectures may stay open. Ctrl-C keeps what is proved; the next run in the same
    folder goes on from it.
    """
    from ..proofs.loading import open_theory, with_goals
    from ..proofs.pipeline import prove, resume, standard_passes, with_bounds, write

    if recipe is not None and passes:
        raise click.UsageError("give --recipe or --pass, not both")
    theory = with_goals(open_theory(spec), goals)
    seconds = seconds or theory.bounds.seconds or SECONDS
    limits = {"seconds": seconds, "cycles": cycles, "rounds": rounds, "depth": depth}
    if recipe is not None or passes:
        from ..compilation import choose_pipeline

        steps = choose_pipeline(recipe, passes)
        theory = with_bounds(theory, **limits)
    else:
        asked = operators is not None or not theory.goals
        steps = standard_passes(conjectures=asked, operators=operators, workers=workers, **limits)
    target = Path(folder)
    known, methods = ([], []) if fresh else resume(theory, target)
    progress = None if as_json else _Progress(len(theory.goals))
    proved = prove(theory, steps, known=known, methods=methods, verify=verify, seed=seed, progress=progress)
    if progress is not None:
        progress.end()
    write(proved, target)
    _show(proved, folder, as_json)
    sys.exit(130 if proved.interrupted else 0 if proved.is_complete else 1)


def _show(proved: Proved, folder: str, as_json: bool) -> None:
    from ..proofs.checking import contradiction
    from .output import print_diagnostics, print_json

    if as_json:
        print_json(proved.to_json())
        return
    if proved.contradiction is not None:
        print_diagnostics([contradiction(proved.theory, proved.facts.rests, proved.contradiction)])
    click.echo(summary(proved, folder))


class _Progress:
    """One line on a terminal, rewritten after each cycle; nothing elsewhere."""

    def __init__(self, goals: int) -> None:
        self.goals = goals
        self.proved = 0
        self.shown = sys.stderr.isatty()

    def __call__(self, cycle: Cycle) -> None:
        self.proved += cycle.proved
        if self.shown:
            text = f"\rcycle {cycle.number}: {self.proved} of {self.goals} proved, {cycle.rules} rules   "
            click.echo(text, nl=False, err=True)

    def end(self) -> None:
        if self.shown:
            click.echo("", err=True)


def summary(proved: Proved, folder: str) -> str:
    """What was proved and checked, in a screenful."""
    from ...backends.logic.results import counted, unproved
    from ...graph.theory.infix_printer import print_statement

    lines = [f"{proved.theory.name}: {counted(proved.facts)}"]
    left = [g for g in unproved(proved.facts) if not g.conjectured]
    lines += [f"  left: {goal.name}: {print_statement(goal.statement)}" for goal in left[:10]]
    if len(left) > 10:
        lines.append(f"  … and {len(left) - 10} more")
    if proved.facts.stopped:
        hint = "; --seconds gives it more" if proved.facts.stopped == "out of time" else ""
        lines.append(f"  stopped: {proved.facts.stopped}{hint}")
    for verdict in proved.facts.verdicts:
        detail = f" ({verdict.detail})" if verdict.detail else ""
        lines.append(f"  {verdict.checker:<18} {verdict.verdict}{detail}")
    pages = sum(name.startswith("proofs/") for name in proved.files)
    names = [name for name in proved.files if "/" not in name]
    names += [f"proofs/ ({pages} pages)"] if pages else []
    lines.append(f"wrote {folder}/{', '.join([*names, 'report.json'])}")
    return "\n".join(lines)
