"""Which programs the library holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import mpmath

from .forms import (
    Form,
    circular_form,
    exp2_form,
    exp_form,
    exponential,
    horner,
    log_double,
    log_form,
    number,
    odd_table,
)
from .minimax import minimax
from .plain import PLAIN

_SINGLE, _DOUBLE = "float32", "float64"
_SATURATING = {"nan": "nan", "zero": "x", "-zero": "x", "subnormal": "x"}


def _tanh_table() -> Form:
    nodes = odd_table("x", mpmath.tanh, 32, 9.0, 6, "y", "9")
    special = _SATURATING | {"inf": "1", "-inf": "-1"}
    doc = "Hyperbolic tangent by 32 segments of degree 6 in tables that fit registers."
    reduction = "x g(|x|), g by the segment of |x|; beyond 9 plus or minus 1"
    return Form(
        "tanh-float32-table", "tanh", _SINGLE, ("-inf", "inf"), "ulp", tuple(nodes), doc, reduction, special
    )


def _erf_table() -> Form:
    nodes = odd_table("x", mpmath.erf, 16, 4.0, 6, "y", "4")
    special = _SATURATING | {"inf": "1", "-inf": "-1"}
    special.pop("subnormal")
    doc = "Error function by 16 segments of degree 6 in tables that fit registers."
    reduction = "x g(|x|), g by the segment of |x|; beyond 4 plus or minus 1"
    return Form(
        "erf-float32-table", "erf", _SINGLE, ("-inf", "inf"), "ulp", tuple(nodes), doc, reduction, special
    )


def _gelu_table() -> Form:
    nodes = [f"u: x * {number(mpmath.sqrt(0.5), _SINGLE)}", *odd_table("u", mpmath.erf, 16, 4.0, 6, "e", "4")]
    nodes += ["h: x * 0.5", "y: fma(h, e, h)"]
    doc = "x times the normal distribution function, by the tables of erf."
    special = {"nan": "nan", "inf": "inf", "zero": "0", "-zero": "0"}
    return Form(
        "gelu-float32-table", "gelu", _SINGLE, ("-16", "16"), "absolute", tuple(nodes), doc, "", special
    )


def _sigmoid(name: str, dtype: str, degree: int, function: str, doc: str) -> Form:
    """e = exp(-|x|); 1 / (1 + e), or e / (1 + e) below zero; silu: times x."""
    low = "-104" if dtype == _SINGLE else "-746"
    nodes = ["a: abs(x)", "b: -a", f"c: maximum(b, {low})", *exponential("c", degree, dtype, "e")]
    nodes += ["below: x < 0", "top: where(below, e, 1)", "bottom: 1 + e"]
    special = {"nan": "nan", "inf": "1", "-inf": "0", "zero": "0.5", "-zero": "0.5"}
    if function == "sigmoid":
        nodes.append("y: top / bottom")
    else:
        nodes += [f"l: maximum(x, {low})", "g: top / bottom", "y: l * g"]
        special = {"nan": "nan", "inf": "inf", "-inf": "-0.0", "zero": "0", "-zero": "-0.0"}
    reduction = "e = exp(-|x|), which does not overflow; e / (1 + e) below zero, 1 / (1 + e) above"
    domain = ("-inf", "inf")
    return Form(name, function, dtype, domain, "ulp", tuple(nodes), doc, reduction, special)


def _softplus(name: str, dtype: str, degree: int, terms: int, doc: str) -> Form:
    """max(x, 0) + log(1 + e), e = exp(-|x|) in (0, 1], log(1 + e) = e q(e)."""
    fused = dtype == _SINGLE
    q = minimax(lambda e: mpmath.log1p(e) / e, range(terms), 0.0, 1.0, lambda e: e / mpmath.log1p(e), dtype)
    low = "-104" if dtype == _SINGLE else "-746"
    nodes = ["a: abs(x)", "b: -a", f"c: maximum(b, {low})", *exponential("c", degree, dtype, "e")]
    nodes += [*horner("q", "e", q, fused), "m: maximum(x, 0)"]
    nodes.append("y: fma(e, q, m)" if fused else "y: m + e * q")
    special = {"nan": "nan", "inf": "inf", "-inf": "0"}
    reduction = "e = exp(-|x|); max(x, 0) + e q(e)"
    return Form(name, "softplus", dtype, ("-inf", "inf"), "ulp", tuple(nodes), doc, reduction, special)


def _narrow(name: str, function: str, inner: Form, doc: str) -> Form:
    """A bfloat16 program that computes in float32."""
    nodes = ["w: float32(x)", *(_renamed(node) for node in inner.nodes), "y: bfloat16(v)"]
    special = inner.special
    return Form(
        name, function, "bfloat16", inner.domain, inner.error, tuple(nodes), doc, inner.reduction, special
    )


def _renamed(node: str) -> str:
    """The node over w in place of x, its y called v."""
    import re

    name, expression = node.split(": ", 1)
    found = re.sub(r"\bx\b", "w", expression)
    return f"{'v' if name == 'y' else name}: {found}"


def _rsqrt(dtype: str) -> Form:
    doc = f"1 / sqrt(x) in {dtype}: two operations, each rounded once."
    special = {"nan": "nan", "inf": "0", "-inf": "nan", "zero": "inf", "-zero": "-inf"}
    return Form(
        f"rsqrt-{dtype}", "rsqrt", dtype, ("0", "inf"), "ulp", ("s: sqrt(x)", "y: 1 / s"), doc, "", special
    )


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
        "exp2-float32-fast", 4, _SINGLE, "2 to the x with a polynomial of degree 4: to 5 digits."
    ),
    "log_float32": lambda: log_form("log-float32", 10, _SINGLE, "The natural logarithm."),
    "log_float32_fast": lambda: log_form(
        "log-float32-fast", 7, _SINGLE, "The natural logarithm with a polynomial of degree 7."
    ),
    "log2_float32": lambda: log_form("log2-float32", 10, _SINGLE, "The logarithm to base 2.", base2=True),
    "sin_float32": lambda: circular_form(
        "sin-float32", "sin", 4, _SINGLE, "8192", "ulp", "The sine up to 8192, by three parts of pi."
    ),
    "cos_float32": lambda: circular_form(
        "cos-float32", "cos", 4, _SINGLE, "8192", "ulp", "The cosine up to 8192, by three parts of pi."
    ),
    "tanh_float32_table": _tanh_table,
    "erf_float32_table": _erf_table,
    "gelu_float32_table": _gelu_table,
    "sigmoid_float32": lambda: _sigmoid("sigmoid-float32", _SINGLE, 6, "sigmoid", "1 / (1 + exp(-x))."),
    "sigmoid_float32_fast": lambda: _sigmoid(
        "sigmoid-float32-fast", _SINGLE, 4, "sigmoid", "1 / (1 + exp(-x)) with a polynomial of degree 4."
    ),
    "silu_float32": lambda: _sigmoid("silu-float32", _SINGLE, 6, "silu", "x / (1 + exp(-x))."),
    "softplus_float32": lambda: _softplus("softplus-float32", _SINGLE, 6, 9, "log(1 + exp(x))."),
    "rsqrt_float32": lambda: _rsqrt(_SINGLE),
    "exp_float64": lambda: exp_form("exp-float64", 12, _DOUBLE, "e to the x in float64."),
    "exp2_float64": lambda: exp2_form("exp2-float64", 12, _DOUBLE, "2 to the x in float64."),
    "log_float64": lambda: log_double("log-float64", "The natural logarithm in float64.", False),
    "log2_float64": lambda: log_double("log2-float64", "The logarithm to base 2 in float64.", True),
    "sin_float64": lambda: circular_form(
        "sin-float64", "sin", 9, _DOUBLE, "1024", "absolute", "The sine in float64, up to 1024."
    ),
    "cos_float64": lambda: circular_form(
        "cos-float64", "cos", 9, _DOUBLE, "1024", "absolute", "The cosine in float64, up to 1024."
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
        _sigmoid("", _SINGLE, 3, "sigmoid", ""),
        "1 / (1 + exp(-x)) for bfloat16, in float32 with degree 3.",
    ),
    "tanh_bfloat16": lambda: _narrow(
        "tanh-bfloat16", "tanh", _tanh_table(), "Hyperbolic tangent for bfloat16, by tables in float32."
    ),
    "gelu_bfloat16": lambda: _narrow(
        "gelu-bfloat16", "gelu", _gelu_table(), "x times the normal distribution function for bfloat16."
    ),
    **PLAIN,
}
"""File name -> its form."""
