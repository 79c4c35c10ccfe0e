"""The forms of the float64 programs that are made of an exponential or of tables."""

from __future__ import annotations

from typing import Any

import mpmath

from ...passes.functions.minimax import polynomial, segments
from .forms import Form, exp_core, horner, number, parts

_DTYPE = "float64"
_ALL = ("-inf", "inf")
_ODD = {"nan": "nan", "inf": "1", "-inf": "-1", "zero": "0", "-zero": "-0.0"}


def _reduced(x: str, low: str = "") -> list[str]:
    """Nodes k and r = x - low - k ln 2, the first difference exact where x has few digits."""
    with mpmath.workprec(300):
        scale, (high, rest) = number(1 / mpmath.log(2), _DTYPE), parts(mpmath.log(2), _DTYPE, 2)
    whole = [f"kw: {x} - {low}"] if low else []
    lines = [*whole, f"ks: {'kw' if low else x} * {scale}", "k: round(ks)", f"kh: {x} - k * {high}"]
    if low:
        return [*lines, f"kl: k * {rest}", f"kb: {low} + kl", "r: kh - kb"]
    return [*lines, f"r: kh - k * {rest}"]


def _exponential_less_one(out: str) -> list[str]:
    """Nodes of e^r - 1 = r + r^2 q(r)."""
    q = exp_core(12, _DTYPE, 0.3470, False)
    return [*horner("q", "r", q[1:], False), "w: r * r", f"{out}: w * q + r"]


def _exponential_of_minus_size(low: int) -> list[str]:
    """Nodes a = |x|, p = 1 + t and e = 2^k p = e^-a, a held above `low`."""
    nodes = ["a: abs(x)", "b: -a", f"c: maximum(b, {low})", *_reduced("c"), *_exponential_less_one("t")]
    return [*nodes, "p: 1 + t", "e: ldexp(p, k)"]


def _itself(value: str, limit: int) -> list[str]:
    """x where it is larger and the function x to within the last place, else the value."""
    return [f"far: x > {limit}", f"y: where(far, x, {value})"]


def sigmoid() -> Form:
    """e = 2^k p = exp(-|x|); 1 / (1 + e), or p / (1 + e) 2^k below zero: k comes last, so that what is subnormal is
    rounded once."""
    nodes = [*_exponential_of_minus_size(-746), "bottom: 1 + e", "below: x < 0", "top: where(below, p, 1)"]
    nodes += ["d: top / bottom", "m: where(below, k, 0)", "y: ldexp(d, m)"]
    special = {"nan": "nan", "inf": "1", "-inf": "0", "zero": "0.5", "-zero": "0.5"}
    reduction = "e = exp(-|x|), which does not overflow; e / (1 + e) below zero, 1 / (1 + e) above"
    doc = "1 / (1 + exp(-x)) in float64."
    return Form("sigmoid-float64", "sigmoid", _DTYPE, _ALL, "ulp", tuple(nodes), doc, reduction, special)


def silu() -> Form:
    """x / (1 + e), or x p / (1 + e) 2^k below zero, e = 2^k p."""
    nodes = [*_exponential_of_minus_size(-760), "bottom: 1 + e", "below: x < 0", "l: maximum(x, -760)"]
    nodes += ["lp: l * p", "top: where(below, lp, l)", "d: top / bottom", "m: where(below, k, 0)"]
    nodes += ["f: ldexp(d, m)", *_itself("f", 40)]
    special = {"nan": "nan", "inf": "inf", "-inf": "-0.0", "zero": "0", "-zero": "-0.0"}
    reduction = "e = exp(-|x|), which does not overflow; x e / (1 + e) below zero, x / (1 + e) above"
    doc = "x / (1 + exp(-x)) in float64."
    return Form("silu-float64", "silu", _DTYPE, _ALL, "ulp", tuple(nodes), doc, reduction, special)


def tanh() -> Form:
    """e = e^(-2 |x|) = 2^k (1 + t). Up to 0.55 n = e - 1 = 2^k t + (2^k - 1), -n / (2 + n); then 1 - 2 e / (1 + e)."""
    nodes = ["a: abs(x)", "b: a * -2", "c: maximum(b, -40)", *_reduced("c"), *_exponential_less_one("t")]
    nodes += ["st: ldexp(t, k)", "s: ldexp(1, k)", "g: s - 1", "n: st + g", "n2: 2 + n", "o: -n"]
    nodes += ["p: 1 + t", "e: ldexp(p, k)", "e1: 1 + e", "e2: e * -2", "near: a < 0.55"]
    nodes += ["top: where(near, o, e2)", "bottom: where(near, n2, e1)", "d: top / bottom"]
    nodes += ["base: where(near, 0, 1)", "v: base + d", "y: copysign(v, x)"]
    reduction = "e = exp(-2 |x|), n = e - 1; -n / (2 + n) up to 0.55, 1 - 2 e / (1 + e) beyond; the sign of x"
    doc = "Hyperbolic tangent in float64, by the exponential less one."
    return Form("tanh-float64", "tanh", _DTYPE, _ALL, "ulp", tuple(nodes), doc, reduction, _ODD)


