"""The text of a Metamath database being written: symbols, frames, rules, compressed proofs.

Expressions and proofs are nodes: a label on child nodes, interned, so that what occurs twice is one
node, and is proved once in a compressed proof.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import fill

from .records import ExportError

Node = int
RESERVED = ("(", ")", "->", "<->", "/\\", "\\/", "=", "F.", "A.", "E.", "|-", "wff")
INDIVIDUAL = 2  # the group of variables that formulas bind; 0 are formulas, 1 terms
WFFS = ("G", "ph", "ps", "ch", "th")
BASIS = frozenset(
    "t wi wa wo wb wf weq wal wex mp a1 id claim hyp wk ex imp mpd and or1 or2 jao em efq biid bi1 bi2 bii bia bio"
    " refl sym tr bie inst gen exi exe bial biex ind".split()
)
"""Labels of the basis, which no symbol may be called. All other labels have a dot, and no symbol has."""
_NUMBERED = re.compile(r"(?:A|x|e|ph)[0-9]")
_LABEL = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Rule:
    """An assertion that proofs use: its floating hypotheses in order, how many essential ones."""

    label: str
    floats: tuple[str, ...]
    essentials: int


@dataclass
class Variables:
    """Variables with their types, each declared once; the order of `$f` statements."""

    types: dict[str, str] = field(default_factory=dict)  # token -> typecode
    order: dict[str, tuple[int, int]] = field(default_factory=dict)

    def declare(self, token: str, typecode: str, group: int) -> None:
        if token not in self.types:
            self.types[token] = typecode
            self.order[token] = (group, len(self.order))

    def sorted(self, tokens: Iterable[str]) -> list[str]:
        return sorted({t for t in tokens if t in self.types}, key=self.order.__getitem__)


class Database:
    """A database under construction. `write` gives its text."""

    def __init__(self) -> None:
        self.variables = Variables()
        for token in WFFS:
            self.variables.declare(token, "wff", 0)
        self.constants: dict[str, None] = dict.fromkeys(RESERVED)
        self.body: list[str] = []
        self.rules: dict[str, Rule] = {}
        self.labels: set[str] = set()
        self.templates: dict[str, tuple[str, ...]] = {}  # syntax label -> tokens; digits are children
        self.nodes: list[tuple[str, tuple[Node, ...]]] = []
        self.interned: dict[tuple[str, tuple[Node, ...]], Node] = {}
        self.texts: dict[Node, str] = {}

    # --- symbols and labels ---

    def constant(self, wanted: str) -> str:
        """A token for a symbol, as it is where Metamath allows that, declared as a constant."""
        spelt = "".join(c if "!" <= c <= "~" and c not in "$." else "?" for c in wanted)
        token = self.free_token(spelt or "_")
        self.constants[token] = None
        return token

    def free_token(self, wanted: str) -> str:
        """A token that nothing has, and that is none of the basis' numbered variables."""
        if _NUMBERED.match(wanted) or wanted in BASIS:
            wanted += "_"
        while wanted in self.constants or wanted in self.variables.types:
            wanted += "_"
        return wanted

    def label(self, wanted: str, prefix: str) -> str:
        """A label that is free, close to a title."""
        base = prefix + (_LABEL.sub("-", wanted).strip("-") or "x")
        label, number = base, 1
        while label in self.labels:
            number += 1
            label = f"{base}-{number}"
        self.labels.add(label)
        return label

    # --- nodes ---

    def node(self, label: str, children: tuple[Node, ...] = ()) -> Node:
        key = (label, children)
        found = self.interned.get(key)
        if found is None:
            found = self.interned[key] = len(self.nodes)
            self.nodes.append(key)
        return found

    def variable(self, token: str) -> Node:
        return self.node(f"v.{token}")

    def syntax(self, label: str, typecode: str, template: str, types: Sequence[str]) -> None:
        """Declares a syntax axiom; `template` is blank-separated, `#0`, `#1`… stand for the operands.
        `types` are variables of the operands' types."""
        tokens = template.split()
        self.templates[label] = tuple(tokens)
        text = " ".join(types[int(t[1:])] if t[0] == "#" and t[1:].isdigit() else t for t in tokens)
        order = self.variables.sorted(types)
        if list(types) != order:
            raise ExportError(f"operands of {label} out of order")
        self.labels.add(label)
        self.rules[label] = Rule(label, tuple(types), 0)
        self.body.append(f"{label} $a {typecode} {text} $.")

    def text(self, node: Node) -> str:
        """The symbols of a syntax node."""
        found = self.texts.get(node)
        if found is None:
            label, children = self.nodes[node]
            if label.startswith("v.") and label[2:] in self.variables.types:
                found = label[2:]
            else:
                parts = self.templates[label]
                found = " ".join(
                    self.text(children[int(p[1:])]) if p[0] == "#" and p[1:].isdigit() else p for p in parts
                )
            self.texts[node] = found
        return found

    # --- assertions ---

    def axiom(
        self, label: str, hypotheses: Sequence[str], conclusion: str, apart: Sequence[str] = ()
    ) -> Rule:
        """A rule in words: expressions without `|-`; `apart` are the `$d` lists."""
        return self._assertion(label, hypotheses, conclusion, apart, None)

    def theorem(
        self,
        label: str,
        hypotheses: Sequence[tuple[str, str]],
        conclusion: str,
        apart: Sequence[str],
        proof: Node,
    ) -> Rule:
        """A proved rule; hypotheses are (label, expression), and `proof` cites those labels."""
        expressions = [e for _, e in hypotheses]
        return self._assertion(label, expressions, conclusion, apart, proof, [n for n, _ in hypotheses])

    def _assertion(
        self,
        label: str,
        hypotheses: Sequence[str],
        conclusion: str,
        apart: Sequence[str],
        proof: Node | None,
        names: Sequence[str] = (),
    ) -> Rule:
        self.labels.add(label)
        names = names or [f"{label}.{n}" for n in range(1, len(hypotheses) + 1)]
        tokens = [t for text in (*hypotheses, conclusion) for t in text.split()]
        rule = Rule(label, tuple(self.variables.sorted(tokens)), len(hypotheses))
        lines = [f"$d {a} $." for a in apart]
        lines += [f"{n} $e |- {text} $." for n, text in zip(names, hypotheses, strict=True)]
        last = f"{label} $a |- {conclusion} $."
        if proof is not None:
            last = f"{label} $p |- {conclusion} $=\n{self.compressed(proof, rule, names)} $."
        if lines:
            self.body.append("\n  ".join(["${", *lines, last]) + "\n$}")
        else:
            self.body.append(last)
        self.rules[label] = rule
        return rule

    def use(self, label: str, values: Mapping[str, Node], proofs: Sequence[Node] = ()) -> Node:
        """The rule applied: a syntax node for each of its variables, proofs of its hypotheses."""
        rule = self.rules[label]
        if len(proofs) != rule.essentials:
            raise ExportError(f"{label} takes {rule.essentials} premises, not {len(proofs)}")
        floats = []
        for token in rule.floats:
            value = values.get(token)
            if value is None and self.variables.order[token][0] != INDIVIDUAL:
                raise ExportError(f"{label} says nothing of {token}")
            floats.append(self.variable(token) if value is None else value)  # bound: it stays
        return self.node(label, (*floats, *proofs))

    # --- proofs ---

    def compressed(self, proof: Node, rule: Rule, names: Sequence[str]) -> str:
        """The proof in Metamath's compressed form."""
        mandatory = [*(f"v.{f}" for f in rule.floats), *names]
        numbers = {label: n for n, label in enumerate(mandatory)}
        uses = self._uses(proof)
        labels: dict[str, int] = {}
        saved: dict[Node, int] = {}
        stack: list[tuple[Node, bool]] = [(proof, False)]
        order: list[tuple[str, int]] = []
        while stack:
            node, done = stack.pop()
            label, children = self.nodes[node]
            if node in saved:
                order.append(("again", saved[node]))
                continue
            if not done and children:
                stack.append((node, True))
                stack.extend((c, False) for c in reversed(children))
                continue
            if label in numbers:
                order.append(("number", numbers[label]))
            else:
                place = labels.setdefault(label, len(labels))
                order.append(("number", len(mandatory) + place))
            if uses[node] > 1 and children:
                saved[node] = len(saved)
                order.append(("save", 0))
        base = len(mandatory) + len(labels)
        text = "".join(
            "Z" if kind == "save" else _letters(number + (base if kind == "again" else 0))
            for kind, number in order
        )
        head = " ".join(["(", *labels, ")"])
        wrapped = fill(head, 100, break_long_words=False, break_on_hyphens=False)
        rows = [text[i : i + 100] for i in range(0, len(text), 100)]
        return "\n".join(f"  {row}" for row in (*wrapped.split("\n"), *rows))

    def _uses(self, proof: Node) -> dict[Node, int]:
        """How often each node below is used by the others."""
        uses = {proof: 1}
        stack = [proof]
        while stack:
            for child in self.nodes[stack.pop()][1]:
                if child in uses:
                    uses[child] += 1
                else:
                    uses[child] = 1
                    stack.append(child)
        return uses

    def tokens_of(self, proof: Node) -> set[str]:
        """The variables that a proof speaks of."""
        labels = (self.nodes[n][0] for n in self._uses(proof))
        return {name[2:] for name in labels if name.startswith("v.") and name[2:] in self.variables.types}

    # --- the whole ---

    def write(self, header: str) -> str:
        """The database. The comment `header` may not hold `$`."""
        variables = self.variables.sorted(self.variables.types)
        floats = [f"v.{t} $f {self.variables.types[t]} {t} $." for t in variables]
        parts = [
            f"$( {header} $)",
            _declaration("$c", list(self.constants)),
            _declaration("$v", variables),
            *floats,
            *self.body,
        ]
        return "\n".join(parts) + "\n"


def _declaration(keyword: str, symbols: list[str]) -> str:
    return fill(f"{keyword} {' '.join(symbols)} $.", 100, break_long_words=False, break_on_hyphens=False)


def _letters(number: int) -> str:
    """A number from 0 in Metamath's base: the last digit is A to T, those before U to Y."""
    last = chr(ord("A") + number % 20)
    number //= 20
    found = ""
    while number:
        number -= 1
        found = chr(ord("U") + number % 5) + found
        number //= 5
    return found + last
