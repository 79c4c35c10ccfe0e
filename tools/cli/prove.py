"""`graphwright prove`."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import json_option

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
    as_json: bool,
) -> None:
    """Prove the goals of a theory, check the proofs, write theorems, certificates and an explorer.

    A theory without goals is explored: conjectures take their place.

    Exit code 0: every goal is proved and every checker at hand accepts; 1: some goal is left, or a
    checker rejects; conjectures may stay open. Ctrl-C keeps what is proved; the next run in the same
    folder goes on from it.
    """
    from ..proofs.checking import contradiction, refuse_false_goals
    from ..proofs.loading import open_theory, with_goals
    from ..proofs.pipeline import prove, resume, with_bounds, write

    theory = with_goals(open_theory(spec), goals)
    seconds = seconds or theory.bounds.seconds or SECONDS
    theory = with_bounds(theory, seconds=seconds, cycles=cycles, rounds=rounds, depth=depth)
    refuse_false_goals(theory)
    own = frozenset(g.name for g in theory.goals)
    if operators is not None or not own:
        from ...passes.logic.conjecture import conjecture

        theory = conjecture(theory, operators)
    target = Path(folder)
    known, methods = ([], {}) if fresh else resume(theory, target)
    progress = None if as_json else _Progress(len(theory.goals))
    with _executor(workers) as executor:
        proved = prove(theory, known=known, methods=methods, executor=executor, progress=progress, wanted=own)
    if progress is not None:
        progress.end()
    write(proved, target)
    if as_json:
        from .output import print_json

        print_json(proved.to_json())
    else:
        if proved.contradiction is not None:
            from .output import print_diagnostics

            print_diagnostics([contradiction(theory, proved.rests, proved.contradiction)])
        click.echo(summary(proved, folder))
    sys.exit(130 if proved.interrupted else 0 if proved.is_complete else 1)


def _executor(workers: int) -> AbstractContextManager[Any]:
    if workers == 1:
        return nullcontext()
    from ...backends.runtime.executor import ProcessExecutor

    return ProcessExecutor(workers)


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
    from ..proofs.pipeline import counted

    lines = [f"{proved.theory.name}: {counted(proved)}"]
    left = [g for g in proved.to_json()["unproved"] if proved.is_wanted(g["name"])]
    lines += [f"  left: {goal['name']}: {goal['statement']}" for goal in left[:10]]
    if len(left) > 10:
        lines.append(f"  … and {len(left) - 10} more")
    if proved.outcome.stopped:
        hint = "; --seconds gives it more" if proved.outcome.stopped == "out of time" else ""
        lines.append(f"  stopped: {proved.outcome.stopped}{hint}")
    for verdict in proved.verdicts:
        detail = f" ({verdict.detail})" if verdict.detail else ""
        lines.append(f"  {verdict.checker:<18} {verdict.verdict}{detail}")
    database = ", theory.mm" if proved.database is not None else ""
    lines.append(f"wrote {folder}/index.html, theorems.jsonl, certificates.jsonl{database}")
    return "\n".join(lines)
