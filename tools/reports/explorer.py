"""A theory's theorems and their proofs as one self-contained HTML page, readable without JavaScript.

The bytes depend on the certificate and the verdicts only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from ...backends.logic.certificates import Step, Theorem
from ...graph.theory.infix_printer import print_formula, print_statement, print_term

if TYPE_CHECKING:
    from ..proofs.pipeline import Proved

_STYLE = """
:root { --ink: #1b1f24; --soft: #59636e; --line: #d8dee4; --paper: #fff; --tint: #f6f8fa; --link: #0b57c2;
  --good: #116329; --bad: #b3131b; --mark: #fff4c2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --line: #30363d;
  --paper: #0d1117; --tint: #161b22; --link: #6cb6ff; --good: #57ab5a; --bad: #f47067; --mark: #3b3416; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 64rem; padding: 1.5rem 1rem 4rem;
  color: var(--ink); background: var(--paper); }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1.05rem; margin: 0; } p { margin: .4rem 0; } a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; } .soft { color: var(--soft); }
.formula { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 13.5px; overflow-wrap: anywhere; }
.accepted { color: var(--good); } .rejected { color: var(--bad); font-weight: 600; }
.verdicts { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; padding: 0; margin: .8rem 0; list-style: none; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: 600; background: var(--tint); }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; color: var(--soft); font-variant-numeric: tabular-nums; white-space: nowrap; }
.proof { border: 1px solid var(--line); border-radius: 6px; margin: 1rem 0; scroll-margin-top: .5rem; }
.proof > header { padding: .6rem .8rem; background: var(--tint); border-radius: 6px 6px 0 0; }
.proof > header .formula { font-size: 15px; margin: .2rem 0; } .proof footer { padding: .4rem .8rem; }
.proof:target { border-color: var(--link); } tr:target td { background: var(--mark); }
.steps { table-layout: fixed; } .steps th:first-child { width: 3.5rem; } .steps th:last-child { width: 42%; }
.under { border-left: 3px solid var(--line); padding-left: .6rem; }
#search { font: inherit; width: 100%; padding: .4rem .6rem; border: 1px solid var(--line); border-radius: 6px;
  color: inherit; background: var(--paper); margin: .4rem 0; display: none; }
