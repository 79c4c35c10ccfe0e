"""A compile's report as one self-contained HTML page, readable without JavaScript."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #1b1f24; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } 
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #d8dee4; }
th { font-weight: 600; background: #f6f8fa; }
td.number, th.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.holds { color: #116329; } .broken { color: #b3131b; font-weight: 600; } .inconclusive { color: #8a5a00; }
.muted { color: #59636e; } code { font: 13px ui-monospace, monospace; }
@media (prefers-color-scheme: dark) { body { background: #0d1117; color: #e6edf3; } th { background: #161b22; }
 th, td { border-color: #30363d; } .holds { color: #57ab5a; } .broken { color: #f47067; } .muted { color: #9198a1; } }
"""


def page(data: Mapping[str, Any]) -> str:
    """The page of `Artefact.to_json()`."""
    title = f"{data['program']}: compile report"
    sections = [
        f"<h1>{escape(str(data['program']))}</h1>",
        f'<p class="muted">variant {escape(str(data["variant"]))} · seed {data["seed"]} · verification '
        f"{escape(str(data['verify']))} · {data['seconds']:.2f} CPU s · {_verdict(data['verdict'])}</p>",
        "<h2>Before and after</h2>",
        _measurements(data),
        "<h2>Passes</h2>",
        _passes(data["passes"]),
        "<h2>The emitted model against the program</h2>",
        _checks(data["checks"]),
        *(["<h2>And before the passes</h2>", _checks(data["drift"])] if data["drift"] else ()),
        "<h2>Operators</h2>",
        _operators(data),
    ]
    if data["budgets"]:
        sections += ["<h2>Budgets</h2>", _budgets(data["budgets"])]
    body = "\n".join(sections)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width"><title>{escape(title)}</title><style>{_STYLE}</style></head>\n'
        f"<body>\n{body}\n</body></html>\n"
    )


def table(head: Iterable[str], rows: Iterable[Iterable[str]], numbers: frozenset[int] = frozenset()) -> str:
    """A table of cells that are HTML already; `numbers` are the columns set to the right."""

    def cells(tag: str, row: Iterable[str]) -> str:
        return "".join(
            f"<{tag}{' class=number' if i in numbers else ''}>{c}</{tag}>" for i, c in enumerate(row)
        )

    lines = [f"<tr>{cells('td', row)}</tr>" for row in rows]
    return f"<table><tr>{cells('th', head)}</tr>\n" + "\n".join(lines) + "</table>"


def _verdict(verdict: str | None) -> str:
    name = verdict or "not verified"
    return f'<span class="{escape(name)}">{escape(name)}</span>'


def _measurements(data: Mapping[str, Any]) -> str:
    start, end = data["start"], data["end"]
    rows = [
        (label, f"{start[name]:,}", f"{end[name]:,}")
        for label, name in (
            ("nodes", "nodes"),
            ("parameters", "parameters"),
            ("bytes of weights", "bytes"),
            ("multiply-accumulates", "macs"),
        )
    ]
    latency = data.get("latency_ms") or {}
    if latency:
        rows.append(("latency, CPU ms", f"{latency['before']:.3f}", f"{latency['after']:.3f}"))
    rows.append(("file", "", f"{data['bytes']:,} B"))
    return table(("", "before", "after"), rows, frozenset({1, 2}))


def _passes(passes: Iterable[Mapping[str, Any]]) -> str:
    rows = []
    for p in passes:
        hits = ", ".join(
            f"{escape(rule)} ×{count}" for rule, count in sorted(p["hits"].items(), key=lambda i: -i[1])
        )
        options = ", ".join(f"{k}={v}" for k, v in p["options"].items() if v is not None)
        name = f"<code>{escape(p['name'])}</code>" + (
            f'<br><span class="muted">{escape(options)}</span>' if options else ""
        )
        notes = "".join(f"<br>{escape(note)}" for note in p["notes"])
        reason = f"<br><span class=muted>{escape(p['reason'])}</span>" if p["reason"] else ""
        rows.append(
            (
                name,
                escape(p["contract"]) + "<br>" + _verdict(p["verdict"]) + reason,
                str(p["sites"]),
                f"{p['error']:.2g}",
                f"{p['before']['nodes']} → {p['after']['nodes']}",
                f"{p['seconds']:.3f} + {p['verify_seconds']:.3f}",
                f'<span class="muted">{hits or "nothing to do"}</span>{notes}',
            )
        )
    head = ("pass", "contract", "sites", "error", "nodes", "CPU s + checks", "rules")
    return table(head, rows, frozenset({2, 3, 4, 5}))


def _checks(checks: Iterable[Mapping[str, Any]]) -> str:
    rows = [
        (
            f"<code>{escape(c['output'])}</code>",
            escape(", ".join(f"{k}={v}" for k, v in c["sizes"].items()) or "fixed"),
            f"{c['max_abs']:.3g}",
            f"{c['max_rel']:.3g}",
            f"{c['nonfinite']:,} of {c['count']:,}",
            _verdict("holds" if c["ok"] else "broken"),
        )
        for c in checks
    ]
    if not rows:
        return '<p class="muted">Not checked (verification off).</p>'
    return table(
        ("output", "sizes", "largest difference", "relative", "NaN or infinite", ""),
        rows,
        frozenset({2, 3, 4}),
    )


def _operators(data: Mapping[str, Any]) -> str:
    before, after = data["start"]["operators"], data["end"]["operators"]
    macs = data["end"]["operations"]
    rows = [
        (
            f"<code>{escape(n)}</code>",
            str(before.get(n, 0)),
            str(after.get(n, 0)),
            f"{macs[n]:,}" if n in macs else "",
        )
        for n in sorted({*before, *after})
    ]
    return table(("operator", "before", "after", "multiply-accumulates after"), rows, frozenset({1, 2, 3}))


def _budgets(budgets: Iterable[Mapping[str, Any]]) -> str:
    keys = sorted({k for b in budgets for k in b})
    return table(keys, [[escape(str(b.get(k, ""))) for k in keys] for b in budgets])
