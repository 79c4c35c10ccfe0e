"""The steps of a certificate as Metamath proofs, each in the context of its assumptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .metamath_database import Node
from .metamath_formulas import Env, ProofWriter, Scope, Statement
from .records import ExportError, Json, Record, TheoremRecord

Rule = Callable[["Steps", Record, Scope, Env], Node]


class Steps:
    """The steps of one theorem. A proof is made for a step in a scope of assumptions, with a meaning
    for its free variables, at the outermost place where its own assumptions are in force."""

    def __init__(
        self,
        writer: ProofWriter,
        theorem: TheoremRecord,
        g: Node,
        hypotheses: Mapping[int, tuple[str, Node]],
        env: Env,
    ) -> None:
        self.writer = writer
        self.basis = writer.basis
        self.db = writer.db
        self.theorem = theorem
        self.g = g
        self.hypotheses = hypotheses
        self.outermost = env
        self.rests: dict[int, frozenset[int]] = {}
        self.speaks: dict[int, tuple[str, ...]] = {}
        self.made: dict[tuple[int, tuple[Node, ...], tuple[Node, ...]], Node] = {}
        self.fresh: dict[str, int] = {}
        for step in theorem.steps.values():
            self._survey(step)

    def _survey(self, step: Record) -> None:
        """What a step rests on, and the variables that its proof speaks of."""
        ids = step["premises"]
        for p in ids:
            if p not in self.rests or p >= step["id"]:
                raise ExportError(f"step {step['id']} has no premise {p}")
        rests = frozenset[int]().union(*[self.rests[p] for p in ids])
        rule = step["rule"]
        if rule == "assume":
            rests = frozenset() if step["id"] in self.hypotheses else frozenset((step["id"],))
        elif rule == "close":
            rests = self.rests[ids[0]].difference(ids[1:])
        elif rule == "open":
            rests = self.rests[ids[0]] | self.rests[ids[1]].difference(ids[2:])
        elif rule == "cases":
            rests = self.rests[ids[0]]
            for c, h in zip(ids[1::2], ids[2::2], strict=True):
                rests |= self.rests[c] - {h}
        self.rests[step["id"]] = rests
        names = set(self._names(step["conclusion"])) | set(self._names(step.get("substitution", [])))
        for p in ids:
            names.update(self.speaks[p])
        self.speaks[step["id"]] = tuple(sorted(names))

    def _names(self, data: Json) -> list[str]:
        if isinstance(data, str):
            return [data] if data in self.theorem.variables else []
        return [n for part in data for n in self._names(part)] if isinstance(data, list) else []

    # --- places ---

    def proof(self, step: int, scope: Scope, env: Env) -> Node:
        """The proof of a step, those before it first, so that nothing nests deeply."""
        for before in self._before(step):
            if self._placed(before, scope) is not None:
                self._at(before, scope, env)
        return self._at(step, scope, env)

    def _before(self, step: int) -> list[int]:
        """The steps that a step's proof uses in the same scope, in order."""
        found: set[int] = set()
        stack = [step]
        while stack:
            record = self.theorem.steps[stack.pop()]
            ids = record["premises"]
            skipped = {"close": len(ids), "open": 1, "cases": 1}.get(record["rule"])
            for p in ids if skipped is None else () if record["rule"] == "close" else ids[:1]:
                if p not in found:
                    found.add(p)
                    stack.append(p)
        return sorted(found)

    def _placed(self, step: int, scope: Scope) -> int | None:
        """How many assumptions of the scope a step needs; None where some are not in it."""
        places = {assumption: n + 1 for n, (assumption, _) in enumerate(scope)}
        if not self.rests[step] <= places.keys():
            return None
        return max((places[a] for a in self.rests[step]), default=0)

    def _at(self, step: int, scope: Scope, env: Env) -> Node:
        place = self._placed(step, scope)
        if place is None:
            raise ExportError(f"step {step} rests on assumptions that are not in force")
        formulas = tuple([f for _, f in scope])
        key = (step, formulas[:place], tuple([env[n] for n in self.speaks[step]]))
        found = self.made.get(key)
        if found is None:
            found = self.made[key] = self._make(self.theorem.steps[step], scope[:place], env)
        if place < len(scope):
            formula = self.writer.wff(self.theorem.steps[step]["conclusion"], env)
            return self.writer.weaken(self.g, formulas, place, formula, found)
        return found

    def _make(self, step: Record, scope: Scope, env: Env) -> Node:
        rule, count = RULES.get(step["rule"], (None, None))
        if rule is None or (count is not None and len(step["premises"]) != count):
            raise ExportError(f"step {step['id']} has not the form of {step['rule']}")
        return rule(self, step, scope, env)

    def claimed(self, step: Record, scope: Scope, env: Env, produced: Node, proof: Node) -> Node:
        """The proof of what the step claims. Where its rule produces something else, the two stand
        side by side, for a checker to reject."""
        wanted = self.wff(step["conclusion"], env)
        if wanted == produced:
            return proof
        return self.db.use("claim", {"G": self.context(scope), "ph": wanted}, (proof,))

    # --- what the rules need ---

    def context(self, scope: Scope) -> Node:
        return self.writer.context(self.g, [f for _, f in scope])

    def wff(self, formula: Json, env: Env) -> Node:
        return self.writer.wff(formula, env)

    def formula_of(self, step: int) -> Json:
        return self.theorem.steps[step]["conclusion"]

    def premises(self, step: Record, scope: Scope, env: Env) -> list[Node]:
        return [self._at(p, scope, env) for p in step["premises"]]

    def fix(self, sorts: Sequence[str]) -> list[str]:
        """Variables for fixed individuals that nothing else in the theorem speaks of."""
        found = []
        for sort in sorts:
            self.fresh[sort] = self.fresh.get(sort, 1) + 1
            found.append(self.basis.fixed(self.fresh[sort], sort))
        return found

    def fixed_env(self, names: Sequence[str], sorts: Sequence[str], tokens: Sequence[str], env: Env) -> Env:
        pairs = zip(names, sorts, tokens, strict=True)
        return {**env, **{n: self.basis.individual(t, s) for n, s, t in pairs}}

    def under(self, step: int, assumed: Sequence[int], scope: Scope, env: Env) -> Node:
        """The proof of `( context -> ( h1 -> ( h2 -> C ) ) )`."""
        added = tuple([(h, self.wff(self.formula_of(h), env)) for h in assumed])
        proof = self.proof(step, (*scope, *added), env)
        conclusion = self.wff(self.formula_of(step), env)
        for place in reversed(range(len(added))):
            outer = self.context((*scope, *added[:place]))
            given = {"G": outer, "ph": added[place][1], "ps": conclusion}
            proof = self.db.use("ex", given, (proof,))
            conclusion = self.db.node("wi", (added[place][1], conclusion))
        return proof

    def detach(
        self, g: Node, premises: Sequence[tuple[Node, Node]], rest: Sequence[Node], proof: Node
    ) -> Node:
        """Modus ponens with premises (formula, proof); `rest` is what remains after each."""
        for (formula, given), left in zip(premises, rest, strict=True):
            proof = self.db.use("mpd", {"G": g, "ph": formula, "ps": left}, (given, proof))
        return proof


