"""Float32 programs for vector units: short, without branches, with tables that fit into registers.

What counts there is instructions, not operations of real arithmetic: a fused product and sum costs one, a
quotient about five, an entry of a table of 32 one. `python -m graphwright.passes.functions.vector_programs FOLDER`
fits the coefficients anew and writes the specs, which `graphwright certify` then certifies.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from .constants import constant, round_fraction
from .evaluation import evaluate
from .minimax_tables import polynomial, quotient, segments
from .program import INPUT, FunctionProgram, Step
from .program_spec import spec_text

ROUNDING = 1.5 * 2.0**23
"""Added to and subtracted from a float32 number of up to 2^22 it leaves the nearest integer."""
INFINITE = (-math.inf, math.inf)


@dataclass
class Writing:
    """Steps written one after the other; each call names its result."""

    steps: list[Step] = field(default_factory=list)
    tables: dict[str, tuple[float, ...]] = field(default_factory=dict)

    def __call__(self, operation: str, *operands: str | float, name: str = "") -> str:
        made = name or f"t{len(self.steps) + 1}"
        conditions = ("lt", "le", "gt", "ge", "isnan")
        given = tuple(o if isinstance(o, str) else constant(single(o)) for o in operands)
        self.steps.append(Step(made, operation, given, "bool" if operation in conditions else "float32"))
        return made

    def horner(self, x: str, coefficients: Sequence[str | float]) -> str:
        """c[0] + x (c[1] + x (…))."""
        *rest, last = coefficients
        y: str | float = last
        for c in reversed(rest):
            y = self("fma", y, x, c)
        assert isinstance(y, str)
        return y

    def integer(self, x: str, scale: float) -> str:
        """The integer nearest to scale x."""
        return self("sub", self("fma", x, scale, ROUNDING), ROUNDING)

    def table(self, name: str, values: Sequence[float], k: str) -> str:
        self.tables[name] = tuple(single(v) for v in values)
        return self("lookup", name, k)


def _over_root(name: str) -> Callable[[Any], Any]:
    """f(sqrt v) / sqrt v, for an odd f: what its polynomial in v = x^2 is near."""
    import mpmath

    function = _mp(name)
    return lambda v: function(mpmath.sqrt(v)) / mpmath.sqrt(v)


def single(value: float) -> float:
    """The float32 number nearest to `value`."""
    from fractions import Fraction

    if value == 0 or not math.isfinite(value):
        return float(value)
    return round_fraction(Fraction(value), "float32")


def program(
    name: str, function: str, domain: tuple[float, float], error: str, made: Writing, **said: Any
) -> FunctionProgram:
    """The written steps as a program, the last of them its result."""
    return FunctionProgram(
        name, function, "float32", domain, error, tuple(made.steps), made.steps[-1].name, made.tables, **said
    )


def _mp(name: str) -> Callable[[Any], Any]:
    import mpmath

    found: Callable[[Any], Any] = getattr(mpmath, name)
    return found


def _parts(value: Any, bits: int) -> tuple[float, float]:
    """A float of so many bits, and the float32 nearest to the rest."""
    import mpmath

    scale = 2.0 ** (bits - math.frexp(float(value))[1])
    high = math.floor(float(value) * scale + 0.5) / scale
    return high, single(float(value - mpmath.mpf(high)))


# --- exponentials ----------------------------------------------------------------------------------


def _reduced(made: Writing, x: str, pieces: int) -> tuple[str, str]:
    """k and r with x = k ln 2 / pieces + r."""
    import mpmath

    with mpmath.workdps(30):
        step = mpmath.log(2) / pieces
        high, low = _parts(step, 13)
    k = made.integer(x, single(1 / float(step)))
    return k, made("fma", k, -low, made("fma", k, -high, x))


def _clamped(made: Writing, x: str) -> str:
    """Beyond these bounds e^x is 0 and infinite in float32. NaN stays."""
    return made("max", made("min", x, 89.0), -104.0)


def exp_accurate() -> FunctionProgram:
    """2^(j/16) from a table, a polynomial of degree 3."""
    made = Writing()
    half = math.log(2) / 32 * 1.0005
    c = polynomial(_mp("exp"), (-half, half), range(4), {0: 1.0, 1: 1.0})
    k, r = _reduced(made, _clamped(made, INPUT), 16)
    entry = made.table("power", [2.0 ** (i / 16) for i in range(16)], k)
    p = made("mul", made.horner(r, [c[i] for i in range(1, 4)]), r)
    made("ldexp", made("fma", p, entry, entry), made("floor", made("mul", k, 1 / 16)))
    reduction = "x = (16 m + j) ln 2 / 16 + r; e^x = 2^m 2^(j/16) e^r, 2^(j/16) from a table"
    return program("exp_accurate", "exp", INFINITE, "ulp", made, reduction=reduction)


def _exp_steps(made: Writing, x: str, degree: int = 5) -> str:
    half = math.log(2) / 2 * 1.0005
    c = polynomial(_mp("exp"), (-half, half), range(degree + 1), {0: 1.0, 1: 1.0})
    k, r = _reduced(made, x, 1)
    return made("ldexp", made.horner(r, [c[i] for i in range(degree + 1)]), k)


def exp_quick() -> FunctionProgram:
    """A polynomial of degree 5 after reduction by multiples of ln 2."""
    made = Writing()
    _exp_steps(made, _clamped(made, INPUT))
    reduction = "x = k ln 2 + r, |r| <= ln 2 / 2; e^x = 2^k e^r"
    return program("exp_quick", "exp", INFINITE, "ulp", made, reduction=reduction)


def silu() -> FunctionProgram:
    """By the exponential; beyond its domain rounding and overflow decide."""
    made = Writing()
    down = made("max", made("min", made("neg", INPUT), 88.0), -104.0)
    made("div", INPUT, made("add", _exp_steps(made, down), 1.0))
    return program("silu", "silu", (-80.0, 1000.0), "ulp", made, reduction="x / (1 + e^-x)")


# --- logarithm, sine -------------------------------------------------------------------------------


def log() -> FunctionProgram:
    """A polynomial of degree 8 around 1."""
    made = Writing()
    c = polynomial(_mp("log1p"), (-0.25, 0.5), range(1, 9), {1: 1.0})
    k = made("exponent", INPUT, 0.75)
    f = made("sub", made("significand", INPUT, 0.75), 1.0)
    tail = made.horner(f, [c[i] for i in range(2, 9)])
    made("fma", k, math.log(2), made("fma", made("mul", f, f), tail, f))
    largest = (2 - 2.0**-23) * 2.0**127
    reduction = "x = 2^k (1 + f), 3/4 <= 1 + f < 3/2; log x = k log 2 + log(1 + f)"
    return program("log", "log", (2.0**-149, largest), "ulp", made, reduction=reduction)


def sine() -> FunctionProgram:
    """A polynomial of degree 9 after reduction by multiples of pi."""
    import mpmath

    made = Writing()
    with mpmath.workdps(40):
        high = float(np.nextafter(np.float32(math.pi), np.float32(3)))  # below pi: -0 - 0 high - 0 low is -0
        low = single(float(mpmath.pi - mpmath.mpf(high)))
        end = float((mpmath.pi / 2) ** 2) * 1.0003
    c = polynomial(_over_root("sin"), (1e-9, end), range(5), {0: 1.0})
    k = made.integer(INPUT, 1 / math.pi)
    r = made("fma", k, -low, made("fma", k, -high, INPUT))
    z, s = made("mul", r, r), made("alternate", r, k)
    made("mul", s, made.horner(z, [c[i] for i in range(5)]))  # a product last: it keeps the sign of zero
    reduction = "x = k pi + r, |r| <= pi / 2; sin x = (-1)^k sin r"
    return program("sin", "sin", (-32.0, 32.0), "ulp", made, reduction=reduction)


# --- odd functions that saturate -----------------------------------------------------------------------


def _segmented(made: Writing, x: str, function: str, width: float, degree: int) -> str:
    """|x| = k width + t, a polynomial in t for each k; the last one holds for all that is larger."""
    columns = segments(_mp(function), width, degree, 32)
    a = made("min", made("abs", x), single(31.499 * width))
    k = made.integer(a, 1 / width)
    t = made("fma", k, -width, a)
    entries = [made.table(f"c{i}", column, k) for i, column in enumerate(columns)]
    return made.horner(t, entries)


def tanh_accurate() -> FunctionProgram:
    """Tables of polynomials of degree 5."""
    made = Writing()
    made("copysign", _segmented(made, INPUT, "tanh", 0.28125, 5), INPUT)
    return program("tanh_accurate", "tanh", INFINITE, "ulp", made, reduction=_SEGMENTS)


def _tanh_quotient(made: Writing, x: str) -> str:
    """x P(x²) / Q(x²): at 8.3 the function is two units from 1, which is where it stays."""

    end = 8.3
    p, q = quotient(_over_root("tanh"), (1e-6, end * end), 4, 4)
    x = made("max", made("min", x, end), -end)
    z = made("mul", x, x)
    over = made.horner(z, [*p[:3], made("add", z, p[3])])
    return made("div", made("mul", over, x), made.horner(z, q))


def tanh_quick() -> FunctionProgram:
    """A quotient in x²."""
    made = Writing()
    _tanh_quotient(made, INPUT)
    return program("tanh_quick", "tanh", INFINITE, "ulp", made, reduction="x P(x²) / Q(x²) for |x| <= 8.3")


def sigmoid() -> FunctionProgram:
    """By the hyperbolic tangent of half the operand."""
    made = Writing()
    made("fma", _tanh_quotient(made, made("mul", INPUT, 0.5)), 0.5, 0.5)
    return program("sigmoid", "sigmoid", INFINITE, "absolute", made, reduction="(1 + tanh(x / 2)) / 2")


_SEGMENTS = "|x| = k h + t; the k-th of 32 polynomials in t; the sign of x"


def erf() -> FunctionProgram:
    """Tables of polynomials of degree 4."""
    made = Writing()
    made("copysign", _segmented(made, INPUT, "erf", 0.125, 4), INPUT)
    return program("erf", "erf", INFINITE, "ulp", made, reduction=_SEGMENTS)


def gelu() -> FunctionProgram:
    """x Φ(x), from tables of Φ - 1/2; from 5.5 on it is x or 0 to 1e-7."""
    made = Writing()
    columns = segments(lambda t: _mp("erf")(t / _mp("sqrt")(2)) / 2, 0.171875, 5, 32)
    size = made("abs", INPUT)
    a = made("min", size, 5.41)
    k = made.integer(a, 1 / 0.171875)
    t = made("fma", k, -0.171875, a)
    half = made.horner(t, [made.table(f"c{i}", column, k) for i, column in enumerate(columns)])
    inside = made("mul", INPUT, made("add", made("copysign", half, INPUT), 0.5))
    near = made("le", size, 5.41)
    made("where", near, inside, made("max", INPUT, 0.0))
    return program("gelu", "gelu", INFINITE, "absolute", made, reduction="x (1/2 ± (Φ(|x|) - 1/2))")


PROGRAMS: Mapping[str, Callable[[], FunctionProgram]] = {
    "exp_accurate": exp_accurate,
    "exp_quick": exp_quick,
    "log": log,
    "sin": sine,
    "tanh_accurate": tanh_accurate,
    "tanh_quick": tanh_quick,
    "erf": erf,
    "sigmoid": sigmoid,
    "silu": silu,
    "gelu": gelu,
}


def with_special_values(found: FunctionProgram) -> FunctionProgram:
    """The program with what it gives for NaN, infinities and zeros; certifying compares that with the
    function."""
    cases = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf, "zero": 0.0, "-zero": -0.0}
    low, high = found.domain
    given = {c: x for c, x in cases.items() if low <= x <= high or (x != x and math.isinf(low))}
    results = evaluate(found, np.array(list(given.values()), np.float32))
    texts = tuple((c, _stated(float(y))) for c, y in zip(given, results, strict=True))
    return replace(found, special=texts)


def _stated(value: float) -> str:
    return f"hex('{value.hex()}')" if math.isfinite(value) and value != round(value) else f"{value:g}"


def write(folder: Path) -> None:
    """Every program as a spec, without certificates."""
    for name, make in PROGRAMS.items():
        text = spec_text(with_special_values(make()))
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