[hidden] { display: none; }
@media (max-width: 40rem) { .wide { display: none; } th, td { padding: .25rem .35rem; } }
"""

_SCRIPT = """
const field = document.getElementById("search"), rows = [...document.querySelectorAll("#theorems tbody tr")];
const none = document.getElementById("none"), bare = s => s.toLowerCase().replace(/\\s+/g, "");
const texts = rows.map(row => bare(row.textContent));
field.style.display = "block";
field.addEventListener("input", () => {
  const wanted = bare(field.value);
  let shown = 0;
  rows.forEach((row, i) => { row.hidden = !texts[i].includes(wanted); shown += row.hidden ? 0 : 1; });
  none.hidden = shown > 0;
});
"""

RULES: dict[str, tuple[str, str]] = {
    "assume": ("assumption", "Taken for the time being; the steps under it say so."),
    "cite": ("statement", "An axiom, or a theorem proved before."),
    "apply": ("instance", "What holds for all, for these terms; its premises are given."),
    "close": ("conclusion for all", "The variables were arbitrary, the assumptions become premises."),
    "witness": ("witness", "There is one, since this is one."),
    "open": ("let there be", "What follows from any such individual follows."),
    "either": ("alternative", "One of the alternatives holds."),
    "cases": ("by cases", "What follows from each alternative follows."),
    "middle": ("excluded middle", "A formula or its negation holds."),
    "absurd": ("from a contradiction", "Everything follows from a contradiction."),
    "reflexivity": ("reflexivity", "A term equals itself."),
    "symmetry": ("symmetry", "An equation, turned round."),
    "transitivity": ("chain of equations", "Each begins where the one before ends."),
    "congruence": ("congruence", "A function of equal arguments."),
    "replace": ("equals for equals", "A relation of equal arguments."),
    "injective": ("constructor is injective", "Equal values of a constructor have equal arguments."),
    "distinct": ("constructors differ", "Two constructors never give the same."),
    "induction": ("induction", "It holds for each constructor if it holds for what it is made of."),
    "unfold": ("definition unfolded", "A defined relation, by what it means."),
    "fold": ("definition folded", "What a defined relation means, by the relation."),
}


def explorer_page(proved: Proved) -> str:
    """The page: verdicts, what is taken for true, theorems with links to proofs, the proofs."""
    return _Explorer(proved).page()


class _Explorer:
    def __init__(self, proved: Proved) -> None:
        self.proved = proved
        self.theorems = proved.theorems
        self.anchors = {t.name: f"t{n}" for n, t in enumerate(self.theorems, 1)}
        axioms = list(proved.theory.statements)
        self.sources = {name: f"a{n}" for n, name in enumerate(axioms, 1)}
        self.used: dict[str, list[str]] = {}
        for theorem in self.theorems:
            for name in theorem.cited:
                self.used.setdefault(name, []).append(theorem.name)

    def page(self) -> str:
        theory = self.proved.theory
        sections = [
            f"<h1>{escape(theory.name)}</h1>",
            f'<p class="soft">{escape(theory.doc)}</p>' if theory.doc else "",
            f"<p>{self._counted()}</p>",
            self._verdicts(),
            "<h2>Theorems</h2>",
            self._list(),
            self._unproved(),
            "<h2>Taken for true</h2>",
            self._axioms(),
            "<h2>Proofs</h2>" if self.theorems else "",
            *(self._proof(t) for t in self.theorems),
            self._rules(),
        ]
        body = "\n".join(s for s in sections if s)
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
            f'content="width=device-width"><title>{escape(theory.name)}: theorems</title>'
            f"<style>{_STYLE}</style></head>\n<body>\n{body}\n<script>{_SCRIPT}</script>\n</body></html>\n"
        )

    def _counted(self) -> str:
        from ..proofs.pipeline import counted

        text = counted(self.proved)
        stopped = self.proved.outcome.stopped
        return text + (f" ({escape(stopped)})" if stopped else "")

    def _verdicts(self) -> str:
        items = [
            f"<li>{escape(v.checker)}: {_verdict(v.verdict)} "
            f'<span class="soft">{escape(v.detail)}</span></li>'
            for v in self.proved.verdicts
        ]
        return f'<ul class="verdicts">{"".join(items)}</ul>'

    def _list(self) -> str:
        rows = []
        for number, theorem in enumerate(self.theorems, 1):
            uses = len(self.used.get(theorem.name, ()))
            rows.append(
                f'<tr><td class="n">{number}</td><td><a class="formula" href="#{self.anchors[theorem.name]}">'
                f"{escape(print_statement(theorem.statement))}</a></td>"
                f'<td>{escape(theorem.name)}</td><td class="soft wide">{escape(self._method(theorem))}</td>'
                f'<td class="n wide">{uses or ""}</td></tr>'
            )
        head = (
            '<tr><th class="n"></th><th>statement</th><th>name</th><th class="wide">proved by</th>'
            '<th class="n wide">used by</th></tr>'
        )
        return (
            '<input id="search" type="search" placeholder="Search statements, names, methods" '
            'aria-label="Search theorems">'
            f'<table id="theorems"><thead>{head}</thead><tbody>\n{chr(10).join(rows)}\n</tbody></table>'
            '<p id="none" class="soft" hidden>No theorem has this.</p>'
        )

    def _method(self, theorem: Theorem) -> str:
        return self.proved.outcome.methods.get(theorem.name, "")

    def _unproved(self) -> str:
        goals = self.proved.outcome.unproved
        if not goals:
            return ""
        rows = [
            f'<tr><td class="formula">{escape(print_statement(g.statement))}</td><td>{escape(g.name)}</td></tr>'
            for g in goals
        ]
        head = "<tr><th>statement</th><th>name</th></tr>"
        return f"<h2>Not proved</h2>\n<table>{head}\n{chr(10).join(rows)}</table>"

    def _axioms(self) -> str:
        rows = []
        licences = {a.name: a.licence for a in self.proved.theory.axioms}
        for name, statement in self.proved.theory.statements.items():
            licence = licences.get(name, "")
            note = f' <span class="soft">{escape(licence)}</span>' if licence else ""
            rows.append(
                f'<tr id="{self.sources[name]}"><td class="formula">{escape(print_statement(statement))}</td>'
                f'<td>{escape(name)}{note}</td><td class="soft">{self._users(name)}</td></tr>'
            )
        for datatype in self.proved.theory.signature.datatypes:
            functions = self.proved.theory.signature.function
            parts = [(c, ", ".join(functions[c].inputs)) for c in datatype.constructors]
            made = " | ".join(f"{c}({i})" if i else c for c, i in parts)
            what = f"{datatype.relation} over {datatype.sort}" if datatype.relation else datatype.sort
            says = "induction" if datatype.relation else "induction, injectivity, disjointness"
            rows.append(
                f'<tr><td class="formula">{escape(what)}: {escape(made)}</td>'
                f'<td>datatype</td><td class="soft">{says}</td></tr>'
            )
        head = "<tr><th>statement</th><th>name</th><th>used by</th></tr>"
        return f"<table>{head}\n{chr(10).join(rows)}</table>"

    def _rules(self) -> str:
        """The rules that the proofs use."""
        used = {s.rule for t in self.theorems for s in t.steps}
        rows = [
            f'<tr id="rule-{rule}"><td>{name}</td><td class="soft">{escape(text)}</td></tr>'
            for rule, (name, text) in RULES.items()
            if rule in used
        ]
        return f"<h2>Rules</h2>\n<table>\n{chr(10).join(rows)}</table>" if rows else ""

    def _users(self, name: str) -> str:
        """Links to the proofs that cite a statement."""
        return ", ".join(map(self._number, self.used.get(name, ())))

    def _number(self, name: str) -> str:
        anchor = self.anchors[name]
        return f'<a href="#{anchor}" title="{escape(name)}">{anchor[1:]}</a>'

    # --- one proof ---

    def _proof(self, theorem: Theorem) -> str:
        anchor = self.anchors[theorem.name]
        numbers = {s.id: n for n, s in enumerate(theorem.steps, 1)}
        rests = assumptions(theorem.steps)
        rows = [self._step(anchor, s, numbers, rests[s.id]) for s in theorem.steps]
        verdicts = " · ".join(f"{escape(v.checker)} {_verdict(v.verdict)}" for v in self.proved.verdicts)
        users = self._users(theorem.name)
        used = f"Used by {users}. " if users else ""
        rest = ", ".join(map(self._source, self.proved.rests[theorem.name])) or "nothing"
        return (
            f'<section class="proof" id="{anchor}"><header><h3>{anchor[1:]}. {escape(theorem.name)}</h3>'
            f'<div class="formula">{escape(print_statement(theorem.statement))}</div>'
            f'<div class="soft">{escape(self._method(theorem))} · {verdicts}</div></header>\n'
            '<table class="steps"><tr><th class="n">step</th><th>formula</th><th>by</th></tr>\n'
            f"{chr(10).join(rows)}\n</table>"
            f'<footer class="soft">Rests on {rest}. {used}'
            '<a href="#theorems">All theorems</a></footer></section>'
        )

    def _source(self, name: str) -> str:
        """What a theorem rests on: an axiom, a definition (its unfolding's row), a datatype."""
        anchor = self.sources.get(name) or self.sources.get(f"{name}.unfold")
        return f'<a href="#{anchor}">{escape(name)}</a>' if anchor else escape(name)

    def _step(self, anchor: str, step: Step, numbers: dict[int, int], rests: Sequence[int]) -> str:
        number = numbers[step.id]
        text = escape(print_formula(step.conclusion, sorts=False))
        under = ", ".join(_link(anchor, numbers[h]) for h in rests if h != step.id)
        note = f' <span class="soft">under {under}</span>' if under else ""
        kind = "formula under" if rests else "formula"
        return (
            f'<tr id="{anchor}s{number}"><td class="n">{number}</td><td><div class="{kind}">{text}</div></td>'
            f"<td>{self._reason(anchor, step, numbers)}{note}</td></tr>"
        )

    def _reason(self, anchor: str, step: Step, numbers: dict[int, int]) -> str:
        premises = [_link(anchor, numbers[p]) for p in step.premises]
        rule = f'<a href="#rule-{step.rule}">{RULES[step.rule][0]}</a>'
        if step.rule == "cite":
            target = self.anchors.get(step.name) or self.sources.get(step.name)
            name = escape(step.name)
            return f'<a href="#{target}">{name}</a>' if target else name
        values = ", ".join(escape(print_term(t)) for t in step.substitution)
        put = f' with <span class="formula">{values}</span>' if values else ""
        if step.rule == "apply":
            given = f", given {', '.join(premises[1:])}" if len(premises) > 1 else ""
            return f"{rule} of {premises[0]}{put}{given}"
        if step.rule == "close" and len(premises) > 1:
            return f'{premises[0]} <a href="#rule-close">holds whenever</a> {", ".join(premises[1:])}'
        source = f" from {', '.join(premises)}" if premises else ""
        return f"{rule}{source}{put}"


def _link(anchor: str, number: int) -> str:
    return f'<a href="#{anchor}s{number}">{number}</a>'


def _verdict(verdict: str) -> str:
    return f'<span class="{escape(verdict.split()[0])}">{escape(verdict)}</span>'


def assumptions(steps: Iterable[Step]) -> dict[int, tuple[int, ...]]:
    """The assumptions that each step rests on."""
    rests: dict[int, frozenset[int]] = {}
    for step in steps:
        ids = step.premises
        if step.rule == "assume":
            found = frozenset((step.id,))
        elif step.rule == "close":
            found = rests[ids[0]].difference(ids[1:])
        elif step.rule == "open":
            found = rests[ids[0]] | rests[ids[1]].difference(ids[2:])
        elif step.rule == "cases":
            found = rests[ids[0]]
            for c, h in zip(ids[1::2], ids[2::2], strict=True):
                found |= rests[c] - {h}
        else:
            found = frozenset[int]().union(*[rests[p] for p in ids])
        rests[step.id] = found
    return {i: tuple(sorted(r)) for i, r in rests.items()}