# --- assumptions and statements -----------------------------------------------------------


def _assume(self: Steps, step: Record, scope: Scope, env: Env) -> Node:
    if step["id"] in self.hypotheses:
        label, formula = self.hypotheses[step["id"]]
        return self.claimed(step, scope, env, formula, self.db.node(label))
    outer, formula = scope[:-1], self.wff(step["conclusion"], env)
    return self.db.use("hyp", {"G": self.context(outer), "ph": formula})


def _cite(self: Steps, step: Record, scope: Scope, env: Env) -> Node:
    """The statement as a closed formula: about fixed individuals, then generalised."""
    statement = self.writer.statements[step["name"]]
    names = [n for n, _ in statement.variables]
    sorts = [s for _, s in statement.variables]
    tokens = self.fix(sorts)
    inner = self.fixed_env(names, sorts, tokens, {})
    g = self.context(scope)
    assumed = [self.wff(p, inner) for p in statement.premises]
    given = [self.writer.hypothesis(g, assumed, place) for place in range(len(assumed))]
    values = {t: inner[n] for t, n in zip(statement.tokens, names, strict=True)}
    proof = self.db.use(statement.label, {"G": self.writer.context(g, assumed), **values}, given)
    conclusion = self.wff(statement.conclusion, inner)
    for place in reversed(range(len(assumed))):
        outer = self.writer.context(g, assumed[:place])
        proof = self.db.use("ex", {"G": outer, "ph": assumed[place], "ps": conclusion}, (proof,))
        conclusion = self.db.node("wi", (assumed[place], conclusion))
    if statement.variables:
        proof = self.writer.generalise(closed_statement(statement), {}, tokens, g, proof)
    return self.claimed(step, scope, env, self.wff(closed_statement(statement), {}), proof)


