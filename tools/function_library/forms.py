"""The forms of the library's programs: range reduction, core, special values, as nodes of a spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import mpmath

from ...graph.spec.yaml_writer import string
from ...passes.functions.constants import constant
from ...passes.functions.minimax import nearest, polynomial, segments

Real = Callable[[Any], Any]
_SINGLE, _DOUBLE = "float32", "float64"
_TOP_BITS = {_SINGLE: 12, _DOUBLE: 40}
"""Bits of the leading part of a constant: its products with the integers of a reduction are exact."""


@dataclass(frozen=True)
class Form:
    """What a program file says but for its certificate. `nodes` are its lines in order."""

    name: str
    function: str
    dtype: str
    domain: tuple[str, str]
    error: str
    nodes: tuple[str, ...]
    doc: str
    reduction: str = ""
    special: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """The spec."""
        lines = ["graphwright: 1", "kind: graph", f"name: {self.name}", f"doc: {string(self.doc)}"]
        lines += ["use: [functions/ieee.yaml]", "inputs:", f"  x: {self.dtype}[...]", "nodes:"]
        lines += [f"  {node}" for node in self.nodes]
        lines += ["outputs: [y]", "program:", f"  function: {self.function}"]
        lines += [f"  domain: [{', '.join(self.domain)}]", f"  error: {self.error}"]
        lines += [f"  reduction: {string(self.reduction)}"] if self.reduction else []
        lines += ["  special:"] if self.special else []
        lines += [f"    {case}: {value}" for case, value in self.special.items()]
        lines += ["  provenance:", "    command: python -m graphwright.tools.function_library"]
        lines += ["    coefficients: Remez's exchange in 160 bits, rounded one after another"]
        return "\n".join(lines) + "\n"


def number(value: Any, dtype: str) -> str:
    """A constant of the dtype as a spec writes it."""
    return f"hex('{constant(nearest(value, dtype)).text}')"


def parts(value: Any, dtype: str, count: int) -> list[str]:
    """A constant as a sum: all but the last with few bits."""
    found: list[str] = []
    with mpmath.workprec(300):
        left = mpmath.mpf(value)
        for i in range(count):
            last = i == count - 1
            part = mpmath.mpf(nearest(left, dtype)) if last else _top(left, _TOP_BITS[dtype])
            found.append(number(part, dtype))
            left -= part
    return found


def grid_parts(value: Any, dtype: str) -> list[str]:
    """A constant as a sum of four: two on grids so coarse that reduced arguments below 1 are multiples of them which
    the dtype holds (2 in float64), and the rest in two."""
    found: list[str] = []
    with mpmath.workprec(300):
        left = mpmath.mpf(value)
        for grid in {_SINGLE: (11, 23), _DOUBLE: (32, 51)}[dtype]:
            part = mpmath.nint(left * 2**grid) / mpmath.mpf(2) ** grid
            found.append(number(part, dtype))
            left -= part
        last = nearest(left, dtype)
        return [*found, number(last, dtype), number(left - mpmath.mpf(last), dtype)]


def negative(text: str) -> str:
    """The constant with the other sign."""
    return text.replace("hex('-", "hex('") if "'-" in text else text.replace("hex('", "hex('-")


def _top(value: Any, bits: int) -> Any:
    exponent = mpmath.frexp(value)[1]
    unit = mpmath.mpf(2) ** (exponent - bits)
    return mpmath.nint(value / unit) * unit


def horner(name: str, x: str, coefficients: Sequence[float], fused: bool) -> list[str]:
    """Nodes of c_0 + c_1 x + …, the last named `name`."""
    texts = [f"hex('{constant(c).text}')" for c in coefficients]
    lines: list[str] = []
    value = texts[-1]
    for i, text in enumerate(reversed(texts[:-1])):
        label = name if i == len(texts) - 2 else f"{name}{len(texts) - 2 - i}"
        lines.append(f"{label}: fma({value}, {x}, {text})" if fused else f"{label}: {value} * {x} + {text}")
        value = label
    return lines


def term(a: str, b: str, c: str, fused: bool) -> str:
    """a b + c."""
    return f"fma({a}, {b}, {c})" if fused else f"{a} * {b} + {c}"


# --- exponentials -----------------------------------------------------------------------------------------


@cache
def exp_core(degree: int, dtype: str, half: float, base2: bool) -> list[float]:
    """q of e^r = 1 + r q(r), or of 2^r = 1 + r q(r), on |r| <= half."""
    if base2:
        return polynomial(
            lambda r: (mpmath.power(2, r) - 1) / r if r else mpmath.log(2),
            range(degree), -half, half, dtype, weight=lambda r: r / mpmath.power(2, r),
        )  # fmt: skip
    return polynomial(
        lambda r: mpmath.expm1(r) / r if r else mpmath.mpf(1),
        range(degree), -half, half, dtype, weight=lambda r: r / mpmath.exp(r), fixed={0: 1.0},
    )  # fmt: skip


@dataclass(frozen=True)
class Exponential:
    """Nodes of e^(x + low) for clamped x: k = round(x log2 e), r = x - k ln 2 + low, 2^k (1 + r q(r)). Names begin
    with `top`, which is k; r is `{top}r`, the significand `{top}p`, its q `{top}q`."""

    x: str
    degree: int
    dtype: str
    top: str = "k"
    low: str = ""

    def significand(self) -> list[str]:
        """Nodes up to 1 + r q(r)."""
        fused, k = self.dtype == _SINGLE, self.top
        with mpmath.workprec(300):
            scale, (high, low) = number(1 / mpmath.log(2), self.dtype), parts(mpmath.log(2), self.dtype, 2)
        reduced = f"{k}n" if self.low else f"{k}r"
        lines = [f"{k}s: {self.x} * {scale}", f"{k}: round({k}s)"]
        if fused:
            lines += [
                f"{k}h: fma({k}, {negative(high)}, {self.x})",
                f"{reduced}: fma({k}, {negative(low)}, {k}h)",
            ]
        else:
            lines += [f"{k}h: {self.x} - {k} * {high}", f"{reduced}: {k}h - {k} * {low}"]
        lines += [f"{k}r: {reduced} + {self.low}"] if self.low else []
        q = exp_core(self.degree, self.dtype, 0.3470, False)
        if fused:
            return [*lines, *horner(f"{k}q", f"{k}r", q, fused), f"{k}p: fma({k}r, {k}q, 1)"]
        # r + r^2 (q - 1) / r is added to 1: one rounding less of size 1
        rest = [*horner(f"{k}q", f"{k}r", q[1:], fused), f"{k}w: {k}r * {k}r", f"{k}t: {k}w * {k}q + {k}r"]
        return [*lines, *rest, f"{k}p: 1 + {k}t"]

    def nodes(self, out: str) -> list[str]:
        return [*self.significand(), f"{out}: ldexp({self.top}p, {self.top})"]


LIMITS = {_SINGLE: ("-104", "89"), _DOUBLE: ("-746", "710")}
_LIMITS2 = {_SINGLE: ("-151", "129"), _DOUBLE: ("-1076", "1025")}
_EXP_SPECIAL = {"nan": "nan", "inf": "inf", "-inf": "0", "zero": "1", "-zero": "1", "subnormal": "1",
                "overflow": "inf", "underflow": "gradual"}  # fmt: skip


def clamp(x: str, low: str, high: str, out: str) -> list[str]:
    return [f"{out}m: maximum({x}, {low})", f"{out}: minimum({out}m, {high})"]


def exp_form(name: str, degree: int, dtype: str, doc: str) -> Form:
    nodes = [*clamp("x", *LIMITS[dtype], "c"), *Exponential("c", degree, dtype).nodes("y")]
    reduction = "x within the limits of overflow; k = round(x log2 e), r = x - k ln 2 in two parts; 2^k p(r)"
    return Form(name, "exp", dtype, ("-inf", "inf"), "ulp", tuple(nodes), doc, reduction, _EXP_SPECIAL)


def exp2_form(name: str, degree: int, dtype: str, doc: str) -> Form:
    fused = dtype == _SINGLE
    q = exp_core(degree, dtype, 0.5, True)
    nodes = [*clamp("x", *_LIMITS2[dtype], "c"), "k: round(c)", "r: c - k", *horner("q", "r", q, fused)]
    nodes += [f"p: {term('r', 'q', '1', fused)}", "y: ldexp(p, k)"]
    reduction = "x within the limits of overflow; k = round(x), r = x - k; 2^k p(r)"
    return Form(name, "exp2", dtype, ("-inf", "inf"), "ulp", tuple(nodes), doc, reduction, _EXP_SPECIAL)


# --- logarithms -------------------------------------------------------------------------------------------


def log_form(name: str, degree: int, low: float, doc: str, base2: bool = False, extra: bool = True) -> Form:
    """Float32: x = m 2^k with low <= m < 2 low; log(1 + f) = f + f^2 q(f), log2(1 + f) = c f + f^2 q(f), with c in
    two parts where `extra`."""
    with mpmath.workprec(300):
        scale = 1 / mpmath.log(2) if base2 else mpmath.mpf(1)
        q = polynomial(
            lambda f: scale * (mpmath.log1p(f) - f) / f**2 if abs(f) > 1e-12 else -scale / 2,
            range(degree - 1), low - 1, 2 * low - 1, _SINGLE,
            weight=lambda f: f**2 / mpmath.log1p(f) / scale if f else mpmath.mpf(0),
            fixed={} if base2 else {0: -0.5},
        )  # fmt: skip
        high, rest = parts(scale, _SINGLE, 1)[0], number(scale - nearest(scale, _SINGLE), _SINGLE)
        ln2 = number(mpmath.log(2), _SINGLE)
    edge = number(low, _SINGLE)
    nodes = [f"k: exponent(x, low={edge})", f"m: significand(x, low={edge})", "f: m - 1"]
    nodes += [*horner("q", "f", q, True), "w: f * f"]
    if base2:
        nodes += [f"a: f * {rest}", "b: fma(w, q, a)"] if extra else ["b: w * q"]
        nodes += [f"d: fma(f, {high}, b)", "v: k + d"]
    else:
        nodes += ["b: fma(w, q, f)", f"v: fma(k, {ln2}, b)"]
    nodes += list(_log_choice("v"))
    sum_ = "k + c f + f^2 q(f)" if base2 else "k log 2 + f + f^2 q(f)"
    reduction = f"x = m 2^k, {low:.4g} <= m < {2 * low:.4g}; f = m - 1; {sum_}"
    function = "log2" if base2 else "log"
    return Form(name, function, _SINGLE, ("0", "inf"), "ulp", tuple(nodes), doc, reduction, LOG_SPECIAL)


LOG_SPECIAL = {"nan": "nan", "inf": "inf", "-inf": "nan", "zero": "-inf", "-zero": "-inf"}


def _log_choice(value: str) -> Sequence[str]:
    return (
        "positive: x > 0",
        "finite: x < inf",
        "z: x == 0",
        "low: where(z, -inf, nan)",
        f"high: where(finite, {value}, x)",
        "y: where(positive, high, low)",
    )


def log_double(name: str, doc: str, base2: bool) -> Form:
    """s = f / (2 + f), log(1 + f) = f - (f^2 / 2 - s (f^2 / 2 + s^2 R(s^2))), as in fdlibm."""
    with mpmath.workprec(300):
        edge = mpmath.mpf(3) - 2 * mpmath.sqrt(2)  # the largest |s|
        r = polynomial(
            lambda z: _log_tail(mpmath.sqrt(z)), range(1, 8), 0.0, float(edge**2), _DOUBLE, weight=mpmath.sqrt
        )
        leading = parts(mpmath.log(2), _DOUBLE, 2)
        inverse = parts(1 / mpmath.log(2), _DOUBLE, 2)
    low = number(mpmath.sqrt(mpmath.mpf(1) / 2), _DOUBLE)
    nodes = [
        f"k: exponent(x, low={low})",
        f"m: significand(x, low={low})",
        "f: m - 1",
        "u: 2 + f",
        "s: f / u",
    ]
    nodes += ["z: s * s", *horner("g", "z", r, False), "e: z * g", "h: f * f * 0.5", "t: s * (h + e)"]
    if base2:
        nodes += [
            "d: h - t",
            "l: f - d",
            f"a: l * {inverse[1]}",
            f"b: l * {inverse[0]}",
            "c: a + b",
            "v: k + c",
        ]
    else:
        nodes += [f"a: t + k * {leading[1]}", "d: (h - a) - f", f"v: k * {leading[0]} - d"]
    nodes += [line.replace("z: x", "n: x").replace("(z,", "(n,") for line in _log_choice("v")]
    reduction = "x = m 2^k, 1/sqrt(2) <= m < sqrt(2); f = m - 1, s = f / (2 + f); k log 2 in two parts"
    function, error = ("log2", "ulp") if base2 else ("log", "ulp")
    domain = ("0", "inf")
    return Form(name, function, _DOUBLE, domain, error, tuple(nodes), doc, reduction, LOG_SPECIAL)


def _log_tail(s: Any) -> Any:
    """R s^2 of log((1 + s) / (1 - s)) = 2 s + s R(s^2)."""
    return (mpmath.log1p(s) - mpmath.log1p(-s)) / s - 2


# --- circular functions -----------------------------------------------------------------------------------


def sine_core(degree: int, dtype: str, end: float = 2.4695) -> list[float]:
    """q of sin r = r + r^3 q(r^2) on r^2 <= end, by default pi / 2 squared."""
    return polynomial(
        lambda z: (mpmath.sin(mpmath.sqrt(z)) / mpmath.sqrt(z) - 1) / z,
        range(degree), 0.0, end, dtype, weight=lambda z: z * mpmath.sqrt(z) / mpmath.sin(mpmath.sqrt(z)),
    )  # fmt: skip


def circular_form(name: str, function: str, degree: int, domain: str, error: str, doc: str) -> Form:
    """Float64: x = k pi + r (cos: (k + 1/2) pi + r) by three parts of pi, plus or minus sin r."""
    with mpmath.workprec(300):
        inverse, pi = number(1 / mpmath.pi, _DOUBLE), grid_parts(mpmath.pi, _DOUBLE)[:3]
    if function == "sin":
        nodes, turn = [f"t: x * {inverse}", "j: round(t)"], "j"
    else:
        nodes, turn = [f"t: x * {inverse} - 0.5", "k: round(t)", "j: k + 0.5"], "k"
    value = "x"
    for i, part in enumerate(pi):
        label = ("r0", "r1", "r")[i]
        nodes.append(f"{label}: {value} - j * {part}")
        value = label
    nodes += ["z: r * r", *horner("q", "z", sine_core(degree, _DOUBLE), False), "c: z * r"]
    first, second = ("1", "-2") if function == "sin" else ("-1", "2")
    nodes += ["s: c * q + r", f"o: floor({turn} * 0.5)", f"odd: {turn} - o * 2"]
    nodes += [f"sign: odd * {second} + {first}", "y: s * sign"]
    reduction = (
        f"r = x - {_TURNS[function]} in three parts, k the nearest; plus or minus sin r by the parity of k"
    )
    special = _CIRCULAR_SPECIAL | dict.fromkeys(("zero", "-zero"), "0" if function == "sin" else "1")
    return Form(name, function, _DOUBLE, (f"-{domain}", domain), error, tuple(nodes), doc, reduction, special)


_TURNS = {"sin": "k pi", "cos": "(k - 1/2) pi"}
_CIRCULAR_SPECIAL = {"nan": "nan", "inf": "nan", "-inf": "nan"}
_MAGIC = "hex('0x1.8p+23')"
"""Added to a float32 number of up to 2^22 and subtracted it leaves the nearest integer, and 0 for -0."""


def circular_single(name: str, function: str, domain: str, doc: str, pieces: int = 2) -> Form:
    """Float32: x = k pi + r (cos: (k - 1/2) pi + r), (-1)^k sin r."""
    with mpmath.workprec(300):
        inverse = number(1 / mpmath.pi, _SINGLE)
        pi = _below(mpmath.pi) if pieces == 2 else parts(mpmath.pi, _SINGLE, pieces)
    if function == "sin":
        nodes, turn = [f"t: fma(x, {inverse}, {_MAGIC})", f"k: t - {_MAGIC}"], "k"
    else:
        nodes, turn = [f"t: fma(x, {inverse}, 0.5)", "k: round(t)", "j: k - 0.5"], "j"
    value = "x"
    for i, part in enumerate(pi):
        label = "r" if i == pieces - 1 else f"r{i}"
        nodes.append(f"{label}: fma({turn}, {negative(part)}, {value})")
        value = label
    nodes += ["z: r * r", *horner("q", "z", sine_core(4, _SINGLE), True), "c: z * r", "s: fma(c, q, r)"]
    nodes += ["a: alternate(s, k)"] if function == "sin" else ["y: alternate(s, k)"]
    reduction = f"r = x - {_TURNS[function]} in {pieces} parts, k the nearest; (-1)^k sin r"
    return _circular(name, function, domain, nodes, doc, reduction)


def _circular(name: str, function: str, domain: str, nodes: list[str], doc: str, reduction: str) -> Form:
    if function == "sin":  # the sums turn -0 into 0
        nodes = [*nodes, "zero: x == 0", "y: where(zero, x, a)"]
    zeros = {"zero": "0", "-zero": "-0.0"} if function == "sin" else dict.fromkeys(("zero", "-zero"), "1")
    special = _CIRCULAR_SPECIAL | zeros
    return Form(name, function, _SINGLE, (f"-{domain}", domain), "ulp", tuple(nodes), doc, reduction, special)


def _below(value: Any) -> list[str]:
    """A constant as two float32 numbers."""
    high = nearest(value, _SINGLE)
    return [number(high, _SINGLE), number(value - mpmath.mpf(high), _SINGLE)]


# --- by tables --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Segments:
    """A float32 function of size >= 0 in cells k width ± width / 2, each with a polynomial in a register table of 32
    entries; the last cell holds for all that is larger."""

    target: Real
    width: float
    degree: int
    slope: float | None = None
    """The first cell's coefficient of t, where it is to be exact."""
    count: int = 32

    def tables(self, name: str) -> list[str]:
        """The tables `{name}0`, …, and `{name}l`: what the constant terms lost to rounding."""
        half = self.width / 2 * 1.0001
        centers = [i * self.width for i in range(self.count)]
        cells = [(c, max(c - half, 0.0), c + half) for c in centers]
        fixed = {} if self.slope is None else {1: self.slope}
        lost, *columns = segments(self.target, cells, self.degree, _SINGLE, fixed)
        named = {f"{name}{power}": column for power, column in enumerate(columns)} | {f"{name}l": lost}
        return [f"{key}: [{', '.join(map(repr, column))}]" for key, column in named.items()]

    def nodes(self, size: str, name: str, out: str) -> list[str]:
        """Nodes of the function at `size`: constant + (rest + t (…))."""
        n = name
        most = number((self.count - 0.501) * self.width, _SINGLE)
        lines = [
            f"{n}m: minimum({size}, {most})",
            f"{n}s: fma({n}m, {number(1 / self.width, _SINGLE)}, {_MAGIC})",
        ]
        lines += [f"{n}k: {n}s - {_MAGIC}", f"{n}t: fma({n}k, {number(-self.width, _SINGLE)}, {n}m)"]
        lines += [f"{n}e{i}: lookup({n}{i}, {n}k)" for i in range(self.degree + 1)]
        lines += [f"{n}el: lookup({n}l, {n}k)"]
        value = f"{n}e{self.degree}"
        for power in range(self.degree - 1, -1, -1):
            entry = f"{n}el" if power == 0 else f"{n}e{power}"
            lines.append(f"{n}p{power}: fma({value}, {n}t, {entry})")
            value = f"{n}p{power}"
        return [*lines, f"{out}: {n}e0 + {value}"]
