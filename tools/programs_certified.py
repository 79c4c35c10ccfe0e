"""`graphwright certify` for function programs: each file read, its error bounded anew, what is wrong said."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

from ..backends.runtime.cache import write_atomically
from ..graph.diagnostics import Diagnostic, Severity, Span, SpecError
from ..graph.spec.documents import Document
from ..graph.spec.reader import read_document
from ..passes.functions.certificates.checking import Effort, certified, problems
from ..passes.functions.certificates.special_values import Problem
from ..passes.functions.program import FunctionProgram
from ..passes.functions.program_spec import program_of, spec_text
from .cli.output import print_diagnostics, print_json


@dataclass(frozen=True)
class Request:
    """What was asked for on the command line."""

    stride: int = 1
    renew: bool = False
    journal: Path | None = None
    arithmetic: str = ""
    gappa: bool = False
    native: bool = True


def certify_files(paths: Sequence[str], request: Request, as_json: bool) -> bool:
    """Checks or renews each file and prints the outcome; whether one fails."""
    records: list[dict[str, Any]] = []
    for path in paths:
        try:
            record, found = _certify(path, request)
        except SpecError as error:
            record, found = {"file": path}, list(error.diagnostics)
        records.append({**record, "problems": [f"{d.code}: {d.message}" for d in found]})
        if not as_json:
            print_diagnostics(tuple(found))
            _print(records[-1])
    if as_json:
        print_json({"programs": records})
    return any(record["problems"] for record in records)


def _certify(path: str, request: Request) -> tuple[dict[str, Any], list[Diagnostic]]:
    document = read_document(path)
    program = program_of(document)
    start = process_time()
    if request.gappa:
        return _by_gappa(path, program), []
    if request.journal is not None:
        request.journal.mkdir(parents=True, exist_ok=True)
    show = _progress if sys.stderr.isatty() else None
    effort = Effort(request.stride, request.arithmetic, request.journal, show, request.native)
    found: list[Diagnostic] = []
    if request.renew:
        program = certified(program, effort)
        write_atomically(Path(path), spec_text(program).encode("utf-8"))
    else:
        found = [_diagnostic(document, problem) for problem in problems(program, effort)]
    record = {
        "file": path,
        "program": program.name,
        "certificates": [
            {"kind": c.kind, "arithmetic": c.arithmetic, "bound": c.bound, "error": program.error}
            for c in program.certificates
        ],
        "complete": request.stride == 1,
        "cpu_seconds": round(process_time() - start, 2),
    }
    return record, found


def _by_gappa(path: str, program: FunctionProgram) -> dict[str, Any]:
    from ..passes.functions.certificates.gappa import answer, script

    said = answer(program)
    return {"file": path, "script": script(program), "gappa": "not installed" if said is None else said}


def _diagnostic(document: Document, problem: Problem) -> Diagnostic:
    section = document.program
    assert section is not None
    span: Span = section.span
    if problem.certificate is not None:
        certificate = section.certificates[problem.certificate]
        span = certificate.digest.span if problem.code == "G1521" else certificate.span
    return Diagnostic(problem.code, problem.message, span, severity=Severity.ERROR, hint=problem.hint or None)


def _progress(value: float) -> None:
    text = f"{100 * value:.0f} %" if value <= 1 else f"{value:.4g}"
    print(f"\r{text:<12}", end="", file=sys.stderr, flush=True)


def _print(record: dict[str, Any]) -> None:
    if "script" in record:
        print(record["script"])
        print(f"Gappa: {record['gappa']}")
        return
    if "program" not in record:
        return
    verdict = "fails" if record["problems"] else "holds" if record["complete"] else "holds where tried"
    bounds = ", ".join(
        f"{c['bound']:.5g} {c['error']} ({c['kind']}, {c['arithmetic']})" for c in record["certificates"]
    )
    print(f"{record['file']}: {verdict}: {bounds or 'no certificate'} [{record['cpu_seconds']} CPU s]")