def closed_statement(statement: Statement) -> Json:
    """The statement as it was cited."""
    if not statement.variables and not statement.premises:
        return statement.conclusion
    binder = [list(v) for v in statement.variables]
    return ["all", binder, list(statement.premises), statement.conclusion]


def _apply(self: Steps, step: Record, scope: Scope, env: Env) -> Node:
    first = self.theorem.steps[step["premises"][0]]
    terms = [self.writer.term(t, env) for t in step["substitution"]]
    g = self.context(scope)
    given = [self._at(p, scope, env) for p in step["premises"][1:]]
    formula = first["conclusion"]
    if first["rule"] == "cite":
        statement = self.writer.statements[first["name"]]
        if self.wff(formula, env) == self.wff(closed_statement(statement), {}):
            values = dict(zip(statement.tokens, terms, strict=True))
            proof = self.db.use(statement.label, {"G": g, **values}, given)
            meaning = {n: t for (n, _), t in zip(statement.variables, terms, strict=True)}
            return self.claimed(step, scope, env, self.wff(statement.conclusion, meaning), proof)
    proof = self.writer.instantiate(formula, env, terms, g, self._at(first["id"], scope, env))
    inner = {**env, **{n: t for (n, _), t in zip(formula[1], terms, strict=True)}}
    premises = [(self.wff(p, inner), q) for p, q in zip(formula[2], given, strict=True)]
    rest = [self.writer.implication(formula[2][n + 1 :], formula[3], inner) for n in range(len(premises))]
    proof = self.detach(g, premises, rest, proof)
    return self.claimed(step, scope, env, self.wff(formula[3], inner), proof)


def _close(self: Steps, step: Record, scope: Scope, env: Env) -> Node:
    formula = step["conclusion"]
    names, sorts = [n for n, _ in formula[1]], [s for _, s in formula[1]]
    tokens = self.fix(sorts)
    inner = self.fixed_env(names, sorts, tokens, env)
    proof = self.under(step["premises"][0], step["premises"][1:], scope, inner)
    return self.writer.generalise(formula, env, tokens, self.context(scope), proof)


# --- existence ----------------------------------------------------------------------------


def _witness(self: Steps, step: Record, scope: Scope, env: Env) -> Node:
    formula = step["conclusion"]
    terms = [self.writer.term(t, env) for t in step["substitution"]]
    g, db, basis = self.context(scope), self.db, self.basis
    inner = {**env, **{n: t for (n, _), t in zip(formula[1], terms, strict=True)}}
    parts = [self.wff(f, inner) for f in formula[2]]
    proofs = self.premises(step, scope, env)
    proof, left = proofs[0], parts[0]
    for part, other in zip(parts[1:], proofs[1:], strict=True):
        proof = db.use("and", {"G": g, "ph": left, "ps": part}, (proof, other))
        left = db.node("wa", (left, part))
    bound = self.writer.bound_of(formula)
    for place in reversed(range(len(bound))):
        sort = formula[1][place][1]
        name, x = formula[1][place][0], basis.individual(bound[place], sort)
        ps = self.writer.quantified(formula, place + 1, inner)
        ph = self.writer.quantified(formula, place + 1, {**inner, name: x})
        same = self.writer.substitution(sort, x, terms[place], ph, ps)
        given = {"G": g, "ph": ph, "ps": ps, basis.term(1, sort): terms[place]}
        given[basis.bound(1, sort)] = db.variable(bound[place])
        proof = db.use(f"exi{basis.suffixes[sort]}", given, (same, proof))
    return proof


