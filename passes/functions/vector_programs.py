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
from .minimax_tables import polynomial, segments
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
        return self.multiple(x, scale, 1.0)

    def multiple(self, x: str, scale: float, unit: float) -> str:
        """The multiple of `unit`, a power of two, that is nearest to scale x."""
        magic = ROUNDING * unit
        total = self("add", x, magic) if scale == 1 else self("fma", x, scale, magic)
        return self("sub", total, magic)

    def entry(self, name: str, values: Sequence[float], k: str, unit: float) -> str:
        """Of a table the entry k / unit."""
        return self.table(name, values, self("mul", k, 1 / unit))

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


def _clamped(made: Writing, x: str) -> str:
    """Beyond these bounds e^x is 0 and infinite in float32. NaN stays."""
    return made("max", made("min", x, 89.0), -104.0)


def _exp_reduced(made: Writing, x: str, pieces: int, bits: int) -> tuple[str, str]:
    """k, a multiple of 1 / pieces, and r with x = k ln 2 + r. `bits`: those of the leading part of ln 2; with
    24 of them ln 2 has no second part, which moves the result by two or three units."""
    import mpmath

    with mpmath.workdps(30):
        high, low = _parts(mpmath.log(2), bits)
    k = made.multiple(x, single(1 / math.log(2)), 1 / pieces)
    r = made("fma", k, -high, x)
    return k, r if bits == 24 else made("fma", k, -low, r)


def _powers(made: Writing, k: str, pieces: int) -> str:
    return made.entry("power", [2.0 ** (i / pieces) for i in range(pieces)], k, 1 / pieces)


def exp_accurate() -> FunctionProgram:
    """2^(j/16) from a table, a polynomial of degree 3."""
    made = Writing()
    half = math.log(2) / 32 * 1.0005
    c = polynomial(_mp("exp"), (-half, half), range(4), {0: 1.0, 1: 1.0})
    k, r = _exp_reduced(made, _clamped(made, INPUT), 16, 13)
    entry = _powers(made, k, 16)
    p = made("mul", made.horner(r, [c[i] for i in range(1, 4)]), r)
    made("ldexp", made("fma", p, entry, entry), made("floor", k))
    reduction = "x = (m + j/16) ln 2 + r; e^x = 2^m 2^(j/16) e^r, 2^(j/16) from a table"
    return program("exp_accurate", "exp", INFINITE, "ulp", made, reduction=reduction)


def _exp_steps(made: Writing, x: str, bits: int) -> str:
    half = math.log(2) / 64 * 1.001
    c = polynomial(_mp("exp"), (-half, half), range(3), {0: 1.0})
    k, r = _exp_reduced(made, x, 32, bits)
    entry = _powers(made, k, 32)
    p = made("mul", made.horner(r, [c[1], c[2]]), r)
    return made("ldexp", made("fma", p, entry, entry), made("floor", k))


def exp_quick() -> FunctionProgram:
    """2^(j/32) from a table, a polynomial of degree 2, ln 2 in one part."""
    made = Writing()
    _exp_steps(made, _clamped(made, INPUT), 24)
    reduction = "x = (m + j/32) ln 2 + r; e^x = 2^m 2^(j/32) e^r, 2^(j/32) from a table"
    return program("exp_quick", "exp", INFINITE, "ulp", made, reduction=reduction)


def silu() -> FunctionProgram:
    """By the exponential; beyond its domain rounding and overflow decide."""
    made = Writing()
    down = made("max", made("min", made("neg", INPUT), 88.0), -104.0)
    made("div", INPUT, made("add", _exp_steps(made, down, 13), 1.0))
    return program("silu", "silu", (-80.0, 1000.0), "ulp", made, reduction="x / (1 + e^-x)")


# --- logarithm, sine -------------------------------------------------------------------------------


_CENTERS = 16
_NEAR = 4000
"""Neighbours of a reciprocal among which the one is taken whose logarithm is nearest to a float32 number."""


