"""Certificates of the shipped programs made anew: seconds, and the bound beside the largest error that is met."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from time import process_time

import mpmath
import numpy as np

from ...passes.functions.certificates.checking import certified
from ...passes.functions.program import Certificate, FunctionProgram
from ...passes.functions.program_spec import load_program
from ...passes.functions.substitution.library import FOLDER
from ...passes.functions.target import FUNCTIONS
from .function_records import Record, keep

COMMAND = "python -m graphwright.tools.bench function_certificates"
REAL = ("exp2_ladder_relative", "exp2_ladder_absolute")
SINGLE = ("exp_quick", "log", "sin", "tanh_quick", "erf")
_POINTS = 4001


@dataclass(frozen=True)
class Made:
    """A program's certificate in one arithmetic, CPU seconds for all of them, the bound over the sampled error."""

    name: str
    certificate: Certificate
    seconds: float
    excess: float


def report() -> None:
    """A line a certificate; goal 5: real bounds in less than a second, exhaustive ones in 60, within 5 per cent."""
    print(f"command: {COMMAND}")
    real, single = list(_made("", REAL)), list(_made("vector", SINGLE))
    longest, slowest = max(m.seconds for m in real), max(m.seconds for m in single)
    excess = max(m.excess for m in real)
    said = f"real bounds in {longest:.2f} CPU s, at most {excess - 1:.2%} above the sampled error; float32 in {slowest:.0f}"
    what = "bounds within 5 % of the sampled error; real ones in 1 s, exhaustive float32 in 60 s a function"
    record = Record("5", what, said, longest < 1 and slowest < 60 and excess < 1.05, COMMAND)
    keep(record)
    print(record.line())


def _made(folder: str, names: tuple[str, ...]) -> Iterator[Made]:
    for name in names:
        program = load_program(FOLDER / folder / f"{name}.yaml")
        start = process_time()
        found = certified(program)
        seconds = process_time() - start
        arithmetic = "executed" if folder else "real"
        certificate = found.certificate(arithmetic)
        assert certificate is not None
        excess = 1.0 if folder else certificate.bound / _sampled(program)
        print(
            f"  {name:24} {certificate.bound:.5g} {program.error} {certificate.kind} {seconds:.2f} CPU s",
            flush=True,
        )
        yield Made(name, certificate, seconds, excess)


def _sampled(program: FunctionProgram) -> float:
    """The largest error of the program's exact constants at many points, in 200 bits."""
    low, high = program.domain
    worst = mpmath.mpf(0)
    with mpmath.workprec(200):
        for x in np.linspace(low, high, _POINTS)[1:]:
            at = mpmath.mpf(float(x))
            exact, found = FUNCTIONS[program.function](at), _evaluated(program, at)
            scale = abs(exact) if program.error == "relative" else 1
            worst = max(worst, abs(found - exact) / scale)
    return float(worst)


def _evaluated(program: FunctionProgram, x: mpmath.mpf) -> mpmath.mpf:
    values = {"x": x}
    for step in program.steps:
        given = [
            values[o] if isinstance(o, str) else mpmath.mpf(o.exact.numerator) / o.exact.denominator
            for o in step.operands
        ]
        values[step.name] = _ARITHMETIC[step.operation](*given)
    return values[program.result]


_ARITHMETIC: Mapping[str, Callable[..., mpmath.mpf]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "neg": operator.neg,
}