def _open(self: Steps, step: Record, scope: Scope, env: Env) -> Node:
    """From `( g -> E. xs F )` and C under F about fixed individuals."""
    exists, body, *assumed = step["premises"]
    formula, names = self.formula_of(exists), step["substitution"]
    sorts = [s for _, s in formula[1]]
    tokens = self.fix(sorts)
    inner = self.fixed_env(names, sorts, tokens, env)
    g, db, basis = self.context(scope), self.db, self.basis
    proof = self.under(body, assumed, scope, inner)
    values = {n: inner[v] for (n, _), v in zip(formula[1], names, strict=True)}
    meaning = {**env, **values}
    parts = [self.wff(f, meaning) for f in formula[2]]
    conclusion = self.wff(step["conclusion"], env)
    left = parts[0]
    for place, part in enumerate(parts[1:], 1):
        rest = conclusion
        for later in reversed(parts[place + 1 :]):
            rest = db.node("wi", (later, rest))
        proof = db.use("imp", {"G": g, "ph": left, "ps": part, "ch": rest}, (proof,))
        left = db.node("wa", (left, part))
    bound = self.writer.bound_of(formula)
    for place in reversed(range(len(bound))):
        name, sort = formula[1][place]
        x = basis.individual(bound[place], sort)
        ps = self.writer.quantified(formula, place + 1, meaning)
        ph = self.writer.quantified(formula, place + 1, {**meaning, name: x})
        same = self.writer.substitution(sort, x, meaning[name], ph, ps)
        given = {"G": g, "ph": ph, "ps": ps, "ch": conclusion}
        given[basis.bound(1, sort)] = db.variable(bound[place])
        given[basis.fixed(1, sort)] = db.variable(tokens[place])
        proof = db.use(f"exe{basis.suffixes[sort]}", given, (same, proof))
        left = db.node(f"wex{basis.suffixes[sort]}", (ph, db.variable(bound[place])))
    return db.use("mpd", {"G": g, "ph": left, "ps": conclusion}, (self._at(exists, scope, env), proof))


# --- alternatives -------------------------------------------------------------------------


def _either(self: Steps, step: Record, scope: Scope, env: Env) -> Node:
    parts = [self.wff(f, env) for f in step["conclusion"][1:]]
    (given,) = step["premises"]
    found = self.wff(self.formula_of(given), env)
    place = parts.index(found) if found in parts else 0
    g, proof = self.context(scope), self._at(given, scope, env)
    left = parts[place]
    if place:
        before = self.writer.joined("wo", parts[:place])
        proof = self.db.use("or2", {"G": g, "ph": before, "ps": left}, (proof,))
        left = self.db.node("wo", (before, left))
    for part in parts[place + 1 :]:
        proof = self.db.use("or1", {"G": g, "ph": left, "ps": part}, (proof,))
        left = self.db.node("wo", (left, part))
    return proof


def _cases(self: Steps, step: Record, scope: Scope, env: Env) -> Node:
    either, *pairs = step["premises"]
    g, db = self.context(scope), self.db
    conclusion = self.wff(step["conclusion"], env)
    parts = [self.wff(f, env) for f in self.formula_of(either)[1:]]
    proofs = [self.under(c, [h], scope, env) for c, h in zip(pairs[::2], pairs[1::2], strict=True)]
    if len(parts) != len(proofs):
        raise ExportError("a case is missing")
    left, proof = parts[0], proofs[0]
    for part, other in zip(parts[1:], proofs[1:], strict=True):
        proof = db.use("jao", {"G": g, "ph": left, "ps": part, "ch": conclusion}, (proof, other))
        left = db.node("wo", (left, part))
    return db.use("mpd", {"G": g, "ph": left, "ps": conclusion}, (self._at(either, scope, env), proof))


def _middle(self: Steps, step: Record, scope: Scope, env: Env) -> Node:
    formula = self.wff(step["conclusion"][1], env)
    proof = self.db.use("em", {"G": self.context(scope), "ph": formula})
    negated = self.db.node("wi", (formula, self.db.node("wf")))
    return self.claimed(step, scope, env, self.db.node("wo", (formula, negated)), proof)


