"""Every float32 input of a program by its C kernel, against the C library in float64: seconds, where NumPy takes
an hour. `python -m graphwright.passes.functions.native_exhaustion FILE …` writes the certificates.

The kernel computes what `evaluate` does, bit by bit (tests compare them). The reference is off by less than a
unit of float64, which is added to the bound.
"""

from __future__ import annotations

import ctypes
import math
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ...backends.native.compiler import find_compiler, instruction_set, library
from ...backends.native.dialects import LIBRARY
from ...backends.native.kernel import Kernel
from ...backends.runtime.cache import write_atomically
from ...graph.diagnostics import fail
from .elementwise import elementwise
from .program import Certificate, FunctionProgram
from .program_spec import load_program, spec_text, with_certificates

CHUNK = 2**20
SLACK = 2.0**-26
"""Units of float32: more than two units of float64 of the reference."""
_METRICS = {"ulp": "unit(exact)", "relative": "fabs(exact)", "absolute": "1.0"}


def _source(program: FunctionProgram) -> str:
    return f"""#include <math.h>
static double unit(double exact) {{
  int e; frexp(exact, &e);
  return ldexp(1.0, e - 24 < -149 ? -149 : e - 24);
}}
static double exactly(double x) {{ return {LIBRARY[program.function]}; }}
void check(long n, const float *x, const float *y, double *worst) {{
  for (long i = 0; i < n; i++) {{
    const double exact = exactly(x[i]);
    if ((isnan(exact) && isnan(y[i])) || (double)y[i] == exact) continue;
    if (isinf(y[i]) && fabs(exact) >= 0x1.ffffffp127) continue;
    double error = fabs(y[i] - exact) / ({_METRICS[program.error]});
    if (!(error <= worst[0])) {{ worst[0] = error != error ? INFINITY : error; worst[1] = x[i]; }}
  }}
}}
"""


def exhausted(program: FunctionProgram) -> Certificate:
    """The certificate of every input of the domain, infinities included. Raises SpecError: G1522 for another
    dtype than float32, G1131 and G1132 where nothing compiles it."""
    if program.dtype != "float32":
        raise fail("G1522", f"'{program.name}' takes {program.dtype}: only float32 is tried number by number")
    kernel = Kernel(elementwise(program))
    check = library(_source(program), "check").check
    check.argtypes = [ctypes.c_long] + [ctypes.c_void_p] * 3
    worst, inputs = np.zeros(2), 0
    for first, last in _patterns(*program.domain):
        for start in range(first, last, CHUNK):
            x = np.arange(start, min(start + CHUNK, last), dtype=np.uint32).view(np.float32)
            y = kernel(x)
            check(x.size, x.ctypes.data, y.ctypes.data, worst.ctypes.data)
            inputs += x.size
    tools = (
        ("compiler", find_compiler().version),
        ("instructions", instruction_set()),
        ("library", " ".join(platform.libc_ver())),
    )
    bound = _rounded_up(float(worst[0]) + (SLACK if program.error == "ulp" else SLACK * 2.0**-24))
    method = "every input by the C kernel, against the C library in float64"
    return Certificate("exhaustive", bound, "executed", method, float(worst[1]), inputs, tools)


def _patterns(low: float, high: float) -> list[tuple[int, int]]:
    """The runs of bit patterns of the interval's numbers: those without a sign, those with one."""
    found = []
    if high >= 0:
        found.append((_pattern(max(low, 0.0)), _pattern(high) + 1))
    if low <= 0:
        found.append((2**31 + _pattern(max(-high, 0.0)), 2**31 + _pattern(-low) + 1))
    return found


def _pattern(size: float) -> int:
    return int(np.float32(size).view(np.uint32))


def _rounded_up(value: float) -> float:
    """To five digits."""
    if value == 0 or not math.isfinite(value):
        return value
    unit = 10.0 ** (math.floor(math.log10(value)) - 4)
    return float(f"{math.ceil(value / unit) * unit:.5g}")


def certify(path: Path) -> Certificate:
    """Writes the file anew with the certificate."""
    program = load_program(path)
    program = with_certificates(program, exhausted(program))
    write_atomically(path, spec_text(program).encode("utf-8"))
    return program.certificates[0]


def main(arguments: list[str]) -> Any:
    for name in arguments:
        found = certify(Path(name))
        print(f"{name}: {found.bound:g} at {found.worst!r}, {found.inputs} inputs", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
