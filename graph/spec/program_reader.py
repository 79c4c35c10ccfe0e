"""`program:`, which makes a graph a function program: what it approximates, how well, and who says so."""

from __future__ import annotations

import math
import re

from ..diagnostics import Span, did_you_mean
from .documents import ApproximationSection, CertificateSection, Label
from .keys import CERTIFICATE_KEYS, PROGRAM_KEYS
from .reading import Reading
from .yaml_nodes import YamlNode, YamlScalar

APPROXIMATED = tuple("exp exp2 log log2 sin cos tanh erf sigmoid gelu silu softplus rsqrt".split())
METRICS = ("absolute", "relative", "ulp")
CERTIFICATE_KINDS = ("exhaustive", "ball", "interval", "gappa")
ARITHMETICS = ("executed", "real")
SPECIAL_CASES = ("nan", "inf", "-inf", "zero", "-zero", "subnormal", "overflow", "underflow")
_HEX = re.compile(r"hex\('([^']*)'\)")


def read_program(reading: Reading, node: YamlNode, key: Span) -> ApproximationSection | None:
    """The `program:` block, or None where it is unusable; mistakes are collected in `reading`."""
    fields = reading.fields(node, PROGRAM_KEYS, "'program:'", key)
    if fields is None or not {"function", "domain", "error"} <= fields.keys():
        return None
    function = reading.choice(fields["function"], "'function:'", APPROXIMATED)
    error = reading.choice(fields["error"], "'error:'", METRICS)
    domain = _domain(reading, fields["domain"])
    reduction = reading.text(fields["reduction"], "'reduction:'") if "reduction" in fields else None
    special = _texts(reading, fields.get("special"), "'special:'", SPECIAL_CASES)
    provenance = _texts(reading, fields.get("provenance"), "'provenance:'")
    certificates = [
        _certificate(reading, item)
        for item in (
            reading.items(fields["certificates"], "'certificates:'") if "certificates" in fields else ()
        )
    ]
    if function is None or error is None or domain is None:
        return None
    return ApproximationSection(
        key,
        Label(function, fields["function"].span),
        domain,
        fields["domain"].span,
        error,
        reduction.text if reduction is not None else "",
        special,
        tuple(c for c in certificates if c is not None),
        _cost(reading, fields.get("cost")),
        provenance,
    )


def _domain(reading: Reading, node: YamlNode) -> tuple[float, float] | None:
    items = list(reading.items(node, "'domain:'"))
    bounds = [bound for item in items if (bound := _bound(reading, item)) is not None]
    if len(bounds) < len(items):
        return None
    if len(bounds) != 2 or not bounds[0] < bounds[1]:
        hint = "write '[low, high]', the lower one first; '-inf' and 'inf' are allowed"
        reading.error("G1511", "a domain has two bounds, both of which belong to it", node.span, hint=hint)
        return None
    return bounds[0], bounds[1]


def _bound(reading: Reading, node: YamlNode) -> float | None:
    """A number, `inf`, `-inf` or `hex('…')`."""
    if isinstance(node, YamlScalar) and (found := _number(node.text)) is not None:
        return found
    reading.error(
        "G1511", "a bound is a number, 'inf', '-inf' or \"hex('0x1.8p+1')\"", node.span, hint="such as 0.5"
    )
    return None


def _number(text: str) -> float | None:
    found = _HEX.fullmatch(text.strip())
    try:
        value = float.fromhex(found[1]) if found else float(text.replace(".inf", "inf"))
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(value) else value


def _texts(
    reading: Reading, node: YamlNode | None, what: str, known: tuple[str, ...] = ()
) -> tuple[tuple[str, str], ...]:
    """A mapping of names to texts; numbers are kept as written."""
    found: list[tuple[str, str]] = []
    for key, value in reading.entries(node, what) if node is not None else ():
        scalar = reading.scalar(value, f"'{key.text}' of {what}", "a text")
        if known and key.text not in known:
            hint = did_you_mean(key.text, known) or f"one of {' '.join(known)}"
            reading.error("G0102", f"{what} has no key '{key.text}'", key.span, hint=hint)
        elif scalar is not None:
            found.append((key.text, scalar.text))
    return tuple(found)


def _cost(reading: Reading, node: YamlNode | None) -> tuple[tuple[str, int], ...]:
    found: list[tuple[str, int]] = []
    for key, value in reading.entries(node, "'cost:'") if node is not None else ():
        count = reading.integer(value, f"'{key.text}' of 'cost:'", low=1)
        if count is not None:
            found.append((key.text, count))
    return tuple(found)


def _certificate(reading: Reading, node: YamlNode) -> CertificateSection | None:
    fields = reading.fields(node, CERTIFICATE_KEYS, "a certificate", node.span)
    if fields is None or not {"kind", "bound", "digest"} <= fields.keys():
        return None
    kind = reading.choice(fields["kind"], "'kind:'", CERTIFICATE_KINDS)
    bound = reading.number(fields["bound"], "'bound:'", low=0.0)
    digest = reading.text(fields["digest"], "'digest:'")
    arithmetic: str | None = "executed"
    if "arithmetic" in fields:
        arithmetic = reading.choice(fields["arithmetic"], "'arithmetic:'", ARITHMETICS)
    method = reading.text(fields["method"], "'method:'") if "method" in fields else None
    inputs = reading.integer(fields["inputs"], "'inputs:'", low=1) if "inputs" in fields else None
    worst = _bound(reading, fields["worst"]) if "worst" in fields else None
    tools = _texts(reading, fields.get("tools"), "'tools:'")
    if kind is None or bound is None or digest is None or arithmetic is None:
        return None
    text = method.text if method is not None else ""
    return CertificateSection(node.span, kind, arithmetic, bound, text, worst, inputs, tools, digest)