def _absurd(self: Steps, step: Record, scope: Scope, env: Env) -> Node:
    given = {"G": self.context(scope), "ph": self.wff(step["conclusion"], env)}
    return self.db.use("efq", given, self.premises(step, scope, env))


# --- equality -----------------------------------------------------------------------------


def _terms(self: Steps, sort: str, *terms: Node) -> dict[str, Node]:
    return {self.basis.term(n, sort): t for n, t in enumerate(terms, 1)}


def _sides(self: Steps, step: Record, env: Env) -> tuple[str, Node, Node]:
    """The sort of an equation and its sides."""
    kind, left, right = step["conclusion"]
    if kind != "=":
        raise ExportError("no equation")
    return self.writer.sort_of(left, self.theorem), self.writer.term(left, env), self.writer.term(right, env)


def _reflexivity(self: Steps, step: Record, scope: Scope, env: Env) -> Node:
    sort, left, _ = _sides(self, step, env)
    proof = self.writer.reflexive(self.context(scope), left)
    produced = self.db.node(f"weq{self.basis.suffixes[sort]}", (left, left))
    return self.claimed(step, scope, env, produced, proof)


def _symmetry(self: Steps, step: Record, scope: Scope, env: Env) -> Node:
    sort, left, right = _sides(self, step, env)
    given = {"G": self.context(scope), **_terms(self, sort, right, left)}
    return self.db.use(f"sym{self.basis.suffixes[sort]}", given, self.premises(step, scope, env))


def _transitivity(self: Steps, step: Record, scope: Scope, env: Env) -> Node:
    sort, left, right = _sides(self, step, env)
    proofs = self.premises(step, scope, env)
    middles = [self.writer.term(self.formula_of(p)[2], env) for p in step["premises"][:-1]]
    proof, label, g = proofs[0], f"tr{self.basis.suffixes[sort]}", self.context(scope)
    for place, other in enumerate(proofs[1:]):
        end = right if place + 2 == len(proofs) else middles[place + 1]
        given = {"G": g, **_terms(self, sort, left, middles[place], end)}
        proof = self.db.use(label, given, (proof, other))
    return proof


def _arguments(
    self: Steps, step: Record, left: Json, right: Json, given: Sequence[Node], g: Node, env: Env
) -> tuple[list[Node], list[Node], list[Node]]:
    """Both sides' arguments, and a proof for each pair: those given, or reflexivity."""
    if left[:1] != right[:1] or len(left) != len(right):
        raise ExportError("different symbols")
    a = [self.writer.term(t, env) for t in left[1:]]
    b = [self.writer.term(t, env) for t in right[1:]]
    named = dict(zip(step["positions"], given, strict=True))
    return a, b, [named[n] if n in named else self.writer.reflexive(g, t) for n, t in enumerate(a)]


def _congruence(self: Steps, step: Record, scope: Scope, env: Env) -> Node:
    kind, left, right = step["conclusion"]
    if kind != "=":
        raise ExportError("no equation")
    g = self.context(scope)
    a, b, proofs = _arguments(self, step, left, right, self.premises(step, scope, env), g, env)
    firsts, seconds = self.basis.pairs(self.basis.records.functions[left[0]][0])
    given = {"G": g, **dict(zip(firsts, a, strict=True)), **dict(zip(seconds, b, strict=True))}
    return self.db.use(self.basis.congruence_of(left[0]), given, proofs)


def _replace(self: Steps, step: Record, scope: Scope, env: Env) -> Node:
    first, *rest = step["premises"]
    found, wanted = self.formula_of(first), step["conclusion"]
    if found[0] != "is" or wanted[0] != "is":
        raise ExportError("no atoms")
    g = self.context(scope)
    given = [self._at(p, scope, env) for p in rest]
    a, b, proofs = _arguments(self, step, found[1:], wanted[1:], given, g, env)
    firsts, seconds = self.basis.pairs(self.basis.records.relations[wanted[1]])
    values = {"G": g, **dict(zip(firsts, a, strict=True)), **dict(zip(seconds, b, strict=True))}
    agreement = self.db.use(self.basis.agreement_of(wanted[1]), values, proofs)
    sides = {"G": g, "ph": self.wff(found, env), "ps": self.wff(wanted, env)}
    return self.db.use("bi1", sides, (agreement, self._at(first, scope, env)))


