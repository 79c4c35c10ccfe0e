"""TPTP problems for E and SMT-LIB queries for Z3: every obligation and every step is entailed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from graphwright.backends.logic.exporters.records import ExportError
from graphwright.backends.logic.exporters.smtlib import export_smtlib
from graphwright.backends.logic.exporters.tptp import Problem, export_tptp
from graphwright.tools.proofs.pipeline import Proved

needs_e = pytest.mark.skipif(shutil.which("eprover") is None, reason="the prover E is not installed")


def status(problem: Problem, folder: Path, seconds: int = 10) -> str:
    path = folder / "problem.p"
    path.write_text(problem.text, encoding="utf-8")
    command = ["eprover", "--auto", f"--cpu-limit={seconds}", "-s", str(path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    found = [line.split()[3] for line in run.stdout.splitlines() if "SZS status" in line]
    return found[0] if found else run.stdout + run.stderr


@needs_e
def test_obligations_are_theorems_for_e(
    proved: dict[str, Proved], by_hand: list[str], tmp_path: Path
) -> None:
    for lines in (proved["trees"].lines, proved["lattice"].lines, by_hand):
        problems = export_tptp(lines)
        assert problems
        assert {p.name: s for p in problems if (s := status(p, tmp_path)) != "Theorem"} == {}


@needs_e
def test_a_false_obligation_is_none(by_hand: list[str], tmp_path: Path) -> None:
    changed = [line.replace('"<=", "a", ["s", "b"]', '"<=", ["s", "b"], "a"') for line in by_hand]
    problem = next(p for p in export_tptp(changed) if p.name.startswith("le s"))
    assert status(problem, tmp_path, 1) != "Theorem"


def answers(text: str) -> list[str]:
    z3 = pytest.importorskip("z3", reason="z3-solver is not installed")
    context = z3.Context()  # its own, and kept alive: symbols of another script would stay declared
    return str(z3.Z3_eval_smtlib2_string(context.ref(), text)).split()


def test_steps_are_entailed_for_z3(proved: dict[str, Proved], by_hand: list[str]) -> None:
    for lines in (proved["peano"].lines, proved["lists"].lines, by_hand):
        queries = export_smtlib(lines)
        found = answers(queries.text)
        assert len(found) == len(queries.steps) > 0
        assert [s for s, a in zip(queries.steps, found, strict=True) if a != "unsat"] == []


def test_a_wrong_step_is_found(by_hand: list[str]) -> None:
    records = [json.loads(line) for line in by_hand]
    for record in records:
        if record["record"] == "step" and record["rule"] == "transitivity":
            record["conclusion"][2] = ["0"]
            break
    queries = export_smtlib(map(json.dumps, records))
    wrong = [s for s, a in zip(queries.steps, answers(queries.text), strict=True) if a != "unsat"]
    assert wrong[0][0] == "le s"


def test_what_is_no_certificate_is_refused() -> None:
    for export in (export_tptp, export_smtlib):
        with pytest.raises(ExportError):
            export(["{"])
