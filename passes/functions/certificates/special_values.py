"""What programs give for NaN, infinities, zeros and the least subnormal: as stated, and as the function has it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ..constants import FLOATS, LEAST_EXPONENT
from ..evaluation import evaluate
from ..program import FunctionProgram
from .pieces import unit_of

_LIMITS: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("exp", "exp2", "softplus", "silu", "gelu"), (0.0, math.inf)),
    **dict.fromkeys(("log", "log2"), (math.nan, math.inf)),
    **dict.fromkeys(("sin", "cos"), (math.nan, math.nan)),
    **dict.fromkeys(("tanh", "erf"), (-1.0, 1.0)),
    "sigmoid": (0.0, 1.0),
    "rsqrt": (math.nan, 0.0),
}
"""The functions at minus and plus infinity."""
_AT_ZERO = {"log": -math.inf, "log2": -math.inf, "rsqrt": math.inf}
CASES = ("nan", "inf", "-inf", "zero", "-zero", "subnormal")


@dataclass(frozen=True)
class Problem:
    """What is wrong with a program: a code of the diagnostics, and a sentence. `certificate` is the place of
    the certificate in the program's list, None where it is about the program."""

    code: str
    message: str
    hint: str = ""
    certificate: int | None = None


def special_inputs(program: FunctionProgram) -> dict[str, float]:
    """The input of each case that is one input."""
    least = math.ldexp(1.0, LEAST_EXPONENT[program.dtype])
    return dict(zip(CASES, (math.nan, math.inf, -math.inf, 0.0, -0.0, least), strict=True))


def wrong_special_values(program: FunctionProgram) -> Iterator[Problem]:
    """Stated results that the program does not give or the function does not have, and those that are missing."""
    inputs = special_inputs(program)
    for case, stated in program.special:
        if case in inputs:  # overflow and underflow are words about what the certificate covers
            yield from _wrong(program, case, stated, inputs[case])
    ends = {"-inf": program.domain[0], "inf": program.domain[1]}
    held = [case for case, end in ends.items() if math.isinf(end)]
    for case in (*held, *(["nan"] if len(held) == 2 else [])):
        if case not in dict(program.special):
            hint = f"add '{case}: …' under 'special:'"
            yield Problem("G1528", f"the domain holds {case}, and its result is not stated", hint)


def _wrong(program: FunctionProgram, case: str, stated: str, x: float) -> Iterator[Problem]:
    found = float(evaluate(program, np.array([x], FLOATS[program.dtype]), fused=False)[0])
    wanted, exact = _stated(stated, x), _exact(program.function, x)
    if wanted is None:
        hint = "a number, 'x', 'nan', 'inf' or '-inf'"
        yield Problem("G1528", f"'{stated}' for {case} is no value", hint)
    elif not _is_same(found, wanted):
        yield Problem("G1528", f"for {case} the program gives {found!r}, not {stated}")
    elif exact is not None and not _is_within(program, found, exact):
        message = f"for {case} the program gives {found!r}, {program.function} is {exact!r}"
        yield Problem("G1528", message, "more than the certificate's bound is between them")


def _exact(function: str, x: float) -> float | None:
    """The function at NaN, at infinities and at poles; None elsewhere, which the bound speaks about."""
    if math.isnan(x):
        return math.nan
    if math.isinf(x):
        return _LIMITS[function][x > 0] if function in _LIMITS else None
    return _AT_ZERO.get(function) if x == 0 else None


def _is_within(program: FunctionProgram, found: float, exact: float) -> bool:
    """Whether the result at a limit is as near as the certificate says of those on the way there."""
    if math.isnan(exact) or math.isnan(found):
        return math.isnan(exact) and math.isnan(found)
    if math.isinf(exact) or math.isinf(found):
        return abs(found) == abs(exact) if exact > 0 else found == exact
    claim = program.certificate()
    scale = {"absolute": 1.0, "relative": abs(exact)}.get(program.error)
    unit = unit_of(abs(exact), program.result_dtype) if scale is None else scale
    return claim is None or abs(found - exact) <= claim.bound * unit


def _stated(text: str, x: float) -> float | None:
    if text == "x":
        return x
    try:
        return float.fromhex(text[5:-2]) if text.startswith("hex('") else float(text)
    except ValueError:
        return None


def _is_same(a: float, b: float) -> bool:
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b and math.copysign(1, a) == math.copysign(1, b)