# --- datatypes and definitions ------------------------------------------------------------


def _constructed(self: Steps, step: Record, scope: Scope, env: Env) -> tuple[Json, Json, dict[str, Node]]:
    """Both sides of the premise `c(…) = d(…)` and the values of a rule's variables."""
    kind, left, right = self.formula_of(step["premises"][0])
    if kind != "=" or isinstance(left, str) or isinstance(right, str):
        raise ExportError("no equation of constructors")
    first, second = self.basis.records.functions[left[0]][0], self.basis.records.functions[right[0]][0]
    values = {"G": self.context(scope)}
    for n, (term, sort) in enumerate(zip(left[1:], first, strict=True), 1):
        values[self.basis.term(n, sort)] = self.writer.term(term, env)
    for n, (term, sort) in enumerate(zip(right[1:], second, strict=True), len(first) + 1):
        values[self.basis.term(n, sort)] = self.writer.term(term, env)
    return left, right, values


def _injective(self: Steps, step: Record, scope: Scope, env: Env) -> Node:
    left, _, values = _constructed(self, step, scope, env)
    inputs, place = self.basis.records.functions[left[0]][0], step["position"]
    kind, a, b = step["conclusion"]
    if kind != "=":
        raise ExportError("no equation")
    values[self.basis.term(place + 1, inputs[place])] = self.writer.term(a, env)
    values[self.basis.term(len(inputs) + place + 1, inputs[place])] = self.writer.term(b, env)
    return self.db.use(self.basis.injective_of(left[0], place), values, self.premises(step, scope, env))


def _distinct(self: Steps, step: Record, scope: Scope, env: Env) -> Node:
    left, right, values = _constructed(self, step, scope, env)
    label = self.basis.distinct_of(left[0], right[0])
    proof = self.db.use(label, values, self.premises(step, scope, env))
    return self.claimed(step, scope, env, self.db.node("wf"), proof)


def _induction(self: Steps, step: Record, scope: Scope, env: Env) -> Node:
    """The statement at a fixed e agrees with the statement at each place where e has its value."""
    formula, basis = step["conclusion"], self.basis
    ((name, sort),) = formula[1]
    relation = formula[2][0][1] if formula[2] else ""
    constructors = next(c for s, r, c in basis.records.datatypes if (s, r) == (sort, relation))
    (e,) = self.fix([sort])
    x = self.writer.bound_of(formula)[0]
    fixed = basis.individual(e, sort)

    def at(term: Node) -> Node:
        return self.wff(formula[3], {**env, name: term})

    ph, whole = at(fixed), basis.individual(x, sort)
    values = {"G": self.context(scope), "ph": ph, "ps": at(whole)}
    values[basis.fixed(1, sort)] = self.db.variable(e)
    values[basis.bound(1, sort)] = self.db.variable(x)
    proofs = [self.writer.substitution(sort, fixed, whole, ph, at(whole))]
    cases = basis.places_of(sort, constructors)
    for case, ((c, inputs, own), premise) in enumerate(zip(cases, step["premises"], strict=True)):
        found = self.formula_of(premise)
        bound = self.writer.bound_of(found) if inputs else []
        ys = [basis.individual(token, s) for token, s in zip(bound, inputs, strict=True)]
        for n, (token, s) in enumerate(zip(bound, inputs, strict=True)):
            values[basis.bound(n + 2, s)] = self.db.variable(token)
        for place in reversed(own):
            values[basis.case_variable(case, place)] = at(ys[place])
            proofs.append(self.writer.substitution(sort, fixed, ys[place], ph, at(ys[place])))
        built = basis.apply("function", c, tuple(ys))
        values[basis.case_variable(case, -1)] = at(built)
        proofs.append(self.writer.substitution(sort, fixed, built, ph, at(built)))
        proofs.append(self._at(premise, scope, env))
    return self.db.use(basis.induction_of(sort, relation), values, proofs)


