"""A program's rounding errors as a script for Gappa (Melquiond), a prover of another kind."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction

from ....graph.diagnostics import fail
from ..constants import Constant
from ..program import INPUT, FunctionProgram, Operand, Step

_FORMATS = {"float64": "ieee_64", "float32": "ieee_32", "float16": "float<11,-24,ne>"}
_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
_SECONDS = 600


def script(program: FunctionProgram) -> str:
    """Gappa's input: the rounded program and the exact one on the domain, and the question how far apart
    they are. Raises SpecError (G1530) for a program that rounds to integers or chooses."""
    others = {s.operation for s in program.steps} - {*_INFIX, "neg", "fma", "sqrt", "abs"}
    if others or program.dtype not in _FORMATS:
        what = ", ".join(sorted(others)) or program.dtype
        raise fail("G1530", f"no script for Gappa: '{program.name}' has {what}", hint="only its core has one")
    low, high = (_number(Fraction(end)) for end in program.domain)
    lines = [f"@rnd = float<{_FORMATS[program.dtype]},ne>;", f"{INPUT} = rnd(dummy);"]
    lines = [line.replace("float<float<", "float<").replace(">,ne>", ">") for line in lines]
    for step in program.steps:
        lines.append(f"{step.name} rnd= {_form(step, '')};")
    lines += [f"M{step.name} = {_form(step, 'M')};" for step in program.steps]
    goal = f"{program.result} - M{program.result}" if program.error == "absolute" else ""
    goal = goal or f"({program.result} - M{program.result}) / M{program.result}"
    lines.append(f"{{ {INPUT} in [{low}, {high}] -> {goal} in ? }}")
    return "\n".join(lines) + "\n"


def _form(step: Step, prefix: str) -> str:
    """A step over the rounded names, or over the exact ones."""
    given = [_operand(o, prefix) for o in step.operands]
    if step.operation in _INFIX:
        return f"{given[0]} {_INFIX[step.operation]} {given[1]}"
    if step.operation == "fma":
        return f"{given[0]} * {given[1]} + {given[2]}"
    return f"-{given[0]}" if step.operation == "neg" else f"{step.operation.replace('abs', 'fabs')}({given[0]})"


def _operand(operand: Operand, prefix: str) -> str:
    if isinstance(operand, Constant):
        return _number(operand.exact)
    return operand if operand == INPUT else prefix + operand


def _number(value: Fraction) -> str:
    """`mantissa b exponent`, exact."""
    return f"{value.numerator}b-{value.denominator.bit_length() - 1}"


def answer(program: FunctionProgram) -> str | None:
    """What Gappa says, or None where it is not installed."""
    path = shutil.which("gappa")
    if path is None:
        return None
    found = subprocess.run(
        [path], input=script(program), capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    return (found.stdout + found.stderr).strip()
