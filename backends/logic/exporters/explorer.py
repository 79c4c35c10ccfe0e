"""A theory's theorems and their proofs as HTML: a list, and a page a proof. Every page stands alone
and is readable without JavaScript; links are relative.

The bytes depend on the theory, the proofs and the verdicts only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from ....graph.theory import Goal
from ....graph.theory.infix_printer import print_formula
from ..certificates import Theorem
from ..facts import Facts
from ..results import accepted, counted, unproved
from .explorer_proof import ProofPage
from .explorer_style import page, statement, verdict_list

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


def explorer_pages(facts: Facts) -> Iterator[tuple[str, str]]:
    """(path, text) of every page: `index.html`, then `proofs/1.html`, …"""
    explorer = Explorer(facts)
    yield "index.html", explorer.index()
    for number, theorem in enumerate(explorer.theorems, 1):
        yield f"proofs/{number}.html", ProofPage(explorer, theorem, number).text()


class Explorer:
    """What all pages need: numbers of theorems, places of statements, who uses what."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.theorems = accepted(facts)
        self.numbers = {t.name: n for n, t in enumerate(self.theorems, 1)}
        self.places = {axiom.name: f"a{n}" for n, axiom in enumerate(facts.theory.axioms, 1)}
        for number, definition in enumerate(facts.theory.definitions, len(self.places) + 1):
            for name in (definition.name, f"{definition.name}.unfold", f"{definition.name}.fold"):
                self.places[name] = f"a{number}"
        datatypes = enumerate(facts.theory.signature.datatypes, 1)
        self.datatypes = {f"datatype {d.relation or d.sort}": f"d{n}" for n, d in datatypes}
        self.used: dict[str, list[str]] = {}
        for theorem in self.theorems:
            for name in theorem.cited:
                self.used.setdefault(name, []).append(theorem.name)

    def method(self, theorem: Theorem) -> str:
        return self.facts.methods.get(theorem.name, "")

    def users(self, name: str, folder: str) -> str:
        """Links to the proofs that cite a statement; `folder` is where those lie from the page."""
        return self._links(self.used.get(name, ()), folder)

    def _links(self, users: Iterable[str], folder: str) -> str:
        numbers = sorted((self.numbers[user], user) for user in users)
        return ", ".join(f'<a href="{folder}{n}.html" title="{escape(user)}">{n}</a>' for n, user in numbers)

    def index(self) -> str:
        """The page of the theory."""
        theory = self.facts.theory
        stopped = f" ({escape(self.facts.stopped)})" if self.facts.stopped else ""
        sections = [
            f"<h1>{escape(theory.name)}</h1>",
            f'<p class="soft">{escape(theory.doc)}</p>' if theory.doc else "",
            f"<p>{counted(self.facts)}{stopped}</p>",
            verdict_list(self.facts.verdicts),
            "<h2>Theorems</h2>",
            self._list(),
            self._unproved(unproved(self.facts)),
            "<h2>Taken for true</h2>",
            self._axioms(),
        ]
        return page(f"{theory.name}: theorems", "\n".join(s for s in sections if s), _SCRIPT)

    def _list(self) -> str:
        rows = []
        for number, theorem in enumerate(self.theorems, 1):
            link = f'<a class="formula" href="proofs/{number}.html">{statement(theorem.statement)}</a>'
            uses = len(self.used.get(theorem.name, ()))
            rows.append(
                f'<tr id="t{number}"><td class="n">{number}</td><td>{link}</td>'
                f'<td>{escape(theorem.name)}</td><td class="soft wide">{escape(self.method(theorem))}</td>'
                f'<td class="n wide">{len(theorem.steps)}</td><td class="n wide">{uses or ""}</td></tr>'
            )
        head = (
            '<tr><th class="n"></th><th>statement</th><th>name</th><th class="wide">proved by</th>'
            '<th class="n wide">steps</th><th class="n wide">used by</th></tr>'
        )
        return (
            '<input id="search" type="search" placeholder="Search statements, names, methods" '
            'aria-label="Search theorems">'
            f'<table id="theorems" class="list"><thead>{head}</thead><tbody>\n{chr(10).join(rows)}\n</tbody></table>'
            '<p id="none" class="soft" hidden>No theorem has this.</p>'
        )

    def _unproved(self, goals: list[Goal]) -> str:
        if not goals:
            return ""
        rows = [
            f'<tr><td class="formula">{statement(g.statement)}</td><td>{escape(g.name)}</td></tr>'
            for g in goals
        ]
        head = "<tr><th>statement</th><th>name</th></tr>"
        return f"<h2>Not proved</h2>\n<table>{head}\n{chr(10).join(rows)}</table>"

    def _axioms(self) -> str:
        rows = []
        theory = self.facts.theory
        for axiom in theory.axioms:
            users = self.users(axiom.name, "proofs/")
            rows.append(self._row(axiom.name, statement(axiom.statement), users, axiom.licence))
        for definition in theory.definitions:
            text = f"{print_formula(definition.head)} means {print_formula(definition.body, sorts=False)}"
            resting = [n for n in self.numbers if definition.name in self.facts.rests[n]]
            users = self._links(resting, "proofs/")
            rows.append(self._row(definition.name, escape(text), users, definition.licence))
        for datatype in theory.signature.datatypes:
            parts = [(c, ", ".join(theory.signature.function[c].inputs)) for c in datatype.constructors]
            made = " | ".join(f"{c}({i})" if i else c for c, i in parts)
            what = f"{datatype.relation} over {datatype.sort}" if datatype.relation else datatype.sort
            says = "induction" if datatype.relation else "induction, injectivity, disjointness"
            place = self.datatypes[f"datatype {datatype.relation or datatype.sort}"]
            rows.append(
                f'<tr id="{place}"><td class="formula">{escape(what)}: {escape(made)}</td>'
                f'<td>datatype</td><td class="soft">{says}</td></tr>'
            )
        head = "<tr><th>statement</th><th>name</th><th>used by</th></tr>"
        return f"<table>{head}\n{chr(10).join(rows)}</table>"

    def _row(self, name: str, text: str, users: str, licence: str) -> str:
        note = f'<div class="soft">{escape(licence)}</div>' if licence else ""
        return (
            f'<tr id="{self.places[name]}"><td class="formula">{text}</td>'
            f'<td>{escape(name)}{note}</td><td class="soft">{users}</td></tr>'
        )
