"""A program's certificates made, and checked again."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ....graph.diagnostics import fail
from ..program import Certificate, FunctionProgram
from .bounding import bound_executed, bound_real
from .exhaustive import Exhaustion, exhaust
from .reference import arithmetic
from .special_values import Problem, wrong_special_values

Progress = Callable[[float], None]
_SPARE = 1.0005
_SAME = 1 + 1e-9


@dataclass(frozen=True)
class Effort:
    """How a check goes: every `stride`-th run of an exhaustive one (1: all), by which arithmetic (`ball`,
    `interval`, or the first that is installed), with a folder for journals, float32 by C kernels where they can be
    made (`native`)."""

    stride: int = 1
    kind: str = ""
    journals: Path | None = None
    progress: Progress | None = None
    native: bool = True


def certified(program: FunctionProgram, effort: Effort = Effort()) -> FunctionProgram:
    """The program with new certificates: exhaustive for float32 and narrower, by balls for float64, where the
    error has a meaning in real arithmetic for that too. Raises SpecError (G1522 to G1525)."""
    made = [_made(program, arithmetic, effort) for arithmetic in _arithmetics(program)]
    sealed = tuple(replace(c, digest=program.digest(c)) for c in made)
    return replace(program, certificates=sealed)


def _arithmetics(program: FunctionProgram) -> list[str]:
    exact = {"add", "sub", "mul", "div", "neg", "fma"}
    is_plain = {step.operation for step in program.steps} <= exact and program.error != "ulp"
    return ["real", "executed"] if is_plain and program.dtype == "float64" else ["executed"]


def _made(program: FunctionProgram, kind: str, effort: Effort) -> Certificate:
    numbers = arithmetic(effort.kind)
    tools: tuple[tuple[str, str], ...] = (
        ("arithmetic", numbers.version),
        ("python", platform.python_version()),
    )
    if kind == "executed" and program.dtype != "float64":
        found = _exhausted(program, effort)
        if not found.complete:
            raise fail("G1526", "a certificate needs every input", hint="leave out --stride")
        method = "every input, against Taylor polynomials with proven remainders"
        bound = _rounded_up(found.bound)
        tools = tuple(sorted((*tools, *found.tools)))
        return Certificate("exhaustive", bound, kind, method, found.worst, found.inputs, tools)
    tools = tuple(sorted((*tools, ("numpy", np.__version__))))
    if kind == "real":
        real = bound_real(program, effort.kind)
        method = "the difference as Taylor polynomials with proven remainders on cells of the domain"
        return Certificate(numbers.name, _rounded_up(real.bound), kind, method, real.worst, real.cells, tools)
    executed = bound_executed(program, effort.kind, effort.progress)
    method = "Taylor polynomials with proven remainders, and running error analysis, on cells of the domain"
    bound = _rounded_up(executed.bound * _SPARE)
    return Certificate(numbers.name, bound, kind, method, executed.worst, executed.cells, tools)


def _exhausted(program: FunctionProgram, effort: Effort) -> Exhaustion:
    return exhaust(
        program,
        stride=effort.stride,
        journal=_journal(program, effort),
        progress=effort.progress,
        kind=effort.kind,
        native=effort.native,
    )


def _journal(program: FunctionProgram, effort: Effort) -> Path | None:
    return None if effort.journals is None else effort.journals / f"{program.name}.json"


def _rounded_up(bound: float) -> float:
    """To five digits, upward."""
    if bound == 0 or not math.isfinite(bound):
        return bound
    found = float(f"{bound:.4e}")
    return found if found >= bound else float(f"{bound * (1 + 1e-4):.4e}")


# --- checking ---------------------------------------------------------------------------------------------


def problems(program: FunctionProgram, effort: Effort = Effort()) -> Iterator[Problem]:
    """Everything that is wrong with a program and its certificates, the cheap first. The bounds are computed
    anew: nothing of a certificate is believed."""
    if not program.certificates:
        hint = "graphwright certify --renew makes one"
        yield Problem("G1520", f"'{program.name}' has no certificate", hint)
    yield from wrong_special_values(program)
    for place, certificate in enumerate(program.certificates):
        found = list(_wrong_certificate(program, certificate, effort))
        yield from (replace(problem, certificate=place) for problem in found)


def _wrong_certificate(
    program: FunctionProgram, certificate: Certificate, effort: Effort
) -> Iterator[Problem]:
    if certificate.digest != program.digest(certificate):
        hint = "the program, or the certificate, was changed after it was made: graphwright certify --renew"
        yield Problem("G1521", "the digest is not that of this program and certificate", hint)
    if certificate.kind == "gappa":
        yield Problem("G1530", "a certificate of Gappa is checked by Gappa", "graphwright certify --gappa")
        return
    if (certificate.kind == "exhaustive") != (program.dtype != "float64"):
        yield Problem("G1522", f"a {program.dtype} program has no certificate of kind {certificate.kind}")
        return
    bound, worst = _recomputed(program, certificate, effort)
    if not bound <= certificate.bound * _SAME:
        what = f"the error is {'up to ' if certificate.kind != 'exhaustive' else ''}{bound:.6g}"
        message = f"{what} {program.error} at x = {worst!r}, the certificate says {certificate.bound:.6g}"
        yield Problem("G1527", message, "are the constants and the domain those that were certified?")


def _recomputed(program: FunctionProgram, certificate: Certificate, effort: Effort) -> tuple[float, float]:
    if certificate.kind == "exhaustive":
        found = _exhausted(program, effort)
        return found.bound, found.worst
    if certificate.arithmetic == "real":
        real = bound_real(program, effort.kind)
        return real.bound, real.worst
    executed = bound_executed(program, effort.kind, effort.progress)
    return executed.bound, executed.worst
