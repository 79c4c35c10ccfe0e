"""`graphwright certify`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .options import json_option


@click.command("certify")
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False))
@click.option(
    "--stride", type=click.IntRange(min=1), default=1, help="Programs: try every n-th run of inputs."
)
@click.option("--renew", is_flag=True, help="Programs: make the certificates anew and write the file.")
@click.option("--journal", type=click.Path(file_okay=False), help="Programs: go on here after a stop.")
@click.option(
    "--with",
    "arithmetic",
    type=click.Choice(["ball", "interval"]),
    help="Programs: by python-flint or by mpmath (the default is the first that is installed).",
)
@click.option("--numpy", "by_numpy", is_flag=True, help="Programs: compute float32 by NumPy, not by C.")
@click.option("--gappa", is_flag=True, help="Programs: the script for Gappa, and its answer where installed.")
@click.option("--theorems", "listed", is_flag=True, help="Proofs: list each theorem with what it rests on.")
@click.option(
    "--metamath", "database", type=click.Path(dir_okay=False), help="Proofs: also write a database."
)
@click.option("--tptp", type=click.Path(file_okay=False), help="Proofs: write the obligations as TPTP here.")
@click.option("--smtlib", type=click.Path(dir_okay=False), help="Proofs: write the steps as SMT-LIB here.")
@json_option
def command(
    files: tuple[str, ...],
    stride: int,
    renew: bool,
    journal: str | None,
    arithmetic: str | None,
    by_numpy: bool,
    gappa: bool,
    listed: bool,
    database: str | None,
    tptp: str | None,
    smtlib: str | None,
    as_json: bool,
) -> None:
    """Check certificates again: of function programs (.yaml), or of proofs.

    A function program's error is bounded anew over its whole domain and compared with what its
    certificate says: float32 on every input (seconds by a C kernel, most of an hour by NumPy where nothing
    compiles one), float64 by ball arithmetic. Proofs are checked by kernel, Metamath program (where
    installed) and verifier.
    Exit code 0 where all hold, 1 where one does not. Nothing of a file is run as code.
    """
    specs = [f for f in files if f.endswith((".yaml", ".yml"))]
    proofs = [f for f in files if f not in specs]
    if specs and (listed or database or tptp or smtlib):
        raise click.UsageError("--theorems, --metamath, --tptp and --smtlib are for proofs")
    bad = False
    if specs:
        from ..programs_certified import Request, certify_files

        folder = None if journal is None else Path(journal)
        request = Request(stride, renew, folder, arithmetic or "", gappa, native=not by_numpy)
        bad = certify_files(specs, request, as_json)
    for path in proofs:
        bad = _proofs(path, listed, database, tptp, smtlib, as_json) or bad
    sys.exit(1 if bad else 0)


def _proofs(
    path: str, listed: bool, database: str | None, tptp: str | None, smtlib: str | None, as_json: bool
) -> bool:
    """Checks a file of proofs; whether one is rejected."""
    from ...backends.logic.checkers import all_verdicts
    from ..proofs.loading import read_lines
    from ..proofs.pipeline import write_text

    lines = read_lines(Path(path))
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
    return any(v.is_bad for v in verdicts)


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