def _defined(self: Steps, atom: Json, other: Json, scope: Scope, env: Env) -> tuple[Node, dict[str, Node]]:
    """The agreement of an atom with its definition, and the values of `bi1` and `bi2`."""
    label, tokens, _ = self.writer.definitions[atom[1]]
    g = self.context(scope)
    values = {t: self.writer.term(a, env) for t, a in zip(tokens, atom[2:], strict=True)}
    sides = {"G": g, "ph": self.wff(atom, env), "ps": self.wff(other, env)}
    return self.db.use(label, {"G": g, **values}), sides


def _unfold(self: Steps, step: Record, scope: Scope, env: Env) -> Node:
    (given,) = step["premises"]
    agreement, sides = _defined(self, self.formula_of(given), step["conclusion"], scope, env)
    return self.db.use("bi1", sides, (agreement, self._at(given, scope, env)))


def _fold(self: Steps, step: Record, scope: Scope, env: Env) -> Node:
    (given,) = step["premises"]
    agreement, sides = _defined(self, step["conclusion"], self.formula_of(given), scope, env)
    return self.db.use("bi2", sides, (agreement, self._at(given, scope, env)))


RULES: dict[str, tuple[Rule, int | None]] = {
    "assume": (_assume, 0),
    "cite": (_cite, 0),
    "apply": (_apply, None),
    "close": (_close, None),
    "witness": (_witness, None),
    "open": (_open, None),
    "either": (_either, 1),
    "cases": (_cases, None),
    "middle": (_middle, 0),
    "absurd": (_absurd, 1),
    "reflexivity": (_reflexivity, 0),
    "symmetry": (_symmetry, 1),
    "transitivity": (_transitivity, None),
    "congruence": (_congruence, None),
    "replace": (_replace, None),
    "injective": (_injective, 1),
    "distinct": (_distinct, 1),
    "induction": (_induction, None),
    "unfold": (_unfold, 1),
    "fold": (_fold, 1),
}
"""Rules with the number of premises; None: the rule says how many."""


# --- theorems -----------------------------------------------------------------------------


def core(
    writer: ProofWriter,
    theorem: TheoremRecord,
    variables: Sequence[tuple[str, str]],
    premises: Sequence[Json],
    conclusion: Json,
    env: Env,
    hypotheses: Sequence[str],
) -> Node:
    """The proof of `( G -> conclusion )` from the hypotheses `( G -> premise )`.

    A last step that closes the proof is left out where it states the theorem: its variables are
    then variables for terms, and its assumptions the hypotheses.
    """
    g = writer.db.variable("G")
    inner = {n: writer.metavariable(n, s) for n, s in theorem.variables.items()}
    last = theorem.steps[theorem.qed]
    found = last["conclusion"]
    if last["rule"] == "close" and writer.wff(found, {}) == writer.wff(theorem.statement, {}):
        top = {**inner, **{n: env[v] for (n, _), (v, _) in zip(found[1], variables, strict=True)}}
        given = [(h, writer.wff(p, env)) for h, p in zip(hypotheses, premises, strict=True)]
        named = dict(zip(last["premises"][1:], given, strict=True))
        return Steps(writer, theorem, g, named, top).proof(last["premises"][0], (), top)
    proof = instance(writer, theorem, variables, env, g)
    for place, hypothesis in enumerate(hypotheses):
        rest = writer.implication(premises[place + 1 :], conclusion, env)
        values = {"G": g, "ph": writer.wff(premises[place], env), "ps": rest}
        proof = writer.db.use("mpd", values, (writer.db.node(hypothesis), proof))
    return proof


def instance(
    writer: ProofWriter, theorem: TheoremRecord, variables: Sequence[tuple[str, str]], env: Env, g: Node
) -> Node:
    """The proof of `( g -> ( P -> C ) )`, every step as it stands, for terms in place of the
    statement's variables."""
    inner = {n: writer.metavariable(n, s) for n, s in theorem.variables.items()}
    proof = Steps(writer, theorem, g, {}, inner).proof(theorem.qed, (), inner)
    if theorem.statement[0] != "all":
        return proof
    return writer.instantiate(theorem.statement, {}, [env[v] for v, _ in variables], g, proof)
