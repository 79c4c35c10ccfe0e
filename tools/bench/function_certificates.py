"""Certificates of the shipped programs made anew: seconds, and the bound beside the largest error that is met."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from time import process_time

import mpmath
import numpy as np

from ...passes.functions.certificates.bounding import bound_real
from ...passes.functions.certificates.checking import certified
from ...passes.functions.program import FunctionProgram
from ...passes.functions.program_spec import load_program
from ...passes.functions.substitution.library import FOLDER
from ...passes.functions.target import FUNCTIONS
from .function_goals import keep
from .goals import Goal

COMMAND = "python -m graphwright.tools.bench function_certificates"
REAL = ("exp2_ladder_relative", "exp2_ladder_absolute")
SINGLE = ("exp_quick", "log", "sin", "tanh_quick", "erf")
_POINTS = 4001


def report() -> None:
    """A line a certificate; goal 5: real bounds in less than a second, exhaustive ones in 60, within 5 per cent."""
    print(f"command: {COMMAND}")
    keep(goals(), COMMAND)


def goals() -> Iterator[Goal]:
    """Goal 5."""
    real = [_real(load_program(FOLDER / f"{name}.yaml")) for name in REAL]
    slowest = max(_exhausted(load_program(FOLDER / "vector" / f"{name}.yaml")) for name in SINGLE)
    longest, excess = max(seconds for seconds, _ in real), max(over for _, over in real)
    said = (
        f"real bounds in {longest:.2f} CPU s, at most {excess - 1:.2%} above the sampled error; "
        f"float32 in {slowest:.0f} CPU s, the bound is the largest error"
    )
    what = "bounds within 5 % of the sampled error; real ones in 1 s, exhaustive float32 in 60 s a function"
    yield Goal("5", what, said, longest < 1 and slowest < 60 and excess < 1.05)


def _real(program: FunctionProgram) -> tuple[float, float]:
    """(CPU seconds of the bound in real arithmetic, the bound over the sampled error)."""
    start = process_time()
    bound = bound_real(program, "").bound
    seconds = process_time() - start
    print(
        f"  {program.name:24} {bound:.5g} {program.error}, real arithmetic: {seconds:.2f} CPU s", flush=True
    )
    return seconds, bound / _sampled(program)


def _exhausted(program: FunctionProgram) -> float:
    """CPU seconds of every float32 input."""
    start = process_time()
    certificate = certified(program).certificates[0]
    seconds = process_time() - start
    print(
        f"  {program.name:24} {certificate.bound:.5g} {program.error}, every input: {seconds:.2f} CPU s",
        flush=True,
    )
    return seconds


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
