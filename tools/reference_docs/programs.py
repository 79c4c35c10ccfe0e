"""The page of the certified function programs: one row a file of specs/functions."""

from __future__ import annotations

import math
from pathlib import Path

from ...graph.spec.resolution import STANDARD_LIBRARY
from ...passes.functions.constants import constant
from ...passes.functions.program import Certificate, FunctionProgram
from ...passes.functions.program_spec import load_program
from ...passes.functions.substitution.library import PRICES

_HEAD = """# Certified function programs

Each file of `specs/functions` is one program with its proof. *Operations* are steps of the program; *cost* is in fused
products and sums on a CPU with vectors of 512 bits (a quotient 4.5, a root 8). The bound holds on the whole domain, for
the program as executed with each step rounded, or (*real*) for its exact constants in real arithmetic: `exhaustive`
tried every input against polynomials with proven errors, `ball` bounds the error by Taylor series with proven
remainders and an analysis of every rounding.

`graphwright certify specs/functions/NAME.yaml` computes a bound anew and compares: half a minute of one core for a
float32 program, a second for a bfloat16 one, minutes for a float64 one. `make conformance` does it for all of them.
"""


def programs_page() -> str:
    """The page. It is sorted by function, dtype and cost."""
    folder = STANDARD_LIBRARY / "functions"
    found = [
        (str(path.relative_to(folder).with_suffix("")), load_program(path))
        for path in sorted(folder.rglob("*.yaml"))
        if "\nprogram:\n" in path.read_text(encoding="utf-8")
    ]
    found.sort(key=lambda pair: (pair[1].function, pair[1].dtype, _cost(pair[1]), pair[0]))
    rows = [_row(name, program) for name, program in found]
    head = "| function | dtype | domain | error at most | operations | cost | `specs/functions/` |"
    return "\n".join([_HEAD, head, "| --- | --- | --- | --- | --- | --- | --- |", *rows]) + "\n"


def _row(name: str, program: FunctionProgram) -> str:
    low, high = (_end(end) for end in program.domain)
    bounds = "; ".join(_bound(program, certificate) for certificate in program.certificates)
    operations = sum(program.cost.values())
    return (
        f"| {program.function} | {program.dtype} | [{low}, {high}] | {bounds} | {operations} | "
        f"{_cost(program):g} | `{Path(name).as_posix()}` |"
    )


def _bound(program: FunctionProgram, certificate: Certificate) -> str:
    real = "real, " if certificate.arithmetic == "real" else ""
    return f"{certificate.bound:.4g} {program.error} ({real}{certificate.kind})"


def _end(value: float) -> str:
    return constant(value).text if math.isinf(value) else f"{value:.6g}"


def _cost(program: FunctionProgram) -> float:
    return sum(PRICES.get(operation, 1.0) * count for operation, count in program.cost.items())
