"""The checkers of a proof: the kernel, and two of Metamath, each with its verdict in words."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .exporters.records import ExportError
from .kernel import check
from .metamath_verifier import MetamathError, verify

ACCEPTED, REJECTED, ABSENT = "accepted", "rejected", "not installed"
_FAULT = re.compile(r"^\?(?:Error|Warning|Fatal)", re.MULTILINE)
_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one checker said of all proofs together."""

    checker: str
    verdict: str
    detail: str = ""

    @property
    def is_bad(self) -> bool:
        return self.verdict == REJECTED


def kernel_verdict(lines: Sequence[str]) -> tuple[Verdict, dict[str, tuple[str, ...]]]:
    """The kernel's verdict, and what each accepted theorem rests on."""
    found = check(lines)
    theorems = dict(found.theorems)
    if found.accepted:
        return Verdict("kernel", ACCEPTED, f"{len(theorems)} theorems, {found.steps} steps"), theorems
    return Verdict("kernel", REJECTED, f"line {found.line}: {found.reason}"), theorems


def python_verdict(database: str) -> Verdict:
    """The verdict of our own Metamath verifier."""
    try:
        report = verify(database)
    except MetamathError as error:
        return Verdict("metamath (Python)", REJECTED, str(error))
    return Verdict("metamath (Python)", ACCEPTED, f"{len(report.theorems)} proofs")


def metamath_program() -> str | None:
    """The path of the program `metamath`, if there is one."""
    return shutil.which("metamath")


def metamath_verdict(database: str) -> Verdict:
    """The verdict of the program `metamath`, where it is installed."""
    program = metamath_program()
    if program is None:
        return Verdict("metamath", ABSENT)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "theory.mm").write_text(database, encoding="ascii")
        command = [program, 'read "theory.mm"', "verify proof *", "exit"]
        environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}
        try:
            run = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return Verdict("metamath", REJECTED, f"it did not end: {type(error).__name__}")
    return Verdict("metamath", *_read(run.stdout))


def _read(output: str) -> tuple[str, str]:
    """It says "verified" also after errors, so errors decide."""
    fault = _FAULT.search(output)
    if fault is not None:
        return REJECTED, " ".join(output[fault.start() :].split("\n\n")[0].split())[:300]
    if "All proofs in the database were verified" not in output:
        return REJECTED, "it verified nothing"
    count = re.search(r"(\d+) are \$p", output)
    return ACCEPTED, f"{count.group(1)} proofs" if count else ""


def all_verdicts(
    lines: Sequence[str],
) -> tuple[list[Verdict], dict[str, tuple[str, ...]], str | None]:
    """The verdicts of every checker on a certificate, what its theorems rest on, and the Metamath
    database (None where the kernel rejects, or it cannot be written)."""
    from .exporters.metamath import export_metamath

    kernel, theorems = kernel_verdict(lines)
    if kernel.is_bad:
        return [kernel], theorems, None
    try:
        database = export_metamath(lines)
    except ExportError as error:
        return [kernel, Verdict("metamath export", REJECTED, str(error))], theorems, None
    return [kernel, metamath_verdict(database), python_verdict(database)], theorems, database
