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
@json_option
def command(certificates: str, listed: bool, database: str | None, as_json: bool) -> None:
    """Check the proofs in a certificate file: kernel, Metamath program (where installed), verifier.

    Exit code 0 where all accept, 1 where one rejects. Nothing of the file is run.
    """
    from ..proofs.checkers import all_verdicts
    from ..proofs.loading import read_lines

    verdicts, rests, text = all_verdicts(read_lines(Path(certificates)))
    if database is not None and text is not None:
        part = Path(f"{database}.part")
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(database)
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