def softplus() -> Form:
    """max(x, 0) + log(1 + e), e = exp(-|x|); s = e / (2 + e), log(1 + e) = e - s (e - z R(z)), z = s^2."""
    with mpmath.workprec(300):
        rest = polynomial(_atanh_rest, range(_RUNGS), 0.0, 1 / 9, _DTYPE, weight=lambda z: z)
    nodes = _exponential_of_minus_size(-746)
    nodes += [
        "u: 2 + e",
        "s: e / u",
        "z: s * s",
        *horner("v", "z", rest, False),
    ]
    nodes += ["h: e - z * v", "l: e - s * h", "m: maximum(x, 0)", "f: m + l", *_itself("f", 40)]
    special = {"nan": "nan", "inf": "inf", "-inf": "0"}
    reduction = "e = exp(-|x|); max(x, 0) + log(1 + e), by s = e / (2 + e)"
    doc = "log(1 + exp(x)) in float64."
    return Form("softplus-float64", "softplus", _DTYPE, _ALL, "ulp", tuple(nodes), doc, reduction, special)


_RUNGS = 11


def _atanh_rest(z: Any) -> Any:
    """R of log((1 + s) / (1 - s)) = 2 s + s z R(z), z = s^2."""
    s = mpmath.sqrt(z)
    return ((mpmath.log1p(s) - mpmath.log1p(-s)) / s - 2) / z


# --- by tables --------------------------------------------------------------------------------------------


def _tables(name: str, target: Any, width: float, count: int, degree: int) -> list[str]:
    """Tables of a polynomial a cell k width ± width / 2, `{name}l` what the constant terms lost to rounding."""
    half = width / 2 * 1.0001
    cells = [(i * width, max(i * width - half, 0.0), i * width + half) for i in range(count)]
    lost, *columns = segments(target, cells, degree, _DTYPE)
    named = {f"{name}{power}": column for power, column in enumerate(columns)} | {f"{name}l": lost}
    return [f"{key}: [{', '.join(map(repr, column))}]" for key, column in named.items()]


def _by_tables(size: str, width: float, count: int, degree: int, name: str, out: str) -> list[str]:
    """Nodes of the function at `size`, which the last cell holds: constant + (rest + t (…))."""
    n = name
    lines = [
        f"{n}s: {size} * {number(1 / width, _DTYPE)}",
        f"{n}k: round({n}s)",
        f"{n}h: {n}k * {number(width, _DTYPE)}",
    ]
    lines += [f"{n}t: {size} - {n}h"]
    lines += [f"{n}e{i}: lookup({n}{i}, {n}k)" for i in range(degree + 1)] + [f"{n}el: lookup({n}l, {n}k)"]
    value = f"{n}e{degree}"
    for power in range(degree - 1, -1, -1):
        entry = f"{n}el" if power == 0 else f"{n}e{power}"
        lines.append(f"{n}p{power}: {value} * {n}t + {entry}")
        value = f"{n}p{power}"
    return [*lines, f"{out}: {n}e0 + {value}"]


def erf() -> Form:
    """Sixteen polynomials, tables of two registers of eight numbers."""
    width, count, degree = 49 / 128, 16, 14
    nodes = [*_tables("c", mpmath.erf, width, count, degree), "b: abs(x)"]
    nodes.append(f"a: minimum(b, {number((count - 0.501) * width, _DTYPE)})")
    nodes += [*_by_tables("a", width, count, degree, "c", "v"), "y: copysign(v, x)"]
    reduction = (
        "|x| = 49 k / 128 + t; the k-th of 16 polynomials in t, its constant in two parts; the sign of x"
    )
    doc = "Error function in float64 by 16 polynomials."
    special = _ODD | {"inf": "1", "-inf": "-1"}
    return Form("erf-float64", "erf", _DTYPE, _ALL, "ulp", tuple(nodes), doc, reduction, special)


def gelu() -> Form:
    """t = a Φ(-a) with Φ(-a) = e^(-a^2 / 2) h(a): x - t above zero, -t below. a = g + l with g a multiple of 1/32, so
    that g^2 / 2 is exact and a^2 / 2 = g^2 / 2 + l (a + g) / 2 to an absolute error far below 1."""
    width, count, degree = 0.625, 64, 13
    nodes = [*_tables("c", _scaled_tail, width, count, degree), "b: abs(x)", "a: minimum(b, 39.5)"]
    nodes += ["gs: a * 32", "gk: round(gs)", "g: gk * 0.03125", "l: a - g", "n: g * g * -0.5"]
    nodes += ["both: a + g", "lb: l * both", "low: lb * 0.5", *_reduced("n", "low")]
    nodes += [*_exponential_less_one("t"), "p: 1 + t", *_by_tables("a", width, count, degree, "c", "h")]
    nodes += [
        "ph: p * h",
        "ag: a * ph",
        "f: ldexp(ag, k)",
        "below: x < 0",
        "m: where(below, 0, x)",
        "v: m - f",
        *_itself("v", 9),
    ]
    special = {"nan": "nan", "inf": "inf", "-inf": "0", "zero": "0", "-zero": "-0.0"}
    reduction = "a = min(|x|, 39.5); Φ(-a) = e^(-a²/2) h(a), h by 64 polynomials; max(x, 0) - a Φ(-a)"
    doc = "x times the normal distribution function in float64, relatively exact in the tail."
    return Form("gelu-float64", "gelu", _DTYPE, _ALL, "ulp", tuple(nodes), doc, reduction, special)


def _scaled_tail(a: Any) -> Any:
    """e^(a^2 / 2) Φ(-a)."""
    return mpmath.exp(a * a / 2) * mpmath.erfc(a / mpmath.sqrt(2)) / 2
