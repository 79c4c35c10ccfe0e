"""The vector functions of glibc (libmvec) and SLEEF in a loop, where they are installed."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...backends.native.compiler import instruction_set, library
from ...graph.diagnostics import SpecError

Array = np.ndarray[Any, Any]

SYMBOLS: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "libmvec": ("-lmvec", lambda name: f"_ZGVeN16v_{name}f"),
    "SLEEF": ("-lsleef", lambda name: f"Sleef_{name}f16_{'u10' if name in ('exp', 'erf') else 'u35'}avx512f"),
}
"""Library -> how it is linked, and the symbol of a function of 16 float32. SLEEF's functions of 3.5 units,
where it has them, are its fast ones."""
KNOWN = frozenset(("exp", "log", "sin", "tanh", "erf"))


def vector_library(name: str, function: str, x: Array, y: Array) -> Callable[[], Array] | None:
    """A call of the function over x into y, or None where the library or the processor's vectors are not
    there."""
    if function not in KNOWN or instruction_set() != "avx512":
        return None
    link, symbol = SYMBOLS[name]
    source = f"""#include <immintrin.h>
extern __m512 {symbol(function)}(__m512);
void kernel(long n, const float *x, float *y) {{
  for (long i = 0; i + 16 <= n; i += 16) _mm512_storeu_ps(y + i, {symbol(function)}(_mm512_loadu_ps(x + i)));
}}
"""
    try:
        loop = library(source, name.lower(), ("-Wl,-z,defs", link, "-lm")).kernel
    except (SpecError, OSError):
        return None
    loop.argtypes = [ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

    given = (x.size, x.ctypes.data, y.ctypes.data)

    def call() -> Array:
        loop(*given)
        return y

    return call
