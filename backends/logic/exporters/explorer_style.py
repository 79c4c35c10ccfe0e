"""The look of the explorer's pages, and what all of them have in common."""

from __future__ import annotations

from html import escape

from ....graph.theory import Formula
from ....graph.theory.infix_printer import print_statement
from ..checkers import Verdict

STYLE = """
:root { --ink: #1b1f24; --soft: #59636e; --line: #d8dee4; --paper: #fff; --tint: #f6f8fa; --link: #0b57c2;
  --good: #116329; --bad: #b3131b; --mark: #fff4c2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --line: #30363d;
  --paper: #0d1117; --tint: #161b22; --link: #6cb6ff; --good: #57ab5a; --bad: #f47067; --mark: #3b3416; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 64rem; padding: 1.2rem 1rem 4rem;
  color: var(--ink); background: var(--paper); }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .6rem 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; } p { margin: .4rem 0; }
a { color: var(--link); text-decoration: none; } a:hover { text-decoration: underline; }
.soft { color: var(--soft); }
.formula { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 13.5px; overflow-wrap: anywhere; }
.statement { font-size: 16px; padding: .6rem .8rem; margin: .6rem 0; background: var(--tint);
  border: 1px solid var(--line); border-radius: 6px; }
.accepted { color: var(--good); } .rejected { color: var(--bad); font-weight: 600; }
.verdicts { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; padding: 0; margin: .6rem 0; list-style: none; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; border-bottom: 1px solid var(--line); padding-bottom: .5rem; }
nav :first-child { margin-right: auto; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; background: var(--tint); }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; color: var(--soft); font-variant-numeric: tabular-nums;
  white-space: nowrap; width: 3.2rem; }
tr:target td { background: var(--mark); } tr { scroll-margin-top: .5rem; }
.steps td:last-child, .steps th:last-child { width: 40%; }
.under { border-left: 3px solid var(--line); padding-left: .6rem; }
#search { font: inherit; width: 100%; padding: .4rem .6rem; border: 1px solid var(--line); border-radius: 6px;
  color: inherit; background: var(--paper); margin: .4rem 0; display: none; }
[hidden] { display: none; }
@media (max-width: 44rem) {
  .wide { display: none; } th, td { padding: .25rem .35rem; } body { padding: .8rem .7rem 3rem; }
  .list tr { display: grid; grid-template-columns: 2.2rem 1fr; column-gap: .6rem; padding: .25rem 0;
    border-bottom: 1px solid var(--line); }
  .list tr[hidden], .list th { display: none; } .list td { border: 0; padding: 0; } .list td.n { width: auto; }
  .list td:nth-child(n+3) { grid-column: 2; color: var(--soft); font-size: 14px; } .list td.wide { display: none; }
  .list td:empty { display: none; } .steps td:last-child { width: auto; }
}
"""


def page(title: str, body: str, script: str = "") -> str:
    """A whole page around `body`."""
    code = f"<script>{script}</script>\n" if script else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head>\n<body>\n{body}\n{code}</body></html>\n"
    )


def statement(formula: Formula) -> str:
    return escape(print_statement(formula))


def verdict_list(verdicts: tuple[Verdict, ...]) -> str:
    """What each checker said."""
    items = [
        f'<li>{escape(v.checker)}: <span class="{escape(v.verdict.split()[0])}">{escape(v.verdict)}</span>'
        f'{f""" <span class="soft">{escape(v.detail)}</span>""" if v.detail else ""}</li>'
        for v in verdicts
    ]
    return f'<ul class="verdicts">{"".join(items)}</ul>'
