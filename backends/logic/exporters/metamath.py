"""Certificates as Metamath databases: every theorem with a proof that any Metamath checker can check.

Each theorem is stated with variables for terms, `|- ( P -> C )`, and once more as a rule
`( G -> P ) / ( G -> C )`, which later proofs use. The proof of a step is made from what the step
says (its rule, premises, terms and conclusion), so a step that does not follow gives a proof that
does not check. Bound variables are named by their height in the formula, so that formulas that
differ in bound names only become the same symbols.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .metamath_basis import Basis
from .metamath_database import INDIVIDUAL, Node
from .metamath_formulas import ProofWriter, Statement
from .metamath_rules import core, instance
from .records import CertificateRecords, ExportError, Json, Record, TheoremRecord, read_records

HEADER = """{name}: {theorems} theorems from {axioms} axioms, written by Graphwright.
   A line `( G -> ph )` reads "from the assumptions G follows ph". Axioms of the logic come first,
   then those of the theory (ax.NAME), then its theorems (thm.NAME; as a rule, thm.NAME.d)."""


def export_metamath(lines: Iterable[str]) -> str:
    """The database of a certificate (its JSON lines).

    Raises ExportError where the lines are no certificate, or a step has not the form that its rule
    wants. What the proofs show is for a checker to say.
    """
    records = read_records(lines)
    try:
        return _Exporter(records).run()
    except (LookupError, ValueError, TypeError, AttributeError, StopIteration, RecursionError) as error:
        raise ExportError(f"not of the form of a certificate: {type(error).__name__}: {error}") from None


def theorem_labels(records: CertificateRecords) -> dict[str, str]:
    """The label of each theorem in `theory.mm`."""
    exporter = _Exporter(records)
    exporter.run()
    return exporter.labels


@dataclass(frozen=True, slots=True)
class _Stated:
    """A closed statement split into its variables, premises and conclusion."""

    variables: tuple[tuple[str, str], ...]
    premises: tuple[Json, ...]
    conclusion: Json


def split(statement: Json) -> _Stated:
    if statement[0] != "all":
        return _Stated((), (), statement)
    return _Stated(tuple((n, s) for n, s in statement[1]), tuple(statement[2]), statement[3])


class _Exporter:
    def __init__(self, records: CertificateRecords) -> None:
        self.records = records
        self.basis = Basis(records)
        self.db = self.basis.db
        self.writer = ProofWriter(self.basis)
        self.labels: dict[str, str] = {}

    def run(self) -> str:
        for definition in self.records.definitions:
            self._definition(definition)
        for axiom in self.records.axioms:
            self._axiom(axiom["name"], axiom["statement"])
        for theorem in self.records.theorems:
            self._theorem(theorem)
        header = HEADER.format(
            name=_plain(self.records.name),
            theorems=len(self.records.theorems),
            axioms=len(self.records.axioms),
        )
        return self.db.write(header)

    # --- axioms ---

    def _metavariables(self, variables: Sequence[tuple[str, str]]) -> dict[str, Node]:
        return {name: self.writer.metavariable(name, sort) for name, sort in variables}

    def _definition(self, record: Record) -> None:
        variables = [(n, s) for n, s in record["variables"]]
        env = self._metavariables(variables)
        arguments = tuple(env[n] for n, _ in variables)
        head = self.basis.apply("relation", record["relation"], arguments)
        body = self.writer.wff(record["body"], env)
        text = f"( G -> ( {self.db.text(head)} <-> {self.db.text(body)} ) )"
        label = self.db.label(record["name"], "def.")
        apart = [a for a in self._apart(text.split()) if "G" not in a.split()]
        self.db.axiom(label, (), text, apart)
        tokens = tuple(self.writer.tokens[n, s] for n, s in variables)
        self.writer.definitions[record["relation"]] = (label, tokens, record)

    def _axiom(self, name: str, statement: Json) -> None:
        label = self.db.label(name, "ax.")
        parts = split(statement)
        env = self._metavariables(parts.variables)
        text = self._closed(parts, env)
        self.db.axiom(label, (), text, self._apart(text.split()))
        self._rule(name, label, parts, env)

    def _closed(self, parts: _Stated, env: Mapping[str, Node]) -> str:
        """`( P -> ( Q -> C ) )`, the variables left free."""
        return self.db.text(self.writer.implication(parts.premises, parts.conclusion, env))

    def _rule(self, name: str, label: str, parts: _Stated, env: Mapping[str, Node]) -> None:
        """The statement as a rule, from its closed form: weakened, its premises taken off."""
        db, writer = self.db, self.writer
        values = self._values()
        g = db.variable("G")
        proof = db.use(
            "a1",
            {"G": g, "ph": writer.implication(parts.premises, parts.conclusion, env)},
            (db.use(label, values),),
        )
        hypotheses: list[tuple[str, str]] = []
        for place, premise in enumerate(parts.premises):
            hypothesis = f"{label}.d.{place + 1}"
            hypotheses.append((hypothesis, f"( G -> {db.text(writer.wff(premise, env))} )"))
            rest = writer.implication(parts.premises[place + 1 :], parts.conclusion, env)
            given = {"G": g, "ph": writer.wff(premise, env), "ps": rest}
            proof = db.use("mpd", given, (db.node(hypothesis), proof))
        conclusion = f"( G -> {db.text(writer.wff(parts.conclusion, env))} )"
        tokens = [t for _, h in hypotheses for t in h.split()] + conclusion.split()
        apart = [a for a in self._apart(tokens) if "G" not in a.split()]
        db.theorem(f"{label}.d", hypotheses, conclusion, apart, proof)
        self._register(name, f"{label}.d", parts)

    def _register(self, name: str, label: str, parts: _Stated) -> None:
        tokens = tuple(self.writer.tokens[n, s] for n, s in parts.variables)
        self.writer.statements[name] = Statement(
            label, parts.variables, tokens, parts.premises, parts.conclusion
        )

    def _values(self) -> dict[str, Node]:
        """Every variable for itself."""
        found = {"G": self.db.variable("G")}
        for token in self.db.variables.types:
            found[token] = self.db.variable(token)
        return found

    def _apart(self, tokens: Iterable[str], extra: Iterable[str] = ()) -> list[str]:
        """Individual variables are apart from one another and from all else."""
        used = self.db.variables.sorted({*tokens, *extra})
        individuals = [t for t in used if self.db.variables.order[t][0] == INDIVIDUAL]
        others = [t for t in used if self.db.variables.order[t][0] != INDIVIDUAL]
        found = [" ".join(individuals)] if len(individuals) > 1 else []
        return found + [f"{' '.join(individuals)} {t}" for t in others if individuals]

    # --- theorems ---

    def _theorem(self, theorem: TheoremRecord) -> None:
        """As a rule, then the closed statement from it."""
        db, writer = self.db, self.writer
        label = db.label(theorem.name, "thm.")
        self.labels[theorem.name] = label
        parts = split(theorem.statement)
        env = self._metavariables(parts.variables)
        text = self._closed(parts, env)
        stated = db.variables.sorted(text.split())
        if any(db.variables.order[t][0] == INDIVIDUAL for t in stated):
            # Its bound variables may occur in contexts, so what others cite comes from the closed form.
            proof = self._detached(instance(writer, theorem, parts.variables, env, self._truth()), parts, env)
            db.theorem(label, (), text, self._apart(stated, db.tokens_of(proof)), proof)
            self._rule(theorem.name, label, parts, env)
            return
        names = [f"{label}.d.{n + 1}" for n in range(len(parts.premises))]
        proof = core(writer, theorem, parts.variables, parts.premises, parts.conclusion, env, names)
        hypotheses = [
            (h, f"( G -> {db.text(writer.wff(p, env))} )") for h, p in zip(names, parts.premises, strict=True)
        ]
        conclusion = f"( G -> {db.text(writer.wff(parts.conclusion, env))} )"
        apart = self._apart(["G", *stated], db.tokens_of(proof))
        db.theorem(f"{label}.d", hypotheses, conclusion, apart, proof)
        self._close(label, f"{label}.d", parts, env)
        self._register(theorem.name, f"{label}.d", parts)

    def _truth(self) -> Node:
        false = self.db.node("wf")
        return self.db.node("wi", (false, false))

    def _detached(self, proof: Node, parts: _Stated, env: Mapping[str, Node]) -> Node:
        """The statement itself, from its proof under a truth."""
        closed = self.writer.implication(parts.premises, parts.conclusion, env)
        truth = self.db.use("id", {"ph": self.db.node("wf")})
        return self.db.use("mp", {"ph": self._truth(), "ps": closed}, (truth, proof))

    def _close(self, label: str, core: str, parts: _Stated, env: Mapping[str, Node]) -> None:
        """The closed statement: the core under a truth and the premises, then both taken away."""
        db, writer = self.db, self.writer
        context = truth = self._truth()
        scope: list[Node] = []
        for premise in parts.premises:
            scope.append(writer.wff(premise, env))
            context = db.node("wa", (context, scope[-1]))
        given = [writer.hypothesis(truth, scope, place) for place in range(len(scope))]
        proof = db.use(core, {**self._values(), "G": context}, given)
        conclusion = writer.wff(parts.conclusion, env)
        for place in reversed(range(len(scope))):
            outer = writer.context(truth, scope[:place])
            proof = db.use("ex", {"G": outer, "ph": scope[place], "ps": conclusion}, (proof,))
            conclusion = db.node("wi", (scope[place], conclusion))
        text = db.text(conclusion)
        db.theorem(label, (), text, self._apart(text.split()), self._detached(proof, parts, env))


def _plain(text: str) -> str:
    return "".join(c for c in text if c.isascii() and c != "$")
