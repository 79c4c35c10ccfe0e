"""`graphwright certify`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .options import json_option


@click.command("certify")
@click.argument("certificates", type=click.Path(dir_okay=False))
@click.option("--theorems", "listed", is_flag=True, help="List each theorem with what it rests on.")
@click.option(
    "--metamath", "database", type=click.Path(dir_okay=False), help="Also write a Metamath database here."
)
@click.option("--tptp", type=click.Path(file_okay=False), help="Write the obligations as TPTP problems here.")
@click.option("--smtlib", type=click.Path(dir_okay=False), help="Write the steps as SMT-LIB queries here.")
@json_option
def command(
    certificates: str,
    listed: bool,
    database: str | None,
    tptp: str | None,
    smtlib: str | None,
    as_json: bool,
) -> None:
    """Check the proofs in a certificate file: kernel, Metamath program (where installed), verifier.

    Exit code 0 where all accept, 1 where one rejects. Nothing of the file is run.
    """
    from ...backends.logic.checkers import all_verdicts
    from ..proofs.loading import read_lines
    from ..proofs.pipeline import write_text

    lines = read_lines(Path(certificates))
    verdicts, rests, text = all_verdicts(lines)
    if text is not None:
        if database is not None:
            write_text(Path(database), text)
        _write_others(lines, tptp, smtlib)
    if as_json:
        from .output import print_json

        records = [{"checker": v.checker, "verdict": v.verdict, "detail": v.detail} for v in verdicts]
        print_json({"verdicts": records, "theorems": {name: list(r) for name, r in rests.items()}})
    else:
        for verdict in verdicts:
            detail = f" ({verdict.detail})" if verdict.detail else ""
            click.echo(f"{verdict.checker:<18} {verdict.verdict}{detail}")
        for name, axioms in rests.items() if listed else ():
            click.echo(f"  {name}: rests on {', '.join(axioms) or 'nothing'}")
    sys.exit(1 if any(v.is_bad for v in verdicts) else 0)


def _write_others(lines: list[str], tptp: str | None, smtlib: str | None) -> None:
    """The accepted proofs for other provers."""
    from ...backends.logic.exporters.smtlib import export_smtlib
    from ...backends.logic.exporters.tptp import export_tptp
    from ..proofs.pipeline import write_text

    if tptp is not None:
        folder = Path(tptp)
        folder.mkdir(parents=True, exist_ok=True)
        for number, problem in enumerate(export_tptp(lines), 1):
            write_text(folder / f"{number:04}.p", f"% {problem.name}\n{problem.text}")
    if smtlib is not None:
        write_text(Path(smtlib), export_smtlib(lines).text)