def _reciprocals() -> tuple[list[float], list[float]]:
    """Of each center i / 16 from 3/4 to 3/2, at i modulo 16, a number near its reciprocal and the negative of that
    number's logarithm, which is nearly a float32 number (Gal 1986, accurate tables)."""
    import mpmath

    numbers, logarithms = [1.0] * _CENTERS, [0.0] * _CENTERS
    for i in range(3 * _CENTERS // 4, 3 * _CENTERS // 2 + 1):
        if i == _CENTERS:
            continue
        near = np.float32(_CENTERS / i).view(np.uint32) + np.arange(-_NEAR, _NEAR, dtype=np.int64)
        tried = near.astype(np.uint32).view(np.float32)
        exact = -np.log(tried.astype(np.longdouble))
        best = tried[np.argmin(np.abs(exact - exact.astype(np.float32)))]
        numbers[i % _CENTERS] = float(best)
        with mpmath.workdps(30):
            logarithms[i % _CENTERS] = single(float(-mpmath.log(mpmath.mpf(float(best)))))
    return numbers, logarithms


def log() -> FunctionProgram:
    """Reciprocals and their logarithms from tables, a polynomial of degree 4."""
    made = Writing()
    c = polynomial(_mp("log1p"), (-1 / 32, 1 / 32), range(1, 5))
    k, m = made("exponent", INPUT, 0.75), made("significand", INPUT, 0.75)
    center = made.multiple(m, 1.0, 1 / _CENTERS)
    numbers, logarithms = _reciprocals()
    place = made("mul", center, float(_CENTERS))
    r = made("fma", m, made.table("reciprocal", numbers, place), -1.0)
    base = made("fma", k, math.log(2), made.table("logarithm", logarithms, place))
    made("fma", made.horner(r, [c[i] for i in range(1, 5)]), r, base)
    reduction = "x = 2^k m, 3/4 <= m < 3/2; a near 1 / m, r = a m - 1; k log 2 - log a + log(1 + r)"
    return program("log", "log", INFINITE, "ulp", made, reduction=reduction)


def _sine(name: str, turns: int, domain: float) -> FunctionProgram:
    """A polynomial of degree 9 after reduction by multiples of pi, so many of which come from tables."""
    import mpmath

    made = Writing()
    with mpmath.workdps(40):
        multiples = [k * mpmath.pi for k in (*range(turns // 2), *range(-turns // 2, 0))]
        high = [single(float(t)) for t in multiples]
        low = [single(float(t - mpmath.mpf(h))) for t, h in zip(multiples, high, strict=True)]
        end = float((mpmath.pi / 2) ** 2) * 1.0003
    c = polynomial(_over_root("sin"), (1e-9, end), range(5), {0: 1.0})
    k = made.integer(INPUT, 1 / math.pi)
    rest = made("sub", INPUT, made.table("high", high, k))
    r = made("sub", rest, made.table("low", low, k))
    z, s = made("mul", r, r), made("alternate", r, k)
    made("mul", s, made.horner(z, [c[i] for i in range(5)]))  # a product last: it keeps the sign of zero
    reduction = "x = k pi + r, |r| <= pi / 2, k pi in two parts from tables; sin x = (-1)^k sin r"
    return program(name, "sin", (-domain, domain), "ulp", made, reduction=reduction)


def sine() -> FunctionProgram:
    """Multiples of pi from tables of one register each."""
    return _sine("sin", 16, 23.5)


def wide_sine() -> FunctionProgram:
    """From tables of two registers, for twice the domain."""
    return _sine("sin_wide", 32, 48.5)


# --- odd functions that saturate -----------------------------------------------------------------------


def _split(made: Writing, a: str, width: float) -> tuple[str, str]:
    """k and t with a = k width + t; without a product where the width is a power of two."""
    if math.log2(width).is_integer():
        center = made.multiple(a, 1.0, width)
        return made("mul", center, 1 / width), made("sub", a, center)
    k = made.integer(a, 1 / width)
    return k, made("fma", k, -width, a)


def _segmented(
    made: Writing, x: str, over: Callable[[Any], Any], width: float, degree: int
) -> tuple[str, str]:
    """(|x| within the segments, f there over it) for an odd f, `over` being f(t) / t: |x| = k width + t, a
    polynomial in t for each of 32 k. The last one's end stands for all that is larger."""
    columns = segments(over, width, degree, 32)
    a = made("min", made("abs", x), single(31.499 * width))
    place, t = _split(made, a, width)
    *rest, last = enumerate(columns)
    y = made.table(f"c{last[0]}", last[1], place)
    for i, column in reversed(
        rest
    ):  # each entry beside its use: where all come first, shuffles wait for each other
        y = made("fma", y, t, made.table(f"c{i}", column, place))
    return a, y


def _over(function: str, scale: float = 1.0, factor: float = 1.0) -> Callable[[Any], Any]:
    """factor f(scale t) / t."""
    import mpmath

    f = _mp(function)

    def value(t: Any) -> Any:
        return factor * (f(scale * t) / t if t else mpmath.mpf(scale) * mpmath.diff(f, 0))

    return value


def _odd(name: str, function: str, over: Callable[[Any], Any], width: float, degree: int) -> FunctionProgram:
    made = Writing()
    size, slope = _segmented(made, INPUT, over, width, degree)
    made("copysign", made("mul", size, slope), INPUT)
    return program(name, function, INFINITE, "ulp", made, reduction=_SEGMENTS)


_SEGMENTS = "|x| = k h + t; |x| times the k-th of 32 polynomials in t; the sign of x"


def _tanh(made: Writing, x: str, width: float, scale: float, last: float) -> str:
    """tanh(scale |x|): |x| = k width + t, and of T = tanh(scale k width), from a table, and u = tanh(scale t) the
    theorem of addition makes (T + u) / (1 + T u). `last`: what the last T lacks to 1, for all that is larger."""
    import mpmath

    columns = [float(mpmath.tanh(scale * width * i)) for i in range(31)]
    c = polynomial(
        lambda z: scale * _over_root("tanh")(scale**2 * z), (1e-9, (width / 2) ** 2 * 1.001), range(3)
    )
    a = made("min", made("abs", x), single(31.499 * width))
    place, t = _split(made, a, width)
    entry = made.table("tanh", [*columns, 1 - last], place)
    u = made("mul", t, made.horner(made("mul", t, t), [c[i] for i in range(3)]))
    return made("div", made("add", entry, u), made("fma", entry, u, 1.0))


_ADDITION = "|x| = k h + t; (T + tanh t) / (1 + T tanh t), T = tanh(k h) from a table; the sign of x"


def tanh_accurate() -> FunctionProgram:
    """The theorem of addition, up to 8.8."""
    made = Writing()
    made("copysign", _tanh(made, INPUT, 0.28125, 1.0, 2.0**-25), INPUT)
    return program("tanh_accurate", "tanh", INFINITE, "ulp", made, reduction=_ADDITION)


def tanh_quick() -> FunctionProgram:
    """The theorem of addition, up to 7.8, from where the result is between 1 and what it should be there."""
    made = Writing()
    made("copysign", _tanh(made, INPUT, 0.25, 1.0, 2.3e-7), INPUT)
    return program("tanh_quick", "tanh", INFINITE, "ulp", made, reduction=_ADDITION)


def erf() -> FunctionProgram:
    """Tables of polynomials of degree 3."""
    return _odd("erf", "erf", _over("erf"), 0.125, 3)


def sigmoid() -> FunctionProgram:
    """By the hyperbolic tangent of half the operand."""
    made = Writing()
    made("fma", made("copysign", _tanh(made, INPUT, 0.5, 0.5, 2.3e-7), INPUT), 0.5, 0.5)
    return program("sigmoid", "sigmoid", INFINITE, "absolute", made, reduction="(1 + tanh(x / 2)) / 2")


def gelu() -> FunctionProgram:
    """x Φ(x), from tables of Φ - 1/2; from 5.6 on it is x or 0 to 1e-7."""
    made = Writing()
    import mpmath

    with mpmath.workdps(30):
        root = mpmath.sqrt(mpmath.mpf(0.5))
    size, slope = _segmented(made, INPUT, _over("erf", root, 0.5), 0.25, 4)
    inside = made("mul", INPUT, made("fma", made("copysign", size, INPUT), slope, 0.5))
    near = made("le", made("abs", INPUT), 5.625)
    made("where", near, inside, made("max", INPUT, 0.0))
    return program("gelu", "gelu", (-64.0, 64.0), "absolute", made, reduction="x (1/2 ± (Φ(|x|) - 1/2))")


PROGRAMS: Mapping[str, Callable[[], FunctionProgram]] = {
    "exp_accurate": exp_accurate,
    "exp_quick": exp_quick,
    "log": log,
    "sin": sine,
    "sin_wide": wide_sine,
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
