"""The page of one proof: each step with the rule and the steps that it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from ....graph.theory.infix_printer import print_formula, print_term
from ..certificates import Step, Theorem
from .explorer_style import page, statement, verdict_list

if TYPE_CHECKING:
    from .explorer import Explorer

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


class ProofPage:
    """The proof of theorem `number`, in a folder beside the index."""

    def __init__(self, explorer: Explorer, theorem: Theorem, number: int) -> None:
        self.explorer, self.theorem, self.number = explorer, theorem, number
        self.places = {s.id: n for n, s in enumerate(theorem.steps, 1)}

    def text(self) -> str:
        theorem, facts = self.theorem, self.explorer.facts
        rests = assumptions(theorem.steps)
        rows = [self._step(s, rests[s.id]) for s in theorem.steps]
        users = self.explorer.users(theorem.name, "")
        sources = ", ".join(map(self._source, facts.rests[theorem.name])) or "nothing"
        body = [
            self._navigation(),
            f"<h1>{self.number}. {escape(theorem.name)}</h1>",
            f'<div class="formula statement">{statement(theorem.statement)}</div>',
            f'<p class="soft">By {escape(self.explorer.method(theorem))}.</p>',
            verdict_list(facts.verdicts),
            f"<p>Rests on {sources}.</p>",
            f"<p>Used by {users}.</p>" if users else "",
            "<h2>Proof</h2>",
            '<table class="list steps"><tr><th class="n">step</th><th>formula</th><th>by</th></tr>',
            *rows,
            "</table>",
            self._rules(),
        ]
        title = f"{theorem.name}: {facts.theory.name}"
        return page(title, "\n".join(line for line in body if line))

    def _navigation(self) -> str:
        name = escape(self.explorer.facts.theory.name)
        links = [f'<a href="../index.html#t{self.number}">{name}: all theorems</a>']
        if self.number > 1:
            links.append(f'<a href="{self.number - 1}.html" rel="prev">previous</a>')
        if self.number < len(self.explorer.theorems):
            links.append(f'<a href="{self.number + 1}.html" rel="next">next</a>')
        return f"<nav>{''.join(links)}</nav>"

    def _source(self, name: str) -> str:
        """What a theorem rests on: an axiom, a definition, a datatype."""
        places = self.explorer.places | self.explorer.datatypes
        place = places.get(name)
        return f'<a href="../index.html#{place}">{escape(name)}</a>' if place else escape(name)

    def _rules(self) -> str:
        """The rules that this proof uses."""
        used = {s.rule for s in self.theorem.steps}
        rows = [
            f'<tr id="rule-{rule}"><td>{name}</td><td class="soft">{escape(text)}</td></tr>'
            for rule, (name, text) in RULES.items()
            if rule in used
        ]
        return f"<h2>Rules</h2>\n<table>\n{chr(10).join(rows)}\n</table>"

    def _step(self, step: Step, rests: Sequence[int]) -> str:
        number = self.places[step.id]
        text = escape(print_formula(step.conclusion, sorts=False))
        under = ", ".join(self._link(h) for h in rests if h != step.id)
        note = f' <span class="soft">under {under}</span>' if under else ""
        kind = "formula under" if rests else "formula"
        return (
            f'<tr id="s{number}"><td class="n">{number}</td><td><div class="{kind}">{text}</div></td>'
            f"<td>{self._reason(step)}{note}</td></tr>"
        )

    def _link(self, step: int) -> str:
        return f'<a href="#s{self.places[step]}">{self.places[step]}</a>'

    def _reason(self, step: Step) -> str:
        premises = [self._link(p) for p in step.premises]
        name, text = RULES[step.rule]
        rule = f'<a href="#rule-{step.rule}" title="{escape(text)}">{name}</a>'
        if step.rule == "cite":
            return f"{rule}: {self._cited(step.name)}"
        values = ", ".join(escape(print_term(t)) for t in step.substitution)
        put = f' with <span class="formula">{values}</span>' if values else ""
        if step.rule == "apply":
            given = f", given {', '.join(premises[1:])}" if len(premises) > 1 else ""
            return f"{rule} of {premises[0]}{put}{given}"
        if step.rule == "close" and len(premises) > 1:
            return f'{premises[0]} <a href="#rule-close" title="{escape(text)}">whenever</a> {", ".join(premises[1:])}'
        source = f" from {', '.join(premises)}" if premises else ""
        return f"{rule}{source}{put}"

    def _cited(self, name: str) -> str:
        number = self.explorer.numbers.get(name)
        if number is not None:
            return f'<a href="{number}.html">{escape(name)}</a>'
        return self._source(name)


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
