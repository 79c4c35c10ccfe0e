"""The forms of the library's programs: range reduction, core, special values, as nodes of a spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import mpmath

from ...passes.functions.constants import PRECISION, constant
from ...graph.spec.yaml_writer import string
from .minimax import minimax, nearest, segments

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
    """q of e^r = 1 + r + r^2 q(r), or of 2^r = 1 + r q(r), on |r| <= half."""
    if base2:
        return minimax(
            lambda r: (mpmath.power(2, r) - 1) / r if r else mpmath.log(2),
            range(degree), -half, half, lambda r: r / mpmath.power(2, r), dtype,
        )  # fmt: skip
    return minimax(
        lambda r: (mpmath.exp(r) - 1 - r) / r**2 if abs(r) > 1e-12 else mpmath.mpf(1) / 2,
        range(degree - 1), -half, half, lambda r: r**2 / mpmath.exp(r), dtype,
    )  # fmt: skip


def exponential(x: str, degree: int, dtype: str, out: str, top: str = "k") -> list[str]:
    """Nodes of e^x for clamped x: k = round(x log2 e), r = x - k ln 2, 2^k (1 + r + r^2 q(r))."""
    fused = dtype == _SINGLE
    with mpmath.workprec(300):
        scale, high_low = number(1 / mpmath.log(2), dtype), parts(mpmath.log(2), dtype, 2)
    q = exp_core(degree, dtype, 0.3470, False)
    minus = [negative(part) for part in high_low]
    lines = [f"{top}s: {x} * {scale}", f"{top}: round({top}s)"]
    if fused:
        lines += [f"{top}h: fma({top}, {minus[0]}, {x})", f"{top}r: fma({top}, {minus[1]}, {top}h)"]
    else:
        lines += [f"{top}h: {x} - {top} * {high_low[0]}", f"{top}r: {top}h - {top} * {high_low[1]}"]
    lines += horner(f"{top}q", f"{top}r", q, fused)
    lines.append(f"{top}w: {top}r * {top}r")
    lines.append(f"{top}t: {term(f'{top}w', f'{top}q', f'{top}r', fused)}")
    return [*lines, f"{top}p: 1 + {top}t", f"{out}: ldexp({top}p, {top})"]


LIMITS = {_SINGLE: ("-104", "89"), _DOUBLE: ("-746", "710")}
_LIMITS2 = {_SINGLE: ("-151", "129"), _DOUBLE: ("-1076", "1025")}
_EXP_SPECIAL = {"nan": "nan", "inf": "inf", "-inf": "0", "zero": "1", "-zero": "1", "subnormal": "1",
                "overflow": "inf", "underflow": "gradual"}  # fmt: skip


def clamp(x: str, low: str, high: str, out: str) -> list[str]:
    return [f"{out}m: maximum({x}, {low})", f"{out}: minimum({out}m, {high})"]


def exp_form(name: str, degree: int, dtype: str, doc: str) -> Form:
    nodes = [*clamp("x", *LIMITS[dtype], "c"), *exponential("c", degree, dtype, "y")]
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


def log_form(name: str, degree: int, dtype: str, doc: str, base2: bool = False) -> Form:
    """x = m 2^k with 3/4 <= m < 3/2 (float32): log(1 + f) = f + f^2 q(f)."""
    fused = dtype == _SINGLE
    with mpmath.workprec(300):
        scale = 1 / mpmath.log(2) if base2 else mpmath.mpf(1)
        q = minimax(
            lambda f: scale * (mpmath.log1p(f) - f) / f**2 if abs(f) > 1e-12 else -scale / 2,
            range(degree - 1), -0.25, 0.5,
            lambda f: f**2 / mpmath.log1p(f) / scale if f else mpmath.mpf(0), dtype,
        )  # fmt: skip
        leading = parts(mpmath.log(2), dtype, 2)
        ln2 = number(scale, dtype), number(scale - nearest(scale, dtype), dtype)
    nodes = ["k: exponent(x, low=0.75)", "m: significand(x, low=0.75)", "f: m - 1", *horner("q", "f", q, fused)]
    nodes += ["w: f * f"]
    if base2:  # k + f (c + e) + f^2 q
        nodes += [f"a: f * {ln2[1]}", f"b: {term('w', 'q', 'a', fused)}", f"d: {term('f', ln2[0], 'b', fused)}"]
        nodes += ["v: k + d"]
    else:
        nodes += [f"a: {term('k', leading[1], 'w * q', fused)}" if not fused else f"a0: k * {leading[1]}"]
        nodes += ["a: fma(w, q, a0)"] if fused else []
        nodes += ["b: f + a", f"v: {term('k', leading[0], 'b', fused)}"]
    nodes += list(_log_choice("v"))
    reduction = "x = m 2^k, 3/4 <= m < 3/2; f = m - 1; k log 2 in two parts + f + f^2 q(f)"
    function = "log2" if base2 else "log"
    return Form(name, function, dtype, ("0", "inf"), "ulp", tuple(nodes), doc, reduction, LOG_SPECIAL)


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
        r = minimax(
            lambda z: _log_tail(mpmath.sqrt(z)), range(1, 8), 0.0, float(edge**2), lambda z: mpmath.sqrt(z), _DOUBLE
        )
        leading = parts(mpmath.log(2), _DOUBLE, 2)
        inverse = parts(1 / mpmath.log(2), _DOUBLE, 2)
    low = number(mpmath.sqrt(mpmath.mpf(1) / 2), _DOUBLE)
    nodes = [f"k: exponent(x, low={low})", f"m: significand(x, low={low})", "f: m - 1", "u: 2 + f", "s: f / u"]
    nodes += ["z: s * s", *horner("g", "z", r, False), "e: z * g", "h: f * f * 0.5", "t: s * (h + e)"]
    if base2:
        nodes += ["d: h - t", "l: f - d", f"a: l * {inverse[1]}", f"b: l * {inverse[0]}", "c: a + b", "v: k + c"]
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


def sine_core(degree: int, dtype: str) -> list[float]:
    """q of sin r = r + r^3 q(r^2) on |r| <= pi / 2."""
    return minimax(
        lambda z: (mpmath.sin(mpmath.sqrt(z)) / mpmath.sqrt(z) - 1) / z,
        range(degree), 0.0, 2.4695, lambda z: z * mpmath.sqrt(z) / mpmath.sin(mpmath.sqrt(z)), dtype,
    )  # fmt: skip


def circular_form(
    name: str, function: str, degree: int, dtype: str, domain: str, error: str, doc: str, pieces: int = 3
) -> Form:
    """x = k pi + r (cos: (k + 1/2) pi + r), ± sin r."""
    fused = dtype == _SINGLE
    with mpmath.workprec(300):
        inverse, pi = number(1 / mpmath.pi, dtype), parts(mpmath.pi, dtype, pieces)
    if function == "sin":
        nodes = [f"t: x * {inverse}", "j: round(t)"]
        turn = "j"
    else:
        nodes = [f"t: {term('x', inverse, '-0.5', fused)}", "k: round(t)", "j: k + 0.5"]
        turn = "k"
    value = "x"
    for i, part in enumerate(pi):
        label = "r" if i == pieces - 1 else f"r{i}"
        nodes.append(f"{label}: fma(j, {negative(part)}, {value})" if fused else f"{label}: {value} - j * {part}")
        value = label
    nodes += ["z: r * r", *horner("q", "z", sine_core(degree, dtype), fused), "c: z * r"]
    nodes += [f"s: {term('c', 'q', 'r', fused)}", f"o: floor({turn} * 0.5)"]
    first, second = ("1", "-2") if function == "sin" else ("-1", "2")
    if fused:
        nodes += [f"odd: fma(o, -2, {turn})", f"sign: fma(odd, {second}, {first})", "y: s * sign"]
    else:
        nodes += [f"odd: {turn} - o * 2", f"sign: odd * {second} + {first}", "y: s * sign"]
    where = "k pi" if function == "sin" else "(k + 1/2) pi"
    reduction = f"r = x - {where} in {pieces} parts, k the nearest; plus or minus sin r by the parity of k"
    special = {"nan": "nan", "inf": "nan", "-inf": "nan"}
    special |= dict.fromkeys(("zero", "-zero"), "0" if function == "sin" else "1")
    return Form(name, function, dtype, (f"-{domain}", domain), error, tuple(nodes), doc, reduction, special)


# --- by tables --------------------------------------------------------------------------------------------


def odd_table(x: str, target: Real, count: int, top: float, degree: int, out: str, squash: str) -> list[str]:
    """Nodes of an odd function that saturates at ±1: x g(|x|), g by a polynomial a segment."""
    width = top / count
    tables = segments(
        lambda u: target(u) / u if u else mpmath.diff(target, 0), [width * i for i in range(count + 1)], degree, _SINGLE
    )
    lines = [f"table{power}: [{', '.join(map(repr, values))}]" for power, values in enumerate(tables)]
    lines += [f"a: abs({x})", f"i: a * {number(1 / mpmath.mpf(width), _SINGLE)}", "n: floor(i)", f"j: minimum(n, {count - 1})"]
    lines += [f"d: fma(j + 0.5, -{width:g}, a)"]
    lines += [f"c{power}: lookup(table{power}, j)" for power in range(degree + 1)]
    value = f"c{degree}"
    for power in range(degree - 1, -1, -1):
        lines.append(f"p{power}: fma({value}, d, c{power})")
        value = f"p{power}"
    lines += [f"s: {x} * {value}", f"beyond: a >= {squash}", f"below: {x} < 0", "plus: minimum(a, 1)", "minus: -plus", "one: where(below, minus, plus)"]
    return [*lines, f"{out}: where(beyond, one, s)"]
