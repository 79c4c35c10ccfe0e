"""Formulas as Metamath syntax, and the proofs that put a term in a variable's place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from .metamath_basis import Basis
from .metamath_database import Node
from .records import ExportError, Json, Record, TheoremRecord

Env = Mapping[str, Node]
Scope = tuple[tuple[int, Node], ...]  # assumptions in force: step and formula, the outermost first


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that proofs may cite, as a rule: `label`, whose variables are `tokens`."""

    label: str
    variables: tuple[tuple[str, str], ...]
    tokens: tuple[str, ...]
    premises: tuple[Json, ...]
    conclusion: Json


class ProofWriter:
    """Formulas to syntax, and the proofs of one theorem after the other."""

    def __init__(self, basis: Basis) -> None:
        self.basis = basis
        self.db = basis.db
        self.statements: dict[str, Statement] = {}
        self.definitions: dict[str, tuple[str, tuple[str, ...], Record]] = {}
        self.tokens: dict[tuple[str, str], str] = {}  # variable and sort -> its metavariable
        self.heights: dict[int, tuple[Json, int]] = {}

    # --- syntax ---

    def metavariable(self, name: str, sort: str) -> Node:
        """The variable for terms that stands for a theorem's variable."""
        if (name, sort) not in self.tokens:
            spelt = "".join(c if c.isascii() and c.isalnum() else "_" for c in name)
            token = self.db.free_token(spelt)
            self.db.variables.declare(token, self.basis.codes[sort], 1)
            self.tokens[name, sort] = token
        return self.db.variable(self.tokens[name, sort])

    def term(self, term: Json, env: Env) -> Node:
        if isinstance(term, str):
            return env[term]
        return self.basis.apply("function", term[0], tuple([self.term(t, env) for t in term[1:]]))

    def sort_of(self, term: Json, theorem: TheoremRecord) -> str:
        if isinstance(term, str):
            return theorem.variables[term]
        return self.basis.records.functions[term[0]][1]

    def height(self, formula: Json) -> int:
        """How many variables are bound one inside the other."""
        found = self.heights.get(id(formula))
        if found is not None and found[0] is formula:
            return found[1]
        kind = formula[0]
        inner: list[Json] = []
        own = 0
        if kind == "or":
            inner = formula[1:]
        elif kind in ("all", "some"):
            inner, own = [*formula[2], *formula[3:]], len(formula[1])
        result = own + max((self.height(f) for f in inner), default=0)
        self.heights[id(formula)] = (formula, result)
        return result

    def wff(self, formula: Json, env: Env) -> Node:
        kind = formula[0]
        if kind == "=":
            left, right = self.term(formula[1], env), self.term(formula[2], env)
            return self.db.node(f"weq{self._suffix(left)}", (left, right))
        if kind == "is":
            return self.basis.apply("relation", formula[1], tuple([self.term(t, env) for t in formula[2:]]))
        if kind == "false":
            return self.db.node("wf")
        if kind == "or":
            return self.joined("wo", [self.wff(f, env) for f in formula[1:]])
        if kind in ("all", "some"):
            return self.quantified(formula, 0, env)
        raise ExportError(f"no formula: {kind}")

    def _suffix(self, term: Node) -> str:
        """The suffix of a term's sort."""
        label = self.db.nodes[term][0]
        if label.startswith("v."):
            code = self.db.variables.types[label[2:]]
            return next(self.basis.suffixes[s] for s, c in self.basis.codes.items() if c == code)
        if label in self.suffix_of_label:
            return self.suffix_of_label[label]
        raise ExportError("no term")

    @cached_property
    def suffix_of_label(self) -> dict[str, str]:
        """Of term constructors."""
        basis = self.basis
        found = {f"t{end}": end for end in basis.suffixes.values()}
        for name, (_, output) in basis.records.functions.items():
            found[basis.symbols["function", name]] = basis.suffixes[output]
        return found

    def joined(self, label: str, parts: Sequence[Node]) -> Node:
        """`( ( a /\\ b ) /\\ c )`."""
        result = parts[0]
        for part in parts[1:]:
            result = self.db.node(label, (result, part))
        return result

    def implication(self, premises: Sequence[Json], conclusion: Json, env: Env) -> Node:
        result = self.wff(conclusion, env)
        for premise in reversed(premises):
            result = self.db.node("wi", (self.wff(premise, env), result))
        return result

    def body(self, formula: Json, env: Env) -> Node:
        """What stands after the quantifiers."""
        if formula[0] == "all":
            return self.implication(formula[2], formula[3], env)
        return self.joined("wa", [self.wff(f, env) for f in formula[2]])

    def quantified(self, formula: Json, first: int, env: Env) -> Node:
        """The formula without its `first` variables, which `env` gives meaning."""
        label = "wal" if formula[0] == "all" else "wex"
        inner = dict(env)
        bound = self.bound_of(formula)
        for (name, sort), token in list(zip(formula[1], bound, strict=True))[first:]:
            inner[name] = self.basis.individual(token, sort)
        result = self.body(formula, inner)
        for (_, sort), token in reversed(list(zip(formula[1], bound, strict=True))[first:]):
            result = self.db.node(f"{label}{self.basis.suffixes[sort]}", (result, self.db.variable(token)))
        return result

    def bound_of(self, formula: Json) -> list[str]:
        """The variables that a quantified formula binds, by height."""
        top = self.height(formula)
        return [self.basis.bound(top - place, sort) for place, (_, sort) in enumerate(formula[1])]

    # --- contexts ---

    def context(self, g: Node, scope: Sequence[Node]) -> Node:
        for formula in scope:
            g = self.db.node("wa", (g, formula))
        return g

    def hypothesis(self, g: Node, scope: Sequence[Node], place: int) -> Node:
        """An assumption of a context, from that context."""
        outer = self.context(g, scope[:place])
        proof = self.db.use("hyp", {"G": outer, "ph": scope[place]})
        return self.weaken(g, scope, place + 1, scope[place], proof)

    def weaken(self, g: Node, scope: Sequence[Node], place: int, formula: Node, proof: Node) -> Node:
        """A proof from the first `place` assumptions as one from all."""
        for n in range(place, len(scope)):
            outer = self.context(g, scope[:n])
            proof = self.db.use("wk", {"G": outer, "ph": scope[n], "ps": formula}, (proof,))
        return proof

    # --- putting a term in a variable's place ---

    def agree(self, k: Node, left: Node, right: Node, same: tuple[Node, Node]) -> Node:
        """The proof of `( k -> ( left <-> right ) )`, formulas that differ in the terms `same` only."""
        db = self.db
        if left == right:
            return db.use("biid", {"G": k, "ph": left})
        (label, a), (other, b) = db.nodes[left], db.nodes[right]
        if label != other or len(a) != len(b):
            return db.use("biid", {"G": k, "ph": left})  # no agreement: the proof will not check
        if label in ("wi", "wa", "wo"):
            given = {"G": k, "ph": a[0], "ps": b[0], "ch": a[1], "th": b[1]}
            parts = [self.agree(k, x, y, same) for x, y in zip(a, b, strict=True)]
            return db.use({"wi": "bii", "wa": "bia", "wo": "bio"}[label], given, parts)
        if label in self.basis.quantifiers:
            sort, sign = self.basis.quantifiers[label]
            end = self.basis.suffixes[sort]
            given = {"G": k, "ph": a[0], "ps": b[0], self.basis.bound(1, sort): a[1]}
            return db.use(
                f"bi{'al' if sign == 'A.' else 'ex'}{end}", given, (self.agree(k, a[0], b[0], same),)
            )
        proofs = [self.equal(k, x, y, same) for x, y in zip(a, b, strict=True)]
        if label.startswith("weq"):
            end = label[3:]
            sort = self.basis.sorts[end]
            names = [self.basis.term(n, sort) for n in (1, 2, 3, 4)]
            terms = (a[0], b[0], a[1], b[1])
            return db.use(f"bie{end}", {"G": k, **dict(zip(names, terms, strict=True))}, proofs)
        relation = self.basis.names[label]
        inputs = self.basis.records.relations[relation]
        return db.use(self.basis.agreement_of(relation), self._sides(k, inputs, a, b), proofs)

    def equal(self, k: Node, left: Node, right: Node, same: tuple[Node, Node]) -> Node:
        """The proof of `( k -> left = right )`."""
        db = self.db
        if (left, right) == same:
            return db.use("id", {"ph": k})
        (label, a), (other, b) = db.nodes[left], db.nodes[right]
        if left == right or label != other or len(a) != len(b):
            return self.reflexive(k, left)
        name = self.basis.names[label]
        proofs = [self.equal(k, x, y, same) for x, y in zip(a, b, strict=True)]
        inputs = self.basis.records.functions[name][0]
        return db.use(self.basis.congruence_of(name), self._sides(k, inputs, a, b), proofs)

    def reflexive(self, k: Node, term: Node) -> Node:
        end = self._suffix(term)
        sort = self.basis.sorts[end]
        return self.db.use(f"refl{end}", {"G": k, self.basis.term(1, sort): term})

    def _sides(self, k: Node, inputs: Sequence[str], a: Sequence[Node], b: Sequence[Node]) -> dict[str, Node]:
        left, right = self.basis.pairs(tuple(inputs))
        return {"G": k, **dict(zip(left, a, strict=True)), **dict(zip(right, b, strict=True))}

    def substitution(self, sort: str, first: Node, second: Node, left: Node, right: Node) -> Node:
        """The proof of `( first = second -> ( left <-> right ) )`."""
        k = self.db.node(f"weq{self.basis.suffixes[sort]}", (first, second))
        return self.agree(k, left, right, (first, second))

    # --- quantifiers ---

    def instantiate(self, formula: Json, env: Env, terms: Sequence[Node], g: Node, proof: Node) -> Node:
        """From `( g -> A. xs F )` a proof of `( g -> F )` with the terms for the xs."""
        inner = dict(env)
        bound = self.bound_of(formula)
        for place, ((name, sort), term) in enumerate(zip(formula[1], terms, strict=True)):
            x = self.basis.individual(bound[place], sort)
            ph = self.quantified(formula, place + 1, {**inner, name: x})
            inner[name] = term
            ps = self.quantified(formula, place + 1, inner)
            same = self.substitution(sort, x, term, ph, ps)
            given = {"G": g, "ph": ph, "ps": ps, self.basis.term(1, sort): term}
            given[self.basis.bound(1, sort)] = self.db.variable(bound[place])
            proof = self.db.use(f"inst{self.basis.suffixes[sort]}", given, (same, proof))
        return proof

    def generalise(self, formula: Json, env: Env, fixed: Sequence[str], g: Node, proof: Node) -> Node:
        """From `( g -> F )` about fixed individuals a proof of `( g -> A. xs F )`."""
        bound = self.bound_of(formula)
        inner = dict(env)
        for (name, sort), token in zip(formula[1], fixed, strict=True):
            inner[name] = self.basis.individual(token, sort)
        for place in reversed(range(len(bound))):
            name, sort = formula[1][place]
            e, x = inner[name], self.basis.individual(bound[place], sort)
            ph = self.quantified(formula, place + 1, inner)
            ps = self.quantified(formula, place + 1, {**inner, name: x})
            given = {"G": g, "ph": ph, "ps": ps, self.basis.fixed(1, sort): self.db.variable(fixed[place])}
            given[self.basis.bound(1, sort)] = self.db.variable(bound[place])
            same = self.substitution(sort, e, x, ph, ps)
            proof = self.db.use(f"gen{self.basis.suffixes[sort]}", given, (same, proof))
        return proof
