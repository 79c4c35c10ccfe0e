"""Which programs the library holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import mpmath

from ...passes.functions.minimax import polynomial
from . import double
from .forms import (
    Exponential,
    Form,
    Segments,
    circular_form,
    circular_single,
    exp2_form,
    exp_form,
    horner,
    log_double,
    log_form,
    negative,
)
from .plain import PLAIN

_SINGLE, _DOUBLE = "float32", "float64"
_ALL = ("-inf", "inf")
_ODD = {"nan": "nan", "inf": "1", "-inf": "-1", "zero": "0", "-zero": "-0.0"}
_CELLS = "|x| = k h + t; the k-th of 32 polynomials in t, its constant in two parts; the sign of x"


def _saturating(name: str, function: str, table: Segments, doc: str, top: str = "1") -> Form:
    """An odd function that ends at ±1, or a unit from there, `top`."""
    nodes = [*table.tables("c"), "a: abs(x)", *table.nodes("a", "c", "v"), "y: copysign(v, x)"]
    special = _ODD | {"inf": top, "-inf": negative(top) if top != "1" else "-1"}
    return Form(name, function, _SINGLE, _ALL, "ulp", tuple(nodes), doc, _CELLS, special)


def _tanh() -> Form:
    doc = "Hyperbolic tangent by 32 polynomials in tables that fit registers."
    return _saturating(
        "tanh-float32", "tanh", Segments(mpmath.tanh, 0.28125, 6, slope=1.0), doc, "hex('0x1.fffffep-1')"
    )


def _erf() -> Form:
    doc = "Error function by 32 polynomials in tables that fit registers."
    return _saturating("erf-float32", "erf", Segments(mpmath.erf, 0.125, 5), doc)


def _scaled_tail(a: Any) -> Any:
    """e^(a^2 / 2) Φ(-a)."""
    return mpmath.exp(a * a / 2) * mpmath.erfc(a / mpmath.sqrt(2)) / 2


def _gelu() -> Form:
    """t = a Φ(-a) with Φ(-a) = e^(-a^2 / 2) h(a): x - t above zero, -t below."""
    table = Segments(_scaled_tail, 0.5, 6)
    nodes = [*table.tables("c"), "b: abs(x)", "a: minimum(b, 16)", "s: a * a", "n: -s", "sl: fma(a, a, n)"]
    nodes += ["u: s * -0.5", "ul: sl * -0.5"]
    nodes += [*Exponential("u", 6, _SINGLE, low="ul").significand(), *table.nodes("a", "c", "h")]
    nodes += [
        "g: kp * h",
        "ag: a * g",
        "t: ldexp(ag, k)",
        "below: x < 0",
        "m: where(below, 0, x)",
        "y: m - t",
    ]
    special = {"nan": "nan", "inf": "inf", "-inf": "0", "zero": "0", "-zero": "-0.0"}
    reduction = "a = min(|x|, 16); Φ(-a) = e^(-a²/2) h(a), h by 32 polynomials; max(x, 0) - a Φ(-a)"
    doc = "x times the normal distribution function, relatively exact in the tail."
    return Form("gelu-float32", "gelu", _SINGLE, _ALL, "ulp", tuple(nodes), doc, reduction, special)


def _gelu_fast() -> Form:
    """x / 2 + |x| r(|x|), r = Φ - 1/2 by tables; beyond 5.48 it is 1/2 to 2e-8."""
    table = Segments(lambda a: mpmath.erf(a / mpmath.sqrt(2)) / 2, 0.173828125, 4)
    nodes = [*table.tables("c"), "a: abs(x)", *table.nodes("a", "c", "v")]
    nodes += ["h: x * 0.5", "y: fma(a, v, h)"]
    special = {"nan": "nan", "zero": "0", "-zero": "0"}
    doc = "x times the normal distribution function, to an absolute error."
    return Form(
        "gelu-float32-fast", "gelu", _SINGLE, ("-16", "16"), "absolute", tuple(nodes), doc, _CELLS, special
    )


def _exponential_of_minus_size(degree: int) -> list[str]:
    """Nodes of e = e^-|x|."""
    nodes = ["a: abs(x)", "b: -a", "c: maximum(b, -104)"]
    return [*nodes, *Exponential("c", degree, _SINGLE).nodes("e")]


def _sigmoid(name: str, degree: int, doc: str) -> Form:
    """e = exp(-|x|); 1 / (1 + e), or e / (1 + e) below zero."""
    nodes = _exponential_of_minus_size(degree)
    nodes += ["below: x < 0", "top: where(below, e, 1)", "bottom: 1 + e", "y: top / bottom"]
    special = {"nan": "nan", "inf": "1", "-inf": "0", "zero": "0.5", "-zero": "0.5"}
    reduction = "e = exp(-|x|), which does not overflow; e / (1 + e) below zero, 1 / (1 + e) above"
    return Form(name, "sigmoid", _SINGLE, _ALL, "ulp", tuple(nodes), doc, reduction, special)


def _silu(name: str, degree: int, doc: str) -> Form:
    """x / (1 + e), or x e / (1 + e) below zero, e = 2^k p: k comes last, so that what is subnormal is rounded once."""
    nodes = ["a: abs(x)", "b: -a", "c: maximum(b, -110)"]
    nodes += [*Exponential("c", degree, _SINGLE).nodes("e"), "bottom: 1 + e", "below: x < 0"]
    nodes += ["l: maximum(x, -110)", "lp: l * kp", "top: where(below, lp, l)", "q: top / bottom"]
    nodes += ["m: where(below, k, 0)", "y: ldexp(q, m)"]
    special = {"nan": "nan", "inf": "inf", "-inf": "-0.0", "zero": "0", "-zero": "-0.0"}
    reduction = "e = exp(-|x|), which does not overflow; x e / (1 + e) below zero, x / (1 + e) above"
    return Form(name, "silu", _SINGLE, _ALL, "ulp", tuple(nodes), doc, reduction, special)


def _softplus(name: str, degree: int, terms: int, doc: str) -> Form:
    """max(x, 0) + log(1 + e), e = exp(-|x|) in (0, 1], log(1 + e) = e q(e)."""
    q = polynomial(
        lambda e: mpmath.log1p(e) / e, range(terms), 0.0, 1.0, _SINGLE, fixed={0: 1.0} if terms > 8 else {}
    )
    nodes = _exponential_of_minus_size(degree)
    nodes += [*horner("q", "e", q, True), "m: maximum(x, 0)", "y: fma(e, q, m)"]
    special = {"nan": "nan", "inf": "inf", "-inf": "0"}
    reduction = "e = exp(-|x|); max(x, 0) + e q(e)"
    return Form(name, "softplus", _SINGLE, _ALL, "ulp", tuple(nodes), doc, reduction, special)


def _narrow(name: str, function: str, inner: Form, doc: str) -> Form:
    """A bfloat16 program that computes in float32."""
    nodes = ["wide: float32(x)", *(_renamed(node) for node in inner.nodes), "y: bfloat16(value)"]
    if function in ("log", "log2"):  # a choice between constants has the program's dtype
        place = next(i for i, node in enumerate(nodes) if node.startswith("low: "))
        nodes[place : place + 1] = [f"narrow{nodes[place]}", "low: float32(narrowlow)"]
    special = dict(inner.special)
    if function == "tanh":  # what is a unit of float32 from 1 is rounded to it
        special |= {"inf": "1", "-inf": "-1"}
    return Form(
        name, function, "bfloat16", inner.domain, inner.error, tuple(nodes), doc, inner.reduction, special
    )


def _renamed(node: str) -> str:
    """The node over `wide` in place of x, its y called `value`."""
    import re

    name, expression = node.split(": ", 1)
    found = re.sub(r"\bx\b", "wide", expression)
    return f"{'value' if name == 'y' else name}: {found}"


def _rsqrt(dtype: str) -> Form:
    doc = f"1 / sqrt(x) in {dtype}: two operations, each rounded once."
    special = {"nan": "nan", "inf": "0", "-inf": "nan", "zero": "inf", "-zero": "-inf"}
    return Form(
        f"rsqrt-{dtype}", "rsqrt", dtype, ("0", "inf"), "ulp", ("s: sqrt(x)", "y: 1 / s"), doc, "", special
    )


def _narrowed(name: str, form: Callable[[], Form], doc: str) -> Callable[[], Form]:
    return lambda: _narrow(f"{name}-bfloat16", name, form(), f"{doc} for bfloat16, computed in float32.")


_NARROW: Mapping[str, tuple[Callable[[], Form], str]] = {
    "exp2": (lambda: exp2_form("", 3, _SINGLE, ""), "2 to the x"),
    "sin": (lambda: circular_single("", "sin", "32", ""), "The sine up to 32"),
    "cos": (lambda: circular_single("", "cos", "32", ""), "The cosine up to 32"),
    "erf": (_erf, "Error function"),
    "silu": (lambda: _silu("", 3, ""), "x / (1 + exp(-x))"),
    "softplus": (lambda: _softplus("", 3, 5, ""), "log(1 + exp(x))"),
    "log": (lambda: log_form("", 6, 2 / 3, ""), "The natural logarithm"),
    "log2": (lambda: log_form("", 6, 2 / 3, "", base2=True, extra=False), "The logarithm to base 2"),
    "rsqrt": (lambda: _rsqrt(_SINGLE), "1 / sqrt(x)"),
}


FORMS: Mapping[str, Callable[[], Form]] = {
    "exp_float32": lambda: exp_form(
        "exp-float32", 6, _SINGLE, "e to the x, within a unit in the last place."
    ),
    "exp_float32_fast": lambda: exp_form(
        "exp-float32-fast", 4, _SINGLE, "e to the x with a polynomial of degree 4: to 5 digits."
    ),
    "exp2_float32": lambda: exp2_form(
        "exp2-float32", 6, _SINGLE, "2 to the x, within a unit in the last place."
    ),
    "exp2_float32_fast": lambda: exp2_form(
        "exp2-float32-fast", 5, _SINGLE, "2 to the x with a polynomial of degree 5."
    ),
    "log_float32": lambda: log_form(
        "log-float32", 10, 2 / 3, "The natural logarithm, within a unit in the last place."
    ),
    "log_float32_fast": lambda: log_form(
        "log-float32-fast", 8, 0.75, "The natural logarithm with a polynomial of degree 8."
    ),
    "log2_float32": lambda: log_form("log2-float32", 10, 2 / 3, "The logarithm to base 2.", base2=True),
    "log2_float32_fast": lambda: log_form(
        "log2-float32-fast",
        8,
        0.75,
        "The logarithm to base 2, a polynomial of degree 8.",
        base2=True,
        extra=False,
    ),
    "sin_float32": lambda: circular_single(
        "sin-float32", "sin", "8192", "The sine up to 8192, by three parts of pi.", pieces=3
    ),
    "sin_float32_fast": lambda: circular_single(
        "sin-float32-fast", "sin", "32", "The sine up to 32, by two parts of pi."
    ),
    "cos_float32": lambda: circular_single(
        "cos-float32", "cos", "8192", "The cosine up to 8192, by three parts of pi.", pieces=3
    ),
    "cos_float32_fast": lambda: circular_single(
        "cos-float32-fast", "cos", "32", "The cosine up to 32, by two parts of pi."
    ),
    "tanh_float32": _tanh,
    "erf_float32": _erf,
    "gelu_float32": _gelu,
    "gelu_float32_fast": _gelu_fast,
    "sigmoid_float32": lambda: _sigmoid("sigmoid-float32", 6, "1 / (1 + exp(-x))."),
    "sigmoid_float32_fast": lambda: _sigmoid(
        "sigmoid-float32-fast", 4, "1 / (1 + exp(-x)) with a polynomial of degree 4: to 5 digits."
    ),
    "silu_float32": lambda: _silu("silu-float32", 6, "x / (1 + exp(-x))."),
    "softplus_float32": lambda: _softplus("softplus-float32", 6, 10, "log(1 + exp(x))."),
    "softplus_float32_fast": lambda: _softplus(
        "softplus-float32-fast", 5, 8, "log(1 + exp(x)) with polynomials of degree 5 and 7."
    ),
    "rsqrt_float32": lambda: _rsqrt(_SINGLE),
    "rsqrt_float64": lambda: _rsqrt(_DOUBLE),
    "exp_float64": lambda: exp_form("exp-float64", 12, _DOUBLE, "e to the x in float64."),
    "exp2_float64": lambda: exp2_form("exp2-float64", 12, _DOUBLE, "2 to the x in float64."),
    "log_float64": lambda: log_double("log-float64", "The natural logarithm in float64.", False),
    "log2_float64": lambda: log_double("log2-float64", "The logarithm to base 2 in float64.", True),
    "sin_float64": lambda: circular_form(
        "sin-float64", "sin", 9, "1024", "absolute", "The sine in float64, up to 1024."
    ),
    "cos_float64": lambda: circular_form(
        "cos-float64", "cos", 9, "1024", "absolute", "The cosine in float64, up to 1024."
    ),
    "exp_bfloat16": lambda: _narrow(
        "exp-bfloat16",
        "exp",
        exp_form("", 3, _SINGLE, ""),
        "e to the x for bfloat16, in float32 with degree 3.",
    ),
    "sigmoid_bfloat16": lambda: _narrow(
        "sigmoid-bfloat16",
        "sigmoid",
        _sigmoid("", 3, ""),
        "1 / (1 + exp(-x)) for bfloat16, in float32 with degree 3.",
    ),
    "tanh_bfloat16": lambda: _narrow(
        "tanh-bfloat16", "tanh", _tanh(), "Hyperbolic tangent for bfloat16, by tables in float32."
    ),
    "gelu_bfloat16": lambda: _narrow(
        "gelu-bfloat16", "gelu", _gelu_fast(), "x times the normal distribution function for bfloat16."
    ),
    **{f"{name}_bfloat16": _narrowed(name, form, doc) for name, (form, doc) in _NARROW.items()},
    "sigmoid_float64": double.sigmoid,
    "silu_float64": double.silu,
    "tanh_float64": double.tanh,
    "softplus_float64": double.softplus,
    "erf_float64": double.erf,
    "gelu_float64": double.gelu,
    **PLAIN,
}
"""File name -> its form."""
