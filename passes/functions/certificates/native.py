"""A float32 program on consecutive floats in C: seconds for every input, where NumPy takes most of an hour.

Two kernels of the program are run, one with each `fma` rounded once and one as graphs compute it (product and sum in
float64, then rounded); what C compares them with are the polynomials that NumPy's trial compares with, evaluated by
the same operations.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np

from ....backends.native.compiler import find_compiler, instruction_set, library
from ....backends.native.emitter import unprintable
from ....backends.native.kernel import Kernel
from ....graph.diagnostics import SpecError
from ..elementwise import elementwise
from ..program import FunctionProgram
from .pieces import TERMS, Polynomial

if TYPE_CHECKING:
    from .exhaustive import Found

_RUN = 2**20
_CHUNK = 4096
_ERRORS = {
    "ulp": "(over && infinite ? 0 : error) * inverse_unit(size)",
    "relative": "over && infinite || error == 0 ? 0 : error / size",
    "absolute": "over && infinite ? 0 : error",
}
"""The error in each metric, with |exact| - slack for `size`. What overflows may be infinite."""


class NativeTrial:
    """The program's C kernels. Raises SpecError (G1131, G1132) where nothing compiles them."""

    run: int = _RUN
    tools: tuple[tuple[str, str], ...]

    def __init__(self, program: FunctionProgram) -> None:
        text = elementwise(program)
        fused = any(step.operation == "fma" for step in program.steps)
        self.kernels = [Kernel(text)] + [Kernel(text, dialect=f"{instruction_set()}-graph")] * fused
        self.tools = (
            ("compiler", find_compiler().version),
            ("instructions", instruction_set()),
            ("numpy", np.__version__),
        )
        self._check = library(_source(program.error), "certify").check
        self._check.argtypes = [ctypes.c_void_p, ctypes.c_long, ctypes.c_long, ctypes.c_int]
        self._check.argtypes += [ctypes.c_void_p, ctypes.c_void_p]
        self._addresses = [ctypes.cast(_pointer(kernel), ctypes.c_void_p) for kernel in self.kernels]

    def worst(self, polynomial: Polynomial, start: int, stop: int) -> Found:
        """As `exhaustive.Trial` says."""
        said = np.array(
            [polynomial.center, 1 / polynomial.radius, polynomial.slack, *polynomial.coefficients], np.float64
        )
        found = np.array([-1.0, 0.0])
        degree = len(polynomial.coefficients) - 1
        for address in self._addresses:
            self._check(address, start, stop - start, degree, said.ctypes.data, found.ctypes.data)
        return float(found[0]), float(found[1])


def native_trial(program: FunctionProgram) -> NativeTrial | None:
    """The program's C kernels; None where C has no form for it or nothing compiles it."""
    if program.dtype != "float32" or unprintable(elementwise(program)):
        return None
    try:
        return NativeTrial(program)
    except SpecError:
        return None


def _pointer(kernel: Kernel) -> Any:
    return kernel.address


def _source(metric: str) -> str:
    degrees = range(TERMS)
    cases = "\n".join(f"    case {d}: polynomial_{d}(m, x, said, exact); break;" for d in degrees)
    return _HEAD + "\n".join(map(_polynomial, degrees)) + _CHECK % (_ERRORS[metric], cases)


def _polynomial(degree: int) -> str:
    """Horner's rule in the order of `Polynomial.at`: a product, a sum, each rounded."""
    steps = "".join(f" v = v * t; v = v + c{i};" for i in range(degree - 1, -1, -1))
    constants = " ".join(f"const double c{i} = said[{3 + i}];" for i in range(degree + 1))
    return (
        f"static void polynomial_{degree}(long n, const float *x, const double *said, double *exact) {{\n"
        f"  const double center = said[0], inverse = said[1]; {constants}\n"
        f"  for (long i = 0; i < n; i++) {{ double t = ((double)x[i] - center) * inverse, v = c{degree};"
        f"{steps} exact[i] = v; }}\n}}"
    )


_HEAD = f"""#include <math.h>
#include <stdint.h>
#include <string.h>
#define CHUNK {_CHUNK}
#define LARGEST 0x1.fffffep127
static inline uint64_t to_bits(double x) {{ uint64_t b; memcpy(&b, &x, sizeof b); return b; }}
static inline double from_bits(uint64_t b) {{ double x; memcpy(&x, &b, sizeof x); return x; }}
static inline double inverse_unit(double size) {{
  double top = from_bits(to_bits(size < LARGEST ? size : LARGEST) & 0x7ff0000000000000u) * 0x1p-23;
  double unit = top < 0x1p-149 ? 0x1p-149 : top;
  return from_bits(((uint64_t)2046 << 52) - to_bits(unit));
}}
"""

_CHECK = """
static void measured(long n, const float *y, const double *exact, double slack, double *errors) {
  for (long i = 0; i < n; i++) {
    double distance = fabs(exact[i]) - slack, size = distance > 0 ? distance : 0;
    double error = fabs(y[i] - exact[i]) + slack;
    int over = size >= 0x1.ffffffp127, infinite = y[i] == copysign(INFINITY, exact[i]);
    double found = %s;
    errors[i] = found == found ? found : INFINITY;
  }
}
void check(void (*kernel)(long, const float *, float *), long start, long count, int degree, const double *said,
           double *worst) {
  float x[CHUNK], y[CHUNK];
  double exact[CHUNK], errors[CHUNK];
  for (long done = 0; done < count; done += CHUNK) {
    const long m = count - done < CHUNK ? count - done : CHUNK;
    for (long i = 0; i < m; i++) {
      int32_t place = (int32_t)(start + done + i);
      uint32_t bits = place >= 0 ? (uint32_t)place : 0x80000000u | (uint32_t)(-1 - place);
      memcpy(x + i, &bits, sizeof bits);
    }
    kernel(m, x, y);
    switch (degree) {
%s
    }
    measured(m, y, exact, said[2], errors);
    double most = -1;
    for (long i = 0; i < m; i++) most = errors[i] > most ? errors[i] : most;
    if (most <= worst[0]) continue;
    long i = 0;
    while (errors[i] != most) i++;
    worst[0] = most;
    worst[1] = x[i];
  }
}
"""
